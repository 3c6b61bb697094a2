//! What would break an invariant is refused as a whole, and comes back; the others of the batch are written.

use std::sync::Arc;

use stationkeeper_pipeline::clock::SimulatedClock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_simulator::HeartbeatBuilder;
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_telemetry::{Limits, ObjectKey, ObjectKind};
use stationkeeper_tests::conservation::{Conservation, accepted_by_memory, announced};
use stationkeeper_tests::tables::Tables;

use crate::scenario::{at, host};

/// A body as `heartbeat.json` at this time; what the bucket announces.
fn put(objects: &MemoryBucket, name: &str, time: &str, ready: bool) -> Delivery {
    let mut heartbeat = HeartbeatBuilder::new(name, at(time));
    if !ready {
        heartbeat = heartbeat.unready(["Sleep timeout is not disabled"]);
    }
    let key = ObjectKey::latest(&host(name), ObjectKind::Heartbeat).into_string();
    Delivery { id: format!("{name} {time}"), body: objects.put(&key, heartbeat.bytes().into(), at(time)) }
}

#[tokio::test]
async fn rows_that_vanish_under_a_batch_refuse_it_for_that_station_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lab.sqlite");
    let url = format!("sqlite:{}", file.display());
    let store = Store::sqlite(&file, StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let objects = Arc::new(MemoryBucket::default());
    let clock = Arc::new(SimulatedClock::at(at("10:05:00")));
    let ingest = Ingest::new(objects.clone(), store.clone(), clock, Limits::default(), Judging::default());
    for time in ["10:00:00", "10:01:00", "10:02:30"] {
        let both = ["LAB-01", "LAB-02"].map(|name| put(&objects, name, time, false));
        assert!(ingest.batch(&both).await.failed.is_empty());
    }
    let mut tables = Tables::open(&url).await.unwrap();
    for (shows, damage, repair, word) in [
        (
            "an alert that does not move",
            "create trigger broken before update on alerts when old.host = 'LAB-01' begin select raise(ignore); end",
            "drop trigger broken",
            "rows_as_planned: alerts that move: 1 rows were to be written, and 0 were",
        ),
        (
            "a heartbeat that is not kept",
            "create trigger broken before insert on lab_station_heartbeat when new.host = 'LAB-01' \
             begin select raise(ignore); end",
            "drop trigger broken",
            "rows_as_planned: heartbeats: 1 rows were to be written, and 0 were",
        ),
    ] {
        let time = if shows.starts_with("an alert") { "10:03:30" } else { "10:04:30" };
        let both = ["LAB-01", "LAB-02"].map(|name| put(&objects, name, time, true));
        tables.execute(damage).await.unwrap();
        let report = ingest.batch(&both).await;
        let failed: Vec<_> = report.failed.iter().map(|failure| failure.id.as_str()).collect();
        assert_eq!(failed, [format!("LAB-01 {time}")], "{shows}: {report:?}");
        assert!(report.failed[0].reason.contains(word), "{shows}: {report:?}");
        // Nothing of it was written: it waits, the other station's is history, and no alert moved.
        let waits = || announced([both[0].body.as_str()]);
        Conservation::of(&url)
            .accepted(accepted_by_memory(&objects))
            .waiting(waits())
            .at_least("alerts", 2)
            .holds()
            .await;

        tables.execute(repair).await.unwrap();
        assert!(ingest.batch(&both[..1]).await.failed.is_empty(), "{shows}");
        let done = Conservation::of(&url).accepted(accepted_by_memory(&objects));
        assert_eq!(done.at_least("alerts", 2).holds().await["unresolved"], 0, "{shows}");
    }
    tables.close().await.unwrap();
}
