//! The bucket: what it holds and how it is opened and closed.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use sqlx::SqlitePool;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::credential::Credential;
use crate::database::{self, Pools};
use crate::digest;
use crate::error::BucketError;
use crate::key::ObjectKey;
use crate::notification::{Cause, Happening};
use crate::object::{Attributes, Checksums, Refusal, Stored, WriteCondition};
use crate::opening;
use crate::options::BucketOptions;
use crate::retention::{self, Sizes, Swept};
use crate::writer::{Applied, Change, Put, Writer};

/// A bucket in one SQLite file. Clones of the [`Arc`] share it; [`close`](Self::close) it before the process ends.
pub struct EmbeddedBucket {
    pub(crate) options: BucketOptions,
    /// Any number of readers, each seeing whole commits.
    pub(crate) reads: SqlitePool,
    /// One connection: the queue, credentials and sweeps take turns with the writer.
    pub(crate) writes: SqlitePool,
    pub(crate) writer: Writer,
    /// Wakes the consumer of the queue after each commit that made an event.
    pub(crate) arrived: Arc<Notify>,
    pub(crate) credentials: RwLock<HashMap<String, Credential>>,
    /// KiB of bodies that may still come into memory.
    pub(crate) room: Semaphore,
    /// The writer, and bodies that are being thrown away.
    pub(crate) tasks: TaskTracker,
    /// The file, where it was examined when it was opened: its record is kept.
    pub(crate) owned: Option<PathBuf>,
    /// Held open so that no second process opens the file; the lock ends with the handle.
    _lock: File,
}

impl EmbeddedBucket {
    /// Opens the file, making it and its folder if they are not there, and takes it for this process alone (`{path}.lock`).
    ///
    /// The first open makes the [root credential](Self::root_credential). Must be called within a tokio runtime, where the writer
    /// is started.
    ///
    /// # Errors
    /// One sentence each: the file cannot be written, another process has it, it is damaged or newer than this release.
    pub async fn open(path: &Path, options: BucketOptions) -> Result<Self, BucketError> {
        let lock = database::lock(path)?;
        Self::open_locked(path, options, lock).await
    }

    /// The file is ours alone.
    pub(crate) async fn open_locked(path: &Path, options: BucketOptions, lock: File) -> Result<Self, BucketError> {
        if !s3s::path::check_bucket_name(&options.name) {
            return Err(BucketError::BadName(options.name));
        }
        let Pools { reads, writes } = database::open(path, &options).await?;
        opening::settle(&writes, &options).await?;
        let credentials = database::load_credentials(&writes).await?;
        let arrived = Arc::new(Notify::new());
        let tasks = TaskTracker::new();
        let writer = Writer::start(writes.clone(), &options, Arc::clone(&arrived), &tasks).await?;
        let bucket = Self {
            room: Semaphore::new((options.limits.bodies_bytes >> 10).max((options.max_object_bytes >> 10) + 1)),
            options,
            reads,
            writes,
            writer,
            arrived,
            credentials: RwLock::new(credentials),
            tasks,
            owned: None,
            _lock: lock,
        };
        bucket.root_credential().await?;
        Ok(bucket)
    }

    /// Nobody has the file at `path` now; a file that is not there is nobody's.
    ///
    /// # Errors
    /// [`BucketError::Locked`] when another process has it, or it cannot be looked at.
    pub fn nobody_has(path: &Path) -> Result<(), BucketError> {
        if path.exists() { database::lock(path).map(drop) } else { Ok(()) }
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Now, by the bucket's clock, in whole microseconds (as stored).
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.options.clock)().trunc_subsecs(6)
    }

    /// Puts an object without going through HTTP: same transaction, same event. The inner error says why a condition
    /// refused it; the size is the caller's to bound.
    ///
    /// # Errors
    /// The file could not be written; nothing changed.
    pub async fn put(
        &self,
        key: &ObjectKey,
        body: Bytes,
        attributes: Attributes,
        condition: WriteCondition,
    ) -> Result<Result<Stored, Refusal>, BucketError> {
        let checksums = Checksums { crc64nvme: Some(digest::crc64nvme(&body)), ..Checksums::default() };
        let happening = Happening::internal(Cause::Put);
        self.commit_put(key.clone(), body, checksums, attributes, condition, happening).await
    }

    /// The one way in for bodies.
    pub(crate) async fn commit_put(
        &self,
        key: ObjectKey,
        body: Bytes,
        checksums: Checksums,
        attributes: Attributes,
        condition: WriteCondition,
        happening: Happening,
    ) -> Result<Result<Stored, Refusal>, BucketError> {
        let etag = digest::md5_hex(&body);
        let put = Put { key, body, etag, checksums, attributes, condition, happening };
        match self.writer.apply(Change::Put(Box::new(put))).await? {
            Applied::Stored(stored) => Ok(Ok(stored)),
            Applied::Refused(refusal) => Ok(Err(refusal)),
            // A put is answered by one of the two above.
            Applied::Deleted { .. } => Err(BucketError::Closed),
        }
    }

    /// Removes versions that are no longer the newest of their key, were ingested, and were put more than
    /// [`keep`](BucketOptions::keep) before `now`; delete markers likewise, with the last version that they hide. Works in small transactions.
    ///
    /// # Errors
    /// The file could not be written; what was removed so far stays removed.
    pub async fn sweep(&self, now: DateTime<Utc>) -> Result<Swept, BucketError> {
        retention::sweep(&self.writes, self.options.keep, now).await
    }

    /// How much the bucket holds.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn sizes(&self) -> Result<Sizes, BucketError> {
        retention::sizes(&self.reads).await
    }

    /// Whether the file can be read and written now (for `/health`): reads, and takes the write lock for a moment. After a change
    /// that could not be committed it commits one of no consequence, to learn whether the file takes changes again.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn check(&self) -> Result<(), BucketError> {
        let failing = self.writer.is_failing();
        database::check(&self.reads, &self.writes, failing).await?;
        if failing {
            self.writer.takes_changes_again();
        }
        Ok(())
    }

    /// How many changes could not be committed because the file is damaged: whoever can set it aside waits for this to grow.
    pub fn damage(&self) -> watch::Receiver<u64> {
        self.writer.damage()
    }

    /// Ends the connections, folds the write-ahead log into the file, and remembers that it was closed in order. Later calls fail with [`BucketError::Closed`].
    pub async fn close(&self) {
        self.reads.close().await;
        self.writes.close().await;
        if let Some(path) = &self.owned
            && let Err(error) = stationkeeper_sqlite_file::closed(path)
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "the bucket is examined when it is opened again");
        }
    }
}

impl fmt::Debug for EmbeddedBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBucket").field("options", &self.options).finish_non_exhaustive()
    }
}
