//! The Lambda Runtime API (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>), as far as a function needs it, and a
//! function run against it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::TimeDelta;
use serde_json::{Value, json};
use stationkeeper_embedded_bucket::{BucketOptions, EmbeddedBucket};
use stationkeeper_pipeline::clock::{Clock, SystemClock};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::programs::{Running, command};
use super::up::Access;

/// What a function answered: its response, or the error that it reported.
pub type Answered = Result<Value, Value>;

struct Invocation {
    payload: String,
    lasts: TimeDelta,
    answer: oneshot::Sender<Answered>,
}

struct Shared {
    waiting: AsyncMutex<mpsc::Receiver<Invocation>>,
    running: Mutex<HashMap<String, oneshot::Sender<Answered>>>,
    polled: mpsc::Sender<()>,
}

type Api = State<Arc<Shared>>;

/// A function that runs, polling its own Runtime API.
pub struct Function {
    /// The program.
    pub program: Running,
    lines: PathBuf,
    invocations: mpsc::Sender<Invocation>,
    polled: mpsc::Receiver<()>,
    _serving: JoinSet<()>,
}

impl Function {
    /// Starts a function with these variables and its Runtime API.
    pub async fn start(name: &str, folder: &Path, variables: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port").to_string();
        let (invocations, waiting) = mpsc::channel(8);
        let (polls, polled) = mpsc::channel(64);
        let shared = Arc::new(Shared { waiting: AsyncMutex::new(waiting), running: Mutex::default(), polled: polls });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(respond))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(fail))
            .route("/2018-06-01/runtime/init/error", post(async || StatusCode::ACCEPTED))
            .with_state(shared);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let mut function = command(name);
        function
            .env("AWS_LAMBDA_RUNTIME_API", &address)
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().copied());
        let log = folder.join(format!("{name}-{}.log", address.replace([':', '.'], "-")));
        let mut program = Running::start(function, name, &log);
        let lines = log.with_extension("lines");
        program.keep_output(&lines);
        Self { program, lines, invocations, polled, _serving: serving }
    }

    /// Waits for its first poll: it has started.
    pub async fn polls(&mut self) {
        let polled = tokio::time::timeout(super::PATIENCE, self.polled.recv()).await;
        assert!(matches!(polled, Ok(Some(()))), "it never polled:\n{}", self.program.log());
    }

    /// Whether it polled so far.
    pub fn has_polled(&mut self) -> bool {
        self.polled.try_recv().is_ok()
    }

    /// The log lines that it wrote so far.
    pub fn lines(&self) -> String {
        std::fs::read_to_string(&self.lines).unwrap_or_default()
    }

    /// Waits for a log line.
    pub async fn logs(&self, words: &str) {
        super::until(words, super::PATIENCE, async || self.lines().contains(words).then_some(())).await;
    }

    /// Its lines of metrics so far.
    pub fn metrics(&self) -> Vec<Value> {
        let lines = self.lines();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["_aws"].is_object()).collect()
    }

    /// Gives it an event and waits for its answer.
    pub async fn invoke(&self, payload: &Value) -> Answered {
        self.invoke_within(payload, TimeDelta::minutes(1)).await
    }

    /// The same with a deadline after so long.
    pub async fn invoke_within(&self, payload: &Value, lasts: TimeDelta) -> Answered {
        let (answer, answered) = oneshot::channel();
        let invocation = Invocation { payload: payload.to_string(), lasts, answer };
        self.invocations.send(invocation).await.expect("its Runtime API runs");
        match tokio::time::timeout(Duration::from_secs(60), answered).await {
            Ok(Ok(answered)) => answered,
            _ => panic!("it never answered:\n{}", self.program.log()),
        }
    }
}

async fn next(State(shared): Api) -> Response {
    let _ = shared.polled.try_send(());
    let Some(invocation) = shared.waiting.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let mut running = shared.running.lock().unwrap_or_else(PoisonError::into_inner);
    let id = format!("8476a536-e9f4-11e8-9739-{:012x}", running.len() + 1);
    running.insert(id.clone(), invocation.answer);
    let deadline = (SystemClock.now() + invocation.lasts).timestamp_millis().to_string();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", id.as_str()),
        ("lambda-runtime-deadline-ms", &deadline),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:test"),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"),
        ("content-type", "application/json"),
    ] {
        headers.insert(name, HeaderValue::from_str(value).expect("plain text"));
    }
    (headers, invocation.payload).into_response()
}

fn answered(shared: &Shared, id: &str, answer: Answered) -> StatusCode {
    let running = shared.running.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    match running {
        Some(waiting) => {
            let _ = waiting.send(answer);
            StatusCode::ACCEPTED
        }
        None => StatusCode::NOT_FOUND,
    }
}

async fn respond(State(shared): Api, UrlPath(id): UrlPath<String>, body: Bytes) -> StatusCode {
    answered(&shared, &id, Ok(serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

async fn fail(State(shared): Api, UrlPath(id): UrlPath<String>, body: Bytes) -> StatusCode {
    answered(&shared, &id, Err(serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

/// What an SQS trigger hands to a function: messages with their ids and bodies.
pub fn sqs(messages: &[(&str, String)]) -> Value {
    let records: Vec<_> = messages
        .iter()
        .map(|(id, body)| {
            json!({
                "messageId": id,
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1545082649183",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": "1545082649185",
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:stationkeeper-objects",
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({ "Records": records })
}

/// The ids that a batch's answer gives back.
pub fn given_back(answer: &Answered) -> Vec<String> {
    let answer = answer.as_ref().unwrap_or_else(|error| panic!("the invocation failed: {error}"));
    let failures = answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("no batchItemFailures: {answer}"));
    let mut ids: Vec<_> =
        failures.iter().map(|one| one["itemIdentifier"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}

/// An S3 endpoint of the test's own, whose clock stands `behind` the real one.
pub struct Bucket {
    pub bucket: Arc<EmbeddedBucket>,
    pub access: Access,
    stop: CancellationToken,
    _serving: JoinSet<()>,
    _folder: TempDir,
}

impl Bucket {
    pub async fn serve(behind: TimeDelta) -> Self {
        let folder = super::up::data_folder();
        let options = BucketOptions { clock: Arc::new(move || SystemClock.now() - behind), ..BucketOptions::default() };
        let opened = EmbeddedBucket::open(&folder.path().join("bucket.sqlite"), options).await;
        let bucket = Arc::new(opened.expect("a bucket can be made"));
        let root = bucket.root_credential().await.expect("it has a root key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let access = Access {
            endpoint: format!("http://{}", listener.local_addr().expect("a bound port")),
            bucket: bucket.name().to_owned(),
            access_key_id: root.access_key_id,
            secret_access_key: root.secret.expose().to_owned(),
        };
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(bucket.clone().serve(listener, stop.clone()));
        Self { bucket, access, stop, _serving: serving, _folder: folder }
    }

    /// PUTs an object and gives back what the bucket announced.
    pub async fn put(&self, key: &str, body: Vec<u8>) -> String {
        self.access.put(key, body).await.unwrap_or_else(|error| panic!("PUT {key}: {error}"));
        let announced = self.announcements().await;
        let [announcement] = announced.as_slice() else { panic!("one PUT, one event: {announced:?}") };
        announcement.clone()
    }

    /// Takes what waits in its queue.
    pub async fn announcements(&self) -> Vec<String> {
        let received = self.bucket.receive(1_000, Duration::from_secs(600)).await.expect("the queue can be read");
        let ids: Vec<_> = received.iter().map(|one| one.id).collect();
        self.bucket.delete(&ids).await.expect("the queue can be written");
        received.into_iter().map(|one| one.body).collect()
    }

    /// The variables by which a function finds it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("STATIONKEEPER_BUCKET", self.access.bucket.clone()),
            ("AWS_ENDPOINT_URL", self.access.endpoint.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", self.access.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.access.secret_access_key.clone()),
        ]
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A way to a server that can be cut.
pub struct Wire {
    address: String,
    cut: CancellationToken,
    _carrying: JoinSet<()>,
}

impl Wire {
    /// Carries bytes to the server of a database's URL until it is cut; gives the URL by which it goes over the wire.
    pub async fn to_database(url: &str) -> (Self, String) {
        let (user, rest) = url.rsplit_once('@').expect("it names a user");
        let (server, name) = rest.split_once('/').expect("it names a database");
        let wire = Self::to(server.to_owned()).await;
        let by_wire = format!("{user}@{}/{name}", wire.address);
        (wire, by_wire)
    }

    async fn to(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port").to_string();
        let cut = CancellationToken::new();
        let ends = cut.clone();
        let mut carrying = JoinSet::new();
        carrying.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let accepted = tokio::select! {
                    () = ends.cancelled() => return, // with it go the listener and all connections
                    accepted = listener.accept() => accepted,
                };
                let Ok((mut near, _)) = accepted else { continue };
                let to = to.clone();
                connections.spawn(async move {
                    if let Ok(mut far) = tokio::net::TcpStream::connect(&to).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self { address, cut, _carrying: carrying }
    }

    /// Cuts it: what is open breaks, what is tried is refused.
    pub fn cut(&self) {
        self.cut.cancel();
    }
}
