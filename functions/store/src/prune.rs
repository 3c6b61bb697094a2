//! Forgetting, in small steps.

use chrono::{DateTime, Utc};

use crate::{Store, StoreError};

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows.
    pub rows: u64,
    /// There is more: call again.
    pub more: bool,
}

impl Store {
    /// Deletes at most `limit` heartbeats (and their variants) whose timestamp is before an instant.
    pub async fn prune_heartbeats(&self, before: DateTime<Utc>, limit: u32) -> Result<Pruned, StoreError> {
        let _ = (before, limit);
        unimplemented!()
    }
    /// Deletes at most `limit` each of host events, forced logoffs, sightings, state runs and resolved alerts (with their
    /// transitions) that ended before an instant.
    pub async fn prune_audit(&self, before: DateTime<Utc>, limit: u32) -> Result<Pruned, StoreError> {
        let _ = (before, limit);
        unimplemented!()
    }
    /// Deletes at most `limit` updates from before an instant.
    pub async fn prune_updates(&self, before: DateTime<Utc>, limit: u32) -> Result<Pruned, StoreError> {
        let _ = (before, limit);
        unimplemented!()
    }
    /// Forgets at most `limit` ingested objects from before the day of an instant.
    pub async fn prune_ingested_objects(&self, before: DateTime<Utc>, limit: u32) -> Result<Pruned, StoreError> {
        let _ = (before, limit);
        unimplemented!()
    }
}
