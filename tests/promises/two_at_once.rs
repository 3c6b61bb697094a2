//! DESIGN.md section 4.8: two at once are one. On both databases, since each has its own way to let them wait for each other.

use std::sync::Arc;

use chrono::TimeDelta;
use stationkeeper_pipeline::clock::SimulatedClock;
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_rules::Rule;
use stationkeeper_store::{Store, StoreOptions};
use tokio::task::JoinSet;

use crate::database::Database;
use crate::lab::{Handler, Lab, all_alerts, altered, at, deliveries, handler, newest, outcome, ready, unready};

const NAMES: [&str; 5] = ["LAB-01", "LAB-02", "LAB-03", "LAB-04", "LAB-05"];

/// Five minutes of five stations, LAB-02 not ready all the time; all announcements, mixed as time mixes them.
fn five_minutes(objects: &MemoryBucket) -> Vec<String> {
    let mut announced = Vec::new();
    for minute in 0..5 {
        for name in NAMES {
            let time = at("10:00:00") + TimeDelta::minutes(minute);
            let body = if name == "LAB-02" { unready(name, time) } else { ready(name, time) };
            announced.push(objects.put(&newest(name), body.into(), time));
        }
    }
    announced
}

/// Eight handlers are given everything at once, each beginning elsewhere.
async fn everything_eight_times(open: impl AsyncFn() -> Store) {
    let (objects, clock) = (Arc::new(MemoryBucket::default()), Arc::new(SimulatedClock::at(at("10:05:00"))));
    let announced = five_minutes(&objects);
    let mut handlers = JoinSet::new();
    for number in 0..8 {
        let handler = handler(objects.clone(), open().await, clock.clone());
        let mut bodies = announced.clone();
        bodies.rotate_left(number * 3);
        handlers.spawn(async move {
            for some in bodies.chunks(5) {
                let report = handler.batch(&deliveries(some)).await;
                assert!(report.failed.is_empty(), "handler {number}: {report:?}");
            }
        });
    }
    while let Some(done) = handlers.join_next().await {
        done.unwrap();
    }
    let store = open().await;
    assert_eq!(store.count_heartbeats(None).await.unwrap(), 25);
    for name in NAMES {
        let outcome = outcome(&store, name).await;
        assert_eq!(outcome.latest.unwrap().snapshot.timestamp_utc, at("10:04:00"), "{name}");
        assert!(outcome.bodies.iter().all(|(_, variants)| variants.is_empty()), "{name}");
    }
    let unresolved: Vec<_> =
        all_alerts(&store).await.into_iter().filter(|(alert, _)| alert.resolved_at.is_none()).collect();
    assert!(unresolved.len() <= 1, "at most one a rule and station: {unresolved:?}");
}

// Promise 8.1
#[tokio::test]
async fn eight_handlers_at_once_write_each_heartbeat_once_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lab.sqlite");
    Store::sqlite(&file, StoreOptions::default()).await.unwrap().migrate().await.unwrap();
    everything_eight_times(async || Store::sqlite(&file, StoreOptions::default()).await.unwrap()).await;
}

// Promise 8.1
#[tokio::test]
async fn eight_handlers_at_once_write_each_heartbeat_once_on_mariadb() {
    let database = Database::empty().await;
    database.store().await;
    everything_eight_times(async || database.store().await).await;
}

async fn checked_at_once(first: Handler<MemoryBucket>, second: Handler<MemoryBucket>, clock: &SimulatedClock) {
    let heard: Vec<_> = ["LAB-01", "LAB-02"]
        .map(|name| first.bucket().put(&newest(name), ready(name, at("10:00:00")).into(), at("10:00:00")))
        .to_vec();
    assert!(first.batch(&deliveries(&heard)).await.failed.is_empty());
    clock.advance_to(at("10:02:00"));
    first.check_overdue().await.unwrap();
    clock.advance_to(at("10:03:30"));
    let (one, other) = tokio::join!(first.check_overdue(), second.check_overdue());
    let moved = one.unwrap().transitions + other.unwrap().transitions;
    assert_eq!(moved, 2, "a transition a station, whoever wrote it");
    let alerts = all_alerts(first.store()).await;
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    for (alert, transitions) in alerts {
        assert_eq!((alert.key.rule, transitions.len()), (Rule::HeartbeatMissing, 1));
    }
}

// Promise 8.2
#[tokio::test]
async fn two_checks_at_once_open_one_alert_a_station_on_sqlite() {
    let lab = Lab::starting_at("10:00:00").await;
    let (first, second, clock) = (lab.another_handler().await, lab.another_handler().await, lab.clock.clone());
    checked_at_once(first, second, &clock).await;
}

// Promise 8.2
#[tokio::test]
async fn two_checks_at_once_open_one_alert_a_station_on_mariadb() {
    let database = Database::empty().await;
    let clock = Arc::new(SimulatedClock::at(at("10:00:00")));
    let objects = Arc::new(MemoryBucket::default());
    let first = handler(objects.clone(), database.store().await, clock.clone());
    let second = handler(objects, database.store().await, clock.clone());
    checked_at_once(first, second, &clock).await;
}

// Promise 8.3
#[tokio::test]
async fn the_same_events_give_the_same_ids_in_another_database() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let lab = Lab::starting_at("10:05:00").await;
        let announced = five_minutes(&lab.objects);
        lab.take(&announced).await;
        ids.push(lab.alerts().await.into_iter().map(|(alert, _)| alert.id).collect::<Vec<_>>());
    }
    assert!(!ids[0].is_empty());
    assert_eq!(ids[0], ids[1]);
}

// Promise 8.4
#[tokio::test]
async fn a_batch_whose_commit_was_made_but_not_heard_of_is_repeated_harmlessly() {
    let lab = Lab::starting_at("10:05:00").await;
    let announced = five_minutes(&lab.objects);
    lab.take(&announced).await;
    let (stations, alerts, updates) =
        (lab.state("LAB-02").await, lab.alerts().await, lab.store.last_update().await.unwrap());
    // The queue never heard that it was done. The same versions again, by a handler that remembers nothing:
    let other = lab.another_handler().await;
    assert!(other.batch(&deliveries(&announced)).await.failed.is_empty());
    // And the newest objects again with nothing by which the bucket's versions could be known.
    let bare: Vec<_> = announced[20..].iter().map(|one| altered(one, "versionId", serde_json::Value::Null)).collect();
    let report = other.batch(&deliveries(&bare)).await;
    assert_eq!((report.tally.duplicates, report.tally.advanced, report.tally.variants), (5, 0, 0), "{report:?}");
    assert_eq!(lab.store.count_heartbeats(None).await.unwrap(), 25);
    assert_eq!(lab.state("LAB-02").await, stations);
    assert_eq!(lab.alerts().await, alerts);
    assert_eq!(lab.store.last_update().await.unwrap(), updates, "nobody is told of it twice");
}
