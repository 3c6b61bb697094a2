//! `GET /api/v1/events`: what a client hears.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use serde_json::Value;
use stationkeeper_rules::{Cause, Rule, StationWord};
use stationkeeper_store::{NewUpdate, TokenRole};

use crate::app::App;

/// One event as it came over the wire.
#[derive(Debug)]
pub struct Heard {
    pub name: String,
    pub id: Option<String>,
    pub data: Value,
}

pub struct Ear {
    stream: BodyDataStream,
    rest: String,
}

impl Ear {
    async fn of(app: &App, token: &str, last: Option<&str>) -> Self {
        let mut request = app.request("GET", "/api/v1/events").header("x-lab-manager-token", token);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Self::to(app, request).await
    }

    /// Of another stream.
    pub async fn at(app: &App, token: &str, path: &str) -> Self {
        Self::to(app, app.request("GET", path).header("x-lab-manager-token", token)).await
    }

    async fn to(app: &App, request: axum::http::request::Builder) -> Self {
        let response = app.stream(request).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self { stream: Body::into_data_stream(response.into_body()), rest: String::new() }
    }

    /// The next event; none: the stream has ended.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some((event, rest)) = self.rest.split_once("\n\n") {
                let heard = heard(event);
                self.rest = rest.to_owned();
                match heard {
                    Some(heard) => return Some(heard),
                    None => continue,
                }
            }
            let more = tokio::time::timeout(Duration::from_secs(20), self.stream.next()).await.expect("in time")?;
            self.rest.push_str(std::str::from_utf8(&more.unwrap()).unwrap());
        }
    }

    /// The next of this name.
    pub async fn until(&mut self, name: &str) -> Heard {
        loop {
            let heard = self.next().await.unwrap_or_else(|| panic!("it ended before {name}"));
            if heard.name == name {
                return heard;
            }
        }
    }
}

/// None: a comment.
fn heard(event: &str) -> Option<Heard> {
    let field =
        |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    Some(Heard { name: field("event:")?, id: field("id:"), data: serde_json::from_str(&field("data:")?).unwrap() })
}

/// Takes an alert: a change that leaves an update.
async fn changes(app: &App) {
    let cause = Cause::Issues { issues: vec!["Disk full".into()], codes: vec![], since: app.now };
    let id = app.open_alert(Rule::NotReady, Some("LAB-01"), cause).await;
    assert_eq!(app.post(&format!("/api/v1/alerts/{id}/acknowledge"), "{}").await.status, 200);
    app.resolve_alert(&id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_hears_how_things_are_and_what_changes() {
    let app = App::start().await;
    app.station("LAB-01", None, StationWord::Ready).await;
    let mut ears = [Ear::of(&app, &app.admin, None).await, Ear::of(&app, &app.admin, None).await];
    for ear in &mut ears {
        let hello = ear.next().await.unwrap();
        assert_eq!((hello.name.as_str(), &hello.data["server_time"]), ("hello", &"2026-11-24T10:00:00Z".into()));
        assert_eq!(hello.data["sequence"], 0);
        let tick = ear.until("tick").await;
        assert_eq!((&tick.data["newest_ingest"], tick.id), (&"2026-11-24T09:59:00Z".into(), None));
    }
    changes(&app).await;
    for ear in &mut ears {
        let alert = ear.until("alert").await;
        assert_eq!((&alert.data["host"], &alert.data["state"]), (&"LAB-01".into(), &"acknowledged".into()));
        assert!(alert.id.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_is_told_what_they_missed_or_to_begin_anew() {
    let app = App::start().await;
    app.station("LAB-01", None, StationWord::Ready).await;
    let first = Ear::of(&app, &app.admin, None).await.next().await.unwrap().id.unwrap();
    changes(&app).await;
    let mut back = Ear::of(&app, &app.admin, Some(&first)).await;
    assert_eq!(back.next().await.unwrap().name, "hello");
    let missed = back.next().await.unwrap();
    assert_eq!((missed.name.as_str(), &missed.data["state"]), ("alert", &"acknowledged".into()));
    let seen = missed.id.unwrap();
    // By then the reader has read what was there; before, it may tell it a second time.
    back.until("tick").await;
    let mut nothing = Ear::of(&app, &app.admin, Some(&seen)).await;
    assert_eq!(nothing.next().await.unwrap().name, "hello");
    assert_eq!(nothing.next().await.unwrap().name, "tick", "it has missed nothing");
    let ahead = format!("{}-999", seen.split('-').next().unwrap());
    for odd in ["0123456789ab-1", "x", "-", "1", ahead.as_str()] {
        let mut lost = Ear::of(&app, &app.admin, Some(odd)).await;
        assert_eq!(lost.next().await.unwrap().name, "hello", "{odd}");
        assert_eq!(lost.next().await.unwrap().name, "reset", "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_hears_nothing_any_more() {
    let app = App::start().await;
    let tray = app.add_token("tray", TokenRole::Viewer).await;
    let mut ear = Ear::of(&app, &tray, None).await;
    assert_eq!(ear.next().await.unwrap().name, "hello");
    ear.until("tick").await;
    let tokens = app.get("/api/v1/tokens").await.json()["items"].as_array().unwrap().clone();
    let id = tokens.iter().find(|token| token["name"] == "tray").unwrap()["id"].as_str().unwrap().to_owned();
    let revoke = app.request("DELETE", &format!("/api/v1/tokens/{id}")).header("x-lab-manager-token", &app.admin);
    assert_eq!(app.send(revoke).await.status, 200);
    while let Some(heard) = ear.next().await {
        assert_eq!(heard.name, "tick");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_falls_too_far_behind_is_told_to_begin_anew_and_nobody_waits_for_them() {
    let app = App::start().await;
    let mut slow = Ear::of(&app, &app.admin, None).await;
    let mut quick = Ear::of(&app, &app.admin, None).await;
    quick.until("tick").await;
    // More than is kept for a listener.
    let updates: Vec<_> = (0..5_000)
        .map(|number| NewUpdate {
            at: app.now,
            kind: "station".to_owned(),
            host: None,
            payload: serde_json::json!({ "number": number }),
        })
        .collect();
    for some in updates.chunks(1_000) {
        let mut work = app.store().begin().await.unwrap();
        work.updates().append(some).await.unwrap();
        work.commit().await.unwrap();
        for update in some {
            assert_eq!(quick.until("station").await.data["number"], update.payload["number"]);
        }
    }
    let mut heard = Vec::new();
    while let Some(event) = slow.next().await {
        heard.push(event.name);
    }
    assert_eq!((heard[0].as_str(), heard.last().map(String::as_str)), ("hello", Some("reset")), "and it ends");
    assert!(heard.len() < 5_000);
}
