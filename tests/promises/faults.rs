//! A bucket that counts, fails and lies as a test wants.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use stationkeeper_pipeline::bucket::{Bucket, BucketError, Fetched, Listed, ObjectAddress, ObjectHead};
use stationkeeper_pipeline::memory::MemoryBucket;

/// See the module.
#[derive(Default)]
pub struct FaultyBucket {
    pub objects: Arc<MemoryBucket>,
    /// How many bodies were asked for, and how many bytes came.
    pub gets: AtomicU64,
    pub bytes: AtomicU64,
    /// Keys that cannot be reached for now.
    pub away: Mutex<BTreeSet<String>>,
    /// Every call fails.
    pub down: AtomicBool,
}

impl FaultyBucket {
    fn reach(&self, key: &str) -> Result<(), BucketError> {
        if self.down.load(Ordering::SeqCst) || self.away.lock().unwrap().contains(key) {
            return Err(BucketError::Unavailable { action: format!("get {key}"), reason: "503 SlowDown".to_owned() });
        }
        Ok(())
    }
}

impl Bucket for FaultyBucket {
    async fn get(&self, address: &ObjectAddress, offset: u64, limit: u64) -> Result<Fetched, BucketError> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.reach(&address.key)?;
        let fetched = self.objects.get(address, offset, limit).await?;
        self.bytes.fetch_add(fetched.body.len() as u64, Ordering::SeqCst);
        Ok(fetched)
    }

    async fn head(&self, key: &str) -> Result<ObjectHead, BucketError> {
        self.reach(key)?;
        self.objects.head(key).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Listed>, BucketError> {
        self.reach(prefix)?;
        self.objects.list(prefix, start_after).await
    }

    async fn copy(&self, from: &ObjectAddress, to_key: &str) -> Result<(), BucketError> {
        self.reach(&from.key)?;
        self.objects.copy(from, to_key).await
    }
}
