//! Where the objects of a bench lie: in memory, or behind an S3 endpoint.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use stationkeeper_pipeline::QUARANTINE;
use stationkeeper_pipeline::bucket::Bucket;
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::s3::S3Bucket;
use stationkeeper_telemetry::{ObjectKey, ObjectKind};

use crate::bench::Beat;
use crate::failure::{Exit, Failure, chain};

/// PUTs in flight at once.
const CONCURRENCY: usize = 16;

/// A place for objects, and the bucket by which a handler reads them.
pub trait Shelf {
    /// What the handler reads by.
    type Bucket: Bucket;

    /// Puts heartbeats and gives back what the bucket announces of each, in their order.
    fn fill(&self, beats: &[Beat]) -> impl Future<Output = Result<Vec<String>, Failure>>;

    /// Whatever was put so far is not read any more.
    fn forget(&self);
}

/// Objects in the memory of this process.
#[derive(Debug, Clone)]
pub struct MemoryShelf(pub Arc<MemoryBucket>);

impl Default for MemoryShelf {
    /// An empty one whose versions no earlier bench has named: its database may be the same.
    fn default() -> Self {
        let now = u64::try_from(crate::place::now().timestamp_micros()).unwrap_or_default();
        Self(Arc::new(MemoryBucket::numbered_after(now)))
    }
}

impl Shelf for MemoryShelf {
    type Bucket = Arc<MemoryBucket>;

    async fn fill(&self, beats: &[Beat]) -> Result<Vec<String>, Failure> {
        Ok(beats.iter().map(|beat| self.0.put(&key(beat), beat.body.clone(), beat.at)).collect())
    }

    fn forget(&self) {
        self.0.forget_history();
        self.0.forget_below(QUARANTINE);
    }
}

/// Objects behind an S3 endpoint.
#[derive(Debug, Clone)]
pub struct RemoteShelf(pub S3Bucket);

impl Shelf for RemoteShelf {
    type Bucket = S3Bucket;

    async fn fill(&self, beats: &[Beat]) -> Result<Vec<String>, Failure> {
        stream::iter(beats.iter().map(|beat| self.put(beat))).buffered(CONCURRENCY).try_collect().await
    }

    fn forget(&self) {}
}

impl RemoteShelf {
    async fn put(&self, beat: &Beat) -> Result<String, Failure> {
        let key = key(beat);
        let stored = self
            .0
            .client()
            .put_object()
            .bucket(self.0.name())
            .key(&key)
            .body(beat.body.clone().into())
            .send()
            .await
            .map_err(|error| Failure::new(Exit::Unavailable, format!("cannot put {key}: {}", chain(&error))))?;
        // As S3 announces it, but at the heartbeat's own time.
        Ok(serde_json::json!({ "Records": [{
            "eventName": "ObjectCreated:Put",
            "eventTime": beat.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            "s3": { "object": { "key": key, "size": beat.body.len(), "versionId": stored.version_id() } },
        }] })
        .to_string())
    }
}

fn key(beat: &Beat) -> String {
    ObjectKey::latest(&beat.host, ObjectKind::Heartbeat).into_string()
}
