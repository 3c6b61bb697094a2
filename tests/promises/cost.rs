//! DESIGN.md section 4.7: what a batch costs the database, in calls and in commands. What a call costs is measured by the benchmarks.

use std::sync::Arc;

use chrono::TimeDelta;
use stationkeeper_store::faults::FaultPlan;
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_tests::command_counter::CommandCounter;

use crate::database::Database;
use crate::lab::{Handler, Lab, at, deliveries, handler, ready};

/// The handler of a lab, with a counter of its calls.
fn counted(lab: &Lab) -> (Handler<stationkeeper_pipeline::memory::MemoryBucket>, Arc<FaultPlan>) {
    let calls = Arc::new(FaultPlan::counting());
    (handler(lab.bucket.clone(), lab.store.clone().with_faults(calls.clone()), lab.clock.clone()), calls)
}

/// One heartbeat of each of so many stations, the minute after 10:00.
fn a_minute(lab: &Lab, stations: usize, minute: i64) -> Vec<String> {
    let time = at("10:00:00") + TimeDelta::minutes(minute);
    (0..stations)
        .map(|number| {
            let name = format!("LAB-{number:03}");
            lab.put_newest(&name, ready(&name, time), time)
        })
        .collect()
}

/// What a batch of one more minute costs, once the handler has met the stations.
async fn calls_of_a_minute(lab: &Lab, stations: usize, minute: i64) -> u64 {
    let (ingest, calls) = counted(lab);
    let mut before = 0;
    for minute in [minute, minute + 1] {
        before = calls.calls();
        let report = ingest.batch(&deliveries(&a_minute(lab, stations, minute))).await;
        assert_eq!((report.failed.len(), report.tally.advanced), (0, stations as u64));
    }
    calls.calls() - before
}

// Promise 7.3
#[tokio::test]
async fn a_batch_of_fifty_stations_costs_as_many_calls_as_one_of_two() {
    let lab = Lab::starting_at("11:00:00").await;
    let (few, many) = (calls_of_a_minute(&lab, 2, 0).await, calls_of_a_minute(&lab, 50, 10).await);
    assert_eq!(few, many);
    assert!((4..=12).contains(&few), "begin, lock, read, write history and states, mark, commit: {few}");
}

// Promise 7.3
#[tokio::test]
async fn ten_heartbeats_of_ten_stations_cost_a_server_six_commands() {
    let database = Database::empty().await;
    database.store().await.close().await;
    let counter = CommandCounter::before(&database.url).await;
    let store = Store::open(&counter.url(&database.url), StoreOptions::default()).await.unwrap();
    let lab = Lab::starting_at("11:00:00").await;
    let ingest = handler(lab.bucket.clone(), store.clone(), lab.clock.clone());
    for minute in 0..4 {
        let warm = minute == 3;
        counter.take();
        let report = ingest.batch(&deliveries(&a_minute(&lab, 10, minute))).await;
        assert_eq!((report.failed.len(), report.tally.advanced), (0, 10));
        let commands = counter.take();
        assert!(!warm || commands == [("COM_QUERY", 2), ("COM_STMT_EXECUTE", 4)].into(), "{commands:?}");
    }
    assert_eq!(store.count_heartbeats(None).await.unwrap(), 40);
}

// Promise 7.1
#[tokio::test]
async fn a_heartbeat_costs_as_many_calls_after_a_long_history_as_at_its_beginning() {
    let lab = Lab::starting_at("14:00:00").await;
    let young = calls_of_a_minute(&lab, 3, 0).await;
    for minute in 10..110 {
        lab.take(&a_minute(&lab, 3, minute)).await;
    }
    assert_eq!(lab.store.count_heartbeats(None).await.unwrap(), 3 * 102);
    assert_eq!(calls_of_a_minute(&lab, 3, 200).await, young);
}
