//! One transaction a batch: history, latest state, alerts, the trail and what was put aside. All of it, or nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_rules::{Alert, Reservation, ReservationStatus, Settings, StateRun, StationState, Transition};
use stationkeeper_store::{
    IngestOutcome, NewHeartbeat, NewUpdate, ObjectVersion, QuarantinedObject, Standing as Stored, Store, Transaction,
};
use stationkeeper_telemetry::HostName;

use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::document::Document;
use crate::ingest::{Ingest, Reservations};
use crate::invariant::{self, Newest};
use crate::logoffs;
use crate::plan::{HistoryRow, HistoryWrite, Known, Standing, StationPlan, Tally, Turn, plan};
use crate::quarantine::Quarantined;
use crate::reading::{Read, ReadOutcome};
use crate::trail::TrailRead;
use crate::{IngestError, observe};

/// Reservations are read up to here: a flag of local mode matters to all that are to come.
const FAR: TimeDelta = TimeDelta::days(3_650);

/// What is committed together.
pub(crate) struct Batch<'a> {
    pub(crate) reads: &'a [Read],
    pub(crate) unreadable: &'a [(usize, Quarantined)],
}

/// What was committed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) tally: Tally,
    pub(crate) quarantined: u64,
    pub(crate) transitions: u64,
}

/// Commits a batch. On an error nothing of it happened (or, after a lost reply, a repeat finds it done).
pub(crate) async fn commit<B: Bucket, C: Clock>(
    ingest: &Ingest<B, C>,
    settings: &Settings,
    batch: Batch<'_>,
) -> Result<Done, IngestError> {
    if batch.reads.is_empty() && batch.unreadable.is_empty() {
        return Ok(Done::default());
    }
    let now = ingest.clock.now();
    let mut documents: BTreeMap<HostName, Vec<Document>> = BTreeMap::new();
    let mut trails: Vec<&TrailRead> = Vec::new();
    let mut trail_arrivals: Vec<(HostName, DateTime<Utc>)> = Vec::new();
    let mut put_aside: Vec<&Quarantined> = batch.unreadable.iter().map(|(_, one)| one).collect();
    for read in batch.reads {
        match &read.outcome {
            ReadOutcome::Document(document) => {
                documents.entry(read.host.clone()).or_default().push(document.clone());
            }
            ReadOutcome::Trail(trail) => {
                trails.push(trail);
                trail_arrivals.extend(read.arrived_at.map(|at| (read.host.clone(), at)));
            }
            ReadOutcome::Quarantined(one) => {
                put_aside.push(one);
                if let Some(clock) = one.clock {
                    documents.entry(read.host.clone()).or_default().push(Document::Misdated(clock));
                }
                if let Some(upload) = &one.upload {
                    documents.entry(read.host.clone()).or_default().push(Document::Unreadable(upload.clone()));
                }
            }
            ReadOutcome::NoTrail => {}
        }
    }
    let hosts: Vec<HostName> = documents
        .keys()
        .cloned()
        .chain(trails.iter().map(|trail| trail.host.clone()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();

    let marks = marks(batch.reads);
    let mut done = Done { quarantined: put_aside.len() as u64, ..Done::default() };
    if !hosts.is_empty() {
        let (mut transaction, mut states) = ingest.store.begin_locking(&hosts).await?;
        // What nobody can read makes no station of a name that nobody knows.
        let unheard = unheard(&documents, &trails);
        let heard_among =
            |states: &[StationState]| states.iter().filter(|state| !unheard.contains(&state.host)).count();
        if heard_among(&states) < hosts.len() - unheard.len() {
            let heard: Vec<_> = hosts.iter().filter(|host| !unheard.contains(host)).cloned().collect();
            transaction.states().ensure(&heard, now).await?;
            states = transaction.states().lock(&hosts).await?;
        }
        let held = heard_among(&states) as u64;
        invariant::rows_as_planned("states of stations", hosts.len() - unheard.len(), held)?;
        let standing = load(&mut transaction, &hosts, &documents, &trails).await?;
        let mut plans = Vec::with_capacity(states.len());
        for state in states {
            let mut documents = documents.remove(&state.host).unwrap_or_default();
            if !state.uploads.all_read() {
                let of_station = trail_arrivals.iter().filter(|(host, _)| *host == state.host);
                documents.extend(of_station.map(|(_, at)| Document::Trail { arrived_at: *at }));
            }
            if documents.is_empty() {
                continue;
            }
            let heartbeats = documents.iter().filter(|one| matches!(one, Document::Heartbeat(_))).count();
            let before = Newest::of(&state);
            let plan = standing.plan(state, documents, settings, ingest);
            let unresolved = standing.unresolved.get(&plan.state.host).map_or(&[][..], Vec::as_slice);
            invariant::of_plan(before, &plan, unresolved, heartbeats)?;
            plans.push(plan);
        }
        write(&mut transaction, &plans, settings, now).await?;
        logoffs::write(&mut transaction, &plans, &trails, &standing.reservations, settings, now).await?;
        for plan in &plans {
            done.tally += plan.tally;
        }
        let moved: Vec<_> = plans.iter().flat_map(|plan| &plan.transitions).collect();
        done.transitions = moved.len() as u64;
        quarantine(&mut transaction, &put_aside, now).await?;
        transaction.commit_marking(&marks, now).await?;
        for transition in moved {
            observe::transition(transition);
        }
    } else {
        let mut transaction = ingest.store.begin().await?;
        quarantine(&mut transaction, &put_aside, now).await?;
        transaction.commit_marking(&marks, now).await?;
    }
    for one in put_aside {
        observe::quarantined(one);
    }
    Ok(done)
}

/// Stations of which nothing came that could be read.
fn unheard(documents: &BTreeMap<HostName, Vec<Document>>, trails: &[&TrailRead]) -> BTreeSet<HostName> {
    documents
        .iter()
        .filter(|(host, of)| {
            of.iter().all(|one| matches!(one, Document::Unreadable(_)))
                && trails.iter().all(|trail| trail.host != **host)
        })
        .map(|(host, _)| host.clone())
        .collect()
}

/// What stands in the database about the stations of a batch.
struct Loaded {
    known: HashMap<HostName, HashMap<DateTime<Utc>, Known>>,
    unresolved: HashMap<HostName, Vec<Alert>>,
    reservations: Reservations,
}

impl Loaded {
    fn plan<B: Bucket, C: Clock>(
        &self,
        state: StationState,
        documents: Vec<Document>,
        settings: &Settings,
        ingest: &Ingest<B, C>,
    ) -> StationPlan {
        let none = HashMap::new();
        let standing = Standing {
            known: self.known.get(&state.host).unwrap_or(&none),
            unresolved: self.unresolved.get(&state.host).map_or(&[], Vec::as_slice),
            reservations: self.reservations.get(&state.host).map_or(&[], Vec::as_slice),
            ignored_issue_codes: settings.ignored_issue_codes.get(state.host.as_str()).map_or(&[], Vec::as_slice),
        };
        plan(standing, state, documents, &settings.alerts, &settings.reservations, ingest.judging)
    }
}

async fn load(
    transaction: &mut Transaction,
    hosts: &[HostName],
    documents: &BTreeMap<HostName, Vec<Document>>,
    trails: &[&TrailRead],
) -> Result<Loaded, IngestError> {
    let mut keys = Vec::new();
    // Only what ended before the oldest instant of the batch cannot matter to it.
    let mut oldest: Option<DateTime<Utc>> = None;
    let mut see = |at: DateTime<Utc>| oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
    for (host, documents) in documents {
        for document in documents {
            match document {
                Document::Heartbeat(heartbeat) => {
                    keys.push((host.clone(), heartbeat.snapshot.timestamp_utc));
                    see(heartbeat.snapshot.timestamp_utc.min(heartbeat.arrived_at));
                    heartbeat
                        .snapshot
                        .last_forced_logoff
                        .iter()
                        .filter_map(|logoff| logoff.timestamp)
                        .for_each(&mut see);
                }
                Document::ServiceState { service_state, arrived_at } => {
                    see(*arrived_at);
                    service_state.last_forced_logoff.iter().filter_map(|logoff| logoff.timestamp).for_each(&mut see);
                }
                Document::Misdated(clock) => see(clock.arrived_at),
                Document::Unreadable(upload) => see(upload.arrived_at),
                // It opens nothing that a reservation could matter to.
                Document::Status { .. } | Document::Trail { .. } | Document::Beacon => {}
            }
        }
    }
    trails.iter().flat_map(|trail| &trail.events.events).map(|event| event.timestamp).for_each(&mut see);

    let standing = match oldest {
        Some(oldest) => {
            let from = oldest - TimeDelta::hours(1);
            transaction.standing(&keys, hosts, (from, from + FAR)).await?
        }
        // Nothing of the batch has an instant, so no reservation matters to it.
        None => Stored { alerts: transaction.alerts().unresolved_of(hosts).await?, ..Stored::default() },
    };
    let mut known: HashMap<HostName, HashMap<DateTime<Utc>, Known>> = HashMap::new();
    for row in standing.heartbeats {
        let stored = Known {
            sha256: row.sha256,
            first_arrived_at: row.first_arrived_at,
            arrived_at: row.arrived_at,
            variants: HashMap::new(),
        };
        known.entry(row.host).or_default().insert(row.timestamp_utc, stored);
    }
    let disputed = disputed(documents, &known);
    if !disputed.is_empty() {
        for variant in transaction.heartbeats().variants(&disputed).await? {
            if let Some(known) = known.get_mut(&variant.host).and_then(|of| of.get_mut(&variant.timestamp_utc)) {
                known.variants.insert(variant.sha256, variant.arrived_at);
            }
        }
    }
    let mut unresolved: HashMap<HostName, Vec<Alert>> = HashMap::new();
    for alert in standing.alerts {
        if let Some(host) = alert.key.host.clone() {
            unresolved.entry(host).or_default().push(alert);
        }
    }
    Ok(Loaded { known, unresolved, reservations: by_station(standing.reservations) })
}

/// By station, cancelled ones left out.
fn by_station(reservations: Vec<Reservation>) -> Reservations {
    let mut found = Reservations::new();
    for reservation in reservations {
        if reservation.status != ReservationStatus::Cancelled {
            found.entry(reservation.host.clone()).or_default().push(reservation);
        }
    }
    found
}

/// Timestamps of history for which other bytes come: seldom any.
fn disputed(
    documents: &BTreeMap<HostName, Vec<Document>>,
    known: &HashMap<HostName, HashMap<DateTime<Utc>, Known>>,
) -> Vec<(HostName, DateTime<Utc>)> {
    let mut disputed = BTreeSet::new();
    for (host, documents) in documents {
        let Some(known) = known.get(host) else { continue };
        for document in documents {
            let Document::Heartbeat(heartbeat) = document else { continue };
            let timestamp = heartbeat.snapshot.timestamp_utc;
            if known.get(&timestamp).is_some_and(|known| known.sha256 != heartbeat.sha256) {
                disputed.insert((host.clone(), timestamp));
            }
        }
    }
    disputed.into_iter().collect()
}

/// Standing reservations of these stations that end after `from`.
pub(crate) async fn reservations_of(
    transaction: &mut Transaction,
    hosts: &[HostName],
    from: DateTime<Utc>,
) -> Result<Reservations, IngestError> {
    Ok(by_station(transaction.reservations().of_hosts(hosts, from, from + FAR).await?))
}

async fn write(
    transaction: &mut Transaction,
    plans: &[StationPlan],
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<(), IngestError> {
    let (mut new, mut replaced, mut variants) = (Vec::new(), Vec::new(), Vec::new());
    for write in plans.iter().flat_map(|plan| &plan.history) {
        match write {
            HistoryWrite::New(row) => new.push(new_heartbeat(row, now)),
            HistoryWrite::Replace(row) | HistoryWrite::Earlier(row) => replaced.push(new_heartbeat(row, now)),
            HistoryWrite::Variant(row) => variants.push(new_heartbeat(row, now)),
        }
    }
    let format = settings.history.raw;
    if !new.is_empty() {
        let held = transaction.heartbeats().insert(&new, format).await?;
        invariant::rows_as_planned("heartbeats", new.len(), held)?;
    }
    if !replaced.is_empty() {
        transaction.heartbeats().replace(&replaced, format).await?;
    }
    if !variants.is_empty() {
        transaction.heartbeats().add_variants(&variants, format).await?;
        let arrivals: Vec<_> = variants
            .iter()
            .map(|row| (row.snapshot.host.clone(), row.snapshot.timestamp_utc, row.first_arrived_at))
            .collect();
        transaction.heartbeats().lower_first_arrived_at(&arrivals).await?;
    }
    if !plans.is_empty() {
        transaction.states().save(plans.iter().map(|plan| &plan.state)).await?;
    }
    let turns: Vec<_> =
        plans.iter().flat_map(|plan| plan.turns.iter().map(|turn| run(&plan.state.host, turn))).collect();
    let transitions: Vec<_> = plans.iter().flat_map(|plan| plan.transitions.iter().cloned()).collect();
    write_changes(transaction, &turns, &transitions, now).await
}

fn new_heartbeat(row: &HistoryRow, now: DateTime<Utc>) -> NewHeartbeat<'_> {
    NewHeartbeat {
        snapshot: &row.heartbeat.snapshot,
        raw: &row.heartbeat.raw,
        sha256: row.heartbeat.sha256,
        first_arrived_at: row.first_arrived_at,
        arrived_at: row.arrived_at,
        ingested_at: now,
        reservation_id: row.reservation_id.as_ref(),
    }
}

pub(crate) fn run(host: &HostName, turn: &Turn) -> StateRun {
    StateRun { host: host.clone(), from_at: turn.from_at, to_at: None, word: turn.word, cause: turn.cause.clone() }
}

/// Alerts with the news of them that are owed, state runs, and the updates that tell of both.
pub(crate) async fn write_changes(
    transaction: &mut Transaction,
    turns: &[StateRun],
    transitions: &[Transition],
    now: DateTime<Utc>,
) -> Result<(), IngestError> {
    let mut updates = Vec::with_capacity(turns.len() + transitions.len());
    for turn in turns {
        updates.push(NewUpdate {
            at: now,
            kind: "station".to_owned(),
            host: Some(turn.host.clone()),
            payload: serde_json::json!({ "state": turn.word, "state_since": turn.from_at }),
        });
    }
    for moved in transitions {
        updates.push(NewUpdate {
            at: now,
            kind: "alert".to_owned(),
            host: moved.key.host.clone(),
            payload: serde_json::json!({ "id": moved.alert_id, "rule": moved.key.rule, "state": moved.to, "at": moved.at }),
        });
    }
    if !turns.is_empty() {
        transaction.runs().append(turns).await?;
    }
    if !transitions.is_empty() {
        let moved = transaction.alerts().apply(transitions).await?;
        invariant::rows_as_planned("alerts that move", moved.planned, moved.held)?;
        transaction.owed().append(transitions, now).await?;
    }
    if !updates.is_empty() {
        transaction.updates().append(&updates).await?;
    }
    Ok(())
}

/// Which versions are done with once the batch is committed.
fn marks(reads: &[Read]) -> Vec<(ObjectVersion, IngestOutcome)> {
    reads
        .iter()
        .filter(|read| read.is_announced())
        .filter_map(|read| {
            let version = read.address.version_id.clone()?;
            let outcome = match &read.outcome {
                ReadOutcome::Document(Document::Beacon) => IngestOutcome::Ignored,
                ReadOutcome::Document(_) | ReadOutcome::Trail(_) => IngestOutcome::Ingested,
                ReadOutcome::Quarantined(_) => IngestOutcome::Quarantined,
                ReadOutcome::NoTrail => return None,
            };
            Some((ObjectVersion { key: read.address.key.clone(), version }, outcome))
        })
        .collect()
}

async fn quarantine(
    transaction: &mut Transaction,
    put_aside: &[&Quarantined],
    now: DateTime<Utc>,
) -> Result<(), IngestError> {
    if put_aside.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = put_aside
        .iter()
        .map(|one| QuarantinedObject {
            object: ObjectVersion { key: one.key.clone(), version: one.version_id.clone() },
            host: one.host.clone(),
            reason: one.reason.to_owned(),
            detail: one.detail.clone(),
            first_bytes: one.first_bytes.clone(),
            size: one.size,
            arrived_at: one.arrived_at,
            quarantined_at: now,
            quarantine_key: one.copied.then(|| one.copy_key.clone()),
        })
        .collect();
    Ok(transaction.objects().quarantine(&rows).await?)
}

/// Which of these versions were ingested before.
pub(crate) async fn known_objects(
    store: &Store,
    addresses: &[(&str, &str)],
) -> Result<HashSet<(String, String)>, IngestError> {
    let objects: Vec<_> = addresses
        .iter()
        .map(|(key, version)| ObjectVersion { key: (*key).to_owned(), version: (*version).to_owned() })
        .collect();
    let known = store.known_objects(&objects).await?;
    Ok(known.into_iter().map(|(object, _)| (object.key, object.version)).collect())
}
