//! What is kept for whoever settles a dispute: forced logoffs and unreadable uploads.

use serde::{Deserialize, Serialize};
use stationkeeper_rules::FoundIn;
use stationkeeper_telemetry::HostName;

use crate::Instant;

/// A forced logoff with the trail that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ForcedLogoffView {
    /// The station.
    pub host: HostName,
    /// When, by the station's clock.
    pub timestamp_utc: Instant,
    /// Who was logged off.
    pub user: Option<String>,
    /// Windows session number.
    pub session_id: Option<i64>,
    /// Tells equal ones of one second apart, from 0.
    pub occurrence: u32,
    /// Seconds of warning.
    pub grace: Option<i64>,
    /// What the user was told.
    pub message: Option<String>,
    /// Logged off without asking; null where only the heartbeat knows of it.
    pub force: Option<bool>,
    /// Who ordered it.
    pub source: Option<String>,
    /// The reservation that it made room for.
    pub reservation_id: Option<String>,
    /// The best source that knows it.
    pub found_in: FoundIn,
}

/// An upload that can never be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuarantinedObjectView {
    /// Where it was put.
    pub key: String,
    /// The version in the bucket, or what stands for it; empty where the bucket has none.
    pub version: String,
    /// The station whose prefix it was put below, if it is one.
    pub host: Option<HostName>,
    /// From the closed list.
    pub reason: String,
    /// Where in it, and what.
    pub detail: String,
    /// As the bucket says.
    pub size_bytes: u64,
    /// The first bytes in hexadecimal, to be looked at and never rendered.
    pub first_bytes_hex: String,
    /// When it was put.
    pub arrived_at: Instant,
    /// When it was put aside.
    pub quarantined_at: Instant,
    /// Where it lies now; null: too large to be copied, it lies where it was.
    pub quarantine_key: Option<String>,
}
