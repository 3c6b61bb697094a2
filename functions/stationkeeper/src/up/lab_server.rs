//! A lab server: objects on any S3 server, their events by webhook or from a queue, and from time to time a look at all that the bucket holds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_gateway::{EventReceiver, QueueVitals};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::reconcile::{Comparison, StepReport};
use stationkeeper_pipeline::s3::S3Bucket;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::queue::poll::{POLLERS, Poller, Shared};
use super::queue::sqs::SqsQueue;
use super::queue::{EventQueue, QueueError};
use super::reconcile::Reach;
use super::vitals::{Elsewhere, Observed};
use super::webhook;
use super::work::UpIngest;
use crate::cli;
use crate::connections::Connections;
use crate::environment;
use crate::failure::{Exit, Failure, chain};

/// How often the bucket is listed when nothing else is said.
const RECONCILE_EVERY: Duration = Duration::from_secs(600);
/// What was put within this time may still be announced (and never longer ago than one interval).
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two steps of a round.
const STEP_PAUSE: Duration = Duration::from_millis(200);
/// With so many messages in the queue, what nothing announced waits: most of it only has to be read.
const BACKLOG: u64 = 500;
/// How often bucket and queue are looked at, for `/health`.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A shorter token can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// What was said of a bucket elsewhere.
#[derive(Clone)]
pub struct Options {
    bucket: String,
    queue: Option<String>,
    events_token: Option<String>,
    /// How often it is listed; none: others ingest what is put there.
    comparison: Option<Duration>,
}

impl Options {
    /// Flags and environment over the file; none: the bucket is the embedded one.
    pub fn resolve(arguments: &cli::Elsewhere, connections: &Connections) -> Result<Option<Self>, Failure> {
        let wrong = |said: String| Failure::new(Exit::Configuration, said);
        let file = &connections.elsewhere;
        let token_file = arguments.events_token_file.as_ref().or(file.events_token_file.as_ref());
        let queue = arguments.queue.clone().or_else(|| file.queue.clone());
        let events_token = match (environment::variable("STATIONKEEPER_EVENTS_TOKEN"), token_file) {
            (Some(token), _) => Some(token),
            (None, Some(path)) => Some(read_token(path)?),
            (None, None) => None,
        };
        let Some(bucket) = arguments.bucket.clone().or_else(|| file.bucket.clone()) else {
            if queue.is_some() || events_token.is_some() {
                let said = "a queue or an events token is for a bucket elsewhere: name it by --bucket s3://NAME";
                return Err(wrong(said.to_owned()));
            }
            return Ok(None);
        };
        if events_token.as_ref().is_some_and(|token| token.len() < SHORTEST_TOKEN) {
            let said = format!(
                "the events token has less than {SHORTEST_TOKEN} characters: take a longer one, such as `openssl rand -hex 24` gives"
            );
            return Err(wrong(said));
        }
        let bucket = bucket_name(&bucket)?.to_owned();
        let seconds = arguments.reconcile_seconds.or(file.reconcile_seconds);
        let reconcile_every = seconds.map_or(RECONCILE_EVERY, |seconds| Duration::from_secs(seconds.max(2).into()));
        Ok(Some(Self { bucket, queue, events_token, comparison: Some(reconcile_every) }))
    }
}

impl Options {
    /// A bucket elsewhere for what a gateway reads from stations: its events are for others.
    pub fn for_uploads(arguments: &cli::Elsewhere, connections: &Connections) -> Result<Option<Self>, Failure> {
        let Some(bucket) = arguments.bucket.as_deref().or(connections.elsewhere.bucket.as_deref()) else {
            return Ok(None);
        };
        let bucket = bucket_name(bucket)?.to_owned();
        Ok(Some(Self { bucket, queue: None, events_token: None, comparison: None }))
    }
}

/// The name in `s3://NAME`.
fn bucket_name(url: &str) -> Result<&str, Failure> {
    let name = url.strip_prefix("s3://").unwrap_or(url).trim_end_matches('/');
    if is_bucket(name) {
        return Ok(name);
    }
    Err(Failure::new(Exit::Configuration, format!("{url} names no bucket: say s3://NAME, without a path")))
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::because(Exit::Configuration, format_args!("cannot read the events token {}", path.display()), &error)
    })?;
    Ok(text.trim().to_owned())
}

/// The letters that S3 and its likes take.
fn is_bucket(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte))
}

/// The parts that are elsewhere.
pub struct LabServer {
    bucket: S3Bucket,
    queue: Option<Arc<SqsQueue>>,
    events_token: Option<String>,
    comparison: Option<Duration>,
    shared: Arc<Shared>,
    seen: watch::Sender<Elsewhere>,
    /// Where the S3 server is, for whoever uploads.
    pub endpoint: String,
}

impl LabServer {
    /// Bucket and queue must answer once: what is wrong with them is said now, not in a log.
    pub async fn open(options: &Options) -> Result<Self, Failure> {
        let mut bucket = S3Bucket::from_environment(options.bucket.clone()).await;
        let own_endpoint = environment::variable("AWS_ENDPOINT_URL_S3");
        if own_endpoint.is_some() {
            bucket = bucket.in_path_style();
        }
        bucket.check().await.map_err(|error| Failure::of(Exit::Unavailable, &error))?;
        let queue = match &options.queue {
            None => None,
            Some(url) => {
                let queue = SqsQueue::from_environment(url).await?;
                queue.depth().await?;
                Some(Arc::new(queue))
            }
        };
        if queue.is_none() && options.events_token.is_none() && options.comparison.is_some() {
            tracing::warn!(
                "no event will come: neither a queue nor an events token is named; the bucket is listed instead"
            );
        }
        let region = bucket.client().config().region().map(ToString::to_string).unwrap_or_default();
        let endpoint = own_endpoint
            .or_else(|| environment::variable("AWS_ENDPOINT_URL"))
            .unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        Ok(Self {
            bucket,
            queue,
            events_token: options.events_token.clone(),
            comparison: options.comparison,
            shared: Arc::default(),
            seen: watch::Sender::default(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
        })
    }

    /// The bucket.
    pub fn bucket(&self) -> &S3Bucket {
        &self.bucket
    }

    /// The last look at bucket and queue.
    pub fn seen(&self) -> watch::Receiver<Elsewhere> {
        self.seen.subscribe()
    }

    /// Who takes the bucket's webhook, if it has one.
    pub fn receiver<C: Clock>(
        &self,
        ingest: &Arc<UpIngest<C>>,
        observed: &watch::Sender<Observed>,
    ) -> Option<EventReceiver> {
        let token = self.events_token.as_ref()?;
        Some(webhook::receiver(token, ingest.clone(), observed.clone()))
    }

    /// Begins all that goes on until told to stop.
    pub fn work<C: Clock>(
        &self,
        tasks: &TaskTracker,
        ingest: &Arc<UpIngest<C>>,
        observed: &watch::Sender<Observed>,
        reach: Reach,
        stop: &CancellationToken,
    ) {
        if let Some(queue) = &self.queue {
            for _ in 0..POLLERS {
                let poller = Poller {
                    queue: queue.clone(),
                    ingest: ingest.clone(),
                    shared: self.shared.clone(),
                    observed: observed.clone(),
                };
                tasks.spawn(poller.run(stop.clone()));
            }
        }
        let looks = Looks {
            bucket: self.bucket.clone(),
            queue: self.queue.clone(),
            shared: self.shared.clone(),
            seen: self.seen.clone(),
        };
        tasks.spawn(looks.run(stop.clone()));
        let Some(every) = self.comparison else { return };
        let comparison = Comparison {
            patience: TimeDelta::from_std(PATIENCE.min(every)).unwrap_or_default(),
            first_from: match reach {
                Reach::Until(at) => Some(at),
                Reach::Everything => None,
            },
        };
        let (ingest, seen) = (ingest.clone(), self.seen.subscribe());
        tasks.spawn(reconcile(ingest, comparison, every, seen, stop.clone()));
    }
}

/// Looks at bucket and queue.
struct Looks {
    bucket: S3Bucket,
    queue: Option<Arc<SqsQueue>>,
    shared: Arc<Shared>,
    seen: watch::Sender<Elsewhere>,
}

impl Looks {
    async fn run(self, stop: CancellationToken) {
        let mut dead_letters = None;
        while !stop.is_cancelled() {
            let (bucket, queue) = tokio::join!(self.bucket.check(), self.look_at_queue(&mut dead_letters));
            let (queue, queue_problem) = match queue {
                Ok(queue) => (queue, None),
                Err(error) => (None, Some(chain(&error))),
            };
            let bucket_problem = bucket.err().map(|error| chain(&error));
            self.seen.send_replace(Elsewhere { bucket_problem, queue, queue_problem });
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look_at_queue(&self, dead_letters: &mut Option<SqsQueue>) -> Result<Option<QueueVitals>, QueueError> {
        let Some(queue) = &self.queue else { return Ok(None) };
        let depth = queue.depth().await?;
        if dead_letters.is_none() {
            *dead_letters = queue.dead_letters().await?;
        }
        let dead = match dead_letters {
            None => 0,
            Some(queue) => queue.depth().await?.waiting,
        };
        let depth = depth.waiting + depth.under_way + depth.delayed;
        let oldest_at: Option<DateTime<Utc>> = self.shared.oldest_at().filter(|_| depth > 0);
        Ok(Some(QueueVitals { depth, oldest_at, dead_letters: dead }))
    }
}

/// Lists the bucket from time to time for what nothing announced.
async fn reconcile<C: Clock>(
    ingest: Arc<UpIngest<C>>,
    comparison: Comparison,
    every: Duration,
    seen: watch::Receiver<Elsewhere>,
    stop: CancellationToken,
) {
    let mut round = StepReport::default();
    let mut wait = STEP_PAUSE;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        if seen.borrow().queue.is_some_and(|queue| queue.depth > BACKLOG) {
            wait = LOOK_EVERY;
            continue;
        }
        // Told to stop, what was begun of it is begun again by the next start.
        let step = tokio::select! {
            () = stop.cancelled() => return,
            step = ingest.reconcile(comparison) => step,
        };
        match step {
            Ok(step) => {
                round.folders += step.folders;
                round.failed += step.failed;
                round.compared += step.compared;
                round.found += step.found;
                wait = STEP_PAUSE;
                if step.is_over {
                    metrics::counter!("stationkeeper_comparisons_total").increment(1);
                    tracing::info!(
                        stations = round.folders,
                        failed = round.failed,
                        compared = round.compared,
                        found = round.found,
                        "compared what the bucket holds with the database"
                    );
                    round = StepReport::default();
                    wait = every;
                }
            }
            Err(error) => {
                metrics::counter!("stationkeeper_comparisons_failed_total").increment(1);
                tracing::warn!(error = chain(&error), "cannot compare the bucket with the database; it is tried again");
                wait = LOOK_EVERY;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_without_a_path() {
        for (name, is) in [
            ("telemetry", true),
            ("lab.telemetry-2", true),
            ("a_b", true),
            ("", false),
            ("ab", false),
            ("telemetry/stations", false),
            ("Telemetry", false),
            ("tele metry", false),
        ] {
            assert_eq!(is_bucket(name), is, "{name}");
        }
    }
}
