//! `/api/hosts`, `/api/heartbeat` and who may ask at all: what a client of the older service sees.

mod files;
mod gate;
mod logins;
mod stream;

use serde_json::{Value, json};
use stationkeeper_rules::StationWord;
use stationkeeper_store::{Labs, TokenRole};
use tokio::net::TcpListener;

use crate::app::App;

/// What was done, or begun.
async fn audited(app: &App, action: &str) -> Vec<Value> {
    let mut items =
        app.get(&format!("/api/v1/audit?action={action}")).await.json()["items"].as_array().unwrap().clone();
    items.retain(|entry| entry["outcome"] != "refused");
    items
}

/// Something that takes connections, as WinRM would.
async fn listening() -> (TcpListener, String) {
    let station = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = station.local_addr().unwrap().to_string();
    (station, address)
}

#[tokio::test]
async fn the_catalog_is_shown_with_the_state_of_each_station() {
    let app = App::start().await;
    app.station("LAB-01", Some("optics"), StationWord::Ready).await;
    app.place("LAB-01", Some("127.0.0.9"), Some("02-00-5E-00-53-01")).await;
    let viewer = app.add_token("wall", TokenRole::Viewer).await;
    for path in ["/api/hosts", "/ops/api/hosts"] {
        let shown = app.get_as(Some(&viewer), path).await;
        assert_eq!(
            shown.json(),
            json!({
                "hosts": [{
                    "name": "LAB-01",
                    "address": "127.0.0.9",
                    "credentialRef": "127.0.0.9",
                    "mac": "02-00-5E-00-53-01",
                    "mode": null,
                    "labs": ["optics"],
                    "winrmConfigured": false,
                    "guacamole": { "status": "missing", "connections": [] },
                    "host": "LAB-01",
                    "status": "active",
                    "source": null,
                    "pinned": false,
                    "state": "ready",
                    "stateSince": "2026-11-24T09:59:00Z",
                    "ready": true,
                    "heartbeatAt": "2026-11-24T09:59:00Z",
                    "localMode": { "desired": null, "observed": { "enabled": false, "at": "2026-11-24T09:59:00Z" } },
                }],
                "guacamoleAvailable": false,
                "guacamoleError": null,
                "guacamoleUnmatched": [],
                "setAside": [],
                "catalogProblem": null,
            }),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_station_is_put_into_the_catalog_once_there_is_a_sign_of_it() {
    let (station, address) = listening().await;
    let app = App::start().await;
    let body = json!({
        "name": "lab-07", "address": address, "labs": "1, 2", "validLabIds": [1, 2, 3], "credentialRef": "Shared",
        "heartbeatPath": "D:\\LabStation\\heartbeat.json", "winrmTransport": "basic",
    });
    let done = app.post("/api/hosts/provision", &body.to_string()).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let answer = done.json();
    assert_eq!((&answer["provisioned"], &answer["hosts"]), (&json!(true), &json!(1)));
    assert_eq!(answer["discoveryStatus"], "winrm-reachable");
    let host = &answer["host"];
    assert_eq!(
        (&host["name"], &host["labs"], &host["credentialRef"]),
        (&json!("lab-07"), &json!(["1", "2"]), &json!("shared"))
    );
    assert_eq!((&host["source"], &host["status"]), (&json!("api"), &json!("active")));
    let [row] = audited(&app, "host.add").await.try_into().unwrap();
    assert_eq!((&row["host"], &row["actor"]), (&json!("LAB-07"), &json!("admin")));

    let again =
        app.post("/ops/api/hosts/provision", &json!({ "name": "LAB-07", "address": address }).to_string()).await;
    assert_eq!((again.status.as_u16(), again.json()["error"].as_str()), (409, Some("host LAB-07 already exists")));
    drop(station);
    let silent = app.post("/api/hosts/provision", &json!({ "name": "lab-08", "address": address }).to_string()).await;
    assert_eq!(silent.status, 409, "{}", silent.text());
    let answer = silent.json();
    assert_eq!(answer["error"], "insufficient discovery signal for ops host provisioning");
    assert_eq!(answer["discovery"]["status"], "host-resolves");
    assert_eq!(answer["discovery"]["checks"]["winrm"], json!({ "5986": false }));
    assert!(answer["requestId"].is_string());
    assert_eq!(app.get("/api/hosts").await.json()["hosts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_provisioned_is_said_before_anything_is_asked_or_written() {
    let app = App::start().await;
    for (body, said) in [
        (json!({}), "address is required"),
        (json!({ "name": "x" }), "address is required"),
        (
            json!({ "name": "a b", "address": "127.0.0.9" }),
            "name must contain only letters, numbers, dots, underscores, and hyphens",
        ),
        (json!({ "name": "x", "address": "127.0.0.9", "mac": "?" }), "'?' is no MAC address"),
        (json!({ "name": "x", "address": "192.0.2.1" }), "outside the management networks"),
        (
            json!({ "name": "x", "address": "127.0.0.9", "labs": ["9"], "validLabIds": ["1"] }),
            "labs contain values that are not valid candidates: 9",
        ),
        (
            json!({ "name": "x", "address": "127.0.0.9", "validLabIds": [] }),
            "validLabIds must contain at least one lab candidate when provided",
        ),
        (json!({ "name": "x", "address": "127.0.0.9", "heartbeatPath": "x'; calc" }), "heartbeat_path"),
    ] {
        let refused = app.post("/api/hosts/provision", &body.to_string()).await;
        let error = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(refused.status == 400 && error.contains(said), "{body}: {error}");
    }
    let ana = app.add_token("ana", TokenRole::Instructor).await;
    let optics = app.add_token_of("op", TokenRole::Operator, Labs::named(["optics".to_owned()])).await;
    for (token, code) in [(&ana, "forbidden"), (&optics, "other_lab")] {
        for (method, path) in [
            ("POST", "/api/hosts/provision"),
            ("POST", "/api/hosts/discover"),
            ("POST", "/api/hosts/reload"),
            ("PATCH", "/api/hosts/LAB-01"),
            ("DELETE", "/api/hosts/LAB-01"),
        ] {
            let refused = app.send(app.request(method, path).header("x-lab-manager-token", token.as_str())).await;
            assert_eq!(
                (refused.status.as_u16(), refused.json()["code"].as_str()),
                (403, Some(code)),
                "{method} {path}"
            );
        }
    }
    assert!(app.get("/api/hosts").await.json()["hosts"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_row_of_the_catalog_is_changed_and_taken_out_of_use_and_history_stays() {
    let app = App::start().await;
    app.station("LAB-01", Some("optics"), StationWord::Ready).await;
    app.place("LAB-01", Some("127.0.0.9"), None).await;
    let send = async |method: &str, path: &str, body: Value| {
        let request = app.request(method, path).header("x-lab-manager-token", &app.admin);
        app.send_body(request, body.to_string().into_bytes()).await
    };
    let changed = send(
        "PATCH",
        "/api/hosts/lab-01",
        json!({ "labs": ["redes", "optics"], "mac": "02:00:5e:00:53:01", "certificateSha256": "ab".repeat(32) }),
    )
    .await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let host = &changed.json()["host"];
    assert_eq!(
        (&host["labs"], &host["address"], &host["pinned"]),
        (&json!(["redes", "optics"]), &json!("127.0.0.9"), &json!(true))
    );
    let by_lab = json!({ "lab": "Optics", "start_at": "2026-11-24T12:00:00Z", "end_at": "2026-11-24T13:00:00Z" });
    let reserved = send("PUT", "/api/v1/reservations/r1", by_lab).await;
    assert_eq!((reserved.status.as_u16(), &reserved.json()["host"]), (201, &json!("LAB-01")), "{}", reserved.text());
    for (body, said) in [
        (json!({ "name": "other" }), "'name' cannot be changed"),
        (json!({ "colour": 1 }), "'colour' cannot be changed"),
        (json!({ "address": null }), "address is required"),
        (json!({}), "nothing is named that could be changed"),
        (json!({ "address": "192.0.2.1" }), "outside the management networks"),
    ] {
        let refused = send("PATCH", "/api/hosts/LAB-01", body.clone()).await;
        let error = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(refused.status == 400 && error.contains(said), "{body}: {error}");
    }
    let retired = send("DELETE", "/api/hosts/LAB-01", json!({})).await;
    assert_eq!(retired.json(), json!({ "retired": true, "hosts": 0, "host": "LAB-01" }));
    for (method, path) in [("PATCH", "/api/hosts/LAB-01"), ("DELETE", "/api/hosts/lab-01"), ("DELETE", "/api/hosts/-")]
    {
        let gone = send(method, path, json!({})).await;
        assert_eq!(
            (gone.status.as_u16(), gone.json()["code"].as_str()),
            (404, Some("unknown_station")),
            "{method} {path}"
        );
    }
    assert_eq!(app.get("/api/v1/stations/LAB-01").await.json()["timestamp_utc"], "2026-11-24T09:59:00Z");
    assert_eq!((audited(&app, "host.change").await.len(), audited(&app, "host.retire").await.len()), (1, 1));
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_said_as_the_older_service_says_it() {
    let app = App::start().await;
    app.station("LAB-01", Some("optics"), StationWord::Ready).await;
    app.place("LAB-01", Some("127.0.0.9"), None).await;
    app.station("LAB-02", Some("redes"), StationWord::Ready).await;
    for (path, body, status, said) in [
        ("/api/heartbeat/poll", "", 400, "host is required"),
        ("/api/heartbeat/poll", r#"{"host":"lab-99"}"#, 404, "host 'lab-99' not found in config"),
        ("/api/heartbeat/poll", r#"{"host":"LAB-02"}"#, 400, "the catalog has no address of LAB-02"),
        ("/api/hosts/local-mode", "{", 400, "host is required"),
        ("/api/hosts/local-mode", r#"{"host":"LAB-01"}"#, 400, "enabled is required"),
        ("/api/hosts/local-mode", r#"{"host":"LAB-01","enabled":null}"#, 400, "enabled is required"),
        ("/api/hosts/local-mode", r#"{"host":"LAB-01","enabled":"perhaps"}"#, 400, "enabled is true or false"),
        ("/api/hosts/local-mode", r#"{"host":"lab-99","enabled":"off"}"#, 404, "host 'lab-99' not found"),
        ("/api/hosts/discover", "{}", 400, "address is required"),
    ] {
        let answer = app.post(path, body).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (status, Some(said)), "{path} {body}");
    }
    for (path, body) in [
        ("/api/heartbeat/poll", r#"{"host":"LAB-01"}"#),
        ("/api/hosts/local-mode", r#"{"host":"LAB-01","enabled":true}"#),
    ] {
        let nobody = app.post(path, body).await;
        assert_eq!((nobody.status.as_u16(), nobody.json()["code"].as_str()), (500, Some("INTERNAL_ERROR")), "{path}");
        assert_eq!(nobody.header("x-station-error"), "no_login", "{path}");
        let viewer = app.add_token("wall", TokenRole::Viewer).await;
        assert_eq!(app.post_as(&viewer, path, body).await.json()["code"], "forbidden", "{path}");
        let redes = app.add_token_of("ana", TokenRole::Instructor, Labs::named(["redes".to_owned()])).await;
        assert_eq!(app.post_as(&redes, path, body).await.json()["code"], "other_lab", "{path}");
    }
    assert!(audited(&app, "station.local_mode").await.is_empty(), "nothing was ordered");
}

#[tokio::test]
async fn a_mac_that_is_not_given_is_the_one_that_lab_station_tells() {
    let (_station, address) = listening().await;
    let page = json!({ "service": "LabStation", "status": { "wake": { "nicPower": [
        { "name": "Ethernet", "macAddress": "02-00-5E-00-53-07", "wolReady": true, "status": "Up" },
    ] } } });
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = http.local_addr().unwrap().port();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.to_string().len());
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut stream, _)) = http.accept().await {
            let mut asked = [0; 1024];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut asked).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
        }
    });
    let app = App::start_with(|_folder, options| options.discovery.ports = vec![port]).await;
    let found = app.post("/api/hosts/discover", &json!({ "address": address }).to_string()).await.json();
    assert_eq!(found["status"], "labstation-detected");
    let http = &found["checks"]["labStationHttp"];
    assert_eq!(
        (&http["detected"], &http["statusCode"], &http["service"]),
        (&json!(true), &json!(200), &json!("LabStation"))
    );
    assert_eq!(http["url"], format!("http://127.0.0.1:{port}/labstation/health"));
    assert_eq!(found["opsHostDraft"]["mac"], "02:00:5E:00:53:07");
    let done = app
        .post("/api/hosts/provision", &json!({ "name": "lab-07", "address": address, "mac": " " }).to_string())
        .await;
    assert_eq!(done.json()["host"]["mac"], "02:00:5E:00:53:07", "{}", done.text());
    assert_eq!(done.json()["discoveryStatus"], "labstation-detected");
}

#[tokio::test]
async fn discovery_tells_what_answers_at_an_address() {
    let (_station, address) = listening().await;
    let app = App::start().await;
    let found = app.post("/api/hosts/discover", &json!({ "address": address }).to_string()).await.json();
    assert_eq!(found["status"], "winrm-reachable");
    assert_eq!(found["checks"]["dns"], true);
    assert_eq!(found["checks"]["winrm"], json!({ "5986": true }));
    assert_eq!(found["checks"]["heartbeat"]["status"], "missing-winrm-credentials");
    let draft = &found["opsHostDraft"];
    assert_eq!((&draft["name"], &draft["address"], &draft["labs"]), (&json!(address), &json!(address), &json!([])));
    assert_eq!((draft.get("mac"), draft["heartbeat_path"].is_string()), (None, true));
    let nobody = app.post("/api/hosts/discover", r#"{"address":"nobody.invalid"}"#).await.json();
    assert_eq!((&nobody["status"], &nobody["checks"]["dns"]), (&json!("no-response"), &json!(false)));
    let outside = app.post("/api/hosts/discover", r#"{"address":"192.0.2.1"}"#).await;
    assert_eq!(outside.status, 400, "nothing outside of the networks is asked: {}", outside.text());
}
