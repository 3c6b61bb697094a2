//! Reading history.

use chrono::{DateTime, Utc};
use stationkeeper_rules::ReservationId;
use stationkeeper_telemetry::HostName;

use crate::{Store, StoreError};

/// A heartbeat of history without its raw body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatRow {
    /// Which station.
    pub host: HostName,
    /// The station's clock.
    pub timestamp_utc: DateTime<Utc>,
    /// First PUT of this host and timestamp.
    pub first_arrived_at: DateTime<Utc>,
    /// PUT of the body that won.
    pub arrived_at: DateTime<Utc>,
    /// When it was stored.
    pub ingested_at: DateTime<Utc>,
    /// SHA-256 of the body.
    pub sha256: [u8; 32],
    /// Bytes of the body.
    pub raw_length: u64,
    /// `summary.ready`.
    pub ready: bool,
    /// `summary.state` as written.
    pub state: Option<String>,
    /// `summary.issues`.
    pub issues: Vec<String>,
    /// Somebody is logged on.
    pub local_session_active: Option<bool>,
    /// Local mode.
    pub local_mode_enabled: Option<bool>,
    /// Adapters that do not comply.
    pub nic_issue_count: Option<u64>,
    /// The emitter's verdict.
    pub sleep_compliant: Option<bool>,
    /// The emitter's verdict.
    pub hibernate_compliant: Option<bool>,
    /// Last prepare.
    pub last_prepare_at: Option<DateTime<Utc>>,
    /// It did all it was asked.
    pub last_prepare_success: Option<bool>,
    /// Last release.
    pub last_release_at: Option<DateTime<Utc>>,
    /// Last shutdown or hibernate.
    pub last_power_action_at: Option<DateTime<Utc>>,
    /// `shutdown` or `hibernate`.
    pub last_power_mode: Option<String>,
    /// Last forced logoff.
    pub last_forced_logoff_at: Option<DateTime<Utc>>,
    /// Who was logged off.
    pub last_forced_logoff_user: Option<String>,
    /// Lab Station's version.
    pub version: Option<String>,
    /// The reservation whose window holds it.
    pub reservation_id: Option<ReservationId>,
}

/// A body as received; its SHA-256 was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawHeartbeat {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// When they were put.
    pub arrived_at: DateTime<Utc>,
}

impl Store {
    /// The body that won; [`StoreError`] when the stored bytes do not give its SHA-256.
    pub async fn raw(&self, host: &HostName, timestamp_utc: DateTime<Utc>) -> Result<Option<RawHeartbeat>, StoreError> {
        let _ = (host, timestamp_utc);
        unimplemented!()
    }
    /// Other bodies of the same host and timestamp, in order of arrival.
    pub async fn raw_variants(
        &self,
        host: &HostName,
        timestamp_utc: DateTime<Utc>,
    ) -> Result<Vec<RawHeartbeat>, StoreError> {
        let _ = (host, timestamp_utc);
        unimplemented!()
    }
    /// Heartbeats of a station with from ≤ timestamp < to, in time order. The next page begins right after the last one's timestamp
    /// (+ 1 µs).
    pub async fn heartbeats(
        &self,
        host: &HostName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<HeartbeatRow>, StoreError> {
        let _ = (host, from, to, limit);
        unimplemented!()
    }
    /// How many heartbeats there are of a station, or of all.
    pub async fn count_heartbeats(&self, host: Option<&HostName>) -> Result<u64, StoreError> {
        let _ = host;
        unimplemented!()
    }
}
