//! Is the database there, what time is it there, how large is it.

use chrono::{DateTime, Utc};

use crate::{Store, StoreError};

/// What a table takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSize {
    /// Its name.
    pub table: String,
    /// Bytes of the table and its indexes.
    pub bytes: u64,
}

impl Store {
    /// The database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// The database's clock: leases use it.
    pub async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        unimplemented!()
    }
    /// What every table takes (MySQL: an estimate of the server's), largest first.
    pub async fn sizes(&self) -> Result<Vec<TableSize>, StoreError> {
        unimplemented!()
    }
}
