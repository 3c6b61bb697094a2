//! Lists of reservations: what would become of them, and what does.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};
use stationkeeper_rules::{LabSettings, Settings, StationWord, TimeZone};
use stationkeeper_store::{Labs, TokenRole};

use crate::app::{Answer, App};

const IMPORT: &str = "/api/v1/reservations/import";

async fn lab() -> App {
    let app = App::start().await;
    app.station("LAB-01", Some("optics"), StationWord::Ready).await;
    app.station("LAB-02", Some("redes"), StationWord::Ready).await;
    app
}

async fn import_as(app: &App, token: &str, query: &str, kind: &str, body: &str) -> Answer {
    let request = app.request("POST", &format!("{IMPORT}{query}")).header("x-lab-manager-token", token);
    app.send_body(request.header("content-type", kind), body.as_bytes().to_vec()).await
}

async fn import(app: &App, query: &str, kind: &str, body: &str) -> Answer {
    import_as(app, &app.admin, query, kind, body).await
}

/// A line an entry: its outcome, its id, and why.
fn told(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let line = |item: &Value| {
        let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text("outcome"), text("id"), text("code"))
    };
    body["items"].as_array().unwrap_or_else(|| panic!("{body}")).iter().map(line).collect()
}

fn counts(answer: &Answer) -> [i64; 4] {
    ["new", "changed", "same", "refused"].map(|name| answer.json()[name].as_i64().unwrap())
}

async fn ids(app: &App) -> Vec<String> {
    let listed = app.get("/api/v1/reservations").await.json();
    listed["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

const LIST: &str = "id,lab,host,start_at,end_at,who\n\
    R-1,optics,,2026-11-24T11:00:00Z,2026-11-24T12:00:00Z,Ana\n\
    R-2,,lab-02,2026-11-24T13:00:00+01:00,2026-11-24T14:00:00+01:00,\n";

#[tokio::test]
async fn a_list_is_looked_at_then_taken_and_taken_again_changes_nothing() {
    let app = lab().await;
    let preview = import(&app, "?dry_run=true", "text/csv; charset=utf-8", LIST).await;
    assert_eq!(preview.status, StatusCode::OK, "{}", preview.text());
    assert_eq!(told(&preview), ["new R-1 -", "new R-2 -"]);
    assert_eq!((&preview.json()["dry_run"], &preview.json()["applied"]), (&json!(true), &json!(false)));
    assert_eq!(ids(&app).await, [""; 0], "nothing was changed");

    let taken = import(&app, "", "text/csv", LIST).await;
    assert_eq!((taken.status, counts(&taken), &taken.json()["applied"]), (StatusCode::OK, [2, 0, 0, 0], &json!(true)));
    assert_eq!(ids(&app).await, ["R-1", "R-2"]);
    let one = app.get("/api/v1/reservations/R-1").await.json();
    assert_eq!((&one["host"], &one["who"]), (&json!("LAB-01"), &json!("Ana")));
    let again = import(&app, "", "text/csv", LIST).await;
    assert_eq!(counts(&again), [0, 0, 2, 0]);

    let moved = r#"[{"id":"R-1","end_at":"2026-11-24T12:30:00Z"},{"id":"R-2","status":"cancelled"},{"id":"R-9","status":"cancelled"}]"#;
    let changed = import(&app, "", "application/json", moved).await;
    assert_eq!(told(&changed), ["changed R-1 -", "changed R-2 -", "same R-9 -"]);
    assert_eq!(app.get("/api/v1/reservations/R-1").await.json()["end_at"], "2026-11-24T12:30:00Z");
    assert_eq!(app.get("/api/v1/reservations/R-2").await.json()["status"], "cancelled");
    let log = app.get("/api/v1/audit?action=reservation.import").await.json();
    assert_eq!(log["items"].as_array().unwrap().len(), 3, "one of each that was taken: {log}");
    let log = app.get("/api/v1/audit?action=reservation.put").await.json();
    assert_eq!(log["items"].as_array().unwrap().len(), 3, "and one of each reservation that it made or moved: {log}");
}

#[tokio::test]
async fn a_calendar_is_read_by_the_clocks_of_its_laboratory() {
    let app = lab().await;
    let madrid = LabSettings { time_zone: TimeZone::parse("Europe/Madrid").unwrap(), ..LabSettings::default() };
    app.apply_settings(&Settings { labs: [("optics".to_owned(), madrid)].into(), ..Settings::default() }).await;
    let event = |lines: &str| format!("BEGIN:VEVENT\r\n{lines}\r\nEND:VEVENT\r\n");
    let events = [
        "UID:a@x\r\nLOCATION:optics\r\nSUMMARY:Ana\r\nDTSTART:20261124T120000\r\nDURATION:PT1H",
        "UID:b@x\r\nLOCATION:LAB-02\r\nDTSTART:20261124T120000\r\nDTEND:20261124T130000",
        "UID:c@x\r\nLOCATION:optics\r\nDTSTART:20261125T120000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY",
        "UID:d@x\r\nLOCATION:optics\r\nDTSTART:20260329T023000\r\nDURATION:PT1H",
        "UID:e@x\r\nLOCATION:Room 7\r\nDTSTART:20261124T120000Z\r\nDURATION:PT1H",
    ];
    let body = format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", events.map(event).concat());
    let taken = import(&app, "?skip_refused=true", "text/calendar", &body).await;
    assert_eq!(
        told(&taken),
        ["new a@x -", "new b@x -", "refused c@x recurring", "refused d@x times", "refused e@x bad_request"],
        "{}",
        taken.text()
    );
    assert_eq!(taken.json()["applied"], true);
    for (id, start) in [("a@x", "2026-11-24T11:00:00Z"), ("b@x", "2026-11-24T12:00:00Z")] {
        assert_eq!(app.get(&format!("/api/v1/reservations/{id}")).await.json()["start_at"], start, "{id}");
    }
}

#[tokio::test]
async fn where_an_entry_is_refused_nothing_is_taken_unless_that_is_asked_for() {
    let app = lab().await;
    app.local_mode("LAB-02").await;
    let bad = r#"[
        {"id":"R-1","lab":"optics","start_at":"2026-11-24T11:00:00Z","end_at":"2026-11-24T12:00:00Z"},
        {"id":"R-1","lab":"optics","start_at":"2026-11-24T13:00:00Z","end_at":"2026-11-24T14:00:00Z"},
        {"id":"R-2","lab":"chemistry","start_at":"2026-11-24T11:00:00Z","end_at":"2026-11-24T12:00:00Z"},
        {"id":"R-3","host":"LAB-99","start_at":"2026-11-24T11:00:00Z","end_at":"2026-11-24T12:00:00Z"},
        {"id":"R-4","lab":"optics","start_at":"2026-11-24T12:00:00Z","end_at":"2026-11-24T11:00:00Z"},
        {"id":"R-5","lab":"optics"},
        {"id":"R-6","lab":"redes","start_at":"2026-11-24T11:00:00Z","end_at":"2026-11-24T12:00:00Z"},
        {"id":"R-7","lab":"optics","start_at":"9999-12-31T11:00:00Z","end_at":"9999-12-31T12:00:00Z"}
    ]"#;
    let lines = [
        "new R-1 -",
        "refused R-1 repeated",
        "refused R-2 bad_request",
        "refused R-3 unknown_station",
        "refused R-4 bad_request",
        "refused R-5 bad_request",
        "refused R-6 local_mode_active",
        "refused R-7 times",
    ];
    let request = app.request("POST", IMPORT).header("x-lab-manager-token", &app.admin).header("x-request-id", "r1");
    let refused = app.send_body(request, bad.as_bytes().to_vec()).await;
    assert_eq!((refused.status, told(&refused)), (StatusCode::CONFLICT, lines.map(str::to_owned).to_vec()));
    let body = refused.json();
    assert_eq!((&body["code"], &body["requestId"]), (&json!("import_refused"), &json!("r1")));
    assert!(body["error"].as_str().unwrap().contains("7 of 8"), "{body}");
    assert_eq!(ids(&app).await, [""; 0], "all or nothing");
    assert_eq!(told(&import(&app, "?dry_run=true", "application/json", bad).await), lines);

    let taken = import(&app, "?skip_refused=true", "application/json", bad).await;
    assert_eq!((taken.status, counts(&taken)), (StatusCode::OK, [1, 0, 0, 7]));
    assert_eq!(ids(&app).await, ["R-1"]);
    let confirmed = "?skip_refused=true&confirm_local_mode=true&reason=the%20class%20is%20here";
    assert_eq!(counts(&import(&app, confirmed, "application/json", bad).await), [1, 0, 1, 6]);
    let log = app.get("/api/v1/audit?action=reservation.put&host=LAB-02").await.json();
    assert_eq!(log["items"][0]["detail"]["confirmed_local_mode"], "the class is here", "{log}");
    let blank = import(&app, "?confirm_local_mode=true", "application/json", &bad.replace("R-6", "R-8")).await;
    assert_eq!(blank.status, StatusCode::CONFLICT, "a reason is needed");
}

#[tokio::test]
async fn who_may_import_and_where() {
    let app = lab().await;
    let instructor = app.add_token("ana", TokenRole::Instructor).await;
    let refused = import_as(&app, &instructor, "", "text/csv", LIST).await;
    assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    let labs = Labs::Of(BTreeSet::from(["optics".to_owned()]));
    let bound = app.add_token_of("ben", TokenRole::Operator, labs).await;
    let taken = import_as(&app, &bound, "?skip_refused=true", "text/csv", LIST).await;
    assert_eq!(told(&taken), ["new R-1 -", "refused R-2 other_lab"]);
}

#[tokio::test]
async fn what_a_list_may_not_be() {
    let app = lab().await;
    let many = format!("[{}]", vec![r#"{"id":"R"}"#; 1_001].join(","));
    let large = " ".repeat(1024 * 1024 + 1);
    for (query, kind, body, status, says) in [
        ("", "application/json", "{}", StatusCode::BAD_REQUEST, "no JSON list"),
        ("", "text/plain", "", StatusCode::BAD_REQUEST, "no JSON list"),
        ("", "text/csv", "id,hots\n", StatusCode::BAD_REQUEST, "no column"),
        ("", "text/calendar", "hello", StatusCode::BAD_REQUEST, "iCalendar"),
        ("", "application/json", &many, StatusCode::BAD_REQUEST, "at most 1000"),
        ("", "application/json", &large, StatusCode::PAYLOAD_TOO_LARGE, "1 MiB"),
        ("?dry=true", "application/json", "[]", StatusCode::BAD_REQUEST, "unknown field"),
        ("?dry_run=perhaps", "application/json", "[]", StatusCode::BAD_REQUEST, "query"),
    ] {
        let answer = import(&app, query, kind, body).await;
        assert_eq!(answer.status, status, "{query} {kind}: {}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().contains(says), "{says}: {}", answer.text());
    }
    let binary = app.request("POST", IMPORT).header("x-lab-manager-token", &app.admin);
    assert_eq!(app.send_body(binary, vec![0xff, 0xfe]).await.status, StatusCode::BAD_REQUEST);
    let empty = import(&app, "", "application/json", "[]").await;
    assert_eq!((empty.status, counts(&empty)), (StatusCode::OK, [0; 4]));
}

#[tokio::test]
async fn a_thousand_reservations_are_taken_at_once() {
    let app = lab().await;
    let rows: String = (0..1_000)
        .map(|n| {
            let (day, hour) = (1 + n / 24 % 28, n % 24);
            format!("R-{n},optics,,2026-12-{day:02}T{hour:02}:00:00Z,2026-12-{day:02}T{hour:02}:45:00Z,\n")
        })
        .collect();
    let taken = import(&app, "", "text/csv", &format!("id,lab,host,start_at,end_at,who\n{rows}")).await;
    assert_eq!((taken.status, counts(&taken)), (StatusCode::OK, [1_000, 0, 0, 0]), "{}", taken.text());
}
