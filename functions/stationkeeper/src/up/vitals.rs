//! What `up` observes of itself, for `/health`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use stationkeeper_embedded_bucket::{DeliveryId, EmbeddedBucket};
use stationkeeper_gateway::{QueueVitals, Vitals};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::ingest::Part;
use stationkeeper_store::{OutboxSize, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::failure::chain;
use crate::up::soundness::{self, OwnFile};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);
/// A part that is not done with a look for so long has a problem.
const LIMIT: Duration = Duration::from_secs(2);
/// Less room than this is none: two of the largest objects.
const ROOM_BYTES: u64 = 8 << 20;
/// Deliveries that are remembered as failing; what they fail at is seldom more than one thing.
const MOST_FAILING: usize = 256;
/// What fails elsewhere and is not tried for so long lies among the dead letters, or was taken by somebody else: longer than any wait between two
/// tries.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// What the loops have seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    failing: BTreeMap<DeliveryId, (Part, String)>,
    /// Of a queue or webhook elsewhere; each with its last try.
    failing_elsewhere: BTreeMap<String, (Part, String, Instant)>,
    queue_error: Option<String>,
}

impl Observed {
    /// This delivery comes back.
    pub fn failed(&mut self, id: DeliveryId, part: Part, reason: String) {
        if self.failing.len() < MOST_FAILING || self.failing.contains_key(&id) {
            self.failing.insert(id, (part, reason));
        }
    }

    /// These are done.
    pub fn done(&mut self, ids: &[DeliveryId]) {
        for id in ids {
            self.failing.remove(id);
        }
    }

    /// This delivery from elsewhere comes back, by its id there.
    pub fn failed_at(&mut self, id: String, part: Part, reason: String) {
        self.failing_elsewhere.retain(|_, (_, _, tried_at)| tried_at.elapsed() < FORGOTTEN_AFTER);
        if self.failing_elsewhere.len() < MOST_FAILING || self.failing_elsewhere.contains_key(&id) {
            self.failing_elsewhere.insert(id, (part, reason, Instant::now()));
        }
    }

    /// These from elsewhere are done.
    pub fn done_with<'i>(&mut self, ids: impl IntoIterator<Item = &'i str>) {
        for id in ids {
            self.failing_elsewhere.remove(id);
        }
    }

    /// The queue answered, or what it said. Whether that is news.
    pub fn queue(&mut self, error: Option<String>) -> bool {
        let news = self.queue_error != error;
        self.queue_error = error;
        news
    }

    /// Something comes back again and again.
    pub fn fails(&self) -> bool {
        !self.failing.is_empty() || self.failing_elsewhere().next().is_some() || self.queue_error.is_some()
    }

    fn failing_elsewhere(&self) -> impl Iterator<Item = (&Part, &String)> {
        let lately = self.failing_elsewhere.values().filter(|(_, _, tried_at)| tried_at.elapsed() < FORGOTTEN_AFTER);
        lately.map(|(part, reason, _)| (part, reason))
    }

    fn problem(&self, is_of: impl Fn(Part) -> bool) -> Option<String> {
        let own = self.failing.values().map(|(part, reason)| (part, reason));
        own.chain(self.failing_elsewhere()).find(|(part, _)| is_of(**part)).map(|(_, reason)| reason.clone())
    }
}

/// Who has objects and queue.
#[derive(Clone)]
pub enum Objects {
    /// This process.
    Embedded(Arc<EmbeddedBucket>),
    /// An S3 server, which is looked at in its own time.
    Elsewhere(watch::Receiver<Elsewhere>),
}

/// The last look at a bucket and a queue elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Why the bucket cannot be used.
    pub bucket_problem: Option<String>,
    /// What is in the queue; none: there is none, or it did not answer.
    pub queue: Option<QueueVitals>,
    /// Why the queue did not answer.
    pub queue_problem: Option<String>,
}

/// What is looked at.
#[derive(Clone)]
pub struct Parts {
    /// Objects and queue.
    pub bucket: Objects,
    /// The database.
    pub store: Store,
    /// The folder of the files.
    pub folder: PathBuf,
    /// The database is one of these files.
    pub database_in_folder: bool,
    /// The files that are ours.
    pub files: Vec<OwnFile>,
}

/// A look that may take longer than anybody waits for it. It is never cut off: it goes on, and the next look finds it there.
#[derive(Default)]
struct Look(Option<BoxFuture<'static, Option<String>>>);

impl Look {
    /// What is wrong; none: nothing.
    async fn problem(&mut self, begin: impl FnOnce() -> BoxFuture<'static, Option<String>>) -> Option<String> {
        let under_way = self.0.get_or_insert_with(begin);
        match tokio::time::timeout(LIMIT, under_way.as_mut()).await {
            Ok(problem) => {
                self.0 = None;
                problem
            }
            Err(_elapsed) => Some(format!("no answer within {} s", LIMIT.as_secs())),
        }
    }
}

/// Looks every second until told to stop.
pub async fn publish(
    parts: Parts,
    observed: watch::Receiver<Observed>,
    vitals: watch::Sender<Vitals>,
    clock: impl Clock,
    stop: CancellationToken,
) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut bucket, mut database) = (Look::default(), Look::default());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        let (bucket_problem, database_problem, queue, outbox) = tokio::join!(
            bucket.problem(|| look_at_bucket(parts.bucket.clone())),
            database.problem(|| look_at_database(parts.store.clone())),
            look_at_queue(&parts.bucket),
            look_at_outbox(&parts.store),
        );
        let seen = observed.borrow().clone();
        let full = full(&parts.folder);
        let (queue, queue_problem) = match queue {
            Ok(queue) => (queue, seen.queue_error.clone()),
            Err(problem) => (None, Some(problem)),
        };
        vitals.send_replace(Vitals {
            updated_at: clock.now(),
            bucket_problem: full.clone().or(bucket_problem).or_else(|| seen.problem(|part| part == Part::Bucket)),
            database_problem: full
                .filter(|_| parts.database_in_folder)
                .or(database_problem)
                .or_else(|| seen.problem(|part| part != Part::Bucket)),
            queue_problem,
            set_aside: soundness::set_aside(&parts.files),
            outbox,
            queue,
        });
    }
}

fn look_at_bucket(bucket: Objects) -> BoxFuture<'static, Option<String>> {
    Box::pin(async move {
        match bucket {
            Objects::Embedded(bucket) => bucket.check().await.err().map(|error| chain(&error)),
            Objects::Elsewhere(seen) => seen.borrow().bucket_problem.clone(),
        }
    })
}

fn look_at_database(store: Store) -> BoxFuture<'static, Option<String>> {
    Box::pin(async move { store.try_write().await.err().map(|error| chain(&error)) })
}

/// Only reads, which nobody's lock holds up.
async fn look_at_queue(bucket: &Objects) -> Result<Option<QueueVitals>, String> {
    let bucket = match bucket {
        Objects::Embedded(bucket) => bucket,
        Objects::Elsewhere(seen) => {
            let seen = seen.borrow();
            return seen.queue_problem.clone().map_or(Ok(seen.queue), Err);
        }
    };
    let looking = async {
        let (depth, oldest_at) = (bucket.queue_depth().await?, bucket.oldest_enqueued_at().await?);
        Ok(Some(QueueVitals { depth, oldest_at, dead_letters: 0 }))
    };
    match tokio::time::timeout(LIMIT, looking).await {
        Ok(looked) => looked.map_err(|error: stationkeeper_embedded_bucket::BucketError| chain(&error)),
        Err(_elapsed) => Err(format!("no answer within {} s", LIMIT.as_secs())),
    }
}

/// Uncounted where the database does not answer, which is its own problem.
async fn look_at_outbox(store: &Store) -> Option<OutboxSize> {
    tokio::time::timeout(LIMIT, store.outbox_size()).await.ok()?.ok()
}

/// A folder whose room cannot be asked for has other problems, which the looks at its files find.
fn full(folder: &Path) -> Option<String> {
    let left = fs4::available_space(folder).ok()?;
    (left < ROOM_BYTES).then(|| format!("the data folder {} is full: {} KiB are left", folder.display(), left >> 10))
}
