//! A station's past, in buckets and heartbeat by heartbeat.

use axum::http::StatusCode;
use chrono::TimeDelta;
use serde_json::{Value, json};
use stationkeeper_rules::{Cause, StationWord};
use stationkeeper_store::TokenRole;

use crate::app::App;

/// Six hours ago it came up; it was silent for 20 minutes, and speaks every minute since an hour ago.
async fn app() -> App {
    let app = App::start().await;
    app.station("LAB-01", Some("Redes"), StationWord::Ready).await;
    let minutes = |minutes: i64| app.now - TimeDelta::minutes(minutes);
    let told: Vec<_> = (80..=360).rev().chain((0..60).rev()).map(minutes).collect();
    app.heartbeats("LAB-01", &told, TimeDelta::milliseconds(1_500)).await;
    app.heartbeats("LAB-02", &[minutes(30)], TimeDelta::zero()).await;
    let silent = Cause::NothingNewer { since: minutes(80) };
    app.state_runs(
        "LAB-01",
        &[
            (minutes(360), StationWord::Ready, None),
            (minutes(77), StationWord::Down, Some(silent)),
            (minutes(59), StationWord::Ready, None),
        ],
    )
    .await;
    app
}

#[tokio::test]
async fn a_day_is_told_in_288_buckets_with_exact_states_and_gaps() {
    let app = app().await;
    let day = app.get("/api/v1/stations/lab-01/history").await.json();
    assert_eq!((&day["host"], &day["bucket_seconds"]), (&json!("LAB-01"), &json!(300)));
    assert_eq!((&day["from"], &day["to"]), (&json!("2026-11-23T10:00:00Z"), &json!("2026-11-24T10:00:00Z")));
    let buckets = day["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 288);
    let bucket = |from: &str| buckets.iter().find(|one| one["from"] == from).unwrap();
    let told = |from: &str, state: Value, heartbeats: u32, skew: Value| {
        let expected = json!({
            "from": from, "state": state, "heartbeats": heartbeats, "skew_min_ms": skew, "skew_max_ms": skew
        });
        assert_eq!(bucket(from), &expected);
    };
    told("2026-11-24T03:55:00Z", Value::Null, 0, Value::Null);
    told("2026-11-24T04:00:00Z", json!("ready"), 5, json!(-1_500));
    told("2026-11-24T08:40:00Z", json!("down"), 1, json!(-1_500));
    told("2026-11-24T08:50:00Z", json!("down"), 0, Value::Null);
    told("2026-11-24T09:00:00Z", json!("down"), 4, json!(-1_500));
    told("2026-11-24T09:55:00Z", json!("ready"), 5, json!(-1_500));
    assert_eq!(day["gaps"], json!([{ "from_at": "2026-11-24T08:40:00Z", "to_at": "2026-11-24T09:01:00Z" }]));
    let runs = day["runs"].as_array().unwrap();
    let states: Vec<_> = runs.iter().map(|run| [&run["state"], &run["from_at"], &run["to_at"]]).collect();
    assert_eq!(
        states,
        [
            [&json!("ready"), &json!("2026-11-24T04:00:00Z"), &json!("2026-11-24T08:43:00Z")],
            [&json!("down"), &json!("2026-11-24T08:43:00Z"), &json!("2026-11-24T09:01:00Z")],
            [&json!("ready"), &json!("2026-11-24T09:01:00Z"), &Value::Null],
        ]
    );
    assert_eq!(runs[1]["cause"], json!({ "code": "nothing_newer", "since": "2026-11-24T08:40:00Z" }));
    assert!(runs[1]["cause_text"].is_string());
}

#[tokio::test]
async fn a_window_of_ones_own_has_buckets_of_ones_own() {
    let app = app().await;
    for (shows, query, buckets, seconds, gaps) in [
        ("ten minutes", "from=2026-11-24T09:00:00Z&to=2026-11-24T09:10:00Z&buckets=10", 10, 60, 1),
        ("another zone", "from=2026-11-24T10:00:00%2B01:00&to=2026-11-24T10:10:00%2B01:00&buckets=10", 10, 60, 1),
        ("no gap touches it", "from=2026-11-24T09:01:00Z&to=2026-11-24T09:10:00Z&buckets=1", 1, 540, 0),
        ("up to now", "from=2026-11-24T09:00:00Z&buckets=1000", 900, 4, 1),
        ("a day up to then", "to=2026-11-24T04:00:00Z", 288, 300, 0),
        ("a week", "from=2026-11-17T10:00:00Z", 288, 2_100, 1),
    ] {
        let told = app.get(&format!("/api/v1/stations/LAB-01/history?{query}")).await.json();
        let found = (
            told["buckets"].as_array().unwrap().len(),
            &told["bucket_seconds"],
            told["gaps"].as_array().unwrap().len(),
        );
        assert_eq!(found, (buckets, &json!(seconds), gaps), "{shows}");
    }
    let to_come = app.get("/api/v1/stations/LAB-01/history?to=2026-11-24T11:00:00Z&buckets=24").await.json();
    assert_eq!(to_come["buckets"][22]["state"], "down");
    assert_eq!(
        to_come["buckets"][23],
        json!({
            "from": "2026-11-24T10:00:00Z", "state": null, "heartbeats": 1, "skew_min_ms": -1_500, "skew_max_ms": -1_500
        }),
        "its heartbeat of this instant counts, and what it will be is not known"
    );
}

#[tokio::test]
async fn what_was_kept_for_a_week_passes_by_in_pages() {
    let app = App::start().await;
    app.station("LAB-01", None, StationWord::Ready).await;
    let week: Vec<_> = (1..=10_080).rev().map(|minute| app.now - TimeDelta::minutes(minute)).collect();
    app.heartbeats("LAB-01", &week, TimeDelta::seconds(2)).await;
    let told = app.get("/api/v1/stations/LAB-01/history?from=2026-11-17T10:00:00Z&buckets=7").await.json();
    let counted: Vec<_> =
        told["buckets"].as_array().unwrap().iter().map(|one| one["heartbeats"].as_u64().unwrap()).collect();
    assert_eq!((counted, &told["gaps"]), (vec![1_440; 7], &json!([])));
}

#[tokio::test]
async fn what_is_no_window_is_refused() {
    let app = app().await;
    for (query, says) in [
        ("buckets=0", "buckets is a number from 1 to 1000"),
        ("buckets=1001", "buckets is a number from 1 to 1000"),
        ("buckets=many", "buckets is a number from 1 to 1000"),
        ("from=2026-11-24T10:00:00Z", "from is before to"),
        ("from=2026-11-24T10:00:01Z", "from is before to"),
        ("from=2026-10-24T09:59:59Z", "from and to are at most 31 days apart"),
        ("to=0001-01-01T00:00:00Z", "to: too long ago"),
        ("from=yesterday", "from: "),
        ("to=2026-11-24", "to: "),
        ("bucket=1", "query parameters: "),
    ] {
        let answer = app.get(&format!("/api/v1/stations/LAB-01/history?{query}")).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (StatusCode::BAD_REQUEST, &json!("bad_request")),
            "{query}"
        );
        let said = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(said.starts_with(says), "{query}: {said}");
    }
}

#[tokio::test]
async fn heartbeats_are_listed_in_order_of_the_stations_clock() {
    let app = app().await;
    let path = "/api/v1/stations/lab-01/heartbeats";
    let instants = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|one| one["timestamp_utc"].as_str().unwrap().to_owned()).collect()
    };
    let query = "from=2026-11-24T08:39:00Z&to=2026-11-24T09:03:00Z&limit=2";
    let first = app.get(&format!("{path}?{query}")).await.json();
    assert_eq!(instants(&first), ["2026-11-24T08:39:00Z", "2026-11-24T08:40:00Z"]);
    let cursor = first["next"].as_str().unwrap();
    let second = app.get(&format!("{path}?{query}&cursor={cursor}")).await.json();
    assert_eq!(instants(&second), ["2026-11-24T09:01:00Z", "2026-11-24T09:02:00Z"]);
    assert!(second["next"].is_null());
    let one = &first["items"][0];
    for (field, value) in [
        ("host", json!("LAB-01")),
        ("first_arrived_at", json!("2026-11-24T08:39:01.5Z")),
        ("arrived_at", json!("2026-11-24T08:39:01.5Z")),
        ("raw_length", json!(2)),
        ("sha256", json!("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")),
        ("ready", json!(true)),
        ("issues", json!([])),
        ("reservation_id", Value::Null),
    ] {
        assert_eq!(one[field], value, "{field}");
    }
    let day = app.get(&format!("{path}?limit=500")).await.json();
    assert_eq!(instants(&day).len(), 281 + 59, "the last day, without what is of this very instant");
    for query in ["from=2026-11-24T09:00:00Z&to=2026-11-24T08:00:00Z", "from=2026-11-25T00:00:00Z"] {
        assert_eq!(app.get(&format!("{path}?{query}")).await.json(), json!({ "items": [], "next": null }), "{query}");
    }
    for query in ["limit=0", "cursor=zz", "from=soon", "to=0001-01-01T00:00:00Z", "buckets=3"] {
        assert_eq!(app.get(&format!("{path}?{query}")).await.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn whoever_sees_a_station_sees_its_past() {
    let app = app().await;
    for role in [TokenRole::Viewer, TokenRole::Instructor, TokenRole::Operator] {
        let token = app.add_token(role.as_str(), role).await;
        for path in ["history", "heartbeats"] {
            let path = format!("/ops/api/v1/stations/LAB-01/{path}");
            assert_eq!(app.get_as(Some(&token), &path).await.status, StatusCode::OK, "{path} {role:?}");
        }
    }
}
