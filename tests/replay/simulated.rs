//! Labs that `stationkeeper simulate` wrote.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use stationkeeper_tests::binary;
use stationkeeper_tests::database::Kind;
use stationkeeper_tests::lab::{differences, expected, replay, scenario, table_differences};
use tempfile::TempDir;

use crate::{INTERVAL, assert_moves};

fn simulate(folder: &TempDir, stations: u32, minutes: u32, seed: u64) -> PathBuf {
    let out = folder.path().join(format!("lab-{seed}"));
    let words = [stations.to_string(), minutes.to_string(), seed.to_string()];
    let [stations, minutes, seed] = words.each_ref().map(String::as_str);
    let arguments = ["simulate", "--stations", stations, "--minutes", minutes, "--seed", seed, "--out"];
    binary::run(arguments.into_iter().map(Path::new).chain([out.as_path()])).succeeded();
    out
}

#[test]
fn a_simulated_lab_raises_what_its_own_scenario_says() {
    let folder = tempfile::tempdir().expect("a folder");
    for (seed, kind) in [(21, Kind::Sqlite), (22, Kind::Sqlite), (23, Kind::MariaDb)] {
        let lab = simulate(&folder, 14, 50, seed);
        let expected = expected(&scenario(&lab));
        let replayed = replay(&lab, kind, &[]);
        assert_moves(&format!("seed {seed} on {kind:?}"), &replayed.transitions, &expected, TimeDelta::zero());
    }
}

#[test]
fn a_simulated_lab_comes_out_the_same_however_its_events_arrive() {
    let folder = tempfile::tempdir().expect("a folder");
    for seed in [31, 32] {
        let lab = simulate(&folder, 14, 40, seed);
        let orderly = replay(&lab, Kind::Sqlite, &[]);
        for (flags, slack) in [
            (&["--duplicate", "30"][..], Some(TimeDelta::zero())),
            (&["--shuffle", "7"], Some(INTERVAL)),
            (&["--late", "10"], None),
            (&["--late", "50", "--shuffle", "3", "--duplicate", "30"], None),
        ] {
            let replayed = replay(&lab, Kind::Sqlite, flags);
            let mut found = table_differences(&replayed, &orderly);
            if let Some(slack) = slack {
                found.extend(differences(&replayed.transitions, &orderly.transitions, slack));
            }
            assert!(found.is_empty(), "seed {seed} {}:\n{}", flags.join(" "), found.join("\n"));
        }
    }
}

#[test]
fn a_power_action_excuses_silence_only_when_it_is_asked_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let lab = simulate(&folder, 14, 60, 41);
    let ordered: Vec<_> =
        scenario(&lab).hosts.into_iter().filter(|host| host.role == "ordered_shutdown").map(|host| host.host).collect();
    assert!(!ordered.is_empty(), "the lab has a station that is shut down by order");
    let missing = |flags: &[&str]| {
        let moved = replay(&lab, Kind::Sqlite, flags).transitions;
        moved.iter().filter(|moved| moved.rule == "heartbeat_missing" && ordered.contains(&moved.host)).count()
    };
    assert!(missing(&[]) > 0, "a gap is a gap");
    assert_eq!(missing(&["--off"]), 0, "off is not missing");
}
