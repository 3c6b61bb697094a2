//! The older service, as far as it is used: it answers as gateway.md sections 1 and 6 say, in one thread a request.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::corpus;

/// What it was asked.
#[derive(Default)]
pub struct Seen {
    /// Methods and paths, in order.
    pub asked: Mutex<Vec<String>>,
    /// Hosts that were polled, in order.
    pub polled: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    /// Most polls at once.
    pub most_at_once: AtomicUsize,
    /// What was wanted last.
    pub local_mode: AtomicBool,
}

/// See the module.
pub struct OlderService {
    /// Such as `http://127.0.0.1:4711`.
    pub address: String,
    /// What it was asked.
    pub seen: Arc<Seen>,
    _serving: TaskTracker,
}

/// A host that it reaches.
pub const ANSWERING: &str = "LAB-WS07";
/// A host that it cannot reach.
pub const SILENT: &str = "LAB-WS08";

impl OlderService {
    /// On a free port.
    ///
    /// # Panics
    /// Where none is.
    pub async fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let router = Router::new()
            .route("/health", get(async || Json(json!({ "status": "ok", "hosts_loaded": 2, "db": true }))))
            .route("/api/hosts", get(hosts))
            .route("/api/heartbeat/poll", post(poll))
            .route("/api/wol", post(wake))
            .route("/api/hosts/local-mode", post(local_mode))
            .layer(from_fn_with_state(Arc::clone(&seen), note))
            .with_state(Arc::clone(&seen));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it listens"));
        let serving = TaskTracker::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, seen, _serving: serving }
    }
}

async fn note(State(seen): State<Arc<Seen>>, request: Request, next: Next) -> Response {
    seen.asked.lock().expect("nobody panicked").push(format!("{} {}", request.method(), request.uri().path()));
    next.run(request).await
}

async fn hosts() -> Json<Value> {
    let host = |name: &str| json!({ "name": name, "address": "10.0.0.7", "mac": "00:1A:2B:3C:4D:5E", "labs": ["7"], "winrmConfigured": true });
    Json(json!({ "hosts": [host(ANSWERING), host(SILENT)], "guacamoleAvailable": false }))
}

async fn poll(State(seen): State<Arc<Seen>>, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    let at_once = seen.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most_at_once.fetch_max(at_once, Ordering::SeqCst);
    let host = body["host"].as_str().expect("a host").to_owned();
    seen.polled.lock().expect("nobody panicked").push(host.clone());
    tokio::time::sleep(Duration::from_millis(100)).await;
    seen.at_once.fetch_sub(1, Ordering::SeqCst);
    if host != ANSWERING {
        return (
            StatusCode::BAD_GATEWAY,
            Json(json!({ "error": "no route to host", "code": "WINRM", "requestId": "r1" })),
        );
    }
    let file = corpus("lab-12x45/LAB-WS07/heartbeat-20261124T084249Z.json");
    // The service decodes what it reads, byte order mark included.
    let text = std::fs::read_to_string(file).expect("a file of the corpus");
    let heartbeat: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).expect("JSON");
    (StatusCode::OK, Json(json!({ "heartbeat": heartbeat, "last_event": null, "host": host })))
}

async fn wake(Json(body): Json<Value>) -> Json<Value> {
    tokio::time::sleep(Duration::from_millis(700)).await;
    Json(
        json!({ "success": body["host"] == ANSWERING, "attempts_used": 1, "duration_ms": 700, "ping_target": "10.0.0.7" }),
    )
}

async fn local_mode(State(seen): State<Arc<Seen>>, Json(body): Json<Value>) -> Json<Value> {
    let enabled = body["enabled"].as_bool().expect("true or false");
    seen.local_mode.store(enabled, Ordering::SeqCst);
    Json(json!({ "host": body["host"], "localModeEnabled": enabled }))
}
