//! What a bucket is opened with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Where the time comes from; a test gives its own.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The clock of the computer, and the only place of this crate that reads it.
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
pub fn system_clock() -> Clock {
    Arc::new(Utc::now)
}

/// How much a power cut may take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing that was answered with 200 (SQLite `synchronous = FULL`: one fsync a commit).
    #[default]
    Full,
    /// The last commits, whole transactions only; the file stays sound (SQLite `synchronous = NORMAL`).
    Normal,
}

/// Limits that keep a slow or greedy client from taking the endpoint away from the others.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// Connections open at once; further ones wait in the listener's backlog.
    pub connections: usize,
    /// How long a client may take for a request's head, and how long an idle connection stays open.
    pub head: Duration,
    /// How long a client may take for a request's body.
    pub body: Duration,
    /// How long requests in flight may go on after the shutdown began.
    pub grace: Duration,
    /// Bytes of bodies held in memory at once, over all connections; a PUT beyond waits, then gets 503 `SlowDown`.
    pub bodies_bytes: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(30),
            body: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            bodies_bytes: 64 << 20,
        }
    }
}

/// What a bucket is opened with.
#[derive(Clone)]
pub struct BucketOptions {
    /// The bucket's name, by the rules of S3: 3 to 63 of `a-z`, `0-9`, `-` and `.`.
    pub name: String,
    /// The region it names itself in events and answers. Signatures of any region are accepted.
    pub region: String,
    /// The largest object in bytes (`max_object_bytes`, 4 MiB).
    pub max_object_bytes: usize,
    /// How long a version that is no longer the newest stays after its PUT, once it was ingested (7 days).
    pub keep: Duration,
    /// What a power cut may take back.
    pub durability: Durability,
    /// How long a statement waits for a lock that another process holds on the file.
    pub busy: Duration,
    /// Limits of the endpoint.
    pub limits: ServeLimits,
    /// Where the time comes from. Signatures are checked against the computer's clock, by s3s.
    pub clock: Clock,
}

impl Default for BucketOptions {
    fn default() -> Self {
        Self {
            name: "stationkeeper".to_owned(),
            region: "us-east-1".to_owned(),
            max_object_bytes: 4 << 20,
            keep: Duration::from_secs(7 * 24 * 3600),
            durability: Durability::Full,
            busy: Duration::from_secs(5),
            limits: ServeLimits::default(),
            clock: system_clock(),
        }
    }
}

impl fmt::Debug for BucketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketOptions")
            .field("name", &self.name)
            .field("region", &self.region)
            .field("max_object_bytes", &self.max_object_bytes)
            .field("keep", &self.keep)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}
