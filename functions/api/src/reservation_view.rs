//! A reservation by itself.

use serde::{Deserialize, Serialize};
use stationkeeper_rules::ReservationStatus;

use crate::Instant;

/// A reservation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReservationRecordView {
    /// The booking system's.
    pub id: String,
    /// Of this lab.
    pub lab: Option<String>,
    /// On this station.
    pub host: String,
    /// First instant of it.
    pub start_at: Instant,
    /// First instant after it.
    pub end_at: Instant,
    /// Where it stands.
    pub status: ReservationStatus,
    /// Who booked it.
    pub who: Option<String>,
}
