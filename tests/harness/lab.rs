//! A lab that was replayed: its transitions, what it left in the database, and how far that is what it should be.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_simulator::Scenario;

use crate::binary;
use crate::database::{Database, Kind, Row};

/// An alert moved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// When the rule became true, or stopped being true.
    pub at: DateTime<Utc>,
    /// Which.
    pub rule: String,
    /// Of this station.
    pub host: String,
    /// Before or in this reservation.
    pub reservation_id: Option<String>,
    /// `open` or `resolved`.
    pub to: String,
}

/// What a scenario says must happen.
pub fn expected(scenario: &Scenario) -> Vec<Moved> {
    let mut moved = Vec::new();
    for alert in &scenario.expected_alerts {
        let steps = [(Some(alert.opens_at), "open"), (alert.resolves_at, "resolved")];
        moved.extend(steps.into_iter().filter_map(|(at, to)| {
            Some(Moved {
                at: at?,
                rule: alert.rule.clone(),
                host: alert.host.clone(),
                reservation_id: alert.reservation_id.clone(),
                to: to.to_owned(),
            })
        }));
    }
    moved.sort();
    moved
}

/// Reads `scenario.json` of a lab's folder.
///
/// # Panics
/// Where there is none.
pub fn scenario(dir: &Path) -> Scenario {
    let text = std::fs::read(dir.join("scenario.json")).expect("the lab has a scenario");
    serde_json::from_slice(&text).expect("a scenario")
}

/// A lab after its replay.
#[derive(Debug)]
pub struct Replayed {
    /// In the order in which they were printed.
    pub transitions: Vec<Moved>,
    /// What it left.
    pub tables: BTreeMap<&'static str, Vec<Row>>,
}

/// Tables that must come out the same however events arrive, each without what the order may change.
const TABLES: [(&str, &[&str]); 4] = [
    ("lab_station_heartbeat", &["ingested_at"]),
    ("lab_host_events", &[]),
    ("reservation_forced_logoffs", &[]),
    // What is remembered beside the latest snapshot (runs, words, and the row of a list that shows them) may know less of a station whose events were lost
    // in between.
    ("lab_station_state", &["memory", "word", "word_since", "word_cause", "skew_ms", "check_at", "listed"]),
];

/// Replays a lab by the binary into a new database.
///
/// # Panics
/// Where that fails.
pub fn replay(dir: &Path, kind: Kind, flags: &[&str]) -> Replayed {
    let database = Database::new(kind);
    replay_into(dir, &database, flags)
}

/// Replays a lab by the binary into this database.
///
/// # Panics
/// Where that fails.
pub fn replay_into(dir: &Path, database: &Database, flags: &[&str]) -> Replayed {
    let dir = dir.to_string_lossy();
    let mut arguments = vec!["replay", &dir, "--json", "--database"];
    let url = database.url();
    arguments.push(&url);
    arguments.extend(flags);
    let ran = binary::run(arguments).succeeded();
    let transitions = ran
        .json_lines()
        .into_iter()
        .map(|line| {
            let mut names: Vec<_> = line.as_object().expect("an object").keys().cloned().collect();
            names.sort_unstable();
            let mut expected = ["at", "rule", "host", "reservation_id", "to", "cause"];
            expected.sort_unstable();
            assert_eq!(names, expected, "the fields of a transition");
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            Moved {
                at: text("at").and_then(|at| at.parse().ok()).expect("an instant"),
                rule: text("rule").expect("a rule"),
                host: text("host").expect("a station"),
                reservation_id: text("reservation_id"),
                to: text("to").expect("a state"),
            }
        })
        .collect();
    let tables = TABLES.into_iter().map(|(table, without)| (table, database.rows(table, without))).collect();
    Replayed { transitions, tables }
}

/// Differences between what moved and what should have, each move within `slack` of the other; none: they are the same.
pub fn differences(got: &[Moved], expected: &[Moved], slack: TimeDelta) -> Vec<String> {
    type Steps<'m> = BTreeMap<(&'m str, &'m str, Option<&'m str>), Vec<&'m Moved>>;
    let by_key = |moves: &'_ [Moved]| -> Vec<Moved> {
        let mut sorted = moves.to_vec();
        // `open` before `resolved` where both are at once.
        sorted.sort_by(|one, other| (one.at, &one.to, &one.rule).cmp(&(other.at, &other.to, &other.rule)));
        sorted
    };
    let (got, expected) = (by_key(got), by_key(expected));
    fn group(moves: &[Moved]) -> Steps<'_> {
        let mut steps = Steps::new();
        for moved in moves {
            let key = (moved.rule.as_str(), moved.host.as_str(), moved.reservation_id.as_deref());
            steps.entry(key).or_default().push(moved);
        }
        steps
    }
    let (got, expected) = (group(&got), group(&expected));
    let keys: std::collections::BTreeSet<_> = got.keys().chain(expected.keys()).collect();
    let mut found = Vec::new();
    for key in keys {
        let got = got.get(key).cloned().unwrap_or_default();
        let expected = expected.get(key).cloned().unwrap_or_default();
        let same = got.len() == expected.len()
            && got.iter().zip(&expected).all(|(one, other)| one.to == other.to && (one.at - other.at).abs() <= slack);
        if !same {
            let shown = |moves: &[&Moved]| {
                let words: Vec<_> =
                    moves.iter().map(|moved| format!("{} {}", moved.to, moved.at.format("%H:%M:%S%.f"))).collect();
                words.join(", ")
            };
            found.push(format!("{key:?}: [{}], expected [{}]", shown(&got), shown(&expected)));
        }
    }
    found
}

/// Where the tables of two replays differ, the first few rows each.
pub fn table_differences(got: &Replayed, expected: &Replayed) -> Vec<String> {
    let mut found = Vec::new();
    for (table, rows) in &expected.tables {
        let other = &got.tables[table];
        if rows.len() != other.len() {
            found.push(format!("{table}: {} rows, expected {}", other.len(), rows.len()));
        }
        let differing = other.iter().zip(rows).filter(|(one, other)| one != other);
        for (one, other) in differing.take(3) {
            let columns: Vec<_> = other.iter().filter(|(column, value)| one.get(*column) != Some(*value)).collect();
            let got: Vec<_> = columns.iter().map(|(column, _)| &one[*column]).collect();
            let row: Vec<_> =
                ["host", "timestamp", "timestamp_utc"].iter().filter_map(|name| other.get(*name)?.clone()).collect();
            found.push(format!("{table} {row:?}: {got:?}, expected {columns:?}"));
        }
    }
    found
}
