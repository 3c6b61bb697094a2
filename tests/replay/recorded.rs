//! The two recorded labs, in order.

use chrono::TimeDelta;
use stationkeeper_tests::corpus;
use stationkeeper_tests::database::Kind;
use stationkeeper_tests::lab::{expected, replay, scenario};

use crate::{INTERVAL, assert_moves};

const LABS: [&str; 2] = ["lab-10x30", "lab-12x45"];

fn raises_what_its_scenario_says(kind: Kind) {
    for lab in LABS {
        let dir = corpus(lab);
        let expected = expected(&scenario(&dir));
        assert!(!expected.is_empty(), "{lab} expects something");
        let replayed = replay(&dir, kind, &[]);
        assert_moves(&format!("{lab} within one interval"), &replayed.transitions, &expected, INTERVAL);
        // Nothing is between the scenario's clock and ours: both look when a heartbeat arrives.
        assert_moves(&format!("{lab} to the second"), &replayed.transitions, &expected, TimeDelta::zero());
        assert!(replayed.transitions.is_sorted_by_key(|moved| moved.at), "{lab}: in time order");
    }
}

#[test]
fn a_recorded_lab_raises_exactly_the_alerts_of_its_scenario_on_sqlite() {
    raises_what_its_scenario_says(Kind::Sqlite);
}

#[test]
fn a_recorded_lab_raises_exactly_the_alerts_of_its_scenario_on_mariadb() {
    raises_what_its_scenario_says(Kind::MariaDb);
}

#[test]
fn every_recorded_heartbeat_becomes_a_row_and_every_line_of_the_trail_another() {
    for lab in LABS {
        let dir = corpus(lab);
        let lines = |name: &str| {
            let text = std::fs::read_to_string(dir.join(name)).expect("the lab has its truth");
            text.lines().filter(|line| !line.is_empty()).count()
        };
        let replayed = replay(&dir, Kind::Sqlite, &[]);
        assert_eq!(replayed.tables["lab_station_heartbeat"].len(), lines("truth.jsonl"), "{lab}");
        assert_eq!(replayed.tables["lab_host_events"].len(), lines("truth_events.jsonl"), "{lab}");
        assert!(!replayed.tables["reservation_forced_logoffs"].is_empty(), "{lab}: somebody was logged off");
        assert_eq!(replayed.tables["lab_station_state"].len(), scenario(&dir).hosts.len(), "{lab}");
    }
}

#[test]
fn the_same_lab_leaves_the_same_forced_logoffs_on_both_databases() {
    let of_interest = ["host", "user", "session_id", "message", "source", "reservation_id", "found_in"];
    for lab in LABS {
        let [sqlite, mariadb] = [Kind::Sqlite, Kind::MariaDb].map(|kind| {
            let rows = replay(&corpus(lab), kind, &[]).tables.remove("reservation_forced_logoffs").expect("it is read");
            let picked = |row: stationkeeper_tests::database::Row| of_interest.map(|column| row[column].clone());
            let mut rows: Vec<_> = rows.into_iter().map(picked).collect();
            rows.sort();
            rows
        });
        assert_eq!(sqlite, mariadb, "{lab}");
    }
}
