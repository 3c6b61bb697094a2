//! `up --demo`: whoever starts it for the first time sees a lab with a day behind it, and everything that can go wrong.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stationkeeper_rules::Rule;
use stationkeeper_store::{ForcedLogoffFilter, StationFilter};
use stationkeeper_tests::simulated_stations::{WinRmClient, cmd, lab_station};

use crate::harness::programs::stationkeeper_says;
use crate::harness::until;
use crate::harness::up::{Up, data_folder};

/// Making a day of history may take this long on a loaded computer; what follows counts from its line.
const MAKING: Duration = Duration::from_secs(300);
/// "Within 60 s of its line".
const SHOWN: Duration = Duration::from_secs(60);

fn newest(stations: &[Value]) -> Vec<String> {
    let mut instants: Vec<_> =
        stations.iter().filter_map(|station| station["timestamp_utc"].as_str().map(str::to_owned)).collect();
    instants.sort();
    instants
}

#[tokio::test]
async fn a_demo_shows_twelve_stations_all_five_rules_and_a_forced_logoff_and_goes_on() {
    let folder = data_folder();
    let mut up = Up::start_with(folder.path(), &["--demo", "12", "--speed", "60"], MAKING);
    let begun = Instant::now();
    let data = folder.path().to_str().unwrap();

    let stations = until("12 stations", SHOWN, async || {
        let stations = up.all("/api/v1/stations").await;
        (stations.len() == 12).then_some(stations)
    })
    .await;
    let lines: Vec<Value> = serde_json::from_str(&stationkeeper_says(&["status", "--data", data, "--json"])).unwrap();
    assert_eq!(lines.len(), 12);

    let mission: BTreeSet<_> = Rule::MISSION.iter().map(|rule| rule.as_str().to_owned()).collect();
    until("an alert of each of the five rules", SHOWN, async || {
        let alerts = up.all("/api/v1/alerts?state=any").await;
        let rules: BTreeSet<_> = alerts.iter().filter_map(|alert| alert["rule"].as_str().map(str::to_owned)).collect();
        mission.is_subset(&rules).then_some(())
    })
    .await;

    let store = up.store().await;
    until("a forced logoff with its reservation", SHOWN, async || {
        let found = store.forced_logoffs(&ForcedLogoffFilter::default(), None, 1_000).await.unwrap();
        found.iter().any(|row| row.reservation_id.is_some()).then_some(())
    })
    .await;
    assert!(begun.elapsed() < SHOWN, "all of it within 60 s of the line: {:?}", begun.elapsed());

    // At 60 times the speed each station sends every second or so.
    let before = newest(&stations);
    until("heartbeats that keep coming", SHOWN, async || {
        let now = newest(&up.all("/api/v1/stations").await);
        let moved = before.iter().zip(&now).filter(|(before, now)| before < now).count();
        (moved >= 6).then_some(())
    })
    .await;
    let between = newest(&up.all("/api/v1/stations").await);
    until("heartbeats that still keep coming", SHOWN, async || {
        let now = newest(&up.all("/api/v1/stations").await);
        (between.last() < now.last()).then_some(())
    })
    .await;
    let health = up.get_openly("/health").await;
    assert_eq!(health.status, 200, "{}", health.text());
    assert!(up.program.runs());
    up.terminate();
}

#[tokio::test]
async fn a_second_start_makes_the_demo_anew() {
    let folder = data_folder();
    let up = Up::start_with(folder.path(), &["--demo", "3"], MAKING);
    let first: BTreeSet<_> =
        up.all("/api/v1/stations").await.iter().map(|station| station["host"].to_string()).collect();
    assert_eq!(first.len(), 3);
    let old_token = up.token().to_owned();
    let store = up.store().await;
    let count = store.count_heartbeats(None).await.unwrap();
    assert!(count > 1_000, "a day of three stations: {count}");
    store.close().await;
    up.terminate();

    let again = Up::start_with(folder.path(), &["--demo", "2"], MAKING);
    assert_eq!(again.all("/api/v1/stations").await.len(), 2, "nothing of the first demo is left");
    let by_old_token = again.get_with("/api/v1/stations", &[("X-Lab-Manager-Token", &old_token)]).await;
    assert_eq!(by_old_token.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_of_the_demo_is_prepared_shut_down_and_woken_by_others() {
    let folder = data_folder();
    let mut up = Up::start_with(folder.path(), &["--demo", "1", "--speed", "60"], MAKING);
    let simulated = up.line["simulated"].clone();
    let address = simulated["stations"]["LAB-WS01"]["address"].as_str().unwrap().parse().unwrap();
    let client = WinRmClient {
        address,
        password: simulated["password"].as_str().unwrap().to_owned(),
        transport: "ntlm",
        trust: None,
        wait: 5,
        patience: 30,
    };
    let shown = async |pointer: &str| up.all("/api/v1/stations").await[0].pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(client.one(cmd("hostname")).await.unwrap().text().trim(), "LAB-WS01");
    let store = up.store().await;
    let station = store.stations(&StationFilter::default(), None, 10).await.unwrap().remove(0);
    assert_eq!(station.entry.address, Some(address.to_string()), "the catalog knows where it answers");
    assert!(station.entry.mac.is_some(), "and how it is woken");

    // Its script prepares now and then too, for the default user.
    until("a heartbeat that shows the prepare", SHOWN, async || {
        let said = client.one(lab_station("prepare-session --user=visitor")).await.unwrap();
        assert_eq!(said.exit_code, 1, "done with warnings: {}", said.text());
        (shown("/last_prepare/user").await == "visitor").then_some(())
    })
    .await;

    assert_eq!(client.one(lab_station("power shutdown --delay=240 --reason=night")).await.unwrap().exit_code, 0);
    until("a refused connection", SHOWN, async || std::net::TcpStream::connect(address).is_err().then_some(())).await;
    // Five minutes of its time: whatever was under way has come.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let last = shown("/timestamp_utc").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(shown("/timestamp_utc").await, last, "a PC that is off sends no heartbeat");

    // Five minutes of its time: it boots while it is waited for.
    let woken = up.post("/api/wol", &json!({ "host": "LAB-WS01", "ping_timeout": 30 })).await;
    assert_eq!((woken.status, &woken.json()["success"]), (200, &json!(true)), "{}", woken.text());
    until("a station that answers", SHOWN, async || client.one(cmd("hostname")).await.ok()).await;
    until("a heartbeat after the wake", SHOWN, async || (shown("/timestamp_utc").await != last).then_some(())).await;
    assert_eq!(shown("/last_power_action/mode").await, "shutdown");
    assert!(up.program.runs());
    up.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_runs_commands_on_the_stations_of_the_demo() {
    let folder = data_folder();
    let up = Up::start_with(folder.path(), &["--demo", "1", "--speed", "60"], MAKING);
    let run = async |command: &str, arguments: Value| {
        up.post("/api/winrm", &json!({ "host": "lab-ws01", "command": command, "args": arguments })).await
    };
    let status = run("status-json", json!([])).await;
    assert_eq!((status.status, &status.json()["exit_code"]), (200, &json!(0)), "{}", status.text());
    assert!(status.json()["stdout"].as_str().unwrap().contains("schemaVersion"), "{}", status.text());
    let prepared = run("prepare-session", json!("--user=newcomer --guard-grace=30")).await;
    assert_eq!((prepared.status, &prepared.json()["exit_code"]), (200, &json!(1)), "{}", prepared.text());
    assert!(prepared.json()["duration_ms"].is_u64());

    // The same from the command line, as somebody who has the database.
    let simulated = &up.line["simulated"];
    let station = &simulated["stations"]["LAB-WS01"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let ran = stationkeeper_tests::programs::command("stationkeeper")
        .args(["run", "--data", folder.path().to_str().unwrap(), "--management-networks", "127.0.0.0/8"])
        .args(["--pin", &text(&station["certificate_sha256"]), "lab-ws01", "recovery", "reboot-if-needed"])
        .env("WINRM_USER", text(&simulated["user"]))
        .env("WINRM_PASSWORD", text(&simulated["password"]))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(said.contains("Exit code 1: not done"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(1));

    let address: std::net::SocketAddr = text(&station["address"]).parse().unwrap();
    let off = run("power", json!(["shutdown", "--delay=240", "--reason=Remote order"])).await;
    assert_eq!((off.status, &off.json()["exit_code"]), (200, &json!(0)), "{}", off.text());
    until("a refused connection", SHOWN, async || std::net::TcpStream::connect(address).is_err().then_some(())).await;
    let silent = run("status-json", json!([])).await;
    assert_eq!((silent.status, silent.header("x-station-error")), (500, Some("station_unreachable")));

    let audited = up.all("/api/v1/audit").await;
    let commands: Vec<_> = audited.iter().filter(|entry| entry["action"] == "station.command").collect();
    let mut words: Vec<_> = commands.iter().map(|entry| text(&entry["detail"]["command"])).collect();
    words.sort();
    assert_eq!(words, ["power", "prepare-session", "recovery"], "what only reads leaves no row");
    let password = text(&simulated["password"]);
    assert!(!serde_json::to_string(&audited).unwrap().contains(&password) && !up.program.log().contains(&password));
    up.terminate();
}
