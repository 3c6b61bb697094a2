//! Reservations, tokens, pairing codes and the audit log over the router: what a client sees.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};
use stationkeeper_rules::{Cause, Rule, StationWord};
use stationkeeper_store::{Labs, TokenRole};

use crate::app::{Answer, App};

const PATH: &str = "/api/v1/reservations/R-1";
const BODY: &str =
    r#"{"host":"lab-01","start_at":"2026-11-24T11:00:00+00:00","end_at":"2026-11-24T12:00:00Z","who":"ana"}"#;

async fn put(app: &App, token: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.request("PUT", path).header("x-lab-manager-token", token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send_body(request, body.as_bytes().to_vec()).await
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

async fn lab() -> App {
    let app = App::start().await;
    app.station("LAB-02", Some("optics"), StationWord::Ready).await;
    app.station("LAB-01", Some("optics"), StationWord::Ready).await;
    app.station("LAB-03", None, StationWord::Ready).await;
    app
}

fn outcomes(log: &[Value]) -> Vec<&str> {
    let mut outcomes: Vec<&str> = log.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    outcomes.sort_unstable();
    outcomes
}

async fn audited(app: &App, filter: &str) -> Vec<Value> {
    app.get(&format!("/api/v1/audit{filter}")).await.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_reservation_is_made_moved_and_cancelled() {
    let app = lab().await;
    let made = put(&app, &app.admin, PATH, BODY, &[("x-request-id", "r1")]).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let is = json!({
        "id": "R-1", "lab": "optics", "host": "LAB-01", "start_at": "2026-11-24T11:00:00Z",
        "end_at": "2026-11-24T12:00:00Z", "status": "confirmed", "who": "ana", "at_risk": [],
    });
    assert_eq!(made.json(), is);
    let read = app.get(PATH).await;
    assert_eq!((read.json(), read.header("etag")), (is.clone(), made.header("etag")));
    let again = put(&app, &app.admin, PATH, BODY, &[]).await;
    assert_eq!((again.status, again.json()), (StatusCode::OK, is), "again, it stays as it is");
    let station = app.get("/api/v1/stations/LAB-01").await.json();
    assert_eq!(station["next_reservation"]["id"], "R-1");

    let moved = put(&app, &app.admin, PATH, r#"{"end_at":"2026-11-24T13:00:00Z"}"#, &[]).await;
    assert_eq!((moved.status, moved.json()["end_at"].as_str()), (StatusCode::OK, Some("2026-11-24T13:00:00Z")));
    assert_ne!(moved.header("etag"), made.header("etag"));

    let cancel = || app.request("DELETE", PATH).header("x-lab-manager-token", &app.admin);
    let cancelled = app.send(cancel()).await;
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (StatusCode::OK, &json!("cancelled")));
    assert_eq!(app.send(cancel()).await.json(), cancelled.json(), "again, it stays as it is");
    let absent = app.request("DELETE", "/api/v1/reservations/none").header("x-lab-manager-token", &app.admin);
    assert_eq!(refused(&app.send(absent).await), (404, "unknown_reservation".to_owned()));

    let log = audited(&app, "?target=R-1").await;
    // The clock stands still: those of one instant are in no order.
    let of = |action: &str| log.iter().filter(|entry| entry["action"] == action).cloned().collect::<Vec<_>>();
    assert_eq!(of("reservation.cancel").len(), 1, "what changed nothing is not in it");
    let mut puts = of("reservation.put");
    puts.sort_by_key(|entry| !entry["detail"]["was"].is_null());
    let [first, second] = puts.as_slice() else { panic!("{puts:?}") };
    assert_eq!((&first["actor"], &first["role"], &first["host"]), (&json!("admin"), &json!("admin"), &json!("LAB-01")));
    assert_eq!((&first["request_id"], &first["detail"]["was"]), (&json!("r1"), &Value::Null));
    assert_eq!(second["detail"]["was"]["end_at"], "2026-11-24T12:00:00Z");
}

#[tokio::test]
async fn a_lab_gives_its_first_station() {
    let app = lab().await;
    let body = BODY.replace(r#""host":"lab-01""#, r#""lab":"optics""#);
    assert_eq!(put(&app, &app.admin, PATH, &body, &[]).await.json()["host"], "LAB-01");
}

#[tokio::test]
async fn what_a_reservation_may_not_be() {
    let app = lab().await;
    let time = r#""start_at":"2026-11-24T11:00:00Z","end_at":"2026-11-24T12:00:00Z""#;
    let long = format!("/api/v1/reservations/{}", "x".repeat(129));
    for (path, body, code, status) in [
        (PATH, format!("{{{time}}}"), "bad_request", 400),
        (PATH, r#"{"host":"LAB-01"}"#.to_owned(), "bad_request", 400),
        (PATH, format!(r#"{{"host":"LAB-99",{time}}}"#), "unknown_station", 404),
        (PATH, format!(r#"{{"lab":"chemistry",{time}}}"#), "bad_request", 400),
        (PATH, BODY.replace("12:00:00Z", "11:00:00Z"), "bad_request", 400),
        (PATH, BODY.replace("who", "whom"), "bad_request", 400),
        (PATH, BODY.replace("+00:00", ""), "bad_request", 400),
        (&long, BODY.to_owned(), "bad_request", 400),
    ] {
        assert_eq!(refused(&put(&app, &app.admin, path, &body, &[]).await), (status, code.to_owned()), "{body}");
    }
    assert_eq!(app.get(PATH).await.status, StatusCode::NOT_FOUND);
    assert!(audited(&app, "").await.is_empty());
}

#[tokio::test]
async fn two_people_do_not_overwrite_one_another() {
    let app = lab().await;
    let made = put(&app, &app.admin, PATH, BODY, &[("if-none-match", "*")]).await;
    let first = made.header("etag").to_owned();
    let later = r#"{"end_at":"2026-11-24T13:00:00Z"}"#;
    for (headers, body, status) in [
        (vec![("if-none-match", "*")], later, 412),
        (vec![("if-match", "\"0000\"")], later, 412),
        (vec![("if-match", first.as_str())], later, 200),
        (vec![("if-match", first.as_str())], r#"{"who":"ben"}"#, 412),
        (vec![("if-match", "*")], r#"{"who":"ben"}"#, 200),
    ] {
        let answer = put(&app, &app.admin, PATH, body, &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}: {}", answer.text());
        if status == 412 {
            assert_eq!(answer.json()["code"], "changed_meanwhile");
        }
    }
    let none = put(&app, &app.admin, "/api/v1/reservations/R-2", BODY, &[("if-match", "*")]).await;
    assert_eq!(none.status, StatusCode::PRECONDITION_FAILED, "there is nothing to change");
}

#[tokio::test]
async fn a_station_in_local_mode_is_reserved_only_with_a_reason() {
    let app = lab().await;
    app.local_mode("LAB-01").await;
    assert_eq!(refused(&put(&app, &app.admin, PATH, BODY, &[]).await), (409, "local_mode_active".to_owned()));
    let confirmed = |reason: &str| BODY.replace('}', &format!(r#","confirm_local_mode":true{reason}}}"#));
    assert_eq!(put(&app, &app.admin, PATH, &confirmed(""), &[]).await.status, StatusCode::BAD_REQUEST);
    let taken = put(&app, &app.admin, PATH, &confirmed(r#","reason":"they leave at ten""#), &[]).await;
    assert_eq!(taken.status, StatusCode::CREATED, "{}", taken.text());
    let log = audited(&app, "").await;
    assert_eq!(outcomes(&log), ["done", "refused"]);
    let done = log.iter().find(|entry| entry["outcome"] == "done").unwrap();
    assert_eq!(done["detail"]["confirmed_local_mode"], "they leave at ten");
    let who = put(&app, &app.admin, PATH, r#"{"who":"ben"}"#, &[]).await;
    assert_eq!(who.status, StatusCode::OK, "what moves nothing needs no confirmation");
    assert_eq!(put(&app, &app.admin, PATH, r#"{"end_at":"2026-11-24T13:00:00Z"}"#, &[]).await.status.as_u16(), 409);
    let cancelled = app.send(app.request("DELETE", PATH).header("x-lab-manager-token", &app.admin)).await;
    assert_eq!(cancelled.status, StatusCode::OK);
    assert_eq!(put(&app, &app.admin, PATH, r#"{"status":"confirmed"}"#, &[]).await.status.as_u16(), 409);
    let over = BODY.replace("T11", "T08").replace("T12", "T09");
    assert_eq!(put(&app, &app.admin, "/api/v1/reservations/past", &over, &[]).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn reservations_are_listed_in_pages_and_filtered() {
    let app = lab().await;
    for (id, host, day) in [("a", "LAB-01", 24), ("b", "LAB-02", 25), ("c", "LAB-03", 25), ("far", "LAB-01", 1)] {
        let month = if id == "far" { "2027-03" } else { "2026-11" };
        let body = BODY.replace("lab-01", host).replace("2026-11-24", &format!("{month}-{day:02}"));
        assert_eq!(put(&app, &app.admin, &format!("/api/v1/reservations/{id}"), &body, &[]).await.status, 201);
    }
    let ids = async |query: &str| -> Vec<String> {
        let items = app.get(&format!("/api/v1/reservations{query}")).await.json()["items"].clone();
        items.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    for (query, expected) in [
        ("", vec!["a", "b", "c"]),
        ("?host=lab-01", vec!["a"]),
        ("?lab=optics", vec!["a", "b"]),
        ("?status=cancelled,completed", vec![]),
        ("?from=2026-11-25T00:00:00Z&to=2027-04-01T00:00:00Z", vec!["b", "c", "far"]),
    ] {
        assert_eq!(ids(query).await, expected, "{query}");
    }
    let first = app.get("/api/v1/reservations?limit=2").await.json();
    let rest = ids(&format!("?limit=2&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!(rest, ["c"]);
    assert_eq!(app.get("/api/v1/reservations?status=odd").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn who_may_reserve_and_where() {
    let app = lab().await;
    let optics = || Labs::Of(BTreeSet::from(["optics".to_owned()]));
    let viewer = app.add_token("wall", TokenRole::Viewer).await;
    let instructor = app.add_token("ana", TokenRole::Instructor).await;
    let operator = app.add_token_of("booking", TokenRole::Operator, optics()).await;
    let unbound = BODY.replace("lab-01", "LAB-03");
    for (token, body, status, code) in [
        (&viewer, BODY, 403, "forbidden"),
        (&instructor, BODY, 403, "forbidden"),
        (&operator, unbound.as_str(), 403, "other_lab"),
        (&operator, BODY, 201, ""),
        (&operator, r#"{"host":"LAB-03"}"#, 403, "other_lab"),
    ] {
        assert_eq!(refused(&put(&app, token, PATH, body, &[]).await), (status, code.to_owned()), "{body}");
    }
    assert_eq!(app.get_as(Some(&viewer), PATH).await.status, StatusCode::OK, "everybody may look");
}

#[tokio::test]
async fn an_instructor_acts_in_their_labs_alone() {
    let app = lab().await;
    app.station("LAB-09", Some("redes"), StationWord::Attention).await;
    let cause = || Cause::Issues { issues: vec!["Disk full".into()], codes: vec![], since: app.now };
    let theirs = app.open_alert(Rule::NotReady, Some("LAB-01"), cause()).await;
    let others = app.open_alert(Rule::NotReady, Some("LAB-09"), cause()).await;
    let labs = Labs::Of(BTreeSet::from(["optics".to_owned()]));
    let ana = app.add_token_of("ana", TokenRole::Instructor, labs).await;
    let take = async |id: &str| refused(&app.post_as(&ana, &format!("/api/v1/alerts/{id}/acknowledge"), "{}").await);
    assert_eq!(take(&others).await, (403, "other_lab".to_owned()));
    assert_eq!(take(&theirs).await.0, 200);
    assert_eq!(take("none").await, (404, "unknown_alert".to_owned()));
    let log = audited(&app, "?actor=ana&action=alert.acknowledge").await;
    assert_eq!(outcomes(&log), ["done", "refused"]);
    let done = log.iter().find(|entry| entry["outcome"] == "done").unwrap();
    assert_eq!((&done["host"], &done["role"]), (&json!("LAB-01"), &json!("instructor")));
}

#[tokio::test]
async fn an_admin_makes_a_token_and_revokes_it() {
    let app = App::start().await;
    let made = app.post("/api/v1/tokens", r#"{"name":" booking ","role":"operator","labs":["optics"]}"#).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let (id, secret) = (made.json()["id"].as_str().unwrap().to_owned(), made.json()["token"].clone());
    let secret = secret.as_str().unwrap();
    assert_eq!((&made.json()["name"], &made.json()["labs"]), (&json!("booking"), &json!(["optics"])));
    assert_eq!(app.get_as(Some(secret), "/api/v1/stations").await.status, StatusCode::OK);
    let listed = app.get("/api/v1/tokens").await;
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
    assert!(!listed.text().contains(secret), "the secret is shown once");
    assert!(!app.get("/api/v1/audit").await.text().contains(secret));
    for path in ["/api/v1/tokens", "/api/v1/audit"] {
        let viewer = app.add_token("wall", TokenRole::Viewer).await;
        assert_eq!(app.get_as(Some(&viewer), path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    for body in [r#"{"name":"x","role":"root"}"#, r#"{"name":"","role":"viewer"}"#, r#"{"name":"x"}"#] {
        assert_eq!(app.post("/api/v1/tokens", body).await.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(app.post_as(secret, "/api/v1/tokens", body).await.status.as_u16() / 100, 4);
    }
    let all = app.get("/api/v1/tokens").await.json()["items"].as_array().unwrap().clone();
    let own = all.iter().find(|token| token["name"] == "admin").unwrap()["id"].as_str().unwrap().to_owned();
    let revoke = async |id: &str| {
        app.send(app.request("DELETE", &format!("/api/v1/tokens/{id}")).header("x-lab-manager-token", &app.admin)).await
    };
    assert_eq!(refused(&revoke(&own).await), (409, "own_token".to_owned()));
    assert_eq!(refused(&revoke("none").await), (404, "unknown_token".to_owned()));
    let revoked = revoke(&id).await;
    assert_eq!(revoked.json()["revoked_at"], "2026-11-24T10:00:00Z");
    assert_eq!(revoke(&id).await.json(), revoked.json(), "again, it stays as it is");
    assert_eq!(app.get_as(Some(secret), "/api/v1/stations").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(outcomes(&audited(&app, "?action=token.revoke").await), ["done", "refused"]);
}

#[tokio::test]
async fn a_pairing_code_becomes_a_token_once() {
    let app = App::start().await;
    let offered = app.post("/api/v1/pairing-codes", r#"{"name":"Ana's tray","role":"instructor"}"#).await;
    assert_eq!(offered.status, StatusCode::CREATED, "{}", offered.text());
    assert_eq!(offered.json()["expires_at"], "2026-11-24T10:10:00Z");
    let code = offered.json()["code"].as_str().unwrap().to_owned();
    assert!(!app.get("/api/v1/audit").await.text().contains(&code));
    let pair = async |code: &str| {
        app.send_body(app.request("POST", "/api/v1/pair"), format!(r#"{{"code":"{code}"}}"#).into()).await
    };
    assert_eq!(refused(&pair("AAAA-AAAA").await), (401, "pairing_code".to_owned()));
    let paired = pair(&code.to_lowercase().replace('-', "")).await;
    assert_eq!(paired.status, StatusCode::CREATED, "{}", paired.text());
    assert_eq!((&paired.json()["name"], &paired.json()["role"]), (&json!("Ana's tray"), &json!("instructor")));
    let token = paired.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(app.get_as(Some(&token), "/api/v1/stations").await.status, StatusCode::OK);
    assert_eq!(refused(&pair(&code).await), (401, "pairing_code".to_owned()), "once");
    for _ in 0..10 {
        pair("BBBB-BBBB").await;
    }
    assert_eq!(refused(&pair("BBBB-BBBB").await), (429, "too_many_attempts".to_owned()));
}
