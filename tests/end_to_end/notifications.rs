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
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use stationkeeper_notifier::{Channels, Connections, IDEMPOTENCY_KEY, SIGNATURE, TIMESTAMP, signature};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::deliver::deliver;
use stationkeeper_rules::{Channel, Language, Message, MessageId, MessageKind, NotificationSettings, Receiver};
use stationkeeper_store::{NotificationState, Store, StoreOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::harness::programs::{Running, command, stationkeeper_says};
use crate::harness::secret::script;
use crate::harness::station::{heartbeat, newest_key};
use crate::harness::up::{Up, data_folder};
use crate::harness::{PATIENCE, now, until};

/// A station is missing 20 s after its last sign of life, which is noticed within 5 s; room for a loaded computer.
const TOLD: Duration = Duration::from_secs(90);
const SECRET: &str = "of the test";

/// Mails that came, oldest first.
struct MailServer {
    address: String,
    folder: TempDir,
    _program: Running,
}

impl MailServer {
    /// See mail_server.py.
    fn serve() -> Self {
        let folder = data_folder();
        let mut program = script("mail_server.py");
        program.arg("serve").arg(folder.path());
        let mut program = Running::start(program, "mail server", &folder.path().with_extension("mail.log"));
        let said: Value = serde_json::from_str(&program.first_line(PATIENCE)).unwrap();
        Self { address: format!("127.0.0.1:{}", said["port"]), folder, _program: program }
    }

    /// Recipients and text of each.
    fn mails(&self) -> Vec<(Vec<String>, String)> {
        let mut files: Vec<_> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "mail"));
        files.sort();
        let read = |file: &std::path::PathBuf| {
            let whole = std::fs::read_to_string(file).unwrap();
            let (head, mail) = whole.split_once('\n').unwrap();
            let head: Value = serde_json::from_str(head).unwrap();
            (serde_json::from_value(head["to"].clone()).unwrap(), mail.replace("=\r\n", ""))
        };
        files.iter().map(read).collect()
    }
}

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
        "STATIONKEEPER_SMTP_URL = \"smtp://{}?tls=none\"\nSTATIONKEEPER_SMTP_FROM = \"Stations <stations@example.org>\"\n",
        mail.address
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
    let (folder, mail, listener) = (data_folder(), MailServer::serve(), Listener::serve().await);
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
    assert_eq!(silent.0, ["ann@example.org", "ben@example.org"]);
    for said in
        ["Subject: ", "LAB-01", "Auto-Submitted: auto-generated", "https://stations.example.org/", "lang=3D\"es\""]
    {
        assert!(silent.1.contains(said), "{said} in {}", silent.1);
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
    let ids: BTreeMap<_, usize> = mail.mails().iter().fold(BTreeMap::new(), |mut ids, (_, mail)| {
        let id = mail.lines().find(|line| line.starts_with("Message-ID: ")).unwrap().to_owned();
        *ids.entry(id).or_default() += 1;
        ids
    });
    assert!(ids.values().all(|times| *times == 1), "each once: {ids:?}");
}

/// A time that a test moves.
#[derive(Clone)]
struct Hands(Arc<Mutex<DateTime<Utc>>>);

impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn an_address_that_is_refused_keeps_a_mail_from_nobody_else() {
    let mail = MailServer::serve();
    let folder = data_folder();
    let store = Store::sqlite(&folder.path().join("lab.sqlite"), StoreOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let hands = Hands(Arc::new(Mutex::new(now())));
    let variables = [
        ("STATIONKEEPER_SMTP_URL", format!("smtp://{}?tls=none", mail.address)),
        ("STATIONKEEPER_SMTP_FROM", "Stations <stations@example.org>".to_owned()),
    ];
    let connections = Connections::of_variables(variables.map(|(name, value)| (name.to_owned(), value))).unwrap();
    let channels = Channels::new(connections, now).unwrap();
    let to = ["ann@example.org", "nobody@example.org", "later@example.org"].map(str::to_owned).to_vec();
    let receiver = Receiver { channel: Channel::Email { to }, language: Language::En, quiet_hours: None };
    let settings = NotificationSettings {
        receivers: BTreeMap::from([("people".to_owned(), receiver)]),
        ..NotificationSettings::default()
    };
    let message = Message {
        id: MessageId("0123456789abcdef".to_owned()),
        receiver: "people".to_owned(),
        kind: MessageKind::Test,
        lab: None,
        made_at: hands.now(),
        news: Vec::new(),
        current: Vec::new(),
    };
    store.owe_notifications(&[message]).await.unwrap();
    let deliver_after = async |passed: TimeDelta| {
        *hands.0.lock().unwrap() += passed;
        deliver(&store, &settings, &channels, &hands, None::<Instant>).await.unwrap();
        let row = store.notifications(None, 1).await.unwrap().remove(0);
        let reached: Vec<_> = mail.mails().into_iter().flat_map(|(to, _)| to).collect();
        (row.state, row.last_error.unwrap_or_default(), reached)
    };

    let (state, error, reached) = deliver_after(TimeDelta::zero()).await;
    assert_eq!((state, reached), (NotificationState::Pending, vec!["ann@example.org".to_owned()]), "{error}");
    assert!(error.contains("nobody@example.org") && error.contains("later@example.org"), "{error}");
    let both = ["ann@example.org", "later@example.org"];
    let (state, error, reached) = deliver_after(TimeDelta::minutes(1)).await;
    assert_eq!(state, NotificationState::Dead, "only what never passes is left: {error}");
    assert_eq!(reached, both, "nobody has it twice");
    assert!(error.contains("nobody@example.org") && !error.contains("later@example.org"), "{error}");
    // By command it is tried again, with whom it did not reach.
    assert_eq!(store.send_notifications_again(None, hands.now()).await.unwrap(), 1);
    let (state, _, reached) = deliver_after(TimeDelta::zero()).await;
    assert_eq!((state, reached), (NotificationState::Dead, both.map(str::to_owned).to_vec()));
}
