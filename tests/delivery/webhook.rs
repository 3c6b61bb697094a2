//! Webhooks and chats, with everything that a server may answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use chrono::TimeDelta;
use serde_json::Value;
use stationkeeper_notifier::{Channels, IDEMPOTENCY_KEY, SIGNATURE, TIMESTAMP, signature};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_rules::Channel;
use stationkeeper_store::NotificationState;
use stationkeeper_tests::database::Kind;
use stationkeeper_tests::waiting::now;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::world::{World, channels, message, start};

const SECRET: &str = "of the test";

/// What is answered to a request.
#[derive(Clone)]
pub struct Reply(u16, Option<(&'static str, &'static str)>);

impl Reply {
    fn ok() -> Self {
        Self(204, None)
    }
}

#[derive(Default)]
struct Heard {
    replies: VecDeque<Reply>,
    requests: Vec<(HeaderMap, Bytes)>,
}

type Hearing = Arc<Mutex<Heard>>;

/// A server that answers as it is told, and then 204.
pub struct Listener {
    base: String,
    heard: Hearing,
    _serving: JoinSet<()>,
}

impl Listener {
    pub async fn serve(replies: Vec<Reply>) -> Self {
        let heard = Arc::new(Mutex::new(Heard { replies: replies.into(), requests: Vec::new() }));
        let router = Router::new().fallback(any(hear)).with_state(heard.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, heard, _serving: serving }
    }

    pub fn channel() -> Channel {
        Channel::Webhook { connection: "help-desk".to_owned() }
    }

    pub fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("STATIONKEEPER_CONNECTION_HELP_DESK_URL", format!("{}/hook/s3cret", self.base)),
            ("STATIONKEEPER_CONNECTION_HELP_DESK_SECRET", SECRET.to_owned()),
        ]
    }

    fn channels(&self) -> Channels {
        channels(&self.variables())
    }

    pub fn requests(&self) -> Vec<(HeaderMap, Bytes)> {
        self.heard.lock().unwrap().requests.clone()
    }
}

async fn hear(State(heard): State<Hearing>, headers: HeaderMap, body: Bytes) -> Response {
    let mut heard = heard.lock().unwrap();
    heard.requests.push((headers, body));
    let Reply(status, header) = heard.replies.pop_front().unwrap_or(Reply::ok());
    let status = StatusCode::from_u16(status).unwrap();
    match header {
        Some((name, value)) => (status, [(HeaderName::from_static(name), value)]).into_response(),
        None => status.into_response(),
    }
}

async fn desk() -> World {
    let world = World::new(Kind::Sqlite, [("desk", Listener::channel())]).await;
    world.owe(&[message("desk", 1)]).await;
    world
}

#[tokio::test]
async fn a_document_is_signed_and_says_what_happened() {
    let listener = Listener::serve(vec![]).await;
    let mut world = desk().await;
    world.settings.page_url = Some("https://stations.example.org/".to_owned());
    world.deliver(&listener.channels()).await;
    assert_eq!(world.row().await.state, NotificationState::Sent);
    let requests = listener.requests();
    let [(headers, body)] = requests.as_slice() else { panic!("{requests:?}") };
    let text = |name: &str| headers[name].to_str().unwrap();
    let at: i64 = text(TIMESTAMP).parse().unwrap();
    assert!((now().timestamp() - at).abs() < 120, "stamped just now");
    assert_eq!(text(SIGNATURE), signature(SECRET.as_bytes(), at, body));
    let document: Value = serde_json::from_slice(body).unwrap();
    let owed = message("desk", 1);
    for (pointer, value) in [
        ("/id", text(IDEMPOTENCY_KEY)),
        ("/id", owed.id.0.as_str()),
        ("/kind", "problem"),
        ("/receiver", "desk"),
        ("/lab", "electronics"),
        ("/made_at", "2026-11-24T10:00:00Z"),
        ("/link", "https://stations.example.org/"),
        ("/news/0/event", "opened"),
        ("/news/0/alert/host", "LAB-01"),
        ("/news/0/alert/rule", "heartbeat_missing"),
        ("/current/0/severity", "critical"),
    ] {
        assert_eq!(document.pointer(pointer).and_then(Value::as_str), Some(value), "{pointer} of {document}");
    }
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again_when_it_says_so() {
    let (throttled, away) = (Some(("retry-after", "120")), Some(("retry-after", "300")));
    let listener =
        Listener::serve(vec![Reply(500, None), Reply(429, throttled), Reply(503, None), Reply(503, away)]).await;
    let (world, channels) = (desk().await, listener.channels());
    let mut waits = Vec::new();
    for requests in 1..=4 {
        world.deliver(&channels).await;
        world.deliver(&channels).await;
        assert_eq!(listener.requests().len(), requests, "not before its time");
        let row = world.row().await;
        waits.push((row.next_attempt_at - world.clock.now()).num_seconds());
        world.clock.advance_to(row.next_attempt_at);
    }
    assert!(
        (5..=10).contains(&waits[0]) && waits[1] == 120 && (20..=40).contains(&waits[2]) && waits[3] == 300,
        "{waits:?}"
    );
    world.deliver(&channels).await;
    let row = world.row().await;
    assert_eq!((row.state, row.attempts), (NotificationState::Sent, 5));
    assert!(!row.last_error.unwrap_or_default().contains("s3cret"), "no address");
    let keys: Vec<_> = listener.requests().iter().map(|(headers, _)| headers[IDEMPOTENCY_KEY].clone()).collect();
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "one message, however often it is tried: {keys:?}");
}

#[tokio::test]
async fn an_hour_without_a_receiver_loses_nothing() {
    // Nobody listens there: connections are refused.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = channels(&[("STATIONKEEPER_CONNECTION_HELP_DESK_URL", format!("http://{gone}/"))]);
    let world = desk().await;
    while world.clock.now() < start() + TimeDelta::hours(1) {
        world.deliver(&away).await;
        world.clock.advance_to(world.row().await.next_attempt_at);
    }
    let row = world.row().await;
    assert_eq!(row.state, NotificationState::Pending, "{} tries: {:?}", row.attempts, row.last_error);
    let listener = Listener::serve(vec![]).await;
    world.deliver(&listener.channels()).await;
    assert_eq!((world.row().await.state, listener.requests().len()), (NotificationState::Sent, 1));
}

// Promise 4.4
#[tokio::test]
async fn a_receiver_that_never_comes_back_is_given_up_and_seen_to_be() {
    let listener = Listener::serve(vec![Reply(500, None); 12]).await;
    let (world, channels) = (desk().await, listener.channels());
    for _ in 0..20 {
        world.deliver_after(TimeDelta::hours(1), &channels).await;
    }
    let row = world.row().await;
    assert_eq!((row.state, row.attempts, listener.requests().len()), (NotificationState::Dead, 12, 12));
    assert_eq!(world.store.outbox_size().await.unwrap().dead, 1);
}

#[tokio::test]
async fn what_never_will_be_taken_is_given_up_at_once_and_no_redirect_is_followed() {
    let elsewhere = Some(("location", "/elsewhere"));
    for reply in [Reply(404, None), Reply(410, None), Reply(302, elsewhere), Reply(308, elsewhere)] {
        let status = reply.0;
        let listener = Listener::serve(vec![reply]).await;
        let world = desk().await;
        world.deliver(&listener.channels()).await;
        let row = world.row().await;
        assert_eq!((row.state, listener.requests().len()), (NotificationState::Dead, 1), "{status}");
        let error = row.last_error.unwrap();
        assert!(error.contains(&status.to_string()) && !error.contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn a_chat_gets_a_text_in_which_a_station_can_call_nobody() {
    let listener = Listener::serve(vec![]).await;
    let world = World::new(Kind::Sqlite, [("chat", Channel::Slack { connection: "help-desk".to_owned() })]).await;
    world.owe(&[message("chat", 1)]).await;
    world.deliver(&listener.channels()).await;
    assert_eq!(world.row().await.state, NotificationState::Sent);
    let requests = listener.requests();
    let (headers, body) = &requests[0];
    assert_eq!(headers["content-type"], "application/json");
    let document: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(document.as_object().unwrap().keys().collect::<Vec<_>>(), ["text"]);
    let text = document["text"].as_str().unwrap();
    assert!(text.starts_with("*[Stationkeeper] LAB-01: Heartbeat missing*\n"), "{text}");
    assert!(text.contains("&lt;!channel&gt; &amp; &lt;b&gt;") && !text.contains('<'), "{text}");
}
