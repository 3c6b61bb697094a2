//! Handlers over a bucket in memory and a real database, each with a clock of its own.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::bucket::{Bucket, BucketError, Fetched, Listed, ObjectAddress, ObjectHead};
use stationkeeper_pipeline::clock::{Clock, SimulatedClock};
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_rules::{Reservation, StationState};
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_telemetry::{HostName, Limits};
use stationkeeper_tests::database::Database;

/// A bucket that knows the true time, as a server says it with each answer.
pub struct ClockedBucket {
    objects: Arc<MemoryBucket>,
    clock: Arc<SimulatedClock>,
}

impl Bucket for ClockedBucket {
    async fn get(&self, address: &ObjectAddress, offset: u64, limit: u64) -> Result<Fetched, BucketError> {
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

    async fn now(&self) -> Option<DateTime<Utc>> {
        Some(self.clock.now())
    }
}

/// A clock that is wrong by this much.
#[derive(Clone)]
pub struct WrongClock {
    truth: Arc<SimulatedClock>,
    off: TimeDelta,
}

impl Clock for WrongClock {
    fn now(&self) -> DateTime<Utc> {
        self.truth.now() + self.off
    }
}

/// See the module.
pub struct World {
    pub objects: Arc<MemoryBucket>,
    /// True time: arrivals are stamped by it.
    pub clock: Arc<SimulatedClock>,
    handlers: Vec<Ingest<Arc<ClockedBucket>, WrongClock>>,
    turn: usize,
}

impl World {
    /// One handler whose clock is right.
    pub async fn punctual(database: &Database, start: DateTime<Utc>) -> Self {
        Self::of(database, start, &[TimeDelta::zero()]).await
    }

    /// Handlers whose clocks are off by so much; they take turns.
    pub async fn of(database: &Database, start: DateTime<Utc>, off: &[TimeDelta]) -> Self {
        let objects = Arc::new(MemoryBucket::default());
        let clock = Arc::new(SimulatedClock::at(start));
        let bucket = Arc::new(ClockedBucket { objects: objects.clone(), clock: clock.clone() });
        let mut handlers = Vec::new();
        for off in off {
            let store = Store::open(&database.url(), StoreOptions::default()).await.unwrap();
            store.migrate().await.unwrap();
            let clock = WrongClock { truth: clock.clone(), off: *off };
            handlers.push(Ingest::new(bucket.clone(), store, clock, Limits::default(), Judging::default()));
        }
        Self { objects, clock, handlers, turn: 0 }
    }

    pub fn store(&self) -> &Store {
        self.handlers[0].store()
    }

    /// Puts a body; gives back what the bucket announces.
    pub fn put(&self, key: &str, body: Bytes, at: DateTime<Utc>) -> String {
        self.objects.put(key, body, at)
    }

    pub async fn book(&self, reservations: &[Reservation]) {
        self.handlers[0].put_reservations(reservations).await.unwrap();
    }

    /// The next handler takes a batch.
    pub async fn take(&mut self, announced: Vec<String>) {
        if announced.is_empty() {
            return;
        }
        let deliveries: Vec<_> = announced.into_iter().map(|body| Delivery { id: String::new(), body }).collect();
        let report = self.next().batch(&deliveries).await;
        assert!(report.failed.is_empty(), "{report:?}");
    }

    /// The next handler checks.
    pub async fn check(&mut self) {
        self.next().check_overdue().await.unwrap();
    }

    /// Settles forced logoffs that wait for their line.
    pub async fn settle(&mut self) {
        self.next().settle_sightings().await.unwrap();
    }

    fn next(&mut self) -> &Ingest<Arc<ClockedBucket>, WrongClock> {
        self.turn += 1;
        &self.handlers[self.turn % self.handlers.len()]
    }

    pub async fn state(&self, host: &HostName) -> Option<StationState> {
        self.store().station(host).await.unwrap().map(|station| station.state)
    }

    pub async fn close(self) {
        for handler in self.handlers {
            handler.store().close().await;
        }
    }
}
