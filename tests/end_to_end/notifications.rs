//! People are told: a station falls silent and comes back, over a real mail server and a real webhook.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use chrono::TimeDelta;
use serde_json::Value;
use stationkeeper_notifier::{IDEMPOTENCY_KEY, SIGNATURE, TIMESTAMP, signature};
use stationkeeper_tests::mail_server::{MailServer, Tls};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::programs::{Running, command, stationkeeper_says};
use crate::harness::station::{heartbeat, newest_key};
use crate::harness::up::{Up, data_folder};
use crate::harness::{PATIENCE, now, until};

/// A station is missing 20 s after its last sign of life, which is noticed within 5 s; room for a loaded computer.
const TOLD: Duration = Duration::from_secs(90);
const SECRET: &str = "of the test";

#[derive(Default)]
struct Heard {
    /// Documents of the webhook with their headers.
    documents: Vec<(HeaderMap, Bytes)>,
    alive: usize,
}

type Hearing = Arc<Mutex<Heard>>;

/// Takes webhooks and calls of the dead man's switch.
struct Listener {
    base: String,
    heard: Hearing,
    _serving: JoinSet<()>,
}

impl Listener {
    async fn serve() -> Self {
        let heard = Hearing::default();
        let router = Router::new()
            .route(
                "/hook",
                post(async |State(heard): State<Hearing>, headers: HeaderMap, body: Bytes| {
                    heard.lock().unwrap().documents.push((headers, body));
                }),
            )
            .route("/alive", get(async |State(heard): State<Hearing>| heard.lock().unwrap().alive += 1))
            .with_state(heard.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, heard, _serving: serving }
    }

    fn documents(&self) -> Vec<(HeaderMap, Bytes)> {
        self.heard.lock().unwrap().documents.clone()
    }
}

const SETTINGS: &str = r#"
[alerts]
interval_seconds = 10
missing_after_intervals = 2
[notifications]
group_wait_seconds = 1
group_wait_most_seconds = 2
page_url = "https://stations.example.org/"
[notifications.receivers.people]
channel = "email"
to = ["ann@example.org", "ben@example.org"]
language = "es"
[notifications.receivers.desk]
channel = "webhook"
connection = "help-desk"
[[notifications.routes]]
receiver = "people"
rules = ["heartbeat_missing"]
[[notifications.routes]]
receiver = "desk"
rules = ["heartbeat_missing"]
"#;

/// `up` that tells a mail server, which a file names, and a webhook, which the environment names.
async fn telling(data: &Path, mail: &MailServer, listener: &Listener) -> Up {
    let files = data.with_extension("files");
    std::fs::create_dir_all(&files).unwrap();
    let (settings, connections) = (files.join("settings.toml"), files.join("connections.toml"));
    std::fs::write(&settings, SETTINGS).unwrap();
    let smtp = format!(
        "STATIONKEEPER_SMTP_URL = \"{}\"\nSTATIONKEEPER_SMTP_FROM = \"Stations <stations@example.org>\"\n",
        mail.url()
    );
    std::fs::write(&connections, smtp).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let database = format!("sqlite:{}", path(&data.join("stationkeeper.sqlite")));
    stationkeeper_says(&["migrate", "--database", &database]);
    stationkeeper_says(&["config", "apply", &path(&settings), "--data", &path(data)]);
    let mut up = command("stationkeeper");
    up.args(["up", "--json", "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("STATIONKEEPER_CONNECTIONS_FILE", &connections)
        .env("STATIONKEEPER_CONNECTION_HELP_DESK_URL", format!("{}/hook", listener.base))
        .env("STATIONKEEPER_CONNECTION_HELP_DESK_SECRET", SECRET)
        .env("STATIONKEEPER_ALIVE_URL", format!("{}/alive", listener.base));
    Up::answering(Running::start(up, "stationkeeper up", &data.with_extension("log")), data, PATIENCE)
}

/// The document of a webhook, whose signature is right.
fn checked(headers: &HeaderMap, body: &Bytes) -> Value {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let at: i64 = text(TIMESTAMP).parse().unwrap();
    assert!((now().timestamp() - at).abs() < 120, "signed just now: {at}");
    assert_eq!(text(SIGNATURE), signature(SECRET.as_bytes(), at, body));
    let document: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(document["id"], text(IDEMPOTENCY_KEY));
    document
}

#[tokio::test]
async fn a_station_that_falls_silent_is_one_mail_that_says_why_and_one_when_it_is_back() {
    let (folder, mail, listener) = (data_folder(), MailServer::serve(Tls::None, None), Listener::serve().await);
    let data = folder.path().join("lab");
    std::fs::create_dir(&data).unwrap();
    let up = telling(&data, &mail, &listener).await;
    let station = up.station_access("LAB-01");
    let last = now();
    station.put(&newest_key("LAB-01"), heartbeat("LAB-01", last)).await.unwrap();
    until("a call of the dead man's switch", PATIENCE, async || {
        (listener.heard.lock().unwrap().alive > 0).then_some(())
    })
    .await;

    let silent = until("a mail", TOLD, async || mail.mails().first().cloned()).await;
    assert_eq!(silent.to, ["ann@example.org", "ben@example.org"]);
    for said in
        ["Subject: ", "LAB-01", "Auto-Submitted: auto-generated", "https://stations.example.org/", "lang=3D\"es\""]
    {
        assert!(silent.text.contains(said), "{said} in {}", silent.text);
    }
    let first = until("a document", TOLD, async || listener.documents().first().cloned()).await;
    let first = checked(&first.0, &first.1);
    assert_eq!((&first["kind"], &first["news"][0]["event"]), (&"problem".into(), &"opened".into()), "{first}");
    assert_eq!(first["news"][0]["alert"]["rule"], "heartbeat_missing");
    assert!(first["news"][0]["text"].as_str().unwrap().len() > 10, "it says why: {first}");

    let back = now().max(last + TimeDelta::seconds(1));
    station.put(&newest_key("LAB-01"), heartbeat("LAB-01", back)).await.unwrap();
    until("a second mail", TOLD, async || mail.mails().get(1).cloned()).await;
    let second = until("a second document", TOLD, async || listener.documents().get(1).cloned()).await;
    let second = checked(&second.0, &second.1);
    assert_eq!((&second["kind"], &second["current"]), (&"resolution".into(), &Value::Array(Vec::new())), "{second}");

    let health = up.get("/health").await.json();
    assert_eq!(health["parts"]["notifications"]["ok"], true, "{health}");
    let metrics = up.get("/metrics").await;
    assert!(metrics.text().contains("stationkeeper_notifications{state=\"dead\"} 0"), "{}", metrics.text());
    assert!(!up.program.log().contains(SECRET), "no secret in the log");
    up.terminate();
    let ids: BTreeMap<_, usize> = mail.mails().iter().fold(BTreeMap::new(), |mut ids, mail| {
        *ids.entry(mail.header("Message-ID").unwrap().to_owned()).or_default() += 1;
        ids
    });
    assert!(ids.values().all(|times| *times == 1), "each once: {ids:?}");
}
