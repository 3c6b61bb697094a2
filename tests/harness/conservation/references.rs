//! What points at something points at something that is there, and the runs of a station follow one another.

use std::collections::{BTreeMap, BTreeSet};

use super::{Counts, Violations};
use crate::tables::{Picked, Tables};

/// Tables that speak of a station, and whether they may speak of none.
const OF_STATIONS: [(&str, &[&str]); 10] = [
    ("lab_station_state", &["host"]),
    ("lab_station_heartbeat", &["host", "reservation_id"]),
    ("lab_station_heartbeat_variants", &["host"]),
    ("station_state_runs", &["host"]),
    ("lab_host_events", &["host"]),
    ("host_event_cursors", &["host"]),
    ("forced_logoff_sightings", &["host"]),
    ("reservation_forced_logoffs", &["host", "reservation_id"]),
    ("alerts", &["host"]),
    ("reservations", &["host"]),
];

pub(crate) async fn check(tables: &mut Tables, found: &mut Violations, counts: &mut Counts) -> Result<(), sqlx::Error> {
    let hosts = texts(&tables.columns("lab_hosts", &["name"]).await?, "name");
    let reservations = texts(&tables.columns("reservations", &["id"]).await?, "id");
    let mut states = BTreeSet::new();
    for (table, columns) in OF_STATIONS {
        let rows = tables.columns(table, columns).await?;
        let strangers: BTreeSet<&str> =
            rows.iter().filter_map(|row| row.optional("host")).filter(|host| !hosts.contains(*host)).collect();
        for host in strangers {
            found.add("orphan", format!("{table} speaks of {host}, which is no station"));
        }
        if columns.contains(&"reservation_id") {
            let known = |id: &&str| !id.is_empty() && !reservations.contains(*id);
            let strangers: BTreeSet<&str> =
                rows.iter().filter_map(|row| row.optional("reservation_id")).filter(known).collect();
            for id in strangers {
                found.add("orphan", format!("{table} speaks of the reservation {id}, which is not there"));
            }
        }
        match table {
            "lab_station_state" => states = texts(&rows, "host"),
            "lab_host_events" => drop(counts.insert("events", rows.len() as u64)),
            "reservation_forced_logoffs" => drop(counts.insert("forced_logoffs", rows.len() as u64)),
            _ => {}
        }
    }
    for host in hosts.difference(&states) {
        found.add("orphan", format!("the station {host} has no state"));
    }
    counts.insert("stations", hosts.len() as u64);
    check_runs(&tables.columns("station_state_runs", &["host", "from_at", "to_at", "state"]).await?, found);
    Ok(())
}

fn texts(rows: &[Picked], column: &str) -> BTreeSet<String> {
    rows.iter().map(|row| row.text(column).to_owned()).collect()
}

fn check_runs(rows: &[Picked], found: &mut Violations) {
    let mut runs: BTreeMap<&str, Vec<&Picked>> = BTreeMap::new();
    for row in rows {
        runs.entry(row.text("host")).or_default().push(row);
    }
    for (host, mut runs) in runs {
        runs.sort_by_key(|run| run.instant("from_at"));
        for pair in runs.windows(2) {
            let (ends, begins) = (pair[0].optional_instant("to_at"), pair[1].instant("from_at"));
            if ends != Some(begins) {
                let state = pair[0].text("state");
                found.add("runs do not follow one another", format!("{host}: {state} ends {ends:?}, then {begins}"));
            }
        }
        if runs.last().is_some_and(|run| run.optional("to_at").is_some()) {
            found.add("runs do not follow one another", format!("{host}: none is open"));
        }
    }
}
