//! Heartbeats of some stations in a bucket in memory, for tests of handlers without their loop: each arrival at its own fixed time.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::clock::SimulatedClock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_store::Store;
use stationkeeper_telemetry::Limits;
use stationkeeper_tests::conservation::{Conservation, accepted_by_memory};

use stationkeeper_tests::station::{heartbeat, spool_key};

/// See the module.
pub struct Beats {
    pub bucket: Arc<MemoryBucket>,
    announced: Vec<String>,
    end: DateTime<Utc>,
}

impl Beats {
    /// So many stations with so many heartbeats each, a minute apart.
    pub fn of(stations: usize, beats: usize) -> Self {
        let bucket = Arc::new(MemoryBucket::default());
        let start: DateTime<Utc> = "2026-11-24T10:00:00Z".parse().unwrap();
        let mut announced = Vec::new();
        let minutes = |beat: usize| TimeDelta::minutes(i64::try_from(beat).unwrap());
        for beat in 0..beats {
            for station in 0..stations {
                let name = format!("LAB-{station:02}");
                let at = start + minutes(beat);
                let bytes = heartbeat(&name, at);
                announced.push(bucket.put(&spool_key(&name, at), Bytes::from(bytes), at + TimeDelta::seconds(1)));
            }
        }
        Self { bucket, announced, end: start + minutes(beats) }
    }

    /// All of them, with the ids 0, 1, …, in order of arrival.
    pub fn deliveries(&self) -> Vec<Delivery> {
        let delivery = |(place, body): (usize, &String)| Delivery { id: place.to_string(), body: body.clone() };
        self.announced.iter().enumerate().map(delivery).collect()
    }

    /// The same from a bucket that says nothing of versions: nobody knows them as seen before.
    pub fn deliveries_without_version(&self) -> Vec<Delivery> {
        let mut deliveries = self.deliveries();
        for delivery in &mut deliveries {
            let mut event: serde_json::Value = serde_json::from_str(&delivery.body).unwrap();
            event["Records"][0]["s3"]["object"].as_object_mut().unwrap().remove("versionId").unwrap();
            delivery.body = event.to_string();
        }
        deliveries
    }

    /// Each is one row of this database with its bytes.
    pub async fn assert_all_there(&self, url: &str) {
        let beats = self.announced.len() as u64;
        let conservation = Conservation::of(url).accepted(accepted_by_memory(&self.bucket)).at_least("history", beats);
        let counts = conservation.holds().await;
        assert_eq!((counts["history"], counts["variants"], counts["quarantined"]), (beats, 0, 0));
    }
}

/// A handler over them, after the last of them came.
pub fn handler(beats: &Beats, store: Store) -> Ingest<Arc<MemoryBucket>, Arc<SimulatedClock>> {
    let clock = Arc::new(SimulatedClock::at(beats.end));
    Ingest::new(beats.bucket.clone(), store, clock, Limits::default(), Judging::default())
}
