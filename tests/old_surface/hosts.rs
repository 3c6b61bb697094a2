//! The catalog: listed, discovered, provisioned, changed, read again; and the logins of its stations.

use serde_json::{Value, json};
use stationkeeper_simulator::Role;
use stationkeeper_tests::simulated_stations::{PASSWORD, SimulatedStations, USER};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::row::holds;
use crate::service::{KEY, Service, others};

fn expect(shows: &str, expected: &Value, said: &Value) {
    holds(expected, said, "").unwrap_or_else(|place| panic!("{shows}: {place} is not {expected} in {said}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_is_listed_as_its_file_has_it_and_a_bad_entry_costs_no_other() {
    let service = Service::start().await;
    let missing = json!({ "status": "missing", "connections": [] });
    let entry = |name: &str, address: &str, reference: &str, labs: &[&str]| json!({ "name": name, "address": address, "credentialRef": reference, "labs": labs, "winrmConfigured": false, "guacamole": missing });
    for path in ["/api/hosts", "/ops/api/hosts"] {
        let listed = service.get(path).await.json();
        let constant = json!({ "guacamoleAvailable": false, "guacamoleError": null, "guacamoleUnmatched": [] });
        expect("constant", &constant, &listed);
        let hosts = listed["hosts"].as_array().unwrap();
        assert_eq!(hosts.len(), 4, "{listed}");
        for (host, expected) in hosts.iter().zip([
            entry(&service.host(), &service.lab.address(0).to_string(), "lab-7", &["7", "optics"]),
            entry("Lab-Off", "127.0.250.1", "lab-7", &["8"]),
            entry("lab-nomac", "127.0.250.2", "lab-7", &["9", "10"]),
            entry("lab-nologin", "127.0.250.3", "127.0.250.3", &["7"]),
        ]) {
            expect(path, &expected, host);
        }
        assert_eq!((&hosts[1]["mac"], &hosts[2]["mac"]), (&json!("00:1A:2B:3C:4D:5E"), &Value::Null));
        assert_eq!((&hosts[1]["mode"], &hosts[3]["mode"]), (&Value::Null, &json!("hybrid")));
        let aside: Vec<_> = listed["setAside"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        assert_eq!(aside, ["lab-outside", "lab-plain"]);
    }
    service.log_in().await;
    let listed = service.get("/api/hosts").await.json();
    let configured: Vec<_> =
        listed["hosts"].as_array().unwrap().iter().map(|host| host["winrmConfigured"].clone()).collect();
    assert_eq!(configured, [true, true, true, false], "whoever names the reference has its login");
    assert!(!listed.to_string().contains(PASSWORD));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_stored_encrypted_and_never_come_back() {
    let service = Service::start().await;
    for (shows, body, reference) in [
        ("its spelling", json!({ "credentialRef": " Lab-X ", "user": "u", "password": "p4ss" }), "lab-x"),
        ("the other", json!({ "credential_ref": "LAB-Y", "username": " u ", "password": "p4ss" }), "lab-y"),
        ("a number", json!({ "credentialRef": 7, "user": 8, "password": "p4ss" }), "7"),
        ("over again", json!({ "credentialRef": "lab-x", "user": "v", "password": "p4ss2" }), "lab-x"),
        ("an address", json!({ "credentialRef": "127.0.250.3", "user": "u", "password": "p4ss" }), "127.0.250.3"),
    ] {
        for path in ["/api/hosts/winrm-credentials", "/ops/api/hosts/winrm-credentials"] {
            let saved = service.post(path, &body).await;
            assert_eq!(saved.status, 200, "{shows}: {}", saved.text());
            assert_eq!(saved.json(), json!({ "saved": true, "credentialRef": reference, "hosts": 4 }), "{shows}");
        }
    }
    let kept = std::fs::read_to_string(service.files().credentials).unwrap();
    let document: Value = serde_json::from_str(&kept).unwrap();
    let references: Vec<_> = document["credentials"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(references, ["127.0.250.3", "7", "lab-x", "lab-y"]);
    for secret in ["p4ss", KEY] {
        assert!(!kept.contains(secret) && !service.up.program.log().contains(secret), "no secret is told");
        assert!(!service.get("/api/v1/audit").await.text().contains(secret), "no secret is told");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_no_login_is_stored() {
    let lab = SimulatedStations::start(&[Role::Idle], 1.0).await;
    let service = Service::of(lab, &others(), &[("OPS_SECRETS_KEY", "")]).await;
    let login = json!({ "credentialRef": "lab-7", "user": USER, "password": "p4ss" });
    let refused = service.post("/api/hosts/winrm-credentials", &login).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("no_secrets_key")));
    let nothing = service.post("/api/hosts/winrm-credentials", &json!({})).await;
    assert_eq!((nothing.status, &nothing.json()["error"]), (400, &json!("Invalid WinRM credentials request")));
    assert_eq!(service.send("GET", "/health", &[], b"").await.json()["ops_secrets_key"], json!(false));
    assert!(!service.files().credentials.exists());
    service.up.terminate();
    service.lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_are_read_again_and_one_that_is_broken_changes_nothing() {
    let service = Service::start().await;
    let files = service.files();
    let base = std::fs::read(&files.base).unwrap();
    let reload = async |path: &str| service.post(path, &json!({})).await;
    assert_eq!(reload("/api/hosts/reload").await.json()["hosts"], json!(4));
    let failed = json!({ "error": "Hosts configuration reload failed", "code": "<text>", "requestId": "<text>" });
    for broken in ["{", "[]", "", r#"{"hosts":{}}"#] {
        std::fs::write(&files.base, broken).unwrap();
        for path in ["/api/hosts/reload", "/ops/api/hosts/reload"] {
            let answer = reload(path).await;
            assert_eq!(answer.status, 500, "{broken}: {}", answer.text());
            expect(broken, &failed, &answer.json());
        }
        assert_eq!(service.get("/api/hosts").await.json()["hosts"].as_array().unwrap().len(), 4, "{broken}");
    }
    // The overlay wins by name in any letter case.
    std::fs::write(&files.base, &base).unwrap();
    std::fs::create_dir_all(files.overlay.parent().unwrap()).unwrap();
    let overlay = json!({ "hosts": [
        { "name": "LAB-OFF", "address": "127.0.250.7", "labs": ["8", "11"] },
        { "name": "lab-more", "address": "localhost", "labs": ["8"] },
    ] });
    std::fs::write(&files.overlay, overlay.to_string()).unwrap();
    let answer = service
        .send("POST", "/api/hosts/reload", &[("X-Ops-Internal-Token", crate::service::SECRET)], b"not read")
        .await;
    assert_eq!((answer.status, &answer.json()["reloaded"], &answer.json()["hosts"]), (200, &json!(true), &json!(5)));
    let listed = service.get("/api/hosts").await.json();
    expect(
        "the overlay wins",
        &json!({ "name": "LAB-OFF", "address": "127.0.250.7", "labs": ["8", "11"] }),
        &listed["hosts"][1],
    );
    expect("a further one", &json!({ "name": "lab-more", "address": "localhost" }), &listed["hosts"][4]);
    // What no file lists any more is gone.
    std::fs::write(&files.overlay, json!({ "hosts": [] }).to_string()).unwrap();
    assert_eq!(reload("/api/hosts/reload").await.json()["hosts"], json!(4));
    service.stop().await;
}

/// Something that takes connections, and says this to each.
async fn place(address: &str, said: Option<&'static str>) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Some(said) = said {
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", said.len());
                let _ = stream.write_all(format!("{head}{said}").as_bytes()).await;
            }
        }
    });
    (at, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_is_discovered_and_provisioned_once_there_is_a_sign_of_it() {
    let health = r#"{"service":"LabStation","status":{"wake":{"nicPower":[{"macAddress":"02-00-5e-00-53-09","wolReady":true}]}}}"#;
    let (http, _http) = place("127.0.240.1:0", Some(health)).await;
    let port = http.rsplit(':').next().unwrap().to_owned();
    // WinRM and Lab Station at one address, WinRM alone, Lab Station alone, nothing.
    let (both, _both) = place("127.0.240.1:0", None).await;
    let (winrm, _winrm) = place("127.0.240.2:0", None).await;
    let ports = [("OPS_DISCOVERY_LABSTATION_PORTS", port.as_str()), ("OPS_DISCOVERY_TIMEOUT_SECONDS", "0.5")];
    let service = Service::start_with(&ports).await;
    let url = format!("http://127.0.240.1:{port}/labstation/health");
    let unchecked = json!({ "checked": false, "detected": false, "status": "missing-winrm-credentials" });
    for (address, status, winrm, http, heartbeat) in [
        (
            both.as_str(),
            "labstation-detected",
            true,
            json!({ "checked": true, "detected": true, "url": url, "statusCode": 200, "service": "LabStation" }),
            unchecked.clone(),
        ),
        (
            &winrm,
            "winrm-reachable",
            true,
            json!({ "checked": true, "detected": false, "status": "no-response" }),
            unchecked,
        ),
        (
            "127.0.240.1",
            "labstation-detected-without-winrm",
            false,
            json!({ "detected": true }),
            json!({ "checked": false, "status": "winrm-unreachable" }),
        ),
        (
            "127.0.240.9",
            "host-resolves",
            false,
            json!({ "detected": false, "status": "no-response" }),
            json!({ "checked": false }),
        ),
        (
            "nowhere.invalid",
            "no-response",
            false,
            json!({ "detected": false, "status": "no-response" }),
            json!({ "checked": false }),
        ),
    ] {
        for path in ["/api/hosts/discover", "/ops/api/hosts/discover"] {
            let found = service.post(path, &json!({ "address": address })).await;
            assert_eq!(found.status, 200, "{address}: {}", found.text());
            let expected = json!({
                "status": status,
                "checks": { "dns": status != "no-response", "winrm": { "5986": winrm }, "labStationHttp": http, "heartbeat": heartbeat },
                "opsHostDraft": { "name": address, "address": address, "labs": [], "heartbeat_path": r"C:\LabStation\labstation\data\telemetry\heartbeat.json" },
            });
            expect(address, &expected, &found.json());
            let mac = found.json()["opsHostDraft"]["mac"].clone();
            let suggested = if http["detected"] == true { json!("02:00:5E:00:53:09") } else { Value::Null };
            assert_eq!(mac, suggested, "{address}");
        }
    }
    for address in ["127.0.240.1", "127.0.240.9", "nowhere.invalid"] {
        let weak = service.post("/api/hosts/provision", &json!({ "name": "lab-weak", "address": address })).await;
        let expected = json!({
            "error": "insufficient discovery signal for ops host provisioning", "requestId": "<text>",
            "discovery": { "status": "<text>", "checks": { "winrm": { "5986": false } } },
        });
        assert_eq!(weak.status, 409, "{}", weak.text());
        expect(address, &expected, &weak.json());
    }
    let outside = service.post("/api/hosts/discover", &json!({ "address": "192.0.2.1" })).await;
    assert_eq!(outside.status, 400, "{}", outside.text());

    // A blank MAC is filled in by what was found.
    let body = json!({ "name": "lab-both", "address": both, "mac": " ", "labs": "1, 2", "validLabIds": [1, 2, 3], "credentialRef": "Lab-7" });
    let made = service.post("/ops/api/hosts/provision", &body).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let host = json!({ "name": "lab-both", "address": both, "mac": "02:00:5E:00:53:09", "labs": ["1", "2"], "credentialRef": "lab-7", "winrmConfigured": false });
    expect(
        "made",
        &json!({ "provisioned": true, "hosts": 5, "host": host, "discoveryStatus": "labstation-detected" }),
        &made.json(),
    );
    let again = service.post("/api/hosts/provision", &json!({ "name": "LAB-BOTH", "address": winrm })).await;
    assert_eq!((again.status, &again.json()["error"]), (409, &json!("host LAB-BOTH already exists")));
    let body = json!({ "name": "lab_two", "address": winrm, "mac": "00:1a:2b:3c:4d:60", "heartbeatPath": r"D:\LabStation\heartbeat.json" });
    let made = service.post("/api/hosts/provision", &body).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let overlay: Value = serde_json::from_slice(&std::fs::read(service.files().overlay).unwrap()).unwrap();
    let expected = json!({ "hosts": [
        { "name": "lab-both", "address": both, "mac": "02:00:5E:00:53:09", "labs": ["1", "2"], "winrm_use_ssl": true, "winrm_port": 5986, "winrm_transport": "ntlm" },
        { "name": "lab_two", "mac": "00:1a:2b:3c:4d:60", "heartbeat_path": r"D:\LabStation\heartbeat.json", "labs": [] },
    ] });
    expect("the overlay", &expected, &overlay);

    let changed = service
        .send("PATCH", "/api/hosts/LAB_TWO", &[("X-Ops-Internal-Token", crate::service::SECRET)], br#"{"labs":["5"]}"#)
        .await;
    assert_eq!((changed.status, &changed.json()["host"]["labs"]), (200, &json!(["5"])), "{}", changed.text());
    let gone = service
        .send("DELETE", "/ops/api/hosts/lab_two", &[("X-Ops-Internal-Token", crate::service::SECRET)], b"")
        .await;
    assert_eq!(gone.status, 200, "{}", gone.text());
    let poll = service.post("/api/heartbeat/poll", &json!({ "host": "lab_two" })).await;
    assert_eq!((poll.status, &poll.json()["error"]), (404, &json!("host 'lab_two' not found in config")));
    service.stop().await;
}
