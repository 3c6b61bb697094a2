//! What only the process that runs the parts can know of them.

use chrono::{DateTime, Utc};
use stationkeeper_store::OutboxSize;

/// Published by the binary every second through a watch channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// When this was looked at.
    pub updated_at: DateTime<Utc>,
    /// Why the bucket did not answer the last look, or did not give an object; none: it did.
    pub bucket_problem: Option<String>,
    /// Why the database did not take what was written; none: it did.
    pub database_problem: Option<String>,
    /// Why the queue cannot be worked off; none: it can.
    pub queue_problem: Option<String>,
    /// Names of files that were set aside because they were damaged, and still lie beside those in use.
    pub set_aside: Vec<String>,
    /// What is owed to people; none: it could not be counted, or nobody delivers here.
    pub outbox: Option<OutboxSize>,
    /// The queue of bucket events; none: it is not ours to look into.
    pub queue: Option<QueueVitals>,
}

impl Vitals {
    /// Before the first look, which comes within a second: nothing is wrong yet.
    pub fn unseen(now: DateTime<Utc>) -> Self {
        Self {
            updated_at: now,
            bucket_problem: None,
            database_problem: None,
            queue_problem: None,
            set_aside: Vec::new(),
            outbox: None,
            queue: None,
        }
    }
}

/// How far the ingest is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueVitals {
    /// Deliveries that wait.
    pub depth: u64,
    /// When the oldest of them came.
    pub oldest_at: Option<DateTime<Utc>>,
    /// Deliveries that failed too often and lie apart, until somebody brings them back.
    pub dead_letters: u64,
}
