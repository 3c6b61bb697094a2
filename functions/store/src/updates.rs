//! What changed, a row with each commit (`updates`); kept for an hour.

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::HostName;

use crate::{Store, StoreError};

/// Something that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct NewUpdate {
    /// When.
    pub at: DateTime<Utc>,
    /// What kind of change, such as `station` or `alert`.
    pub kind: String,
    /// Of which station, if of one.
    pub host: Option<HostName>,
    /// What whoever listens is told.
    pub payload: serde_json::Value,
}

/// Something that changed, as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Counted up; commits may appear out of order, so read with an overlap.
    pub sequence: u64,
    /// What.
    pub update: NewUpdate,
}

/// Updates in a unit of work.
#[derive(Debug)]
pub struct Updates<'t>(std::marker::PhantomData<&'t mut ()>);

impl Updates<'_> {
    /// Appends.
    pub async fn append(&mut self, updates: &[NewUpdate]) -> Result<(), StoreError> {
        let _ = updates;
        unimplemented!()
    }
}

impl Store {
    /// Updates after a sequence, in order.
    pub async fn updates_after(&self, sequence: u64, limit: u32) -> Result<Vec<Update>, StoreError> {
        let _ = (sequence, limit);
        unimplemented!()
    }
    /// The greatest sequence so far; 0 when there is none.
    pub async fn last_update(&self) -> Result<u64, StoreError> {
        unimplemented!()
    }
}
