//! Changes that are refused are written down, whoever asks for them.

use axum::http::StatusCode;
use serde_json::{Value, json};
use stationkeeper_rules::{Cause, Rule, StationWord};
use stationkeeper_store::TokenRole;

use crate::app::App;

const RESERVATION: &str = r#"{"host":"LAB-WS01","start_at":"2026-11-24T11:00:00Z","end_at":"2026-11-24T12:00:00Z"}"#;

/// The newest first, without what was done.
async fn refused(app: &App) -> Vec<Value> {
    let log = app.get("/api/v1/audit").await.json();
    log["items"].as_array().unwrap().iter().filter(|entry| entry["outcome"] == "refused").cloned().collect()
}

async fn put(app: &App, token: &str, id: &str, body: &str, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = app.request("PUT", &format!("/api/v1/reservations/{id}")).header("x-lab-manager-token", token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send_body(request, body.as_bytes().to_vec()).await.status
}

#[tokio::test]
async fn every_change_that_the_document_knows_is_written_down_when_a_viewer_is_refused_it() {
    let app = App::start().await;
    let viewer = app.add_token("a viewer", TokenRole::Viewer).await;
    app.station("LAB-WS01", Some("electronics"), StationWord::Ready).await;
    assert_eq!(put(&app, &app.admin, "x", RESERVATION, &[]).await, StatusCode::CREATED);
    let document = app.get("/api/openapi.json").await.json();
    let mut before = 0;
    for (path, item) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/api/")) {
        for (method, operation) in item.as_object().unwrap() {
            if method == "get" || operation["security"] == json!([{}]) {
                continue;
            }
            let name = format!("{} {}", method.to_uppercase(), path.trim_start_matches("/api"));
            let body = &operation["requestBody"]["content"]["application/json"]["example"];
            let address: Vec<&str> = path
                .split('/')
                .map(|part| match part {
                    "{host}" => "LAB-WS01",
                    part if part.starts_with('{') => "x",
                    part => part,
                })
                .collect();
            let request = app.request(&method.to_uppercase(), &address.join("/"));
            let request = request.header("x-lab-manager-token", &viewer).header("x-request-id", format!("r{before}"));
            let answer = app.send_body(request, body.to_string().into_bytes()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {}", answer.text());
            let log = refused(&app).await;
            let entry = log.iter().find(|entry| entry["request_id"] == format!("r{before}")).unwrap();
            assert_eq!(log.len(), before + 1, "{name}");
            assert_eq!((&entry["actor"], &entry["role"]), (&json!("a viewer"), &json!("viewer")), "{name}");
            assert_eq!((&entry["detail"]["request"], &entry["detail"]["code"]), (&json!(name), &json!("forbidden")));
            assert_ne!(entry["action"], "request", "say in refusals.rs what {name} is");
            before += 1;
        }
    }
    assert!(before >= 10, "{before}");
}

#[tokio::test]
async fn what_is_not_possible_as_asked_is_written_down_once_and_what_is_not_understood_is_not() {
    let app = App::start().await;
    app.station("LAB-WS01", Some("electronics"), StationWord::Held).await;
    app.local_mode("LAB-WS01").await;
    let id = app.open_alert(Rule::ClockSkew, Some("LAB-WS01"), Cause::ClockSkew { seconds: 900 }).await;
    app.resolve_alert(&id).await;
    let acknowledge = format!("/api/v1/alerts/{id}/acknowledge");

    assert_eq!(put(&app, &app.admin, "res-1", RESERVATION, &[]).await, StatusCode::CONFLICT);
    assert_eq!(
        put(&app, &app.admin, "res-1", RESERVATION, &[("if-match", "*")]).await,
        StatusCode::PRECONDITION_FAILED
    );
    for _ in 0..2 {
        let request = app.request("POST", &acknowledge).header("x-lab-manager-token", &app.admin);
        assert_eq!(app.send(request.header("idempotency-key", "k1")).await.status, StatusCode::CONFLICT);
    }
    for (token, body, status) in [
        (&app.admin, "{", StatusCode::BAD_REQUEST),
        (&app.admin, r#"{"host":"LAB-99"}"#, StatusCode::NOT_FOUND),
        (&"sk_wrong".to_owned(), RESERVATION, StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(put(&app, token, "res-2", body, &[]).await, status, "{body}");
    }
    let log = refused(&app).await;
    let mut told: Vec<_> = log
        .iter()
        .map(|entry| [&entry["action"], &entry["target"], &entry["detail"]["code"]].map(|said| said.as_str().unwrap()))
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ["alert.acknowledge", id.as_str(), "alert_resolved"],
            ["reservation.put", "res-1", "changed_meanwhile"],
            ["reservation.put", "res-1", "local_mode_active"],
        ]
    );
}

#[tokio::test]
async fn what_another_site_asks_in_a_persons_name_is_written_down_with_the_name() {
    let app = App::start().await;
    let login = app.login(&format!("token={}", app.admin), &[]).await;
    let cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
    let request = app.request("POST", "/api/v1/silences").header("cookie", cookie).header("host", "127.0.0.1:8080");
    let answer = app.send(request.header("origin", "https://example.org")).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("foreign_origin")));
    let log = refused(&app).await;
    assert_eq!((&log[0]["actor"], &log[0]["detail"]["code"]), (&json!("admin"), &json!("foreign_origin")));
}
