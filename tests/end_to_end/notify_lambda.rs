//! The notify function over a Runtime API, as its queue and its schedule invoke it: woken, it tells what is owed, once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use chrono::TimeDelta;
use serde_json::{Value, json};
use stationkeeper_rules::{Channel, Language, NotificationSettings, Receiver, Route, Settings};
use stationkeeper_store::{CatalogEntry, HostStatus, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::cloud::Cloud;
use crate::harness::database::Database;
use crate::harness::lambda::{Bucket, Function, Wire, given_back, sqs};
use crate::harness::secret::Secrets;
use crate::harness::station::{heartbeat, host, newest_key};
use crate::harness::up::data_folder;
use crate::harness::{PATIENCE, now, until};

const INGEST: &str = "stationkeeper-ingest";
const MISSING: &str = "stationkeeper-missing-heartbeat";
const NOTIFY: &str = "stationkeeper-notify";

/// Somebody who is told by HTTP.
struct Operator {
    url: String,
    told: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    alive: Arc<Mutex<u32>>,
    _serving: JoinSet<()>,
}

impl Operator {
    /// Takes so long for each message.
    async fn taking(delay: Duration) -> Self {
        let (told, alive) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<u32>>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let take = async move |State(told): State<Arc<Mutex<Vec<_>>>>, headers: HeaderMap, body: Bytes| {
            tokio::time::sleep(delay).await;
            told.lock().unwrap().push((headers, serde_json::from_slice::<Value>(&body).unwrap()));
        };
        let (shared, calls) = (told.clone(), alive.clone());
        let router = Router::new().route("/told", post(take)).with_state(shared).route(
            "/alive",
            get(async move || {
                *calls.lock().unwrap() += 1;
            }),
        );
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, told, alive, _serving: serving }
    }

    /// The lists of news that were told, in order.
    fn news(&self) -> Vec<Vec<Value>> {
        let told = self.told.lock().unwrap();
        told.iter().map(|(_, body)| body["news"].as_array().unwrap().clone()).collect()
    }

    fn calls(&self) -> u32 {
        *self.alive.lock().unwrap()
    }
}

/// What the functions share.
struct Account {
    bucket: Bucket,
    cloud: Cloud,
    database: Database,
    store: Store,
    operator: Operator,
    folder: TempDir,
}

impl Account {
    /// Whose bucket's clock stands ten minutes behind, and whose operator takes so long for a message.
    async fn new(delay: Duration) -> Self {
        let (folder, database) = (data_folder(), Database::empty().await);
        let store = database.store().await;
        let receiver = Receiver {
            channel: Channel::Webhook { connection: "ops".to_owned() },
            language: Language::default(),
            quiet_hours: None,
        };
        let route =
            Route { receiver: "operator".to_owned(), rules: vec![], severity: None, labs: vec![], people: vec![] };
        let notifications = NotificationSettings {
            group_wait_seconds: 0,
            receivers: [("operator".to_owned(), receiver)].into(),
            routes: vec![route],
            ..NotificationSettings::default()
        };
        store.apply_settings(&Settings { notifications, ..Settings::default() }).await.unwrap();
        let (bucket, operator) = (Bucket::serve(TimeDelta::minutes(10)).await, Operator::taking(delay).await);
        Self { bucket, cloud: Cloud::serve(folder.path(), 5), database, store, operator, folder }
    }

    async fn start(&self, name: &str, changes: &[(&str, &str)]) -> Function {
        let mut variables = self.bucket.variables();
        variables.extend([
            ("STATIONKEEPER_DATABASE_URL", self.database.url.clone()),
            ("STATIONKEEPER_NOTIFY_QUEUE_URL", self.cloud.queue.clone()),
            ("AWS_ENDPOINT_URL_SQS", self.cloud.endpoint.clone()),
            ("STATIONKEEPER_CONNECTION_OPS_URL", format!("{}/told", self.operator.url)),
            ("STATIONKEEPER_CONNECTION_OPS_SECRET", "k3y".to_owned()),
        ]);
        let mut variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend_from_slice(changes);
        let mut function = Function::start(name, self.folder.path(), &variables).await;
        function.polls().await;
        function
    }

    /// Stations, each of a laboratory, that have been silent for ten minutes, and were found to be.
    async fn falls_silent(&self, stations: &[(&str, &str)]) {
        let mut work = self.store.begin().await.unwrap();
        let entry = |(name, lab): &(&str, &str)| CatalogEntry {
            host: host(name),
            lab: Some((*lab).to_owned()),
            address: None,
            mac: None,
            status: HostStatus::Active,
            created_at: now() - TimeDelta::hours(1),
        };
        work.states().save_catalog(&stations.iter().map(entry).collect::<Vec<_>>()).await.unwrap();
        work.commit().await.unwrap();
        let ingest = self.start(INGEST, &[]).await;
        for (name, _) in stations {
            let body = heartbeat(name, now() - TimeDelta::minutes(10));
            let announced = self.bucket.put(&newest_key(name), body).await;
            assert!(given_back(&ingest.invoke(&sqs(&[("m", announced)])).await).is_empty());
        }
        assert_eq!(self.cloud.depths().await, (0, 0), "nothing moved, nobody was woken");
        let check = self.start(MISSING, &[]).await;
        let checked = check.invoke(&schedule()).await.unwrap();
        assert_eq!(checked["transitions"], json!(stations.len()), "{checked}");
    }
}

/// What the queue brings.
fn waking() -> Value {
    sqs(&[("m1", "look".to_owned())])
}

fn schedule() -> Value {
    json!({ "detail-type": "Scheduled Event", "source": "aws.scheduler" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_moves_wakes_the_function_and_is_told_once_and_so_is_its_end() {
    let account = Account::new(Duration::ZERO).await;
    account.falls_silent(&[("LAB-01", "optics"), ("LAB-02", "optics")]).await;
    account.cloud.comes_to(1, 0, Duration::from_secs(10)).await;
    let notify = account.start(NOTIFY, &[("STATIONKEEPER_METRICS_NAMESPACE", "Stationkeeper/north")]).await;
    let answer = notify.invoke(&waking()).await;
    assert!(given_back(&answer).is_empty());
    assert_eq!(answer.unwrap()["sent"], 1);
    // Delivered again, and by the schedule: there is nothing left to tell.
    for event in [waking(), schedule()] {
        assert_eq!(notify.invoke(&event).await.unwrap()["sent"], 0);
    }
    assert_eq!(account.operator.news().iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    let counted = until("three lines of metrics", PATIENCE, async || {
        let lines = notify.metrics();
        (lines.len() == 3).then_some(lines)
    });
    let sent: Vec<_> = counted.await.iter().map(|line| line["NotificationsSent"].clone()).collect();
    assert_eq!(sent, [json!(1), json!(0), json!(0)]);

    // They come back: with a bucket whose clock is right.
    let fresh = Bucket::serve(TimeDelta::zero()).await;
    let variables = fresh.variables();
    let changes: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ingest = account.start(INGEST, &changes).await;
    let mut messages = Vec::new();
    for name in ["LAB-01", "LAB-02"] {
        messages.push((name, fresh.put(&newest_key(name), heartbeat(name, now())).await));
    }
    assert!(given_back(&ingest.invoke(&sqs(&messages)).await).is_empty());
    account.cloud.comes_to(2, 0, Duration::from_secs(10)).await;
    assert_eq!(notify.invoke(&waking()).await.unwrap()["sent"], 1);
    let news = account.operator.news();
    assert_eq!(news.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2], "two messages in all: {news:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_its_deadline_it_stops_and_goes_on_with_the_next_invocation() {
    let account = Account::new(Duration::from_secs(5)).await;
    account.falls_silent(&[("LAB-01", "optics"), ("LAB-02", "lasers")]).await;
    let notify = account.start(NOTIFY, &[]).await;
    let begun = std::time::Instant::now();
    let first = notify.invoke_within(&waking(), TimeDelta::seconds(9)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(9), "it answered in time");
    assert_eq!((&first["sent"], &first["more"]), (&json!(1), &json!(true)), "{first}");
    let second = notify.invoke(&schedule()).await.unwrap();
    assert_eq!((&second["sent"], &second["more"]), (&json!(1), &json!(false)), "{second}");
    let told: Vec<_> = account.operator.news().into_iter().flatten().collect();
    assert_eq!(told.len(), 2, "each once: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_the_invocation_fails_and_nothing_is_forgotten() {
    let account = Account::new(Duration::ZERO).await;
    account.falls_silent(&[("LAB-01", "optics")]).await;
    let (wire, by_wire) = Wire::to_database(&account.database.url).await;
    let notify = account.start(NOTIFY, &[("STATIONKEEPER_DATABASE_URL", &by_wire)]).await;
    wire.cut();
    notify.invoke(&waking()).await.unwrap_err();
    let recovered = account.start(NOTIFY, &[]).await;
    assert_eq!(recovered.invoke(&waking()).await.unwrap()["sent"], 1);
    assert_eq!(account.operator.news().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schedule_says_that_all_is_well_while_stations_are_checked() {
    let account = Account::new(Duration::ZERO).await;
    let alive = format!("{}/alive", account.operator.url);
    let notify = account.start(NOTIFY, &[("STATIONKEEPER_ALIVE_URL", &alive)]).await;
    notify.invoke(&schedule()).await.unwrap();
    assert_eq!(account.operator.calls(), 0, "nobody has checked yet");
    account.falls_silent(&[("LAB-01", "optics")]).await;
    notify.invoke(&waking()).await.unwrap();
    assert_eq!(account.operator.calls(), 0, "a waking is no schedule");
    notify.invoke(&schedule()).await.unwrap();
    assert_eq!(account.operator.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_come_from_a_secret_and_no_log_shows_them() {
    let account = Account::new(Duration::ZERO).await;
    account.falls_silent(&[("LAB-01", "optics")]).await;
    let secrets = Secrets::serve(account.folder.path());
    let url = format!("{}/told?token=s3cret", account.operator.url);
    let arn = secrets.put(&json!({ "STATIONKEEPER_CONNECTION_OPS_URL": url }).to_string());
    let notify = account
        .start(
            NOTIFY,
            &[
                ("STATIONKEEPER_NOTIFY_SECRET_ARN", &arn),
                ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets.endpoint),
                ("STATIONKEEPER_CONNECTION_OPS_URL", "https://127.0.0.1:1/nobody"),
            ],
        )
        .await;
    assert_eq!(notify.invoke(&waking()).await.unwrap()["sent"], 1);
    assert_eq!(account.operator.news().len(), 1);
    assert!(!format!("{}{}", notify.lines(), notify.program.log()).contains("s3cret"));
}
