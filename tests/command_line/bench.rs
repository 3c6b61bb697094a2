//! `bench`: it measures what it says, and leaves what it was given.

use std::path::Path;

use stationkeeper_tests::binary::run;
use stationkeeper_tests::corpus;
use stationkeeper_tests::database::{Database, Kind};

use crate::words;

const FIELDS: [&str; 7] =
    ["cpu_ms_per_heartbeat", "heartbeats", "heartbeats_per_s", "max_rss_mb", "p50_ms", "p99_ms", "wall_s"];

fn heartbeats_of(lab: &Path, database: &Database, flags: &[&str]) -> u64 {
    let url = database.url();
    let mut arguments = words(&[&"bench", &"ingest", &lab, &"--json", &"--database", &url]);
    arguments.extend(flags.iter().map(Into::into));
    let figures = run(arguments).succeeded().json();
    let mut names: Vec<_> = figures.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, FIELDS);
    for name in FIELDS {
        assert!(figures[name].as_f64().is_some_and(|number| number > 0.0), "{name}: {figures}");
    }
    assert!(figures["p50_ms"].as_f64() <= figures["p99_ms"].as_f64(), "{figures}");
    figures["heartbeats"].as_u64().expect("a count")
}

#[test]
fn every_heartbeat_of_every_repeat_becomes_a_row() {
    for kind in [Kind::Sqlite, Kind::MariaDb] {
        let (lab, database) = (corpus("lab-10x30"), Database::new(kind));
        let once = heartbeats_of(&lab, &database, &[]);
        assert!(once > 250, "10 stations for 30 minutes: {once}");
        // What is stored already is left where it is: new dates begin behind it.
        let thrice = heartbeats_of(&lab, &database, &["--repeat", "3", "--batch", "50", "--handlers", "2"]);
        assert_eq!(thrice, 3 * once);
        assert_eq!(database.rows("lab_station_heartbeat", &[]).len() as u64, once + thrice, "{kind:?}");
    }
}

#[test]
fn objects_come_through_an_endpoint_of_another_process_too() {
    let (lab, database) = (corpus("lab-10x30"), Database::new(Kind::Sqlite));
    let sent = heartbeats_of(&lab, &database, &["--through-s3", "--repeat", "2"]);
    assert_eq!(database.rows("lab_station_heartbeat", &[]).len() as u64, sent);
}

#[test]
fn a_table_is_for_people() {
    let lab = corpus("lab-10x30");
    let text = run(words(&[&"bench", &"ingest", &lab])).succeeded().text();
    for said in ["heartbeats a second", "CPU time a heartbeat", "event to row, 99 %", "peak memory"] {
        assert!(text.contains(said), "{said} in\n{text}");
    }
}

#[test]
fn what_cannot_be_measured_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = run(words(&[&"bench", &"ingest", &folder.path()]));
    assert!(ran.refused(66).contains("there is no station in"), "{}", ran.stderr);
    let station = folder.path().join("LAB-WS01");
    std::fs::create_dir(&station).expect("a folder");
    std::fs::write(station.join("heartbeat-20261124T080022Z.json"), "{\"host\":").expect("a file");
    let ran = run(words(&[&"bench", &"ingest", &folder.path()]));
    assert!(ran.refused(65).contains("nothing to measure"), "{}", ran.stderr);
    let lab = corpus("lab-10x30");
    let ran = run(words(&[&"bench", &"ingest", &lab, &"--database", &"mysql://sk:secret@127.0.0.1:1/lab"]));
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    ran.refused(69);
    for (flags, said) in [(["--batch", "0"], "0"), (["--repeat", "-1"], "-1"), (["--handlers", "65"], "65")] {
        let ran = run(["bench", "ingest", "lab"].iter().chain(&flags));
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}
