//! A bucket that counts, fails and lies as a test wants.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use stationkeeper_pipeline::bucket::{
    Bucket, BucketError, Fetched, ListVersions, Listed, ObjectAddress, ObjectHead, VersionMarker, VersionPage,
};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_store::faults::{Answer, FaultPlan};

/// See the module.
#[derive(Debug, Default)]
pub struct FaultyBucket<B = MemoryBucket> {
    /// What is behind it.
    pub objects: Arc<B>,
    /// How many bodies were asked for.
    pub gets: AtomicU64,
    /// How many bytes came.
    pub bytes: AtomicU64,
    /// Keys that cannot be reached for now.
    pub away: Mutex<BTreeSet<String>>,
    /// Every call fails.
    pub down: AtomicBool,
    /// Which call fails, counted together with those of whoever else asks this plan.
    pub plan: Arc<FaultPlan>,
}

/// Says the same whatever was asked, since a cause repeats it.
fn unavailable() -> BucketError {
    BucketError::Unavailable { action: "reach the bucket".to_owned(), reason: "503 SlowDown".to_owned() }
}

fn denied() -> BucketError {
    BucketError::Denied { action: "reach it".to_owned(), code: "AccessDenied".to_owned() }
}

impl<B: Bucket> FaultyBucket<B> {
    /// In front of `objects`, nothing wrong with it but what the plan says.
    pub fn planned(objects: Arc<B>, plan: Arc<FaultPlan>) -> Self {
        Self {
            objects,
            gets: AtomicU64::default(),
            bytes: AtomicU64::default(),
            away: Mutex::default(),
            down: AtomicBool::default(),
            plan,
        }
    }

    async fn call<T>(
        &self,
        what: &str,
        key: &str,
        call: impl Future<Output = Result<T, BucketError>> + Send,
    ) -> Result<T, BucketError> {
        if self.down.load(Ordering::SeqCst) || self.away.lock().expect("no panic holds it").contains(key) {
            return Err(unavailable());
        }
        match self.plan.ask(what) {
            Answer::Go => call.await,
            Answer::Fail => Err(unavailable()),
            Answer::Refuse => Err(denied()),
            Answer::LoseReply => {
                call.await?;
                Err(unavailable())
            }
        }
    }
}

impl<B: Bucket> Bucket for FaultyBucket<B> {
    async fn get(&self, address: &ObjectAddress, offset: u64, limit: u64) -> Result<Fetched, BucketError> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        let fetched = self.call("get an object", &address.key, self.objects.get(address, offset, limit)).await?;
        self.bytes.fetch_add(fetched.body.len() as u64, Ordering::SeqCst);
        Ok(fetched)
    }

    async fn head(&self, key: &str) -> Result<ObjectHead, BucketError> {
        self.call("look at an object", key, self.objects.head(key)).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Listed>, BucketError> {
        self.call("list objects", prefix, self.objects.list(prefix, start_after)).await
    }

    async fn copy(&self, from: &ObjectAddress, to_key: &str) -> Result<(), BucketError> {
        self.call("copy an object", &from.key, self.objects.copy(from, to_key)).await
    }
}

impl<B: ListVersions> ListVersions for FaultyBucket<B> {
    async fn folders(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, BucketError> {
        self.call("list folders", prefix, self.objects.folders(prefix, after)).await
    }

    async fn versions_below(&self, prefix: &str, after: Option<&VersionMarker>) -> Result<VersionPage, BucketError> {
        self.call("list versions", prefix, self.objects.versions_below(prefix, after)).await
    }
}
