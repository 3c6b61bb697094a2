//! Reservations, tokens, waking and the audit log by whoever has the database.

use std::path::Path;

use serde_json::{Value, json};
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_telemetry::HostName;
use stationkeeper_tests::binary::{Ran, run};
use stationkeeper_tests::database::blocking;

use crate::words;

pub fn stationkeeper(data: &Path, arguments: &[&str]) -> Ran {
    let mut all = words(&[]);
    all.extend(arguments.iter().map(Into::into));
    all.extend(words(&[&"--data", &data]));
    run(all)
}

pub fn lab() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for host in ["LAB-WS02", "LAB-WS01"] {
        stationkeeper(folder.path(), &["station", "add", host, "--lab", "optics"]).succeeded();
    }
    folder
}

#[test]
fn a_reservation_is_made_moved_listed_and_cancelled() {
    let folder = lab();
    let data = folder.path();
    let asked = ["--lab", "optics", "--from", "2036-01-05T10:00:00+01:00", "--for", "90m", "--who", "Ana's group"];
    let said = stationkeeper(data, &[&["reserve", "R-1"], &asked[..]].concat()).succeeded().text();
    assert_eq!(said, "Reserved: R-1 on LAB-WS01 from 2036-01-05T09:00:00Z until 2036-01-05T10:30:00Z\n");
    let moved = ["reserve", "R-1", "--host", "lab-ws02", "--until", "2036-01-05T11:00:00Z", "--by", "ben", "--json"];
    let moved = stationkeeper(data, &moved).succeeded().json();
    assert_eq!(
        moved,
        json!({
            "id": "R-1", "lab": "optics", "host": "LAB-WS02", "start_at": "2036-01-05T09:00:00Z",
            "end_at": "2036-01-05T11:00:00Z", "status": "confirmed", "who": "Ana's group",
        })
    );
    let window = ["--from", "2036-01-01T00:00:00Z", "--until", "2036-02-01T00:00:00Z"];
    let listed = stationkeeper(data, &[&["reserve", "list", "--json"], &window[..]].concat()).succeeded().json_lines();
    let [mut listed] = <[serde_json::Value; 1]>::try_from(listed).expect("one");
    assert_eq!(listed.as_object_mut().and_then(|one| one.remove("at_risk")), Some(json!([])));
    assert_eq!(listed, moved);
    let table =
        stationkeeper(data, &[&["reserve", "list", "--lab", "optics"], &window[..]].concat()).succeeded().text();
    assert!(table.contains("R-1") && table.contains("LAB-WS02") && table.contains("confirmed"), "{table}");
    assert_eq!(stationkeeper(data, &["reserve", "list"]).succeeded().text(), "No reservations.\n");

    let cancelled = stationkeeper(data, &["reserve", "cancel", "R-1", "--json"]).succeeded().json();
    assert_eq!(cancelled["status"], "cancelled");
    let log = stationkeeper(data, &["audit", "--target", "R-1", "--json"]).succeeded().json_lines();
    let steps: Vec<_> = log.iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(steps, ["reservation.cancel", "reservation.put", "reservation.put"]);
    assert_eq!((&log[1]["actor"], &log[1]["role"]), (&json!("ben"), &Value::Null));
    let table = stationkeeper(data, &["audit"]).succeeded().text();
    assert!(table.contains("reservation.cancel"), "{table}");
}

#[test]
fn what_cannot_be_reserved_is_one_sentence() {
    let folder = lab();
    let time = ["--from", "2036-01-05T10:00:00Z", "--until", "2036-01-05T09:00:00Z"];
    for (arguments, code, said) in [
        (&["reserve", "R-1"][..], 65, "say where"),
        (&["reserve", "R-1", "--host", "LAB-WS01"], 65, "say when"),
        (&["reserve", "R-1", "--host", "LAB-WS09", time[0], time[1], time[2], time[3]], 65, "LAB-WS09"),
        (&["reserve", "R-1", "--host", "LAB-WS01", time[0], time[1], time[2], time[3]], 65, "ends after it starts"),
        (&["reserve", "R-1", "--lab", "chemistry", time[0], time[1], time[2], time[3]], 65, "chemistry"),
        (&["reserve", "cancel", "R-1"], 66, "there is no reservation R-1"),
        (&["token", "add", "", "--role", "viewer"], 65, "1 to 64 characters"),
        (&["token", "revoke", "xx"], 66, "there is no token xx"),
    ] {
        let ran = stationkeeper(folder.path(), arguments);
        assert!(ran.refused(code).contains(said), "{arguments:?}: {}", ran.refused(code));
    }
}

#[test]
fn a_token_is_shown_once_listed_and_revoked() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("new");
    let data = data.as_path();
    let added =
        stationkeeper(data, &["token", "add", "booking system", "--role", "operator", "--lab", "optics", "--json"]);
    let added = added.succeeded().json();
    let (id, secret) = (added["id"].as_str().expect("an id"), added["token"].as_str().expect("a token"));
    assert_eq!(added["name"], "booking system");
    let said = stationkeeper(data, &["token", "add", "wall", "--role", "viewer"]).succeeded().text();
    assert!(said.starts_with("sk_") && said.contains("Token of wall (viewer)"), "{said}");
    let listed = stationkeeper(data, &["token", "list"]).succeeded().text();
    assert!(listed.contains("booking system") && listed.contains("optics") && !listed.contains(secret), "{listed}");
    let revoked = stationkeeper(data, &["token", "revoke", &id[..6]]).succeeded().text();
    assert!(revoked.starts_with("Revoked: booking system"), "{revoked}");
    let again = stationkeeper(data, &["token", "revoke", id]).succeeded().text();
    assert!(again.starts_with("It had been revoked before"), "{again}");
    let log = stationkeeper(data, &["audit", "--json"]).succeeded();
    assert!(!log.text().contains(secret));
    let steps: Vec<_> = log.json_lines().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(steps, ["token.revoke", "token.add", "token.add"]);

    let offered = stationkeeper(data, &["token", "pair", "tray", "--role", "instructor", "--json"]).succeeded().json();
    let code = offered["code"].as_str().expect("a code");
    assert!(code.len() == 9 && code.as_bytes()[4] == b'-', "{code}");
    assert!(offered["expires_at"].is_string());
    assert!(stationkeeper(data, &["token", "add", "x", "--role", "root"]).code.is_some_and(|code| code != 0));
}

#[test]
fn a_station_is_woken_and_waited_for() {
    let folder = lab();
    let data = folder.path();
    let station = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let adapter = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = adapter.local_addr().expect("an address").port().to_string();
    let address = station.local_addr().expect("an address").to_string();
    blocking(async {
        let store = Store::sqlite(&data.join("stationkeeper.sqlite"), StoreOptions::default()).await.expect("opens");
        let host = HostName::parse("LAB-WS01").expect("a host");
        let mut entry = store.station(&host).await.expect("reads").expect("is there").entry;
        (entry.address, entry.mac) = (Some(address), Some("02-00-5E-00-53-01".to_owned()));
        let mut work = store.begin().await.expect("begins");
        work.states().save_catalog(&[entry]).await.expect("saves");
        work.commit().await.expect("commits");
        store.close().await;
    });
    let wake = |more: &[&str]| stationkeeper(data, &[&["wake", "lab-ws01", "--port", &port], more].concat());
    let here = ["--management-networks", "127.0.0.0/8"];
    let said = wake(&here).succeeded().text();
    assert!(said.starts_with("Attempt 1 of 3: packets to ") && said.contains("LAB-WS01 answers"), "{said}");
    let mut packet = [0; 200];
    assert_eq!(adapter.recv(&mut packet).expect("a packet"), 102);
    let json = wake(&[&here[..], &["--json"]].concat()).succeeded().json();
    assert_eq!((&json["success"], &json["attempts_used"]), (&json!(true), &json!(1)));
    assert!(wake(&[]).refused(78).contains("WINRM_MANAGEMENT_CIDRS"));
    assert!(wake(&["--management-networks", "everywhere"]).refused(78).contains("everywhere"));
    assert!(wake(&["--management-networks", "10.0.0.0/8"]).refused(65).contains("127.0.0.1"));
    drop(station);
    let silent = wake(&[&here[..], &["--attempts", "1", "--wait-seconds", "1"]].concat());
    assert_eq!((silent.code, silent.text().contains("does not answer")), (Some(69), true), "{}", silent.text());
    let missing = stationkeeper(data, &["wake", "LAB-WS02", here[0], here[1]]);
    assert!(missing.refused(65).contains("no MAC address"));
    assert!(stationkeeper(data, &["wake", "LAB-WS09", here[0], here[1]]).refused(66).contains("LAB-WS09"));
    let log = stationkeeper(data, &["audit", "--host", "LAB-WS01", "--json"]).succeeded().json_lines();
    assert!(log.iter().all(|entry| entry["action"] == "station.wake"), "{log:?}");
}

#[test]
fn a_list_of_reservations_is_shown_first_and_then_taken_as_a_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    stationkeeper(data, &["station", "add", "LAB-WS01", "--lab", "optics"]).succeeded();
    let list = data.join("december.csv");
    let write = |rows: &str| std::fs::write(&list, format!("id,lab,host,start_at,end_at,who\n{rows}")).expect("a file");
    write("R-1,optics,,2036-01-05T09:00:00Z,2036-01-05T10:00:00Z,Ana\nR-2,optics,,2036-01-06T09:00:00Z,soon,\n");
    let file = list.to_str().expect("a path of text");
    let import = |more: &[&str]| stationkeeper(data, &[&["reserve", "import", file], more].concat());
    let shown = import(&["--dry-run", "--json"]);
    assert_eq!(shown.code, Some(65), "{shown:?}");
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let outcomes: Vec<_> = shown["items"].as_array().expect("items").iter().map(|one| &one["outcome"]).collect();
    assert_eq!(outcomes, [&json!("new"), &json!("refused")]);
    let refused = import(&[]);
    assert_eq!(refused.code, Some(65), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stdout);
    assert!(said.contains("nothing was changed") && said.contains("`soon` is no time"), "{said}");
    let window = ["reserve", "list", "--from", "2036-01-01T00:00:00Z", "--until", "2036-02-01T00:00:00Z", "--json"];
    assert!(stationkeeper(data, &window).succeeded().json_lines().is_empty());

    write("R-1,optics,,2036-01-05T09:00:00Z,2036-01-05T10:00:00Z,Ana\n");
    let taken = import(&["--by", "ben"]).succeeded().text();
    assert!(taken.ends_with("1 new, 0 changed, 0 same, 0 refused\n"), "{taken}");
    assert_eq!(stationkeeper(data, &window).succeeded().json_lines()[0]["id"], "R-1");
    assert!(stationkeeper(data, &["reserve", "import", "list.xls"]).refused(65).contains(".csv, .json or .ics"));
    assert!(stationkeeper(data, &["reserve", "import", "lost.csv"]).refused(66).contains("lost.csv"));
}
