//! An alert that an operator calls over.

use axum::http::StatusCode;
use stationkeeper_rules::{AlertState, Cause, Rule, StationWord};
use stationkeeper_store::TokenRole;

use crate::app::App;

#[tokio::test]
async fn an_operator_calls_an_alert_over_once_and_all_that_hangs_on_it_is_there() {
    let app = App::start().await;
    app.station("LAB-01", Some("Redes"), StationWord::Attention).await;
    let cause = Cause::Issues { issues: vec!["Lab user not found".into()], codes: vec![], since: app.now };
    let id = app.open_alert(Rule::NotReady, Some("LAB-01"), cause).await;
    let path = format!("/api/v1/alerts/{id}/resolve");

    let instructor = app.add_token("ana", TokenRole::Instructor).await;
    let refused = app.post_as(&instructor, &path, "{}").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("forbidden")));
    let long = format!("{{\"note\":\"{}\"}}", "x".repeat(2_001));
    assert_eq!(app.post(&path, &long).await.json()["code"], "note_too_long");
    assert_eq!(app.post("/api/v1/alerts/none/resolve", "{}").await.json()["code"], "unknown_alert");

    let resolved = app.post(&path, "{\"note\":\" loose cable \"}").await;
    assert_eq!(resolved.status, StatusCode::OK, "{}", resolved.text());
    assert_eq!((&resolved.json()["state"], &resolved.json()["resolved_at"]), (&"resolved".into(), &app_now(&app)));
    let steps = resolved.json()["transitions"].as_array().unwrap().clone();
    let last = steps.last().unwrap();
    assert_eq!((&last["to"], &last["actor"]), (&"resolved".into(), &"person:admin".into()));
    assert_eq!((&last["cause"]["code"], &last["cause"]["by"]), (&"resolved_by_hand".into(), &"admin".into()));
    assert_eq!(last["cause_text"], "admin called it over: loose cable");
    let spanish = app.request("GET", &format!("/api/v1/alerts/{id}")).header("x-lab-manager-token", &app.admin);
    let spanish = app.send(spanish.header("accept-language", "es")).await;
    assert!(spanish.text().contains("admin lo ha dado por terminado: loose cable"), "{}", spanish.text());
    assert_eq!(app.owed().await, [(AlertState::Open, Rule::NotReady), (AlertState::Resolved, Rule::NotReady)]);
    let log = app.get("/api/v1/audit?action=alert.resolve&actor=admin").await.json();
    assert_eq!(log["items"].as_array().unwrap().len(), 1, "{log}");
    assert_eq!(log["items"][0]["detail"]["note"], "loose cable");

    let again = app.post(&path, "{\"note\":\"once more\"}").await;
    assert_eq!((again.status, again.json()), (StatusCode::OK, resolved.json()), "it stays as it was");
    assert_eq!(app.owed().await.len(), 2);
}

fn app_now(app: &App) -> serde_json::Value {
    stationkeeper_telemetry::format_instant(app.now).into()
}
