//! Opening a store.

use std::path::Path;
use std::time::Duration;

use crate::{StoreError, Transaction};

/// When SQLite waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// At checkpoints: a power cut may lose the last commits, never more, and never breaks the file.
    #[default]
    Normal,
    /// At every commit.
    Full,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Most connections at once (SQLite: readers; there is one writer besides). Default 8.
    pub connections: u32,
    /// How long a unit of work waits for a connection. Default 10 s.
    pub acquire_timeout: Duration,
    /// How long a statement waits for a lock. Default 5 s.
    pub lock_timeout: Duration,
    /// SQLite only. Default [`Synchronous::Normal`].
    pub synchronous: Synchronous,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            connections: 8,
            acquire_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            synchronous: Synchronous::Normal,
        }
    }
}

/// The database. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
    /// Opens the database of `url`: `sqlite:PATH[?…]` or `mysql://USER:PASSWORD@HOST[:PORT]/DATABASE[?…]`. Connects at once, so
    /// that what is wrong is said here, in one sentence and without the password. Does not migrate.
    pub async fn open(url: &str, options: StoreOptions) -> Result<Self, StoreError> {
        let _ = (url, options);
        unimplemented!()
    }

    /// Opens (or makes) the SQLite file at `path`. Its folder must exist.
    #[cfg(feature = "sqlite")]
    pub async fn sqlite(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let _ = (path, options);
        unimplemented!()
    }

    /// What this store is, for a person: `SQLite PATH` or `MySQL USER@HOST:PORT/DATABASE`; no secret in it.
    pub fn describe(&self) -> &str {
        unimplemented!()
    }

    /// Begins a unit of work. SQLite: `begin immediate`, the only writer of this process. MySQL: read committed.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        unimplemented!()
    }

    /// Closes all connections; waits until those in use are back.
    pub async fn close(&self) {
        unimplemented!()
    }
}
