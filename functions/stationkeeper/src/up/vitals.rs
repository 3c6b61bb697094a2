//! What `up` observes of itself, for `/health`.

use chrono::{DateTime, Utc};

/// What the loops have seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Why the last delivery failed that did.
    pub ingest_error: Option<String>,
    /// Why the queue cannot be read.
    pub queue_error: Option<String>,
    /// When stations were last checked.
    pub checked_at: Option<DateTime<Utc>>,
    /// Why not since.
    pub check_error: Option<String>,
}
