//! A backlog of messages drained from a queue elsewhere, against the same handler fed directly in batches of ten, in turns. The queue is a bare
//! endpoint in this process that speaks as much of the protocol as the pollers ask for: its share of the time counts against the pollers.

use std::collections::{HashMap, VecDeque};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use clap::Parser;
use serde_json::{Value, json};
use stationkeeper::bench::{Plan, Shelf};
use stationkeeper::failure::{Exit, Failure};
use stationkeeper::up::queue::poll::{POLLERS, Poller, Shared};
use stationkeeper::up::queue::sqs::SqsQueue;
use stationkeeper::up::vitals::Observed;
use stationkeeper_bench::{Beat, Measured, heartbeats, median};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Messages that were sent so long ago make a backlog.
const SENT_BEFORE: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// Messages a second through the pollers and heartbeats a second without a queue. One line of JSON. Wants `AWS_ACCESS_KEY_ID` and
/// `AWS_SECRET_ACCESS_KEY`, whatever they say.
#[derive(Parser)]
struct Arguments {
    /// Two empty databases of one kind: for the pollers, for the handler alone
    #[arg(long, num_args = 2, required = true)]
    databases: Vec<String>,
    /// Messages in all
    #[arg(long, default_value_t = 96_000)]
    messages: usize,
    /// Legs, each measured by itself
    #[arg(long, default_value_t = 8)]
    legs: usize,
    #[arg(long, default_value_t = 400)]
    stations: usize,
    /// Handlers of the side without a queue
    #[arg(long, default_value_t = POLLERS)]
    handlers: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    stationkeeper_bench::main(async move { measure(&arguments).await })
}

async fn measure(arguments: &Arguments) -> Result<Value, Failure> {
    let [polled, direct] = arguments.databases.as_slice() else {
        return Err(Failure::new(Exit::Rejected, "give two databases"));
    };
    let polled = Measured::open(polled, POLLERS).await?;
    let direct = Measured::open(direct, arguments.handlers).await?;
    let queue = BareQueue::default();
    let (url, _serving) = queue.serve().await?;
    let mut beats = heartbeats(arguments.stations, None, 47)?;
    let leg_beats = arguments.messages / arguments.legs.max(1);
    let plan = Plan { batch: 10, handlers: arguments.handlers };
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for leg in 0..arguments.legs {
        let beats: Vec<Beat> = beats.by_ref().take(leg_beats).collect();
        let (mine, other) = if leg % 2 == 0 {
            let mine = drain(&polled, &queue, &url, &beats).await?;
            (mine, direct.take(beats, plan).await?.heartbeats_per_s)
        } else {
            let other = direct.take(beats.clone(), plan).await?.heartbeats_per_s;
            (drain(&polled, &queue, &url, &beats).await?, other)
        };
        eprint!("\rleg {} of {}: {mine:.0} messages/s and {other:.0} heartbeats/s ", leg + 1, arguments.legs);
        ours.push(mine);
        theirs.push(other);
        ratios.push(mine / other);
    }
    eprintln!();
    let rows = |measured: &Measured| {
        let store = measured.ingest.store().clone();
        async move { store.count_heartbeats(None).await.map_err(|error| Failure::of(Exit::Unavailable, &error)) }
    };
    let rows = [rows(&polled).await?, rows(&direct).await?];
    if rows[0] != rows[1] {
        return Err(Failure::new(Exit::Failed, format!("not the same work: {} and {} rows", rows[0], rows[1])));
    }
    Ok(json!({
        "rows": rows[0], "pollers": POLLERS, "handlers": arguments.handlers, "ratio": median(ratios),
        "messages_per_s": median(ours), "direct_per_s": median(theirs),
    }))
}

/// Fills bucket and queue, then lets the pollers drain it. Messages a second.
async fn drain(measured: &Measured, queue: &BareQueue, url: &str, beats: &[Beat]) -> Result<f64, Failure> {
    let Some(last) = beats.last() else { return Err(Failure::new(Exit::Rejected, "there is nothing to measure")) };
    measured.clock.advance_to(last.at);
    let bodies = measured.shelf.fill(beats).await?;
    queue.fill(bodies, (last.at - SENT_BEFORE).timestamp_millis());
    let sqs = SqsQueue::from_environment(url).await.map_err(|error| Failure::of(Exit::Configuration, &error))?;
    let (sqs, shared, stop) = (Arc::new(sqs), Arc::new(Shared::default()), CancellationToken::new());
    let (observed, _) = watch::channel(Observed::default());
    let started = Instant::now();
    let mut pollers = JoinSet::new();
    for _ in 0..POLLERS {
        let poller = Poller {
            queue: sqs.clone(),
            ingest: measured.ingest.clone(),
            shared: shared.clone(),
            observed: observed.clone(),
        };
        pollers.spawn(poller.run(stop.clone()));
    }
    while !queue.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = started.elapsed();
    stop.cancel();
    while pollers.join_next().await.is_some() {}
    measured.shelf.forget();
    Ok(beats.len() as f64 / took.as_secs_f64())
}

/// Messages that wait, and those that were received. Nothing comes back by itself.
#[derive(Clone, Default)]
struct BareQueue(Arc<Mutex<Messages>>);

#[derive(Default)]
struct Messages {
    waiting: VecDeque<String>,
    under_way: HashMap<String, String>,
    sent_at_ms: i64,
    next: u64,
}

impl BareQueue {
    fn with<T>(&self, work: impl FnOnce(&mut Messages) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fill(&self, bodies: Vec<String>, sent_at_ms: i64) {
        self.with(|messages| {
            messages.waiting.extend(bodies);
            messages.sent_at_ms = sent_at_ms;
        });
    }

    fn is_empty(&self) -> bool {
        self.with(|messages| messages.waiting.is_empty() && messages.under_way.is_empty())
    }

    /// Its address, and who answers there.
    async fn serve(&self) -> Result<(String, JoinSet<std::io::Result<()>>), Failure> {
        let cannot = |error: std::io::Error| Failure::because(Exit::Unavailable, "cannot listen", &error);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let router = Router::new().route("/", post(answer)).with_state(self.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await });
        Ok((format!("http://{address}/000000000000/backlog"), serving))
    }

    fn receive(&self) -> Value {
        self.with(|messages| {
            let mut received = Vec::new();
            for _ in 0..10 {
                let Some(body) = messages.waiting.pop_front() else { break };
                messages.next += 1;
                let id = format!("message-{}", messages.next);
                received.push(json!({
                    "MessageId": id, "ReceiptHandle": id, "Body": body,
                    "Attributes": {
                        "ApproximateReceiveCount": "1", "SentTimestamp": messages.sent_at_ms.to_string(),
                    },
                }));
                messages.under_way.insert(id, body);
            }
            json!({ "Messages": received })
        })
    }

    /// Deletes what is done with, or gives back what is not.
    fn end(&self, request: &Value, is_done: bool) -> Value {
        let entries = request["Entries"].as_array().map_or(&[][..], Vec::as_slice);
        self.with(|messages| {
            for entry in entries {
                if !is_done && entry["VisibilityTimeout"].as_i64().is_some_and(|seconds| seconds >= 30) {
                    // Kept for longer, not given back.
                    continue;
                }
                let held = messages.under_way.remove(entry["ReceiptHandle"].as_str().unwrap_or_default());
                messages.waiting.extend(held.filter(|_| !is_done));
            }
        });
        let done: Vec<_> = entries.iter().map(|entry| json!({ "Id": entry["Id"] })).collect();
        json!({ "Successful": done, "Failed": [] })
    }
}

async fn answer(
    State(queue): State<BareQueue>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Json<Value>, StatusCode> {
    let request: Value = serde_json::from_slice(&body).map_err(|_not_json| StatusCode::BAD_REQUEST)?;
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let answered = match target.rsplit('.').next() {
        Some("ReceiveMessage") => {
            let received = queue.receive();
            if received["Messages"].as_array().is_some_and(Vec::is_empty) {
                // Somebody may still give something back.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            received
        }
        Some("DeleteMessageBatch") => queue.end(&request, true),
        Some("ChangeMessageVisibilityBatch") => queue.end(&request, false),
        _ => return Err(StatusCode::NOT_IMPLEMENTED),
    };
    Ok(Json(answered))
}
