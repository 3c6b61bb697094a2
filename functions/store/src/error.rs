//! What can go wrong between here and the database.

/// An error of the store: what was being done, and why it could not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {}

impl StoreError {
    /// It may pass by itself (locked, deadlock, connection lost, no free connection, read-only, disk full, …): try the batch later.
    pub fn is_transient(&self) -> bool {
        unimplemented!()
    }

    /// Two at once (1205, 1213, SQLITE_BUSY): repeat the whole batch now. Implies [`is_transient`](Self::is_transient).
    pub fn is_conflict(&self) -> bool {
        unimplemented!()
    }
}
