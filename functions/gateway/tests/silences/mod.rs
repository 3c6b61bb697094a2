//! Silences and explanations over the router: what a client sees.

use axum::http::StatusCode;
use stationkeeper_rules::notify::{Because, SilenceId};
use stationkeeper_rules::{Cause, LabSettings, Rule, Settings, StationWord, TimeZone};
use stationkeeper_store::TokenRole;

use crate::app::App;

#[tokio::test]
async fn an_operator_sets_a_silence_and_ends_it() {
    let app = App::start().await;
    let operator = app.add_token("ana", TokenRole::Operator).await;
    let body = r#"{"lab":"Redes","rule":"not_ready","until":"2026-11-24T12:00:00Z","reason":" new switch "}"#;
    let set = app.post_as(&operator, "/api/v1/silences", body).await;
    assert_eq!(set.status, StatusCode::CREATED, "{}", set.text());
    let silence = set.json();
    assert_eq!((silence["lab"].as_str(), silence["rule"].as_str()), (Some("Redes"), Some("not_ready")));
    assert_eq!((silence["author"].as_str(), silence["reason"].as_str()), (Some("ana"), Some("new switch")));
    assert_eq!((&silence["mutes"], &silence["host"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(silence["span_text"], "from 2026-11-24 10:00 UTC to 2026-11-24 12:00 UTC");
    let id = silence["id"].as_str().unwrap();

    let listed = app.get("/api/v1/silences").await.json();
    assert_eq!((&listed["items"][0]["id"], &listed["next"]), (&silence["id"], &serde_json::Value::Null));
    let path = format!("/ops/api/v1/silences/{id}");
    let end = || app.request("DELETE", &path).header("x-lab-manager-token", &operator);
    let ended = app.send(end()).await;
    assert_eq!(ended.status, StatusCode::OK, "{}", ended.text());
    assert_eq!(
        (&ended.json()["mutes"], ended.json()["ended_at"].as_str()),
        (&false.into(), Some("2026-11-24T10:00:00Z"))
    );
    assert_eq!(app.send(end()).await.json(), ended.json(), "ended again, it stays as it was");
    assert_eq!(app.get("/api/v1/silences").await.json()["items"], serde_json::json!([]));
    assert_eq!(app.get("/api/v1/silences?all=true").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn silences_are_listed_in_pages() {
    let app = App::start().await;
    for number in 0..3 {
        let body = format!(r#"{{"lab":"Redes","until":"2026-11-24T12:00:00Z","reason":"number {number}"}}"#);
        assert_eq!(app.post("/api/v1/silences", &body).await.status, StatusCode::CREATED);
    }
    let first = app.get("/api/v1/silences?limit=2").await.json();
    let cursor = first["next"].as_str().unwrap();
    let second = app.get(&format!("/api/v1/silences?limit=2&cursor={cursor}")).await.json();
    let mut reasons: Vec<_> = [first["items"].as_array().unwrap().clone(), second["items"].as_array().unwrap().clone()]
        .concat()
        .into_iter()
        .map(|silence| silence["reason"].as_str().unwrap().to_owned())
        .collect();
    reasons.sort_unstable();
    assert_eq!(
        (reasons, &second["next"]),
        (vec!["number 0".into(), "number 1".into(), "number 2".into()], &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn what_a_silence_may_not_be() {
    let app = App::start().await;
    for role in [TokenRole::Viewer, TokenRole::Instructor] {
        let token = app.add_token(role.as_str(), role).await;
        let refused =
            app.post_as(&token, "/api/v1/silences", r#"{"lab":"x","until_resolved":true,"reason":"x"}"#).await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("forbidden")));
        let end = app.request("DELETE", "/api/v1/silences/x").header("x-lab-manager-token", &token);
        assert_eq!(app.send(end).await.status, StatusCode::FORBIDDEN);
        assert_eq!(app.get_as(Some(&token), "/api/v1/silences").await.status, StatusCode::OK, "all may read");
    }
    let noon = r#""until":"2026-11-24T12:00:00Z""#;
    for (body, status, code) in [
        (format!(r#"{{{noon},"reason":"of everything"}}"#), StatusCode::BAD_REQUEST, "bad_request"),
        (format!(r#"{{"lab":"x",{noon},"reason":" "}}"#), StatusCode::BAD_REQUEST, "bad_request"),
        (format!(r#"{{"lab":"x",{noon}}}"#), StatusCode::BAD_REQUEST, "bad_request"),
        (r#"{"lab":"x","reason":"x"}"#.to_owned(), StatusCode::BAD_REQUEST, "bad_request"),
        (format!(r#"{{"lab":"x",{noon},"until_resolved":true,"reason":"x"}}"#), StatusCode::BAD_REQUEST, "bad_request"),
        (format!(r#"{{"lab":"x",{noon},"recurring":"hourly","reason":"x"}}"#), StatusCode::BAD_REQUEST, "bad_request"),
        (format!(r#"{{"lab":"x",{noon},"rule":"sleepy","reason":"x"}}"#), StatusCode::BAD_REQUEST, "bad_request"),
        (format!(r#"{{"lab":"x",{noon},"reason":"x","for":"2h"}}"#), StatusCode::BAD_REQUEST, "bad_request"),
        (r#"{"lab":"x","until_resolved":true,"reason":"x"}"#.to_owned(), StatusCode::CONFLICT, "nothing_open"),
    ] {
        let refused = app.post("/api/v1/silences", &body).await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (status, Some(code)), "{body}");
    }
    let end = app.request("DELETE", "/api/v1/silences/none").header("x-lab-manager-token", &app.admin);
    let unknown = app.send(end).await;
    assert_eq!((unknown.status, unknown.json()["code"].as_str()), (StatusCode::NOT_FOUND, Some("unknown_silence")));
}

#[tokio::test]
async fn the_time_zone_of_a_lab_is_told_and_a_silence_of_its_station_recurs_by_it() {
    let app = App::start().await;
    app.station("LAB-01", Some("Redes"), StationWord::Ready).await;
    let time_zone = TimeZone::parse("Europe/Madrid").unwrap();
    let labs = [("Redes".to_owned(), LabSettings { time_zone, ..LabSettings::default() })].into();
    app.apply_settings(&Settings { labs, ..Settings::default() }).await;
    let viewer = app.add_token("ana", TokenRole::Viewer).await;
    let listed = app.get_as(Some(&viewer), "/api/v1/labs").await.json();
    assert_eq!(listed["items"], serde_json::json!([{ "name": "Redes", "time_zone": "Europe/Madrid" }]));
    let body = r#"{"host":"lab-01","until":"2026-11-24T12:00:00Z","recurring":"FREQ=DAILY","reason":"cleaning"}"#;
    let set = app.post("/api/v1/silences", body).await.json();
    assert_eq!((set["host"].as_str(), set["span"]["time_zone"].as_str()), (Some("LAB-01"), Some("Europe/Madrid")));
}

#[tokio::test]
async fn an_alert_is_explained_in_the_readers_language() {
    let app = App::start().await;
    app.station("LAB-01", Some("Redes"), StationWord::Down).await;
    let id = app.open_alert(Rule::HeartbeatMissing, Some("LAB-01"), Cause::NothingNewer { since: app.now }).await;
    let silenced = Because::Silenced { silence: SilenceId("5f1e".to_owned()), until: None };
    app.decided(&id, "ops", silenced).await;
    let path = format!("/api/v1/alerts/{id}/explain");
    for (language, sentence) in [
        ("en", "held by silence 5f1e until what it mutes is over"),
        ("es-ES", "retenido por el silencio 5f1e hasta que termine lo que silencia"),
    ] {
        let request = app.request("GET", &path).header("x-lab-manager-token", &app.admin);
        let explained = app.send(request.header("accept-language", language)).await;
        assert_eq!(explained.status, StatusCode::OK, "{}", explained.text());
        let explained = explained.json();
        assert_eq!((explained["id"].as_str(), explained["lab"].as_str()), (Some(id.as_str()), Some("Redes")));
        let decision = &explained["decisions"][0];
        assert_eq!((decision["receiver"].as_str(), decision["telling"].as_str()), (Some("ops"), Some("held")));
        assert_eq!(decision["because_text"], sentence);
        assert_eq!(explained["next_look_at"], "2026-11-24T10:00:00Z");
    }
    assert_eq!(app.get("/api/v1/alerts/none/explain").await.json()["code"], "unknown_alert");
}

#[tokio::test]
async fn the_page_says_who_silenced_an_alert_and_why() {
    let app = App::start().await;
    app.station("LAB-01", Some("Redes"), StationWord::Down).await;
    app.open_alert(Rule::HeartbeatMissing, Some("LAB-01"), Cause::NothingNewer { since: app.now }).await;
    let html = app.get("/").await.text();
    assert!(!html.contains("silenced by"), "{html}");
    let body = r#"{"lab":"Redes","until_resolved":true,"reason":"new <switch>"}"#;
    assert_eq!(app.post("/api/v1/silences", body).await.status, StatusCode::CREATED);
    let html = app.get("/").await.text();
    assert!(html.contains("silenced by admin: new &#60;switch&#62;"), "{html}");
}

#[tokio::test]
async fn an_alert_is_taken_until_an_instant_that_is_to_come() {
    let app = App::start().await;
    let id = app.open_alert(Rule::NotReady, Some("LAB-01"), Cause::ReadyAgain).await;
    let path = format!("/api/v1/alerts/{id}/acknowledge");
    for until in ["2026-11-24T09:59:59Z", "2026-11-24T10:00:00Z", "soon"] {
        let refused = app.post(&path, &format!(r#"{{"until":"{until}"}}"#)).await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (StatusCode::BAD_REQUEST, Some("bad_request")));
    }
    let taken = app.post(&path, r#"{"until":"2026-11-24T14:00:00Z"}"#).await.json();
    assert_eq!(
        (taken["state"].as_str(), taken["acknowledged_until"].as_str()),
        (Some("acknowledged"), Some("2026-11-24T14:00:00Z"))
    );
}

#[tokio::test]
async fn what_is_answered_is_what_is_read_later() {
    let app = App::start().await;
    let body = r#"{"lab":"Redes","from":"2026-11-24T11:00:00.123456789Z","until":"2026-11-24T12:00:00.9876543Z","reason":"x"}"#;
    let set = app.post("/api/v1/silences", body).await.json();
    assert_eq!(set["span"]["from"], "2026-11-24T11:00:00.123456Z", "as the database keeps it");
    assert_eq!(app.get("/api/v1/silences").await.json()["items"][0], set);
}
