//! From a bucket event to rows and alerts: the job that everything else stands around.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use stationkeeper_rules::{Reservation, Settings};
use stationkeeper_store::Store;
use stationkeeper_telemetry::{HostName, Limits, ObjectEvent, decode_message};

use crate::bucket::{Bucket, ObjectAddress};
use crate::clock::Clock;
use crate::plan::{Judging, Tally};
use crate::quarantine::Quarantined;
use crate::reading::{self, Read, Reading, Wanted, want};
use crate::{IngestError, chain, commit, observe, settings_cache::SettingsCache};

/// How often a batch is repeated when another handler was at the same stations.
const CONFLICT_ATTEMPTS: u32 = 8;
/// And for how long: what is locked for longer comes back by the queue.
const CONFLICT_PATIENCE: Duration = Duration::from_secs(10);

/// One arrival of an event, as the queue gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The queue's id: what a failure is answered with.
    pub id: String,
    /// The event, in any of the forms of a bucket.
    pub body: String,
}

/// A delivery that must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which delivery.
    pub id: String,
    /// What was in its way.
    pub part: Part,
    /// What went wrong, for the log.
    pub reason: String,
}

/// A part that can be in the way of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The object could not be read: it concerns this delivery alone.
    Bucket,
    /// Nothing could be written: it concerns every delivery.
    Database,
    /// The rows of its station: what was to be written of it is refused, what was to be written of the others is not.
    Station,
}

impl Part {
    fn of(error: &IngestError) -> Self {
        if error.is_transient() { Self::Database } else { Self::Station }
    }
}

/// What failed, by the place of its delivery in the batch.
pub(crate) type Failures = BTreeMap<usize, (Part, String)>;

/// What a batch came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchReport {
    /// What must come back; everything else is done.
    pub failed: Vec<Failure>,
    /// What became of the heartbeats.
    pub tally: Tally,
    /// Objects put aside.
    pub quarantined: u64,
    /// Events of no object of ours.
    pub ignored: u64,
    /// Alerts that moved: news are owed.
    pub transitions: u64,
    /// The database refused the user or the password: with newer ones the batch can be taken at once.
    pub login_refused: bool,
}

impl BatchReport {
    fn add(&mut self, done: commit::Done) {
        self.tally += done.tally;
        self.quarantined += done.quarantined;
        self.transitions += done.transitions;
    }
}

/// The use case: give it deliveries, it gives back those that failed.
pub struct Ingest<B, C> {
    pub(crate) bucket: B,
    pub(crate) store: Store,
    pub(crate) clock: C,
    pub(crate) limits: Limits,
    pub(crate) judging: Judging,
    settings: SettingsCache,
    /// The newest forced logoff whose trail was read, by station: only a hint that saves a look.
    pub(crate) logoffs_seen: Mutex<HashMap<HostName, DateTime<Utc>>>,
}

impl<B: Bucket, C: Clock> Ingest<B, C> {
    /// A handler over these parts.
    pub fn new(bucket: B, store: Store, clock: C, limits: Limits, judging: Judging) -> Self {
        Self {
            bucket,
            store,
            clock,
            limits,
            judging,
            settings: SettingsCache::default(),
            logoffs_seen: Mutex::default(),
        }
    }

    /// The store that it writes to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The bucket that it reads from.
    pub fn bucket(&self) -> &B {
        &self.bucket
    }

    pub(crate) async fn settings(&self) -> Result<Arc<Settings>, IngestError> {
        self.settings.get(&self.store).await
    }

    /// Takes a batch. Each delivery is done as a whole, or fails and comes back; one bad object costs nothing else.
    pub async fn batch(&self, deliveries: &[Delivery]) -> BatchReport {
        let started = Instant::now();
        let mut report = BatchReport::default();
        let mut failures = Failures::new();
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut unreadable = Vec::new();
        let mut places: HashMap<ObjectAddress, usize> = HashMap::new();
        for (place, delivery) in deliveries.iter().enumerate() {
            let decoded = decode_message(&delivery.body);
            if let Some(rejected) = decoded.rejected {
                unreadable.push((place, Quarantined::of_delivery(delivery, &rejected, self.clock.now())));
            }
            for event in decoded.events {
                match want(event) {
                    None => report.ignored += 1,
                    Some(mut found) => {
                        let slot = *places.entry(found.address.clone()).or_insert(wanted.len());
                        if slot == wanted.len() {
                            wanted.push(found.clone());
                        }
                        found.deliveries = BTreeSet::from([place]);
                        wanted[slot].deliveries.insert(place);
                    }
                }
            }
        }
        let outcome = Box::pin(self.take(wanted, unreadable, &mut failures, &mut report)).await;
        if let Err(error) = outcome {
            // Nothing of it happened, or a first round only, which its redelivery finds done: all of it comes back.
            report.login_refused = error.is_login_refused();
            let (part, reason) = (Part::of(&error), chain(&error));
            for place in 0..deliveries.len() {
                failures.entry(place).or_insert_with(|| (part, reason.clone()));
            }
        }
        report.failed = failures
            .into_iter()
            .filter_map(|(place, (part, reason))| Some(Failure { id: deliveries.get(place)?.id.clone(), part, reason }))
            .collect();
        observe::batch(&report, deliveries.len(), started.elapsed());
        report
    }

    /// Reads what the bucket holds newer of some stations, as if its events had come. Returns how many objects were new.
    pub async fn look(&self, objects: Vec<ObjectEvent>) -> Result<BatchReport, IngestError> {
        let mut report = BatchReport::default();
        let mut failures = Failures::new();
        let wanted = objects.into_iter().filter_map(want).collect();
        // Boxed, as below: futures of futures of futures are more than the compiler looks into.
        Box::pin(self.take(wanted, Vec::new(), &mut failures, &mut report)).await?;
        match failures.into_values().next() {
            Some((_, reason)) => Err(IngestError::Unfinished { reason }),
            None => Ok(report),
        }
    }

    /// Takes objects that nothing announced as if their events had come: each is done with afterwards. What could not be taken is in
    /// the failures, by its place.
    pub(crate) async fn take_unannounced(
        &self,
        objects: Vec<ObjectEvent>,
    ) -> Result<(BatchReport, Failures), IngestError> {
        let mut report = BatchReport::default();
        let mut failures = Failures::new();
        let wanted = objects
            .into_iter()
            .enumerate()
            .filter_map(|(place, object)| {
                let mut wanted = want(object)?;
                wanted.deliveries.insert(place);
                Some(wanted)
            })
            .collect();
        Box::pin(self.take(wanted, Vec::new(), &mut failures, &mut report)).await?;
        Ok((report, failures))
    }

    async fn take(
        &self,
        wanted: Vec<Wanted>,
        unreadable: Vec<(usize, Quarantined)>,
        failures: &mut Failures,
        report: &mut BatchReport,
    ) -> Result<(), IngestError> {
        let settings = self.settings().await?;
        let wanted = self.without_known(wanted).await?;
        let turns = reading::turns();
        let mut unreadable = unreadable.as_slice();
        for part in reading::parts(wanted, &self.limits) {
            let mut reading = Reading::begin(self, &turns, part);
            // One round, unless an object is slow: the others are committed before it.
            loop {
                let reads = reading.round(failures).await?;
                self.settle(&settings, reads, unreadable, failures, report).await?;
                unreadable = &[];
                if reading.is_over() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Commits what was read; repeats it when another handler was at the same stations.
    async fn settle(
        &self,
        settings: &Settings,
        mut reads: Vec<Read>,
        unreadable: &[(usize, Quarantined)],
        failures: &mut Failures,
        report: &mut BatchReport,
    ) -> Result<(), IngestError> {
        let begun = Instant::now();
        let mut attempt = 0;
        loop {
            match commit::commit(self, settings, commit::Batch { reads: &reads, unreadable }).await {
                Ok(done) => {
                    self.remember_logoffs(&reads);
                    report.add(done);
                    return Ok(());
                }
                Err(error)
                    if error.is_conflict() && attempt < CONFLICT_ATTEMPTS && begun.elapsed() < CONFLICT_PATIENCE =>
                {
                    attempt += 1;
                    observe::conflict(attempt);
                    tokio::time::sleep(Duration::from_millis(5 << attempt.min(6))).await;
                    if error.is_stale_trail() {
                        reads = self.read_trails_again(reads, failures).await?;
                    }
                }
                // One station's rows do not take the others' with them: each is tried alone.
                Err(error) if !error.is_transient() && distinct_hosts(&reads) > 1 => {
                    return self.station_by_station(settings, reads, unreadable, failures, report).await;
                }
                Err(error) => {
                    observe::refused(&error);
                    return Err(error);
                }
            }
        }
    }

    async fn station_by_station(
        &self,
        settings: &Settings,
        reads: Vec<Read>,
        unreadable: &[(usize, Quarantined)],
        failures: &mut Failures,
        report: &mut BatchReport,
    ) -> Result<(), IngestError> {
        let mut by_host: BTreeMap<HostName, Vec<Read>> = BTreeMap::new();
        for read in reads {
            by_host.entry(read.host.clone()).or_default().push(read);
        }
        commit::commit(self, settings, commit::Batch { reads: &[], unreadable }).await?;
        for reads in by_host.into_values() {
            let batch = commit::Batch { reads: &reads, unreadable: &[] };
            match commit::commit(self, settings, batch).await {
                Ok(done) => report.add(done),
                Err(error) => {
                    observe::refused(&error);
                    let (part, reason) = (Part::of(&error), chain(&error));
                    for place in reads.iter().flat_map(|read| &read.deliveries) {
                        failures.entry(*place).or_insert_with(|| (part, reason.clone()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Leaves out the versions that were ingested before: a redelivery costs one look-up.
    async fn without_known(&self, wanted: Vec<Wanted>) -> Result<Vec<Wanted>, IngestError> {
        let addresses: Vec<_> = wanted
            .iter()
            .filter_map(|one| Some((one.address.key.as_str(), one.address.version_id.as_deref()?)))
            .collect();
        if addresses.is_empty() {
            return Ok(wanted);
        }
        let known: HashSet<(String, String)> = commit::known_objects(&self.store, &addresses).await?;
        Ok(wanted
            .into_iter()
            .filter(|one| {
                let Some(version) = &one.address.version_id else { return true };
                !known.contains(&(one.address.key.clone(), version.clone()))
            })
            .collect())
    }
}

fn distinct_hosts(reads: &[Read]) -> usize {
    reads.iter().map(|read| &read.host).collect::<BTreeSet<_>>().len()
}

/// Reservations that may matter to a batch, by station.
pub(crate) type Reservations = HashMap<HostName, Vec<Reservation>>;
