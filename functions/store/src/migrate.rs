//! The schema and its steps.

use crate::{Store, StoreError};

/// A step of the schema that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub description: String,
}

impl Store {
    /// Brings the schema up to date, inserts the shipped dictionary where it is absent, and says which steps ran now (none: it was
    /// up to date). Safe to run by several at once.
    pub async fn migrate(&self) -> Result<Vec<AppliedMigration>, StoreError> {
        unimplemented!()
    }

    /// Steps that [`migrate`](Self::migrate) would run.
    pub async fn pending_migrations(&self) -> Result<Vec<AppliedMigration>, StoreError> {
        unimplemented!()
    }
}
