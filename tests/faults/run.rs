//! One run through a scenario, with whatever fails in it: deliveries come back and checks run again, as a queue and a schedule do.

use std::sync::Arc;

use stationkeeper_pipeline::clock::SimulatedClock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_store::faults::FaultPlan;
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_telemetry::Limits;
use stationkeeper_tests::conservation::{Conservation, accepted_by_memory, announced};
use stationkeeper_tests::faults::FaultyBucket;

use crate::scenario::{Put, Step, What, at};

/// What stays broken is healed after so many tries in vain.
const IN_VAIN: u32 = 2;
/// So often nothing may fail.
const ATTEMPTS: u32 = 6;

type Handler = Ingest<Arc<FaultyBucket>, Arc<SimulatedClock>>;

/// What may fail.
#[derive(Debug, Clone, Default)]
pub struct Plans {
    pub store: Arc<FaultPlan>,
    pub bucket: Arc<FaultPlan>,
}

/// A run.
pub struct Run {
    url: String,
    pub plans: Plans,
    /// After each failure another process takes over, which remembers nothing.
    restarts: bool,
    pub objects: Arc<MemoryBucket>,
    bucket: Arc<FaultyBucket>,
    clock: Arc<SimulatedClock>,
    handler: Handler,
    /// A store that this run opened for itself.
    own: Option<Store>,
    queue: Vec<Delivery>,
    late: Vec<Delivery>,
    deliveries: usize,
    /// What happened.
    pub seen: Seen,
}

/// What happened in a run.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub redeliveries: u64,
    pub failed_checks: u64,
    /// Steps whose look into the bucket failed, so that the check said that the ingest is stalled.
    pub failed_looks: Vec<usize>,
    pub restarts: u64,
    /// Calls of the bucket before each step.
    pub bucket_calls: Vec<u64>,
}

impl Run {
    /// Over an empty database whose schema is up to date.
    pub async fn over(url: &str, plans: Plans, restarts: bool) -> Self {
        let store = open(url).await;
        Self { own: Some(store.clone()), ..Self::with(&store, url, plans, restarts) }
    }

    /// Over an open store of that database: connections that have prepared their statements are quicker.
    pub fn with(store: &Store, url: &str, plans: Plans, restarts: bool) -> Self {
        let objects = Arc::new(MemoryBucket::default());
        let bucket = Arc::new(FaultyBucket::planned(objects.clone(), plans.bucket.clone()));
        let clock = Arc::new(SimulatedClock::at(at("10:00:00")));
        let handler = handler(&bucket, store, &clock, &plans);
        Self {
            url: url.to_owned(),
            plans,
            restarts,
            objects,
            bucket,
            clock,
            handler,
            own: None,
            queue: Vec::new(),
            late: Vec::new(),
            deliveries: 0,
            seen: Seen::default(),
        }
    }

    /// From beginning to end.
    pub async fn all(&mut self, steps: &[Step]) {
        for (place, step) in steps.iter().enumerate() {
            self.clock.advance_to(step.at);
            self.seen.bucket_calls.push(self.plans.bucket.calls());
            match &step.what {
                What::Reserve(reservation) => {
                    let mut attempt = 0;
                    while self.handler.put_reservations(std::slice::from_ref(reservation)).await.is_err() {
                        attempt += 1;
                        self.after_failure(attempt).await;
                    }
                }
                What::Upload(puts) => {
                    self.queue.append(&mut self.late);
                    for put in puts {
                        self.put(put);
                    }
                    self.deliver().await;
                }
                What::Stray(body) => {
                    self.announce((*body).to_owned(), 1);
                    self.deliver().await;
                }
                What::Check => self.check(place).await,
            }
        }
        assert!(self.late.is_empty(), "every event is delivered in the end");
        self.close_own(None).await;
    }

    fn put(&mut self, put: &Put) {
        let body = self.objects.put(&put.key, put.body.clone(), put.arrives);
        self.announce(body, put.delivered);
    }

    fn announce(&mut self, body: String, times: usize) {
        let queue = if times == 0 { &mut self.late } else { &mut self.queue };
        for _ in 0..times.max(1) {
            self.deliveries += 1;
            queue.push(Delivery { id: format!("d-{}", self.deliveries), body: body.clone() });
        }
    }

    async fn deliver(&mut self) {
        let mut attempt = 0;
        while !self.queue.is_empty() {
            let report = self.handler.batch(&self.queue).await;
            self.queue.retain(|one| report.failed.iter().any(|failure| failure.id == one.id));
            if !self.queue.is_empty() {
                attempt += 1;
                self.seen.redeliveries += self.queue.len() as u64;
                self.after_failure(attempt).await;
            }
        }
    }

    async fn check(&mut self, place: usize) {
        let mut attempt = 0;
        loop {
            match self.handler.check_overdue().await {
                Ok(report) if report.judged => return,
                Ok(_) => {
                    self.seen.failed_looks.push(place);
                    attempt = IN_VAIN;
                }
                Err(_) => attempt += 1,
            }
            self.seen.failed_checks += 1;
            self.after_failure(attempt).await;
        }
    }

    async fn after_failure(&mut self, attempt: u32) {
        assert!(attempt < ATTEMPTS, "it fails again and again: {:?}", self.plans);
        if attempt >= IN_VAIN {
            self.plans.store.heal();
            self.plans.bucket.heal();
        }
        if self.restarts {
            self.seen.restarts += 1;
            let store = open(&self.url).await;
            self.handler = handler(&self.bucket, &store, &self.clock, &self.plans);
            self.close_own(Some(store)).await;
        }
    }

    async fn close_own(&mut self, next: Option<Store>) {
        if let Some(store) = std::mem::replace(&mut self.own, next) {
            store.close().await;
        }
    }

    /// What must hold of it.
    pub fn conservation(&self) -> Conservation {
        Conservation::of(&self.url)
            .accepted(accepted_by_memory(&self.objects))
            .waiting(announced(self.queue.iter().map(|one| one.body.as_str())))
            .observed("redeliveries", self.seen.redeliveries)
            .observed("failed_checks", self.seen.failed_checks)
            .observed("restarts", self.seen.restarts)
    }
}

/// Opens it as all runs do.
pub async fn open(url: &str) -> Store {
    Store::open(url, StoreOptions { connections: 2, ..StoreOptions::default() }).await.unwrap()
}

fn handler(bucket: &Arc<FaultyBucket>, store: &Store, clock: &Arc<SimulatedClock>, plans: &Plans) -> Handler {
    let store = store.with_faults(plans.store.clone());
    Ingest::new(bucket.clone(), store, clock.clone(), Limits::default(), Judging::default())
}
