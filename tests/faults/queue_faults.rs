//! A queue elsewhere whose n-th call fails, in each way in which a call can fail; and an object that takes longer than a message is invisible.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::join_all;
use stationkeeper::up::queue::poll::{Poller, Shared};
use stationkeeper::up::queue::{Depth, EventQueue, MOST, Message, QueueError};
use stationkeeper::up::vitals::Observed;
use stationkeeper_pipeline::bucket::{Bucket, BucketError, Fetched, Listed, ObjectAddress, ObjectHead};
use stationkeeper_pipeline::clock::SystemClock;
use stationkeeper_pipeline::ingest::Ingest;
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_store::faults::{Answer, Fault, FaultPlan};
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_telemetry::Limits;
use stationkeeper_tests::conservation::{Conservation, accepted_by_memory};
use stationkeeper_tests::station::{heartbeat, newest_key, spool_key};
use stationkeeper_tests::waiting::{now, until};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Long enough for a loaded computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A queue with the rules of SQS: at least once, in any order, invisible while it is worked at.
struct TestQueue {
    plan: Arc<FaultPlan>,
    /// So many times as fast as what is asked of it.
    speed: u32,
    messages: Mutex<Vec<Held>>,
    extended: AtomicU64,
    received: AtomicU64,
}

struct Held {
    message: Message,
    visible_at: Instant,
}

impl TestQueue {
    fn holding(bodies: &[String], speed: u32, plan: Arc<FaultPlan>) -> Self {
        let held = |(place, body): (usize, &String)| Held {
            message: Message {
                id: format!("message-{place}"),
                receipt: String::new(),
                body: body.clone(),
                receives: 0,
                sent_at: Some(now()),
            },
            visible_at: Instant::now(),
        };
        let messages = Mutex::new(bodies.iter().enumerate().map(held).collect());
        Self { plan, speed, messages, extended: AtomicU64::default(), received: AtomicU64::default() }
    }

    async fn call<T>(
        &self,
        action: &'static str,
        call: impl Future<Output = Result<T, QueueError>> + Send,
    ) -> Result<T, QueueError> {
        let failed = || QueueError::Unavailable { action, reason: "the connection was cut".to_owned() };
        match self.plan.ask(action) {
            Answer::Go => call.await,
            Answer::Fail => Err(failed()),
            Answer::Refuse => Err(QueueError::Denied { action, code: "AccessDenied".to_owned() }),
            Answer::LoseReply => {
                call.await?;
                Err(failed())
            }
        }
    }

    fn take(&self, invisible: Duration) -> Vec<Message> {
        let mut messages = self.messages.lock().unwrap();
        let visible = messages.iter_mut().rev().filter(|held| held.visible_at <= Instant::now());
        let taken = visible.take(MOST).map(|held| {
            held.visible_at = Instant::now() + invisible / self.speed;
            held.message.receives += 1;
            held.message.receipt = format!("{} at receive {}", held.message.id, held.message.receives);
            held.message.clone()
        });
        taken.collect()
    }

    fn left(&self) -> usize {
        self.messages.lock().unwrap().len()
    }
}

impl EventQueue for TestQueue {
    async fn receive(&self, wait: Duration, invisible: Duration) -> Result<Vec<Message>, QueueError> {
        let receiving = async {
            let until = Instant::now() + wait / self.speed;
            loop {
                let taken = self.take(invisible);
                if !taken.is_empty() || Instant::now() >= until {
                    self.received.fetch_add(taken.len() as u64, Ordering::SeqCst);
                    return Ok(taken);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        self.call("receive messages", receiving).await
    }

    async fn postpone(&self, receipts: &[(String, Duration)]) -> Result<Vec<String>, QueueError> {
        let postponing = async {
            for held in self.messages.lock().unwrap().iter_mut() {
                if let Some((_, after)) = receipts.iter().find(|(receipt, _)| *receipt == held.message.receipt) {
                    held.visible_at = Instant::now() + *after / self.speed;
                    self.extended.fetch_add(1, Ordering::SeqCst);
                }
            }
            Ok(Vec::new())
        };
        self.call("give messages back", postponing).await
    }

    async fn delete(&self, receipts: &[String]) -> Result<Vec<String>, QueueError> {
        let deleting = async {
            self.messages.lock().unwrap().retain(|held| !receipts.contains(&held.message.receipt));
            Ok(Vec::new())
        };
        self.call("delete messages", deleting).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(Depth { waiting: self.left() as u64, ..Depth::default() })
    }
}

/// Pollers over a queue, a bucket and a database of their own.
struct Polling {
    queue: Arc<TestQueue>,
    url: String,
    store: Store,
    stop: CancellationToken,
    pollers: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl Polling {
    async fn begin<B: Bucket>(queue: TestQueue, bucket: B, pollers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.sqlite");
        let store = Store::sqlite(&path, StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let ingest = Arc::new(Ingest::new(bucket, store.clone(), SystemClock, Limits::default(), Judging::default()));
        let (queue, stop, shared) = (Arc::new(queue), CancellationToken::new(), Arc::new(Shared::default()));
        let (observed, _) = watch::channel(Observed::default());
        let mut running = JoinSet::new();
        for _ in 0..pollers {
            let poller = Poller {
                queue: queue.clone(),
                ingest: ingest.clone(),
                shared: shared.clone(),
                observed: observed.clone(),
            };
            running.spawn(poller.run(stop.clone()));
        }
        let url = format!("sqlite:{}", path.display());
        Self { queue, url, store, stop, pollers: running, _folder: folder }
    }

    /// Until the queue is empty; then it stops.
    async fn drained(mut self, objects: &MemoryBucket) -> (Arc<TestQueue>, Conservation, tempfile::TempDir) {
        until("the queue is empty", PATIENCE, async || (self.queue.left() == 0).then_some(())).await;
        self.stop.cancel();
        while self.pollers.join_next().await.is_some() {}
        self.store.close().await;
        let conservation = Conservation::of(self.url).accepted(accepted_by_memory(objects));
        (self.queue, conservation, self._folder)
    }
}

/// Heartbeats of three stations, as the newest and from the spool, and one that nobody can read; each event twice.
fn lab() -> (Arc<MemoryBucket>, Vec<String>) {
    let objects = Arc::new(MemoryBucket::default());
    let mut events = Vec::new();
    for minute in 0..8 {
        let at = now() - TimeDelta::minutes(20 - minute);
        for name in ["LAB-01", "LAB-02", "LAB-03"] {
            let key = if minute % 2 == 0 { newest_key(name) } else { spool_key(name, at) };
            events.push(objects.put(&key, heartbeat(name, at).into(), at));
        }
    }
    events.push(objects.put(&newest_key("LAB-04"), "{".into(), now()));
    (objects, [events.clone(), events].concat())
}

/// Whether a call was met.
async fn one_call_fails(nth: u64, fault: Fault) -> u64 {
    let (objects, events) = lab();
    let plan = Arc::new(FaultPlan::at(nth, fault));
    let queue = TestQueue::holding(&events, 30, plan.clone());
    let polling = Polling::begin(queue, objects.clone(), 2).await;
    if fault.stays() {
        until("it fails", PATIENCE, async || plan.struck()).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        plan.heal();
    }
    let (_, conservation, _folder) = polling.drained(&objects).await;
    conservation.at_least("history", 24).at_least("quarantined", 1).holds().await;
    u64::from(plan.struck().is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_of_the_queue_fails_and_however_nothing_is_lost_or_twice() {
    let mut runs = Vec::new();
    for fault in Fault::ALL {
        for nth in 1..=7 {
            runs.push(one_call_fails(nth, fault));
        }
    }
    let struck: u64 = join_all(runs).await.into_iter().sum();
    assert!(struck >= 30, "most plans met a call: {struck} of 35");
}

/// A bucket that thinks for a while before it gives one object.
struct Slow {
    objects: Arc<MemoryBucket>,
    key: String,
    thinks: Duration,
}

impl Bucket for Slow {
    async fn get(&self, address: &ObjectAddress, offset: u64, limit: u64) -> Result<Fetched, BucketError> {
        if address.key == self.key {
            tokio::time::sleep(self.thinks).await;
        }
        self.objects.get(address, offset, limit).await
    }

    async fn head(&self, key: &str) -> Result<ObjectHead, BucketError> {
        self.objects.head(key).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Listed>, BucketError> {
        self.objects.list(prefix, start_after).await
    }

    async fn copy(&self, from: &ObjectAddress, to_key: &str) -> Result<(), BucketError> {
        self.objects.copy(from, to_key).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_stays_invisible_for_as_long_as_it_is_worked_at() {
    let objects = Arc::new(MemoryBucket::default());
    let events = [objects.put(&newest_key("LAB-01"), heartbeat("LAB-01", now()).into(), now())];
    let bucket = Slow { objects: objects.clone(), key: newest_key("LAB-01"), thinks: Duration::from_secs(35) };
    let queue = TestQueue::holding(&events, 1, Arc::new(FaultPlan::counting()));
    let polling = Polling::begin(queue, bucket, 2).await;
    let (queue, conservation, _folder) = polling.drained(&objects).await;
    assert_eq!(queue.received.load(Ordering::SeqCst), 1, "nobody else got it in 35 s");
    assert!(queue.extended.load(Ordering::SeqCst) >= 3, "every 10 s it was kept for 30 s more");
    conservation.at_least("history", 1).holds().await;
}
