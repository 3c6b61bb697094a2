//! The older service's catalog and its files, against stations that answer WinRM.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use stationkeeper_simulator::Role;
use stationkeeper_tests::programs::{Running, command};
use stationkeeper_tests::simulated_stations::{PASSWORD, SimulatedStations, USER};

use crate::harness::until;
use crate::harness::up::{Up, data_folder};

const MAKING: Duration = Duration::from_secs(300);
const SHOWN: Duration = Duration::from_secs(60);

/// An `up` with the older service's environment.
fn up_with(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Up {
    let mut up = command("stationkeeper");
    up.args(["up", "--json", "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(arguments);
    up.envs(environment.iter().copied());
    Up::answering(Running::start(up, "stationkeeper up", &data.with_extension("log")), data, MAKING)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_is_polled_and_put_into_local_mode_and_the_database_knows_it() {
    let folder = data_folder();
    let up = up_with(folder.path(), &["--demo", "1", "--speed", "60"], &[("OPS_HEARTBEAT_SSE_INTERVAL_SECONDS", "1")]);
    let polled = until("a heartbeat on the station", SHOWN, async || {
        let polled = up.post("/ops/api/heartbeat/poll", &json!({ "host": "lab-ws01" })).await;
        (polled.status == 200).then(|| polled.json())
    })
    .await;
    assert_eq!((&polled["host"], &polled["stored"]), (&json!("lab-ws01"), &json!(true)), "{polled}");
    assert_eq!(polled["heartbeat"]["host"], "LAB-WS01");
    assert!(polled["duration_ms"].is_u64());
    let instant = |value: &Value| value.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let store = up.store().await;
    let read = instant(&polled["heartbeat"]["timestamp"]);
    let host = stationkeeper_telemetry::HostName::parse("LAB-WS01").unwrap();
    assert!(store.raw(&host, read).await.unwrap().is_some(), "it was committed before the answer");

    for enabled in [true, false] {
        let asked = json!({ "host": "lab-ws01", "enabled": if enabled { "on" } else { "0" }, "reason": "a class" });
        let set = up.post("/api/hosts/local-mode", &asked).await;
        assert_eq!(set.status, 200, "{}", set.text());
        let answer = set.json();
        assert_eq!((&answer["host"], &answer["localModeEnabled"]), (&json!("lab-ws01"), &json!(enabled)));
        assert_eq!((&answer["desired"]["owner"], &answer["desired"]["reason"]), (&json!("admin"), &json!("a class")));
        until("a heartbeat that shows it", SHOWN, async || {
            let shown = up.get("/api/hosts").await.json()["hosts"][0]["localMode"].clone();
            (shown["desired"]["enabled"] == enabled && shown["observed"]["enabled"] == enabled).then_some(())
        })
        .await;
    }
    let audited = up.all("/api/v1/audit?action=station.local_mode").await;
    assert_eq!(audited.len(), 2);
    up.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_and_the_secret_of_the_older_service_are_taken_as_they_are() {
    let folder = data_folder();
    let (base, overlay) = (folder.path().join("hosts.json"), folder.path().join("ops/hosts.json"));
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let entry = json!({
        "name": "lab-ws-01", "address": "127.0.9.1", "winrm_use_ssl": true, "winrm_port": 5986, "labs": ["1"],
        "heartbeat_path": "C:\\\\LabStation\\\\labstation\\\\data\\\\telemetry\\\\heartbeat.json",
    });
    std::fs::write(&base, json!({ "hosts": [entry, { "name": "bad" }] }).to_string()).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let up = up_with(
        folder.path(),
        &[],
        &[
            ("OPS_CONFIG", &text(&base)),
            ("OPS_DYNAMIC_CONFIG", &text(&overlay)),
            ("OPS_INTERNAL_AUTH_TOKEN_FILE", &text(&secret)),
            ("OPS_INTERNAL_AUTH_HEADER", "X-Edge"),
            ("WINRM_MANAGEMENT_CIDRS", "127.0.0.0/16"),
        ],
    );
    let shown = up.get_with("/ops/api/hosts", &[("X-Edge", "s3cret")]).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    let hosts = shown.json();
    assert_eq!((&hosts["hosts"][0]["name"], &hosts["hosts"][0]["labs"]), (&json!("lab-ws-01"), &json!(["1"])));
    assert_eq!(hosts["setAside"], json!([{ "name": "bad", "reason": "address is required" }]));
    assert_eq!(up.get_with("/api/hosts", &[("X-Edge", "wrong")]).await.status, 401);

    // Something takes connections there; it says nothing, and no heartbeat can be read.
    let station = tokio::net::TcpListener::bind("127.0.9.2:0").await.unwrap();
    let address = station.local_addr().unwrap().to_string();
    let done = up.post("/api/hosts/provision", &json!({ "name": "lab-ws-02", "address": address })).await;
    assert_eq!((done.status, &done.json()["hosts"]), (200, &json!(2)), "{}", done.text());
    let written: Value = serde_json::from_slice(&std::fs::read(&overlay).unwrap()).unwrap();
    assert_eq!(written["hosts"][0]["name"], "lab-ws-02");
    up.terminate();

    std::fs::write(&base, "{").unwrap();
    let again = up_with(folder.path(), &[], &[("OPS_CONFIG", &text(&base)), ("OPS_DYNAMIC_CONFIG", &text(&overlay))]);
    let hosts = again.get("/api/hosts").await.json();
    assert_eq!(hosts["hosts"].as_array().unwrap().len(), 2, "a broken file stops nothing: {hosts}");
    assert!(hosts["catalogProblem"].as_str().unwrap().contains("hosts.json"), "{hosts}");
    again.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_with_a_login_of_its_own_is_reached_by_that_login() {
    let folder = data_folder();
    let key = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    let up = up_with(folder.path(), &["--demo", "1", "--speed", "60"], &[("OPS_SECRETS_KEY", key)]);
    let run = async || up.post("/api/winrm", &json!({ "host": "LAB-WS01", "command": "status-json" })).await;
    let reached =
        until("a station that answers", SHOWN, async || Some(run().await).filter(|run| run.status == 200)).await;
    assert_eq!(reached.json()["exit_code"], 0);
    let address = up.line["simulated"]["stations"]["LAB-WS01"]["address"].clone();
    let password = up.line["simulated"]["password"].as_str().unwrap().to_owned();
    for (password, status) in [("wr0ng-password", 500), (password.as_str(), 200)] {
        let login = json!({ "credentialRef": address, "user": up.line["simulated"]["user"], "password": password });
        let saved = up.post("/api/hosts/winrm-credentials", &login).await;
        assert_eq!((saved.status, &saved.json()["saved"]), (200, &json!(true)), "{}", saved.text());
        let ran = run().await;
        assert_eq!(ran.status, status, "{}", ran.text());
        if status == 500 {
            assert_eq!(
                ran.json()["code"],
                "INTERNAL_ERROR",
                "what it was is for the log, and a word of it for a header"
            );
            assert_eq!(ran.header("x-station-error"), Some("station_unauthorized"));
        }
    }
    let kept = std::fs::read_to_string(folder.path().join("winrm-credentials.json")).unwrap();
    for secret in ["wr0ng-password", password.as_str(), key] {
        assert!(!kept.contains(secret) && !up.program.log().contains(secret), "no secret is told");
    }
    assert_eq!(up.get_openly("/health").await.json()["ops_secrets_key"], true);
    up.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn stations_that_upload_nothing_are_polled_in_rounds() {
    let lab = SimulatedStations::start(&[Role::Idle, Role::Idle], 10.0).await;
    until("a heartbeat", SHOWN, async || lab.heartbeats(0).first().cloned()).await;
    let folder = data_folder();
    let base = folder.path().join("hosts.json");
    let pin = hex::encode(lab.stations.certificate(&lab.host(0)).unwrap().sha256);
    let entry = |place: usize, pin: &str| json!({ "name": lab.host(place), "address": lab.address(place), "certificate_sha256": pin });
    // The second shows another certificate than the catalog says.
    std::fs::write(&base, json!({ "hosts": [entry(0, &pin), entry(1, &"00".repeat(32))] }).to_string()).unwrap();
    let up = up_with(
        folder.path(),
        &[],
        &[
            ("OPS_CONFIG", base.to_str().unwrap()),
            ("WINRM_MANAGEMENT_CIDRS", "127.0.0.0/8"),
            ("WINRM_USER", USER),
            ("WINRM_PASSWORD", PASSWORD),
            ("OPS_POLL_ENABLED", "true"),
            ("OPS_POLL_INTERVAL", "1"),
        ],
    );
    let store = up.store().await;
    until("two heartbeats that were polled", SHOWN, async || {
        (store.count_heartbeats(Some(&lab.host(0))).await.unwrap() >= 2).then_some(())
    })
    .await;
    assert_eq!(store.count_heartbeats(Some(&lab.host(1))).await.unwrap(), 0);
    let shown = up.get("/api/hosts").await.json();
    assert!(shown["hosts"][0]["heartbeatAt"].is_string() && shown["hosts"][1]["heartbeatAt"].is_null(), "{shown}");
    assert!(!up.program.log().contains(PASSWORD));
    up.terminate();
    lab.stop().await;
}
