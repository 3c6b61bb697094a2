//! Signatures.
use chrono::{DateTime, Utc};

use crate::{HostName, Limits, Rejection, Snapshot};

/// A heartbeat; its host must be that of the key, if there is one.
///
/// # Errors
/// Every reason but [`Reason::TornTail`](crate::Reason::TornTail).
pub fn normalize_heartbeat(
    _bytes: &[u8],
    _key_host: Option<&HostName>,
    _arrived_at: DateTime<Utc>,
    _limits: &Limits,
) -> Result<Snapshot, Rejection> {
    unimplemented!()
}

/// A `status.json`, which does not say whose it is: the host is that of the key.
///
/// # Errors
/// As [`normalize_heartbeat`].
pub fn normalize_status(
    _bytes: &[u8],
    _host: &HostName,
    _arrived_at: DateTime<Utc>,
    _limits: &Limits,
) -> Result<Snapshot, Rejection> {
    unimplemented!()
}
