//! From a bucket event to rows and alerts: the job that everything else stands around.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use stationkeeper_rules::{Reservation, Settings};
use stationkeeper_store::Store;
use stationkeeper_telemetry::{HostName, Limits, ObjectEvent, ObjectKind, Reason, Rejection, decode_message};

use crate::bucket::{Bucket, BucketError, ObjectAddress};
use crate::clock::Clock;
use crate::document::{Document, normalize};
use crate::observe;
use crate::plan::{Judging, Tally};
use crate::quarantine::Quarantined;
use crate::trail::{self, TrailError, TrailRead};
use crate::{IngestError, chain, settings_cache::SettingsCache};
use crate::{commit, logoffs};

/// GETs in flight at once within a batch.
const CONCURRENCY: usize = 16;
/// How often a batch is repeated when another handler was at the same stations.
const CONFLICT_ATTEMPTS: u32 = 8;

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
    /// What went wrong, for the log.
    pub reason: String,
}

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
    /// The database refused the user or the password: with newer ones the batch can be taken at once.
    pub login_refused: bool,
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
    logoffs_seen: Mutex<HashMap<HostName, DateTime<Utc>>>,
}

/// An object to be read, with the deliveries that speak of it.
#[derive(Debug, Clone)]
struct Wanted {
    host: HostName,
    kind: ObjectKind,
    address: ObjectAddress,
    size: Option<u64>,
    arrived_at: Option<DateTime<Utc>>,
    deliveries: BTreeSet<usize>,
}

/// An object that was read.
pub(crate) struct Read {
    pub(crate) host: HostName,
    pub(crate) address: ObjectAddress,
    pub(crate) outcome: ReadOutcome,
    deliveries: BTreeSet<usize>,
}

/// What it turned out to be.
pub(crate) enum ReadOutcome {
    Document(Document),
    Trail(TrailRead),
    /// A trail that a heartbeat sent us to, and that is not there.
    NoTrail,
    Quarantined(Quarantined),
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
        let mut failures: BTreeMap<usize, String> = BTreeMap::new();
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
        let outcome = self.take(wanted, unreadable, &mut failures, &mut report).await;
        if let Err(error) = outcome {
            // Nothing of this batch happened: all of it comes back.
            report.login_refused = error.is_login_refused();
            let reason = chain(&error);
            for place in 0..deliveries.len() {
                failures.entry(place).or_insert_with(|| reason.clone());
            }
        }
        report.failed = failures
            .into_iter()
            .filter_map(|(place, reason)| Some(Failure { id: deliveries.get(place)?.id.clone(), reason }))
            .collect();
        observe::batch(&report, deliveries.len(), started.elapsed());
        report
    }

    /// Reads what the bucket holds newer of some stations, as if its events had come. Returns how many objects were new.
    pub async fn look(&self, objects: Vec<ObjectEvent>) -> Result<BatchReport, IngestError> {
        let mut report = BatchReport::default();
        let mut failures = BTreeMap::new();
        let wanted = objects.into_iter().filter_map(want).collect();
        self.take(wanted, Vec::new(), &mut failures, &mut report).await?;
        match failures.into_values().next() {
            Some(reason) => Err(IngestError::Unfinished { reason }),
            None => Ok(report),
        }
    }

    async fn take(
        &self,
        wanted: Vec<Wanted>,
        unreadable: Vec<(usize, Quarantined)>,
        failures: &mut BTreeMap<usize, String>,
        report: &mut BatchReport,
    ) -> Result<(), IngestError> {
        let settings = self.settings().await?;
        let wanted = self.without_known(wanted).await?;
        let mut attempt = 0;
        let mut reads = self.read_all(wanted.clone(), failures).await?;
        loop {
            let batch = commit::Batch { reads: &reads, unreadable: &unreadable };
            match commit::commit(self, &settings, batch).await {
                Ok(done) => {
                    self.remember_logoffs(&reads);
                    report.tally += done.tally;
                    report.quarantined += done.quarantined;
                    return Ok(());
                }
                Err(error) if error.is_conflict() && attempt < CONFLICT_ATTEMPTS => {
                    attempt += 1;
                    observe::conflict(attempt);
                    tokio::time::sleep(Duration::from_millis(5 << attempt.min(6))).await;
                    if error.is_stale_trail() {
                        reads = self.read_all(wanted.clone(), failures).await?;
                    }
                }
                // One station's rows do not take the others' with them: each is tried alone.
                Err(error) if !error.is_transient() && distinct_hosts(&reads) > 1 => {
                    return self.station_by_station(&settings, reads, &unreadable, failures, report).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn station_by_station(
        &self,
        settings: &Settings,
        reads: Vec<Read>,
        unreadable: &[(usize, Quarantined)],
        failures: &mut BTreeMap<usize, String>,
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
                Ok(done) => {
                    report.tally += done.tally;
                    report.quarantined += done.quarantined;
                }
                Err(error) => {
                    let reason = chain(&error);
                    for place in reads.iter().flat_map(|read| &read.deliveries) {
                        failures.entry(*place).or_insert_with(|| reason.clone());
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

    async fn read_all(
        &self,
        wanted: Vec<Wanted>,
        failures: &mut BTreeMap<usize, String>,
    ) -> Result<Vec<Read>, IngestError> {
        let (trails, others): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|one| one.kind == ObjectKind::Events);
        let mut reads = Vec::with_capacity(others.len());
        let mut finished = stream::iter(others.into_iter().map(|one| self.read_object(one))).buffered(CONCURRENCY);
        while let Some((one, outcome)) = finished.next().await {
            keep(one, outcome, &mut reads, failures);
        }
        drop(finished);
        let trails = self.with_trails_of_new_logoffs(trails, &reads).await?;
        if trails.is_empty() {
            return Ok(reads);
        }
        let hosts: Vec<_> = trails.iter().map(|one| one.host.clone()).collect();
        let cursors = logoffs::cursors(&self.store, &hosts).await?;
        let mut finished = stream::iter(trails.into_iter().map(|one| {
            let cursor = cursors.get(&one.host).cloned().unwrap_or_default();
            self.read_trail(one, cursor)
        }))
        .buffered(CONCURRENCY);
        while let Some((one, outcome)) = finished.next().await {
            keep(one, outcome, &mut reads, failures);
        }
        Ok(reads)
    }

    async fn read_object(&self, one: Wanted) -> (Wanted, Result<ReadOutcome, BucketError>) {
        let outcome = async {
            let size = one.size.unwrap_or_default();
            let too_large = |size: u64| self.limits.check_size(size).err();
            if let Some(rejection) = too_large(size) {
                return self.put_aside(&one, size, &Bytes::new(), rejection).await;
            }
            let fetched = match self.bucket.get(&one.address, 0, self.limits.max_bytes).await {
                Ok(fetched) => fetched,
                Err(BucketError::TooLarge { size, .. }) => {
                    let rejection = too_large(size).unwrap_or_else(|| over_limit(size));
                    return self.put_aside(&one, size, &Bytes::new(), rejection).await;
                }
                Err(error) => return Err(error),
            };
            let arrived_at = one.arrived_at.or(fetched.head.last_modified).unwrap_or_else(|| self.clock.now());
            let size = fetched.body.len() as u64;
            let body = fetched.body.clone();
            match normalize(one.kind, &one.host, &one.address.key, fetched.body, arrived_at, &self.limits) {
                Ok(document) => Ok(ReadOutcome::Document(document)),
                Err(rejection) => self.put_aside(&one, size, &body, rejection).await,
            }
        }
        .await;
        (one, outcome)
    }

    async fn read_trail(&self, one: Wanted, cursor: trail::Cursor) -> (Wanted, Result<ReadOutcome, BucketError>) {
        let size = one.size.unwrap_or_default();
        let outcome = match self.limits.check_size(size) {
            Err(rejection) => self.put_aside(&one, size, &Bytes::new(), rejection).await,
            Ok(()) => match trail::read_trail(&self.bucket, &one.host, &one.address, cursor, &self.limits).await {
                Ok(read) => Ok(ReadOutcome::Trail(read)),
                Err(TrailError::Bucket(BucketError::NotFound { .. })) if one.deliveries.is_empty() => {
                    Ok(ReadOutcome::NoTrail)
                }
                Err(TrailError::Bucket(BucketError::TooLarge { size, .. })) => {
                    self.put_aside(&one, size, &Bytes::new(), over_limit(size)).await
                }
                Err(TrailError::Bucket(error)) => Err(error),
                Err(TrailError::Rejected(rejection)) => self.put_aside(&one, size, &Bytes::new(), rejection).await,
            },
        };
        (one, outcome)
    }

    /// A station whose heartbeat shows a forced logoff that is new to us: its trail is read now, the line may be there already.
    async fn with_trails_of_new_logoffs(
        &self,
        mut trails: Vec<Wanted>,
        reads: &[Read],
    ) -> Result<Vec<Wanted>, IngestError> {
        let mut shown: BTreeMap<HostName, DateTime<Utc>> = BTreeMap::new();
        for (host, at) in reads.iter().filter_map(newest_logoff) {
            let newest = shown.entry(host.clone()).or_insert(at);
            *newest = at.max(*newest);
        }
        {
            let seen = self.logoffs_seen.lock().unwrap_or_else(PoisonError::into_inner);
            shown.retain(|host, at| seen.get(host) != Some(at));
        }
        for one in &trails {
            shown.remove(&one.host);
        }
        if shown.is_empty() {
            return Ok(trails);
        }
        let known = logoffs::known_sightings(&self.store, &shown).await?;
        for host in shown.into_keys().filter(|host| !known.contains(host)) {
            let address = trail::trail_address(&host);
            trails.push(Wanted {
                host,
                kind: ObjectKind::Events,
                address,
                size: None,
                arrived_at: None,
                deliveries: BTreeSet::new(),
            });
        }
        Ok(trails)
    }

    fn remember_logoffs(&self, reads: &[Read]) {
        let mut seen = self.logoffs_seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (host, at) in reads.iter().filter_map(newest_logoff) {
            let newest = seen.entry(host.clone()).or_insert(at);
            *newest = at.max(*newest);
        }
    }

    /// Keeps a copy in `quarantine/` of what can never be read. The object itself stays where it is.
    async fn put_aside(
        &self,
        one: &Wanted,
        size: u64,
        body: &Bytes,
        rejection: Rejection,
    ) -> Result<ReadOutcome, BucketError> {
        let arrived_at = one.arrived_at.unwrap_or_else(|| self.clock.now());
        let mut quarantined = Quarantined::of_object(&one.host, &one.address, arrived_at, size, body, rejection);
        match self.bucket.copy(&one.address, &quarantined.copy_key).await {
            Ok(()) => quarantined.copied = true,
            // The row alone must do: the object is gone, or the bucket does not let us write beside it.
            Err(BucketError::NotFound { .. } | BucketError::Denied { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(ReadOutcome::Quarantined(quarantined))
    }
}

fn newest_logoff(read: &Read) -> Option<(&HostName, DateTime<Utc>)> {
    let ReadOutcome::Document(Document::Heartbeat(heartbeat)) = &read.outcome else { return None };
    Some((&read.host, heartbeat.snapshot.last_forced_logoff.as_ref()?.timestamp?))
}

fn over_limit(size: u64) -> Rejection {
    Rejection { reason: Reason::TooLarge, detail: format!("{size} bytes are over the limit") }
}

fn distinct_hosts(reads: &[Read]) -> usize {
    reads.iter().map(|read| &read.host).collect::<BTreeSet<_>>().len()
}

fn want(event: ObjectEvent) -> Option<Wanted> {
    let (Some(host), Some(kind), true) = (event.host, event.kind, event.created) else { return None };
    let address = ObjectAddress { key: event.key, version_id: event.version_id };
    Some(Wanted { host, kind, address, size: event.size, arrived_at: event.event_time, deliveries: BTreeSet::new() })
}

fn keep(
    one: Wanted,
    outcome: Result<ReadOutcome, BucketError>,
    reads: &mut Vec<Read>,
    failures: &mut BTreeMap<usize, String>,
) {
    match outcome {
        Ok(outcome) => {
            reads.push(Read { host: one.host, address: one.address, outcome, deliveries: one.deliveries });
        }
        // A trail that nobody announced is a courtesy: its own event will bring it.
        Err(error) if one.deliveries.is_empty() && one.kind == ObjectKind::Events => {
            tracing::warn!(station.host = %one.host, error = &error as &dyn std::error::Error, "the trail waits for its event");
        }
        Err(error) => {
            let places = if one.deliveries.is_empty() { BTreeSet::from([usize::MAX]) } else { one.deliveries };
            for place in places {
                failures.entry(place).or_insert_with(|| error.to_string());
            }
        }
    }
}

/// Reservations that may matter to a batch, by station.
pub(crate) type Reservations = HashMap<HostName, Vec<Reservation>>;
