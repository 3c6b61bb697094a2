//! Events that come twice, out of order or minutes late, and what may not change by it.

use std::path::Path;

use chrono::TimeDelta;
use stationkeeper_tests::corpus;
use stationkeeper_tests::database::Kind;
use stationkeeper_tests::lab::{Replayed, replay, table_differences};

use crate::{INTERVAL, assert_moves};

/// What the alerts may do.
#[derive(Clone, Copy)]
enum Alerts {
    Identical,
    WithinAMinute,
    /// A heartbeat that comes ten minutes late goes to history; what it would have opened is not opened.
    MayDiffer,
}

fn same_in_disorder(dir: &Path, kind: Kind, orderly: &Replayed, flags: &[&str], alerts: Alerts) {
    let shows = format!("{} {kind:?} {}", dir.display(), flags.join(" "));
    let replayed = replay(dir, kind, flags);
    let slack = match alerts {
        Alerts::Identical => Some(TimeDelta::zero()),
        Alerts::WithinAMinute => Some(INTERVAL),
        Alerts::MayDiffer => None,
    };
    if let Some(slack) = slack {
        assert_moves(&shows, &replayed.transitions, &orderly.transitions, slack);
    }
    let found = table_differences(&replayed, orderly);
    assert!(found.is_empty(), "{shows}:\n{}", found.join("\n"));
}

const DISORDERS: [(&[&str], Alerts); 15] = [
    (&["--duplicate", "30"], Alerts::Identical),
    (&["--duplicate", "100"], Alerts::Identical),
    (&["--shuffle", "1"], Alerts::WithinAMinute),
    (&["--shuffle", "2"], Alerts::WithinAMinute),
    (&["--shuffle", "3"], Alerts::WithinAMinute),
    (&["--shuffle", "4"], Alerts::WithinAMinute),
    (&["--shuffle", "5"], Alerts::WithinAMinute),
    (&["--shuffle", "7"], Alerts::WithinAMinute),
    (&["--late", "10"], Alerts::MayDiffer),
    (&["--late", "30"], Alerts::MayDiffer),
    (&["--late", "100"], Alerts::MayDiffer),
    (&["--shuffle", "6", "--duplicate", "30"], Alerts::WithinAMinute),
    (&["--late", "30", "--duplicate", "50"], Alerts::MayDiffer),
    (&["--late", "10", "--shuffle", "8"], Alerts::MayDiffer),
    (&["--late", "60", "--shuffle", "9", "--duplicate", "60"], Alerts::MayDiffer),
];

fn all_disorders_on_sqlite(lab: &str) {
    let dir = corpus(lab);
    let orderly = replay(&dir, Kind::Sqlite, &[]);
    for (flags, alerts) in DISORDERS {
        same_in_disorder(&dir, Kind::Sqlite, &orderly, flags, alerts);
    }
}

#[test]
fn disorder_changes_nothing_of_the_lab_of_ten_on_sqlite() {
    all_disorders_on_sqlite("lab-10x30");
}

#[test]
fn disorder_changes_nothing_of_the_lab_of_twelve_on_sqlite() {
    all_disorders_on_sqlite("lab-12x45");
}

fn some_disorders_on_mariadb(lab: &str) {
    let dir = corpus(lab);
    let orderly = replay(&dir, Kind::MariaDb, &[]);
    for (flags, alerts) in [
        (&["--duplicate", "30"][..], Alerts::Identical),
        (&["--shuffle", "7"], Alerts::WithinAMinute),
        (&["--late", "10"], Alerts::MayDiffer),
        (&["--late", "60", "--shuffle", "9", "--duplicate", "60"], Alerts::MayDiffer),
    ] {
        same_in_disorder(&dir, Kind::MariaDb, &orderly, flags, alerts);
    }
}

#[test]
fn disorder_changes_nothing_of_the_lab_of_ten_on_mariadb() {
    some_disorders_on_mariadb("lab-10x30");
}

#[test]
fn disorder_changes_nothing_of_the_lab_of_twelve_on_mariadb() {
    some_disorders_on_mariadb("lab-12x45");
}

#[test]
fn the_same_seed_gives_the_same_alerts_in_the_same_order() {
    let flags = ["--late", "40", "--shuffle", "11", "--duplicate", "20"];
    let [one, other] = [(); 2].map(|()| replay(&corpus("lab-10x30"), Kind::Sqlite, &flags));
    assert_eq!(one.transitions, other.transitions);
}
