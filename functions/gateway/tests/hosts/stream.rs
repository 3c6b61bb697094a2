//! `GET /api/heartbeat/stream`.

use std::time::Duration;

use serde_json::{Value, json};
use stationkeeper_rules::StationWord;
use stationkeeper_store::TokenRole;

use crate::app::App;
use crate::live::Ear;

async fn app() -> App {
    let app = App::start_with(|_folder, options| options.heartbeat_every = Duration::from_millis(300)).await;
    app.station("LAB-01", None, StationWord::Ready).await;
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_listens_hears_the_stored_heartbeat_at_once_and_again() {
    let app = app().await;
    app.heartbeat("LAB-01", "\u{feff}{\r\n \"host\": \"LAB-01\",\r\n \"n\": 1 }").await;
    app.host_event("LAB-01", "ana").await;
    let viewer = app.add_token("wall", TokenRole::Viewer).await;
    let mut ears = Vec::new();
    for (query, with_event) in [
        ("host=lab-01", true),
        ("host=LAB-01&include_events=false", false),
        ("host=LAB-01&include_events=off", false),
        ("host=LAB-01&include_events=true", true),
    ] {
        ears.push((Ear::at(&app, &viewer, &format!("/api/heartbeat/stream?{query}")).await, with_event));
    }
    for round in 0..2 {
        for (ear, with_event) in &mut ears {
            let heard = ear.next().await.unwrap();
            assert_eq!(heard.name, "heartbeat", "{round}");
            assert_eq!(
                (&heard.data["heartbeat"], &heard.data["host"]),
                (&json!({ "host": "LAB-01", "n": 1 }), &json!("LAB-01"))
            );
            let user = heard.data["last_event"].get("user").cloned().unwrap_or(Value::Null);
            assert_eq!(user, if *with_event { json!("ana") } else { Value::Null });
        }
    }
    let revoked = app.get("/api/v1/tokens").await.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|token| token["name"] == "wall")
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let request = app.request("DELETE", &format!("/api/v1/tokens/{revoked}")).header("x-lab-manager-token", &app.admin);
    assert_eq!(app.send(request).await.status, 200);
    while ears[0].0.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_an_event_and_the_stream_goes_on() {
    let app = app().await;
    let mut ear = Ear::at(&app, &app.admin, "/ops/api/heartbeat/stream?host=LAB-01").await;
    let failed = ear.next().await.unwrap();
    assert_eq!(
        (failed.name.as_str(), &failed.data["code"], &failed.data["host"]),
        ("error", &json!("no_heartbeat"), &json!("LAB-01")),
        "the catalog has no address at which it could be asked"
    );
    assert!(failed.data["error"].is_string() && failed.data["requestId"].is_string());
    app.heartbeat("LAB-01", "{\"n\":2}").await;
    assert_eq!(ear.until("heartbeat").await.data["heartbeat"], json!({ "n": 2 }));
}

#[tokio::test]
async fn a_stream_needs_a_station() {
    let app = app().await;
    for (query, status, said) in [
        ("", 400, "host is required"),
        ("?host=", 400, "host is required"),
        ("?host=lab-99", 404, "host 'lab-99' not found"),
    ] {
        let refused = app.get(&format!("/api/heartbeat/stream{query}")).await;
        assert_eq!((refused.status.as_u16(), refused.json()["error"].as_str()), (status, Some(said)), "{query}");
    }
}
