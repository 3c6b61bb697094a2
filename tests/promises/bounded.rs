//! DESIGN.md section 4.5 and 4.7: bounded, and no dearer with time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use stationkeeper_pipeline::bucket::{Bucket, BucketError, Fetched, Listed, ObjectAddress, ObjectHead};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_store::Store;
use stationkeeper_tests::faults::FaultyBucket;

use crate::lab::{Lab, altered, at, newest, ready};

async fn counted() -> Lab<FaultyBucket> {
    let objects = Arc::new(MemoryBucket::default());
    let bucket = Arc::new(FaultyBucket { objects: objects.clone(), ..FaultyBucket::default() });
    Lab::over(objects, bucket, "10:00:00").await
}

// Promise 5.1
#[tokio::test]
async fn thirty_megabytes_are_refused_by_their_size_without_one_get() {
    let lab = counted().await;
    for file in ["heartbeat.json", "status.json", "service-state.ini", "session-guard-events.jsonl"] {
        let key = format!("stations/LAB-01/{file}");
        let announced = lab.put(&key, vec![b' '; 30 << 20], at("10:00:00"));
        lab.take(&[announced]).await;
        let row = lab.quarantined().await.into_iter().find(|row| row.object.key == key).unwrap();
        assert_eq!((row.reason.as_str(), row.size), ("too_large", 30 << 20), "{file}");
    }
    assert_eq!(lab.bucket.gets.load(Ordering::SeqCst), 0);
}

// Promise 5.2
#[tokio::test]
async fn a_lying_size_stops_at_the_limit() {
    let lab = counted().await;
    let announced = lab.put(&newest("LAB-01"), vec![b' '; 30 << 20], at("10:00:00"));
    for (shows, size) in [("says 100 bytes", 100.into()), ("says nothing", serde_json::Value::Null)] {
        let without_version = altered(&altered(&announced, "size", size), "versionId", serde_json::Value::Null);
        lab.take(&[without_version]).await;
        assert_eq!(lab.bucket.bytes.load(Ordering::SeqCst), 0, "{shows}: not a byte of it came");
    }
    let rows = lab.quarantined().await;
    assert!(rows.iter().all(|row| row.reason == "too_large"), "{rows:?}");
    assert!(!rows.is_empty());
    let good = lab.put_newest("LAB-02", ready("LAB-02", at("10:00:00")), at("10:00:01"));
    lab.take(&[good]).await;
}

/// A bucket that knows how many of the objects that it gave are not yet rows.
struct Watched {
    objects: Arc<MemoryBucket>,
    store: OnceLock<Store>,
    given: AtomicU64,
    most_held: AtomicU64,
}

impl Bucket for Watched {
    async fn get(&self, address: &ObjectAddress, offset: u64, limit: u64) -> Result<Fetched, BucketError> {
        let given = self.given.fetch_add(1, Ordering::SeqCst) + 1;
        let committed = self.store.get().unwrap().count_heartbeats(None).await.unwrap();
        self.most_held.fetch_max(given - committed, Ordering::SeqCst);
        self.objects.get(address, offset, limit).await
    }

    async fn head(&self, key: &str) -> Result<ObjectHead, BucketError> {
        self.objects.head(key).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Listed>, BucketError> {
        self.objects.list(prefix, start_after).await
    }

    async fn copy(&self, from: &ObjectAddress, to_key: &str) -> Result<(), BucketError> {
        self.objects.copy(from, to_key).await
    }
}

// Promise 5.4
#[tokio::test]
async fn a_batch_of_the_largest_objects_holds_64_mib_at_once() {
    let objects = Arc::new(MemoryBucket::default());
    let bucket = Arc::new(Watched {
        objects: objects.clone(),
        store: OnceLock::new(),
        given: AtomicU64::new(0),
        most_held: AtomicU64::new(0),
    });
    let lab = Lab::over(objects, bucket, "10:00:00").await;
    lab.bucket.store.set(lab.store.clone()).unwrap();
    let announced: Vec<_> = (0..40)
        .map(|number| {
            let name = format!("LAB-{number:02}");
            let mut body = ready(&name, at("10:00:00"));
            body.resize(4 << 20, b' ');
            lab.put_newest(&name, body, at("10:00:00"))
        })
        .collect();
    assert_eq!(lab.take(&announced).await.tally.advanced, 40);
    assert_eq!(lab.bucket.most_held.load(Ordering::SeqCst), 16, "16 of 4 MiB each, then a commit");
}

// Promise 5.3
#[tokio::test]
async fn deeper_than_64_is_too_deep() {
    let lab = counted().await;
    for (depth, reason) in [(62, None), (100, Some("too_deep")), (100_000, Some("too_deep"))] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let time = at("10:00:00");
        let text = String::from_utf8(ready("LAB-01", time)).unwrap();
        let body = text.replacen('{', &format!("{{\"a_lot\":{nested},"), 1);
        let announced = lab.put(&newest("LAB-01"), body.into_bytes(), time);
        let before = lab.quarantined().await.len();
        lab.take(&[announced]).await;
        let rows = lab.quarantined().await;
        match reason {
            None => assert_eq!(rows.len(), before, "{depth}: {rows:?}"),
            Some(reason) => {
                assert_eq!(rows.len(), before + 1, "{depth}");
                assert!(rows.iter().all(|row| row.reason == reason), "{depth}: {rows:?}");
            }
        }
    }
}

// Promise 7.2
#[tokio::test]
async fn the_overdue_check_touches_only_stations_that_are_due() {
    let lab = counted().await;
    for number in 1..=30 {
        lab.beat(&format!("LAB-{number:02}"), "10:00:00").await;
    }
    lab.ingest.check_overdue().await.unwrap();
    lab.clock.advance_to(at("10:00:10"));
    let gets = lab.bucket.gets.load(Ordering::SeqCst);
    let idle = lab.ingest.check_overdue().await.unwrap();
    assert_eq!((idle.due, idle.looked, idle.transitions), (0, 0, 0));
    for number in 1..=29 {
        lab.beat(&format!("LAB-{number:02}"), "10:02:55").await;
    }
    lab.clock.advance_to(at("10:03:01"));
    let before = lab.bucket.gets.load(Ordering::SeqCst);
    assert_eq!(before, gets + 29);
    let report = lab.ingest.check_overdue().await.unwrap();
    assert_eq!((report.due, report.looked, report.transitions), (1, 1, 1), "LAB-30 alone is silent: {report:?}");
}
