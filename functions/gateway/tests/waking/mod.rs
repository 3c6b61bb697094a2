//! `POST /api/wol` and `POST /api/winrm`: what a client of the older service sees.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stationkeeper_rules::StationWord;
use stationkeeper_store::{Labs, TokenRole};
use tokio::net::{TcpListener, UdpSocket};

use crate::app::App;

const MAC: &str = "02-00-5E-00-53-01";

/// LAB-01 answers at this address; LAB-02 has none, LAB-03 no adapter, LAB-04 is outside of the networks.
async fn lab(address: &str) -> App {
    let app = App::start().await;
    for (host, lab, address, mac) in [
        ("LAB-01", "optics", Some(address), Some(MAC)),
        ("LAB-02", "optics", None, Some("02-00-5E-00-53-02")),
        ("LAB-03", "optics", Some("127.0.0.3"), None),
        ("LAB-04", "redes", Some("192.0.2.4"), Some("02-00-5E-00-53-04")),
    ] {
        app.station(host, Some(lab), StationWord::Off).await;
        app.place(host, address, mac).await;
    }
    app
}

async fn audited(app: &App) -> Vec<Value> {
    app.get("/api/v1/audit").await.json()["items"].as_array().unwrap().clone()
}

async fn outcomes(app: &App) -> Vec<String> {
    audited(app).await.iter().map(|entry| entry["outcome"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_station_gets_its_packet_and_is_waited_for() {
    let station = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = station.local_addr().unwrap().to_string();
    let adapter = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = adapter.local_addr().unwrap().port();
    let app = lab(&address).await;
    for (path, body) in [
        ("/api/wol", json!({ "host": "lab-01", "port": port })),
        (
            "/ops/api/wol",
            json!({ "hostName": "LAB-01", "port": port.to_string(), "attempts": "2", "ping_timeout": 1.0 }),
        ),
        ("/api/wol", json!({ "mac": "02:00:5e:00:53:01", "ping_target": address, "port": port })),
    ] {
        let woken = app.post(path, &body.to_string()).await;
        assert_eq!(woken.status, 200, "{}", woken.text());
        let answer = woken.json();
        assert_eq!((&answer["success"], &answer["attempts_used"]), (&json!(true), &json!(1)), "{body}");
        assert_eq!((&answer["ping_target"], answer["duration_ms"].is_u64()), (&json!(address), true));
        let mut packet = [0; 200];
        let length = adapter.recv(&mut packet).await.unwrap();
        let once = [2, 0, 0x5e, 0, 0x53, 1];
        assert_eq!(packet[..length], [[0xff; 6].as_slice(), &once.repeat(16)].concat(), "{body}");
    }
    let log = audited(&app).await;
    assert!(log.iter().all(|entry| entry["action"] == "station.wake" && entry["actor"] == "admin"), "{log:?}");
    assert_eq!(log.iter().filter(|entry| entry["host"] == "LAB-01").count(), 2, "the third named no station");
}

#[tokio::test]
async fn a_station_that_stays_down_is_an_answer() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap().to_string();
    drop(closed);
    let app = lab(&address).await;
    let silent = app.post("/api/wol", r#"{"host":"LAB-01","attempts":2,"ping_timeout":1,"port":9}"#).await;
    assert_eq!(silent.status, 200, "{}", silent.text());
    assert_eq!((&silent.json()["success"], &silent.json()["attempts_used"]), (&json!(false), &json!(2)));
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_said_as_the_older_service_says_it() {
    let app = lab("127.0.0.1").await;
    for (body, status, said) in [
        ("", 400, "mac is required"),
        ("{", 400, "mac is required"),
        ("[]", 400, "mac is required"),
        ("[1]", 400, "the body is not a JSON object"),
        ("\"x\"", 400, "the body is not a JSON object"),
        // The older service's texts of a wake are about what is missing in it.
        (r#"{"host":"LAB-99"}"#, 400, "mac is required"),
        (r#"{"host":"LAB-99","mac":"02-00-5E-00-53-01"}"#, 400, "ping_target or host address is required"),
        (r#"{"host":"LAB-03"}"#, 400, "mac is required"),
        (r#"{"host":"LAB-02"}"#, 400, "ping_target or host address is required"),
        (r#"{"mac":"02-00-5E-00-53-01"}"#, 400, "ping_target or host address is required"),
        (r#"{"host":"LAB-01","mac":"odd"}"#, 400, "mac is invalid"),
        (r#"{"host":"LAB-01","mac":"02-00-5E-00-53-99"}"#, 400, "mac is not of a host in the catalog"),
        (r#"{"host":"LAB-01","ping_target":"127.0.0.9"}"#, 400, "ping_target is invalid"),
        (r#"{"host":"LAB-01","ping_target":"a b; c"}"#, 400, "ping_target is invalid"),
        (r#"{"host":"LAB-04"}"#, 400, "ping_target is invalid"),
        (r#"{"host":"LAB-01","attempts":11}"#, 400, "attempts is a number from 1 to 10"),
        (r#"{"host":"LAB-01","ping_timeout":"61"}"#, 400, "ping_timeout is a number from 0 to 60"),
        (r#"{"host":"LAB-01","port":0}"#, 400, "port is a number from 1 to 65535"),
        (r#"{"host":"LAB-01","broadcast":"everybody"}"#, 400, "broadcast is invalid"),
    ] {
        let answer = app.post("/api/wol", body).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (status, Some(said)), "{body}");
    }
    assert!(audited(&app).await.is_empty(), "nothing was ordered");
}

#[tokio::test]
async fn who_may_wake_and_where() {
    let app = lab("127.0.0.1").await;
    let viewer = app.add_token("wall", TokenRole::Viewer).await;
    let redes = Labs::Of(BTreeSet::from(["redes".to_owned()]));
    let ana = app.add_token_of("ana", TokenRole::Instructor, redes).await;
    for (token, code) in [(&viewer, "forbidden"), (&ana, "other_lab")] {
        let refused = app.post_as(token, "/api/wol", r#"{"host":"LAB-01"}"#).await;
        assert_eq!((refused.status.as_u16(), refused.json()["code"].as_str()), (403, Some(code)));
    }
    assert_eq!(outcomes(&app).await, ["refused", "refused"], "nothing was ordered");
}

#[tokio::test]
async fn a_command_that_cannot_be_run_says_so_as_the_older_service_does() {
    let app = lab("127.0.0.1").await;
    for (body, status, said) in [
        ("", 400, "host and command are required"),
        ("[]", 400, "host and command are required"),
        ("[1]", 400, "the body is not a JSON object"),
        (r#"{"host":"LAB-01"}"#, 400, "host and command are required"),
        (r#"{"command":"status-json"}"#, 400, "host and command are required"),
        (r#"{"host":"LAB-99","command":"account"}"#, 400, "command 'account' not allowed"),
        (r#"{"host":"LAB-99","command":"calc.exe"}"#, 400, "command 'calc.exe' not allowed"),
        (r#"{"host":"LAB-99","command":"status-json"}"#, 404, "host 'LAB-99' not found in config"),
        (r#"{"host":"LAB-01","command":"status-json","args":[{}]}"#, 400, "args is a list of texts"),
        (r#"{"host":"LAB-01","command":"power","args":["sleep"]}"#, 400, "power wants shutdown or hibernate first"),
    ] {
        let answer = app.post("/api/winrm", body).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (status, Some(said)), "{body}");
    }
    let nobody = app.post("/api/winrm", r#"{"host":"LAB-01","command":"prepare-session"}"#).await;
    assert_eq!((nobody.status.as_u16(), nobody.json()["code"].as_str()), (500, Some("INTERNAL_ERROR")));
    assert_eq!(nobody.header("x-station-error"), "no_login");
    for role in [TokenRole::Viewer, TokenRole::Instructor] {
        let token = app.add_token("somebody", role).await;
        let refused = app.post_as(&token, "/api/winrm", r#"{"host":"LAB-01","command":"status-json"}"#).await;
        assert_eq!(refused.status, 403);
    }
    assert_eq!(outcomes(&app).await, ["refused", "refused"], "nothing was ordered");
}
