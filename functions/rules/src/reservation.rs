//! Reservations, as far as rules and links need them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_telemetry::HostName;

/// The id that the booking system gave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReservationId(pub String);

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReservationStatus {
    /// To come.
    Confirmed,
    /// Running.
    Active,
    /// Over.
    Completed,
    /// Will not happen.
    Cancelled,
}

impl ReservationStatus {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Confirmed, Self::Active, Self::Completed, Self::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}

impl Reservation {
    /// It takes place, or did, as far as anybody said.
    pub const fn stands(&self) -> bool {
        matches!(self.status, ReservationStatus::Confirmed | ReservationStatus::Active)
    }

    /// It stands and is not over.
    pub fn is_to_come(&self, now: DateTime<Utc>) -> bool {
        self.stands() && now < self.end_at
    }
}

/// Who uses which station when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The booking system's.
    pub id: ReservationId,
    /// Of this lab.
    pub lab: Option<String>,
    /// On this station.
    pub host: HostName,
    /// First instant of it.
    pub start_at: DateTime<Utc>,
    /// First instant after it.
    pub end_at: DateTime<Utc>,
    /// Where it stands.
    pub status: ReservationStatus,
    /// Who booked it.
    pub who: Option<String>,
}
