//! A lab for one test: real ingest, real check, real database. It hides wiring, never meaning.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::bucket::Bucket;
use stationkeeper_pipeline::clock::SimulatedClock;
use stationkeeper_pipeline::ingest::{BatchReport, Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_rules::{Alert, Rule, StationState, Transition};
use stationkeeper_simulator::HeartbeatBuilder;
use stationkeeper_store::{AlertFilter, HeartbeatRow, QuarantinedObject, Store, StoreOptions};
use stationkeeper_telemetry::{HostName, Limits, ObjectKey, ObjectKind};
use tempfile::TempDir;

/// `10:03:01` of the day that all tests play on.
pub fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-24T{time}Z").parse().unwrap()
}

pub fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

/// `stations/HOST/heartbeat.json`.
pub fn newest(name: &str) -> String {
    ObjectKey::latest(&host(name), ObjectKind::Heartbeat).into_string()
}

/// `stations/HOST/heartbeat/….json`.
pub fn spooled(name: &str, at: DateTime<Utc>) -> String {
    ObjectKey::heartbeat_at(&host(name), at).into_string()
}

/// A ready heartbeat.
pub fn ready(name: &str, at: DateTime<Utc>) -> Vec<u8> {
    HeartbeatBuilder::new(name, at).bytes()
}

/// An unready one.
pub fn unready(name: &str, at: DateTime<Utc>) -> Vec<u8> {
    HeartbeatBuilder::new(name, at).unready(["Sleep timeout is not disabled"]).bytes()
}

pub type Handler<B> = Ingest<Arc<B>, Arc<SimulatedClock>>;

/// See the module.
pub struct Lab<B = MemoryBucket> {
    /// What stations put their files into.
    pub objects: Arc<MemoryBucket>,
    /// What the handlers see of it.
    pub bucket: Arc<B>,
    pub clock: Arc<SimulatedClock>,
    pub store: Store,
    pub ingest: Handler<B>,
    pub folder: TempDir,
}

impl Lab {
    /// An empty lab at this time of day.
    pub async fn starting_at(time: &str) -> Self {
        let objects = Arc::new(MemoryBucket::default());
        Self::over(objects.clone(), objects, time).await
    }
}

impl<B: Bucket> Lab<B> {
    /// A lab whose handlers see `objects` through `bucket`.
    pub async fn over(objects: Arc<MemoryBucket>, bucket: Arc<B>, time: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::sqlite(&folder.path().join("lab.sqlite"), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let clock = Arc::new(SimulatedClock::at(at(time)));
        let ingest = handler(bucket.clone(), store.clone(), clock.clone());
        Self { objects, bucket, clock, store, ingest, folder }
    }

    /// A second handler over the same parts, as a second process has it.
    pub async fn another_handler(&self) -> Handler<B> {
        let store = Store::sqlite(&self.folder.path().join("lab.sqlite"), StoreOptions::default()).await.unwrap();
        handler(self.bucket.clone(), store, self.clock.clone())
    }

    /// Puts a body; gives back what the bucket announces.
    pub fn put(&self, key: &str, body: Vec<u8>, arrives: DateTime<Utc>) -> String {
        self.objects.put(key, Bytes::from(body), arrives)
    }

    /// Puts a body as `heartbeat.json`.
    pub fn put_newest(&self, name: &str, body: Vec<u8>, arrives: DateTime<Utc>) -> String {
        self.put(&newest(name), body, arrives)
    }

    /// Delivers announcements as one batch, with the ids 0, 1, ….
    pub async fn deliver(&self, bodies: &[String]) -> BatchReport {
        self.ingest.batch(&deliveries(bodies)).await
    }

    /// Delivers announcements, which must all be done.
    pub async fn take(&self, bodies: &[String]) -> BatchReport {
        let report = self.deliver(bodies).await;
        assert!(report.failed.is_empty(), "{report:?}");
        report
    }

    /// A ready heartbeat, put and delivered at its own time.
    pub async fn beat(&self, name: &str, time: &str) {
        self.clock.advance_to(at(time));
        let announced = self.put_newest(name, ready(name, at(time)), at(time));
        self.take(&[announced]).await;
    }

    pub async fn state(&self, name: &str) -> StationState {
        self.store.station(&host(name)).await.unwrap().unwrap().state
    }

    /// Timestamp of the latest heartbeat.
    pub async fn latest(&self, name: &str) -> DateTime<Utc> {
        self.state(name).await.latest.unwrap().snapshot.timestamp_utc
    }

    pub async fn history(&self, name: &str) -> Vec<HeartbeatRow> {
        self.store
            .heartbeats(&host(name), at("00:00:00") - TimeDelta::days(1), at("23:59:59") + TimeDelta::days(2), 10_000)
            .await
            .unwrap()
    }

    /// All alerts that ever were, each with its transitions, in order of id.
    pub async fn alerts(&self) -> Vec<(Alert, Vec<Transition>)> {
        all_alerts(&self.store).await
    }

    /// Alerts of a rule.
    pub async fn alerts_of(&self, rule: Rule) -> Vec<Alert> {
        self.alerts().await.into_iter().map(|(alert, _)| alert).filter(|alert| alert.key.rule == rule).collect()
    }

    pub async fn quarantined(&self) -> Vec<QuarantinedObject> {
        self.store.quarantined(None, None, 1_000).await.unwrap()
    }

    /// What the world can see of a station, when it was stored left out.
    pub async fn outcome(&self, name: &str) -> Outcome {
        outcome(&self.store, name).await
    }
}

/// What the world can see of a station.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub history: Vec<HeartbeatRow>,
    pub bodies: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    pub latest: Option<stationkeeper_rules::Latest>,
    pub alerts: Vec<(Alert, Vec<Transition>)>,
}

/// [`Lab::outcome`] of any store.
pub async fn outcome(store: &Store, name: &str) -> Outcome {
    let name = host(name);
    let from = at("00:00:00") - TimeDelta::days(1);
    let mut history = store.heartbeats(&name, from, from + TimeDelta::days(4), 10_000).await.unwrap();
    let mut bodies = Vec::new();
    for row in &mut history {
        row.ingested_at = from;
        let mut others: Vec<_> =
            store.raw_variants(&name, row.timestamp_utc).await.unwrap().into_iter().map(|raw| raw.bytes).collect();
        others.sort();
        bodies.push((store.raw(&name, row.timestamp_utc).await.unwrap().unwrap().bytes, others));
    }
    let latest = store.station(&name).await.unwrap().and_then(|station| station.state.latest);
    let alerts =
        all_alerts(store).await.into_iter().filter(|(alert, _)| alert.key.host.as_ref() == Some(&name)).collect();
    Outcome { history, bodies, latest, alerts }
}

pub async fn all_alerts(store: &Store) -> Vec<(Alert, Vec<Transition>)> {
    let mut all = Vec::new();
    for alert in store.alerts(&AlertFilter::default(), None, 10_000).await.unwrap() {
        let known = store.alert(&alert.id).await.unwrap().unwrap();
        all.push((known.alert, known.transitions));
    }
    all.sort_by(|(one, _), (other, _)| one.id.0.cmp(&other.id.0));
    all
}

pub fn handler<B: Bucket>(bucket: Arc<B>, store: Store, clock: Arc<SimulatedClock>) -> Handler<B> {
    Ingest::new(bucket, store, clock, Limits::default(), Judging::default())
}

pub fn deliveries(bodies: &[String]) -> Vec<Delivery> {
    bodies.iter().enumerate().map(|(place, body)| Delivery { id: place.to_string(), body: body.clone() }).collect()
}

/// Ids of what came back.
pub fn given_back(report: &BatchReport) -> Vec<&str> {
    report.failed.iter().map(|failure| failure.id.as_str()).collect()
}

/// A change to an announcement's object.
pub fn altered(announced: &str, field: &str, value: serde_json::Value) -> String {
    let mut event: serde_json::Value = serde_json::from_str(announced).unwrap();
    let object = event["Records"][0]["s3"]["object"].as_object_mut().unwrap();
    if value.is_null() {
        object.remove(field);
    } else {
        object.insert(field.to_owned(), value);
    }
    event.to_string()
}

/// Small numbers in an order that a seed decides (xorshift).
pub struct Dice(u64);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
