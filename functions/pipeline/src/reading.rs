//! The objects of a batch, on their way from the bucket. A slow one does not hold up the others: what is there is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use stationkeeper_telemetry::{HostName, Limits, ObjectEvent, ObjectKind, Reason, Rejection};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::bucket::{Bucket, BucketError, ObjectAddress};
use crate::clock::Clock;
use crate::document::{Document, misdated, normalize};
use crate::ingest::{Failures, Ingest, Part};
use crate::quarantine::Quarantined;
use crate::trail::{self, TrailError, TrailRead};
use crate::{IngestError, logoffs};

/// GETs in flight at once within a batch.
const CONCURRENCY: usize = 16;
/// Bytes of objects that are held at once, as far as they are told: sixteen of the largest.
const MOST_BYTES: u64 = 64 << 20;
/// So long the others wait for a slow object; then they are committed without it.
const PATIENCE: Duration = Duration::from_secs(1);

/// An object to be read, with the deliveries that speak of it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) host: HostName,
    pub(crate) kind: ObjectKind,
    pub(crate) address: ObjectAddress,
    size: Option<u64>,
    arrived_at: Option<DateTime<Utc>>,
    pub(crate) deliveries: BTreeSet<usize>,
}

/// An object that was read.
pub(crate) struct Read {
    pub(crate) host: HostName,
    pub(crate) address: ObjectAddress,
    pub(crate) outcome: ReadOutcome,
    pub(crate) deliveries: BTreeSet<usize>,
    pub(crate) size: Option<u64>,
    pub(crate) arrived_at: Option<DateTime<Utc>>,
}

impl Read {
    /// An event announced it. What a look found is not done with: its event is to come, and knows better when it was put.
    pub(crate) fn is_announced(&self) -> bool {
        !self.deliveries.is_empty()
    }
}

/// What it turned out to be.
pub(crate) enum ReadOutcome {
    Document(Document),
    Trail(TrailRead),
    /// A trail that a heartbeat sent us to, and that is not there.
    NoTrail,
    Quarantined(Quarantined),
}

/// What an event wants to be read; none: it is no object of ours, or none was written.
pub(crate) fn want(event: ObjectEvent) -> Option<Wanted> {
    let (Some(host), Some(kind), true) = (event.host, event.kind, event.created) else { return None };
    let address = ObjectAddress { key: event.key, version_id: event.version_id };
    Some(Wanted { host, kind, address, size: event.size, arrived_at: event.event_time, deliveries: BTreeSet::new() })
}

/// A place in the batch, what was wanted there, and what came of it.
type Finished = (usize, Wanted, Result<ReadOutcome, BucketError>);
type InFlight<'a> = FuturesUnordered<BoxFuture<'a, Finished>>;

/// The reads of a batch, begun together and taken in rounds.
pub(crate) struct Reading<'a, B, C> {
    ingest: &'a Ingest<B, C>,
    turns: &'a Semaphore,
    objects: InFlight<'a>,
    trails: InFlight<'a>,
    /// Trails that were announced, to be read with the first round: where they were read up to is looked up once.
    announced: Vec<(usize, Wanted)>,
    places: usize,
}

/// The objects of a batch in parts that memory holds together, in the order of the batch: each is read and committed before the next.
/// An object over the limit is not read, one whose size nobody told may have the most.
pub(crate) fn parts(wanted: Vec<Wanted>, limits: &Limits) -> Vec<Vec<Wanted>> {
    let mut parts = vec![Vec::new()];
    let mut held = 0;
    for one in wanted {
        let bytes = one.size.unwrap_or(limits.max_bytes).min(limits.max_bytes);
        held += bytes;
        match parts.last_mut() {
            Some(part) if part.is_empty() || held <= MOST_BYTES => part.push(one),
            _ => {
                held = bytes;
                parts.push(vec![one]);
            }
        }
    }
    parts
}

/// How many objects are read at once.
pub(crate) fn turns() -> Semaphore {
    Semaphore::new(CONCURRENCY)
}

impl<'a, B: Bucket, C: Clock> Reading<'a, B, C> {
    pub(crate) fn begin(ingest: &'a Ingest<B, C>, turns: &'a Semaphore, wanted: Vec<Wanted>) -> Self {
        let places = wanted.len();
        let objects = InFlight::new();
        let mut announced = Vec::new();
        for (place, one) in wanted.into_iter().enumerate() {
            match one.kind {
                ObjectKind::Events => announced.push((place, one)),
                _ => objects.push(Box::pin(async move {
                    // The semaphore is never closed.
                    let _turn = turns.acquire().await;
                    let (one, outcome) = ingest.read_object(one).await;
                    (place, one, outcome)
                }) as BoxFuture<'a, Finished>),
            }
        }
        Self { ingest, turns, objects, trails: InFlight::new(), announced, places }
    }

    /// Nothing is on its way any more.
    pub(crate) fn is_over(&self) -> bool {
        self.objects.is_empty() && self.trails.is_empty() && self.announced.is_empty()
    }

    /// What has come, in the order of the batch: all of it, or what came within the others' patience. What could not be had goes
    /// to `failures`.
    pub(crate) async fn round(&mut self, failures: &mut Failures) -> Result<Vec<Read>, IngestError> {
        let mut finished = Vec::new();
        gather(&mut self.objects, &mut finished, failures).await;
        let mut trails = std::mem::take(&mut self.announced);
        let courtesy = self.ingest.trails_of_new_logoffs(&trails, &finished).await?;
        for one in courtesy {
            trails.push((self.places, one));
            self.places += 1;
        }
        self.begin_trails(trails).await?;
        gather(&mut self.trails, &mut finished, failures).await;
        finished.sort_by_key(|(place, _)| *place);
        Ok(finished.into_iter().map(|(_, read)| read).collect())
    }

    async fn begin_trails(&mut self, trails: Vec<(usize, Wanted)>) -> Result<(), IngestError> {
        if trails.is_empty() {
            return Ok(());
        }
        let hosts: Vec<_> = trails.iter().map(|(_, one)| one.host.clone()).collect();
        let cursors = logoffs::cursors(&self.ingest.store, &hosts).await?;
        let (ingest, turns) = (self.ingest, self.turns);
        for (place, one) in trails {
            let cursor = cursors.get(&one.host).cloned().unwrap_or_default();
            self.trails.push(Box::pin(async move {
                let _turn = turns.acquire().await;
                let (one, outcome) = ingest.read_trail(one, cursor).await;
                (place, one, outcome)
            }));
        }
        Ok(())
    }
}

async fn gather(in_flight: &mut InFlight<'_>, finished: &mut Vec<(usize, Read)>, failures: &mut Failures) {
    let until = Instant::now() + PATIENCE;
    while let Ok(Some((place, one, outcome))) = tokio::time::timeout_at(until, in_flight.next()).await {
        if let Some(read) = keep(one, outcome, failures) {
            finished.push((place, read));
        }
    }
}

fn keep(one: Wanted, outcome: Result<ReadOutcome, BucketError>, failures: &mut Failures) -> Option<Read> {
    match outcome {
        Ok(outcome) => {
            let Wanted { host, address, size, arrived_at, deliveries, .. } = one;
            return Some(Read { host, address, outcome, deliveries, size, arrived_at });
        }
        // A trail that nobody announced is a courtesy: its own event will bring it.
        Err(error) if one.deliveries.is_empty() && one.kind == ObjectKind::Events => {
            tracing::warn!(station.host = %one.host, error = &error as &dyn std::error::Error, "the trail waits for its event");
        }
        Err(error) => {
            let places = if one.deliveries.is_empty() { BTreeSet::from([usize::MAX]) } else { one.deliveries };
            for place in places {
                failures.entry(place).or_insert_with(|| (Part::Bucket, error.to_string()));
            }
        }
    }
    None
}

impl<B: Bucket, C: Clock> Ingest<B, C> {
    /// Reads the trails among `reads` again, from where they are read up to by now.
    pub(crate) async fn read_trails_again(
        &self,
        reads: Vec<Read>,
        failures: &mut Failures,
    ) -> Result<Vec<Read>, IngestError> {
        let (stale, mut kept): (Vec<_>, Vec<_>) =
            reads.into_iter().partition(|read| matches!(read.outcome, ReadOutcome::Trail(_)));
        let hosts: Vec<_> = stale.iter().map(|read| read.host.clone()).collect();
        let cursors = logoffs::cursors(&self.store, &hosts).await?;
        for read in stale {
            let cursor = cursors.get(&read.host).cloned().unwrap_or_default();
            let Read { host, address, deliveries, size, arrived_at, .. } = read;
            let one = Wanted { host, kind: ObjectKind::Events, address, size, arrived_at, deliveries };
            let (one, outcome) = self.read_trail(one, cursor).await;
            kept.extend(keep(one, outcome, failures));
        }
        Ok(kept)
    }

    async fn read_object(&self, mut one: Wanted) -> (Wanted, Result<ReadOutcome, BucketError>) {
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
            if one.address.version_id.is_none() {
                // An event without a version meant the newest: from here on it is known which that was.
                one.address.version_id = fetched.head.version_id.clone().filter(|version| version != "null");
            }
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
    async fn trails_of_new_logoffs(
        &self,
        announced: &[(usize, Wanted)],
        finished: &[(usize, Read)],
    ) -> Result<Vec<Wanted>, IngestError> {
        let mut shown: BTreeMap<HostName, DateTime<Utc>> = BTreeMap::new();
        for (host, at) in finished.iter().filter_map(|(_, read)| newest_logoff(read)) {
            let newest = shown.entry(host.clone()).or_insert(at);
            *newest = at.max(*newest);
        }
        {
            let seen = self.logoffs_seen.lock().unwrap_or_else(PoisonError::into_inner);
            shown.retain(|host, at| seen.get(host) != Some(at));
        }
        for (_, one) in announced {
            shown.remove(&one.host);
        }
        if shown.is_empty() {
            return Ok(Vec::new());
        }
        let known = logoffs::known_sightings(&self.store, &shown).await?;
        let new = shown.into_keys().filter(|host| !known.contains(host));
        Ok(new
            .map(|host| Wanted {
                address: trail::trail_address(&host),
                host,
                kind: ObjectKind::Events,
                size: None,
                arrived_at: None,
                deliveries: BTreeSet::new(),
            })
            .collect())
    }

    pub(crate) fn remember_logoffs(&self, reads: &[Read]) {
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
        let clock = misdated(&one.address.key, body, arrived_at, &rejection, &self.limits);
        let mut quarantined =
            Quarantined::of_object(&one.host, one.kind, &one.address, arrived_at, size, body, rejection);
        quarantined.clock = clock;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_in_parts_that_memory_holds() {
        let limits = Limits::default();
        let (most, small) = (Some(limits.max_bytes), Some(7_000));
        for (sizes, expected) in [
            (vec![], vec![0]),
            (vec![small; 400], vec![400]),
            (vec![most; 16], vec![16]),
            (vec![most; 17], vec![16, 1]),
            (vec![None; 40], vec![16, 16, 8]),
            (vec![Some(30 << 20); 17], vec![16, 1]),
            ([vec![small; 3], vec![most; 16]].concat(), vec![18, 1]),
        ] {
            let wanted = |size| Wanted {
                host: HostName::parse("LAB-01").unwrap(),
                kind: ObjectKind::Heartbeat,
                address: ObjectAddress { key: "key".to_owned(), version_id: None },
                size,
                arrived_at: None,
                deliveries: BTreeSet::new(),
            };
            let parts = parts(sizes.iter().copied().map(wanted).collect(), &limits);
            assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{} objects", sizes.len());
        }
    }
}
