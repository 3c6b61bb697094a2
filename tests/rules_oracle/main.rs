//! The rules against an oracle that shares no code with them: simulated labs of many seeds and sizes, replayed through the real
//! ingest and overdue check on SQLite, raise exactly the alerts that the simulator computed from its own truth.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper::replay::{self, Plan, Timeline};
use stationkeeper_rules::Rule;
use stationkeeper_simulator::{Lab, LabPlan, Scenario};
use stationkeeper_store::{AlertCursor, AlertFilter, Store, StoreOptions, Synchronous};
use stationkeeper_tests::database::blocking;
use stationkeeper_tests::lab::{Moved, differences, expected};

const START: &str = "2026-11-24T08:00:00Z";

/// Writes a lab as `simulate --out` does and reads its scenario back.
fn write(lab: &Lab, dir: &Path) -> Scenario {
    for (path, bytes) in lab.files() {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
    stationkeeper_tests::lab::scenario(dir)
}

/// What moved in a lab, and what should have.
async fn replayed(stations: usize, minutes: u32, seed: u64) -> (Vec<Moved>, Vec<Moved>) {
    let folder = tempfile::tempdir().expect("a folder");
    let start: DateTime<Utc> = START.parse().expect("an instant");
    let lab = Lab::new(LabPlan::new(stations, start, Some(minutes), seed)).expect("names");
    let dir = folder.path().join("lab");
    let scenario = write(&lab, &dir);
    let options = StoreOptions { synchronous: Synchronous::Normal, ..StoreOptions::default() };
    let store = Store::sqlite(&folder.path().join("lab.sqlite"), options).await.expect("a database");
    store.migrate().await.expect("a schema");
    store.apply_settings(&replay::settings(Some(&scenario))).await.expect("settings");
    let reservations = replay::reservations(&scenario).expect("reservations");
    replay::put_reservations(&store, &reservations).await.expect("reservations");
    let timeline = Timeline::read(&dir).expect("a timeline");
    replay::run(store.clone(), &timeline, scenario.end_utc, Plan::orderly(), |_| {}).await.expect("a replay");
    let moved = moved(&store).await;
    store.close().await;
    (moved, expected(&scenario))
}

async fn moved(store: &Store) -> Vec<Moved> {
    let mut moved = Vec::new();
    let mut after = None;
    loop {
        let page = store.alerts(&AlertFilter::default(), after.as_ref(), 500).await.expect("alerts");
        let Some(last) = page.last() else { return moved };
        after = Some(AlertCursor { opened_at: last.opened_at, id: last.id.clone() });
        for alert in page {
            let steps = [(Some(alert.opened_at), "open"), (alert.resolved_at, "resolved")];
            moved.extend(steps.into_iter().filter_map(|(at, to)| {
                Some(Moved {
                    at: at?,
                    rule: alert.key.rule.as_str().to_owned(),
                    host: alert.key.host.as_ref().map(ToString::to_string).unwrap_or_default(),
                    reservation_id: alert.key.reservation_id.as_ref().map(|id| id.0.clone()),
                    to: to.to_owned(),
                })
            }));
        }
    }
}

/// Labs of these seeds, each of another size and length. Returns which rules moved.
fn labs_raise_what_the_oracle_says(seeds: std::ops::Range<u64>) {
    let mut wrong = Vec::new();
    let mut rules = std::collections::BTreeSet::new();
    for seed in seeds {
        let stations = 6 + (seed as usize).wrapping_mul(5) % 11;
        let minutes = 20 + (seed as u32).wrapping_mul(13) % 71;
        let (moved, expected) = blocking(replayed(stations, minutes, seed));
        rules.extend(expected.iter().map(|moved| moved.rule.clone()));
        let found = differences(&moved, &expected, TimeDelta::zero());
        wrong
            .extend(found.into_iter().map(|found| format!("{stations} stations, {minutes} min, seed {seed}: {found}")));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    for rule in Rule::MISSION {
        assert!(rules.contains(rule.as_str()), "some lab raises {rule}, or nothing was compared for it");
    }
}

#[test]
fn ten_labs_raise_exactly_what_the_oracle_says() {
    labs_raise_what_the_oracle_says(0..10);
}

#[test]
fn ten_other_labs_raise_exactly_what_the_oracle_says() {
    labs_raise_what_the_oracle_says(100..110);
}

#[test]
fn ten_further_labs_raise_exactly_what_the_oracle_says() {
    labs_raise_what_the_oracle_says(4_000_000_000..4_000_000_010);
}

#[test]
fn ten_labs_of_large_seeds_raise_exactly_what_the_oracle_says() {
    labs_raise_what_the_oracle_says(u64::MAX / 2..u64::MAX / 2 + 10);
}

#[test]
fn six_hours_of_a_lab_raise_exactly_what_the_oracle_says() {
    let (moved, expected) = blocking(replayed(14, 360, 77));
    let openings =
        |rule: Rule| expected.iter().filter(|moved| moved.rule == rule.as_str() && moved.to == "open").count();
    for rule in [Rule::HeartbeatMissing, Rule::NotReady] {
        assert!(openings(rule) > 5, "{rule} opens again and again, not {} times", openings(rule));
    }
    let found = differences(&moved, &expected, TimeDelta::zero());
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}
