//! Stations that are held, at the command line.

use chrono::TimeDelta;
use serde_json::json;
use stationkeeper_pipeline::clock::{Clock, SystemClock};

use crate::people::{lab, stationkeeper};

#[test]
fn a_station_is_held_for_a_while_and_released_and_the_log_says_by_whom() {
    let folder = lab();
    let data = folder.path();
    let asked = ["hold", "lab-ws01", "--for", "90m", "--reason", "an exam", "--by", "ana"];
    let said = stationkeeper(data, &asked).succeeded().text();
    assert!(said.starts_with("Held: LAB-WS01 until 20") && said.contains("A gateway tells the station"), "{said}");
    let longer = ["hold", "LAB-WS01", "--until", "2036-01-05T10:00:00Z", "--by", "ana"];
    let refused = stationkeeper(data, &longer);
    assert!(refused.refused(65).contains("a hold lasts at most 604800 s"), "{}", refused.refused(65));

    let released = stationkeeper(data, &["release", "LAB-WS01", "--by", "ben", "--json"]).succeeded().json();
    assert_eq!(
        (&released["state"], &released["owner"], &released["ended_by"], &released["reason"]),
        (&json!("releasing"), &json!("ana"), &json!("ben"), &json!("an exam"))
    );
    let again = stationkeeper(data, &["hold", "LAB-WS01", "--end", "--json"]).succeeded().json();
    assert_eq!(again, released, "ended again, it stays as it was");
    let log = stationkeeper(data, &["audit", "--host", "LAB-WS01", "--json"]).succeeded().json_lines();
    let steps: Vec<_> = log.iter().map(|entry| (entry["action"].clone(), entry["actor"].clone())).collect();
    assert_eq!(steps, [(json!("hold.end"), json!("ben")), (json!("hold.set"), json!("ana"))]);
}

#[test]
fn a_hold_over_a_reservation_wants_it_named_and_a_reason() {
    let folder = lab();
    let data = folder.path();
    let in_an_hour = (SystemClock.now() + TimeDelta::hours(1)).to_rfc3339();
    stationkeeper(data, &["reserve", "R-1", "--host", "LAB-WS01", "--from", &in_an_hour, "--for", "1h"]).succeeded();
    let over = ["hold", "LAB-WS01", "--for", "2h"];
    for (more, code, said) in [
        (&[][..], 65, "blocks the reservation R-1"),
        (&["--confirm-reservation", "R-1"], 65, "say in a reason"),
        (&["--confirm-reservation", "R-2", "--reason", "exam"], 65, "blocks the reservation R-1"),
    ] {
        let refused = stationkeeper(data, &[&over[..], more].concat());
        assert!(refused.refused(code).contains(said), "{more:?}: {}", refused.refused(code));
    }
    let confirmed = ["--confirm-reservation", "R-1", "--reason", "exam"];
    stationkeeper(data, &[&over[..], &confirmed].concat()).succeeded();
    for (arguments, code, said) in [
        (&["hold", "LAB-WS09"][..], 66, "LAB-WS09"),
        (&["release", "LAB-WS09"], 66, "LAB-WS09"),
        (&["release", "LAB-WS02"], 66, "LAB-WS02 is not held"),
    ] {
        let refused = stationkeeper(data, arguments);
        assert!(refused.refused(code).contains(said), "{arguments:?}: {}", refused.refused(code));
    }
}
