//! An object that was read: normalized, or rejected with its reason.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use stationkeeper_rules::{ClockReading, Upload};
use stationkeeper_telemetry::{
    HostName, Limits, ObjectKind, Reason, Rejection, ServiceState, Snapshot, misdated_timestamp, normalize_heartbeat,
    normalize_service_state, normalize_status,
};

/// A heartbeat, ready for history.
#[derive(Debug, Clone)]
pub struct HeartbeatDocument {
    /// What it says.
    pub snapshot: Snapshot,
    /// Byte for byte as received.
    pub raw: Bytes,
    /// Of `raw`.
    pub sha256: [u8; 32],
    /// When it was put.
    pub arrived_at: DateTime<Utc>,
    /// Put as the station's newest (`heartbeat.json`), not from a spool.
    pub at_once: bool,
}

/// What an object turned out to be.
#[derive(Debug, Clone)]
pub enum Document {
    /// History, and perhaps the latest state.
    Heartbeat(Arc<HeartbeatDocument>),
    /// Shown "as of".
    Status {
        /// What it says.
        snapshot: Box<Snapshot>,
        /// When it was put.
        arrived_at: DateTime<Utc>,
    },
    /// Operations with their spellings.
    ServiceState {
        /// What it says.
        service_state: Box<ServiceState>,
        /// When it was put.
        arrived_at: DateTime<Utc>,
    },
    /// A heartbeat that is put aside for its date alone: the station talks, and this is what its clock says.
    Misdated(ClockReading),
    /// Put aside: nobody can read it.
    Unreadable(Upload),
    /// The trail of forced logoffs was read; its lines go their own way.
    Trail {
        /// When it was put.
        arrived_at: DateTime<Utc>,
    },
    /// Of no use yet: counted, nothing else.
    Beacon,
}

/// Normalizes an object by what its key says it is. The trail is not read here: it is read by ranges (`trail`).
pub fn normalize(
    kind: ObjectKind,
    host: &HostName,
    key: &str,
    body: Bytes,
    arrived_at: DateTime<Utc>,
    limits: &Limits,
) -> Result<Document, Rejection> {
    Ok(match kind {
        ObjectKind::Heartbeat => {
            let snapshot = normalize_heartbeat(&body, Some(host), arrived_at, limits)?;
            Document::Heartbeat(Arc::new(HeartbeatDocument {
                snapshot,
                sha256: Sha256::digest(&body).into(),
                raw: body,
                arrived_at,
                at_once: is_newest(key),
            }))
        }
        ObjectKind::Status => {
            Document::Status { snapshot: Box::new(normalize_status(&body, host, arrived_at, limits)?), arrived_at }
        }
        ObjectKind::ServiceState => {
            Document::ServiceState { service_state: Box::new(normalize_service_state(&body, limits)?), arrived_at }
        }
        ObjectKind::Events | ObjectKind::Uplink => Document::Beacon,
    })
}

/// What the station's clock said in a `heartbeat.json` that was rejected for its date alone.
pub fn misdated(
    key: &str,
    body: &[u8],
    arrived_at: DateTime<Utc>,
    rejection: &Rejection,
    limits: &Limits,
) -> Option<ClockReading> {
    if rejection.reason != Reason::TimestampOutOfRange || !is_newest(key) {
        return None;
    }
    let timestamp = misdated_timestamp(body, limits)?;
    Some(ClockReading { timestamp, in_range: false, arrived_at })
}

/// Put as the station's newest, not from a spool.
fn is_newest(key: &str) -> bool {
    key.ends_with("/heartbeat.json")
}
