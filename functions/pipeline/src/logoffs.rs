//! Forced logoffs, written: each line of the trail once, and what was only seen elsewhere until its line comes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use stationkeeper_rules::{FoundIn, Settings, links};
use stationkeeper_store::{
    EventCursor, ForcedLogoffKey, ForcedLogoffRecord, ForcedLogoffSighting, HostEventRecord, Store, Transaction,
};
use stationkeeper_telemetry::{HostEvent, HostName, ObjectKey, ObjectKind};

use crate::IngestError;
use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::commit::reservations_of;
use crate::ingest::{Ingest, Reservations};
use crate::plan::StationPlan;
use crate::trail::{self, Cursor, LineIdentity, Settlement, Sighting, TrailRead};

/// Sightings settled in one transaction.
const STEP: u32 = 100;

/// Writes the lines and sightings of a batch, and settles what can be settled.
pub(crate) async fn write(
    transaction: &mut Transaction,
    plans: &[StationPlan],
    trails: &[&TrailRead],
    reservations: &Reservations,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<(), IngestError> {
    let mut touched: BTreeMap<(HostName, DateTime<Utc>), ForcedLogoffSighting> = BTreeMap::new();
    if !trails.is_empty() {
        let lines = write_trails(transaction, trails, reservations, settings).await?;
        // A line can settle what was settled before from a lesser source.
        let windows: Vec<_> = lines
            .iter()
            .map(|(host, at)| {
                let slack = links::SAME_LOGOFF_WITHIN;
                (host.clone(), *at - slack, *at + slack)
            })
            .collect();
        if !windows.is_empty() {
            for sighting in transaction.forced_logoffs().sightings_within(&windows).await? {
                touched.insert((sighting.host.clone(), sighting.logged_off_at), sighting);
            }
        }
    }
    for sighting in write_sightings(transaction, plans).await? {
        touched.insert((sighting.host.clone(), sighting.logged_off_at), sighting);
    }
    if touched.is_empty() {
        return Ok(());
    }
    settle(transaction, touched.into_values().collect(), reservations, settings, now).await
}

/// Inserts lines, each with its number among its equals, and moves the cursors. Returns where lines stand.
async fn write_trails(
    transaction: &mut Transaction,
    trails: &[&TrailRead],
    reservations: &Reservations,
    settings: &Settings,
) -> Result<BTreeSet<(HostName, DateTime<Utc>)>, IngestError> {
    let hosts: Vec<_> = trails.iter().map(|trail| trail.host.clone()).collect();
    let standing: HashMap<_, _> = transaction
        .host_events()
        .cursors(&hosts)
        .await?
        .into_iter()
        .map(|row| (row.host.clone(), cursor(&row)))
        .collect();
    let moved = |trail: &&&TrailRead| standing.get(&trail.host).cloned().unwrap_or_default() != trail.from;
    if trails.iter().any(|trail| moved(&trail)) {
        return Err(IngestError::StaleTrail);
    }
    let instants: BTreeSet<(HostName, DateTime<Utc>)> = trails
        .iter()
        .flat_map(|trail| trail.events.events.iter().map(|event| (trail.host.clone(), event.timestamp)))
        .collect();
    let mut before: HashMap<HostName, HashMap<LineIdentity, u32>> = HashMap::new();
    if !instants.is_empty() {
        let bases: HashMap<_, _> = trails.iter().map(|trail| (&trail.host, trail.base)).collect();
        let windows: Vec<_> = instants.iter().map(|(host, at)| (host.clone(), *at, *at)).collect();
        for row in transaction.host_events().within(&windows).await? {
            if bases.get(&row.host).is_some_and(|base| row.offset < *base) {
                *before.entry(row.host).or_default().entry(trail::identity(&row.event)).or_default() += 1;
            }
        }
    }
    let (mut rows, mut records) = (Vec::new(), Vec::new());
    for read in trails {
        let none = Vec::new();
        let booked = reservations.get(&read.host).unwrap_or(&none);
        let before = before.remove(&read.host).unwrap_or_default();
        let numbered = trail::with_occurrence(read.events.events.clone(), before);
        for ((event, occurrence), offset) in numbered.zip(read.offsets.iter().copied()) {
            let reservation_id = links::of_forced_logoff(event.timestamp, booked, &settings.reservations).cloned();
            records.push(record(&read.host, &event, occurrence, reservation_id));
            rows.push(HostEventRecord { host: read.host.clone(), occurrence, offset, event });
        }
    }
    if !rows.is_empty() {
        transaction.host_events().insert(&rows).await?;
        transaction.forced_logoffs().save(&records).await?;
    }
    let cursors: Vec<_> = trails.iter().filter(|trail| trail.from != trail.to).map(|trail| cursor_row(trail)).collect();
    if !cursors.is_empty() {
        transaction.host_events().save_cursors(&cursors).await?;
    }
    Ok(instants)
}

fn record(
    host: &HostName,
    event: &HostEvent,
    occurrence: u32,
    reservation_id: Option<stationkeeper_rules::ReservationId>,
) -> ForcedLogoffRecord {
    ForcedLogoffRecord {
        key: ForcedLogoffKey {
            host: host.clone(),
            timestamp: event.timestamp,
            user: event.user.clone(),
            session_id: event.session_id,
            occurrence,
        },
        grace: event.grace,
        force: event.force,
        message: event.message.clone(),
        source: event.source.clone(),
        reservation_id,
        found_in: FoundIn::Jsonl,
    }
}

fn cursor(row: &EventCursor) -> Cursor {
    Cursor { consumed: row.offset, lines: row.lines, tail_sha256: row.tail_sha256 }
}

fn cursor_row(read: &TrailRead) -> EventCursor {
    EventCursor {
        host: read.host.clone(),
        object_key: ObjectKey::latest(&read.host, ObjectKind::Events).into_string(),
        offset: read.to.consumed,
        lines: read.to.lines,
        version: None,
        tail_length: read.to.consumed.min(trail::OVERLAP),
        tail_sha256: read.to.tail_sha256,
    }
}

/// Joins what this batch saw to what was seen before; the newest heartbeat's word counts (a torn read shows old fields first).
async fn write_sightings(
    transaction: &mut Transaction,
    plans: &[StationPlan],
) -> Result<Vec<ForcedLogoffSighting>, IngestError> {
    let windows: BTreeSet<_> = plans
        .iter()
        .flat_map(|plan| plan.seen.iter().map(|seen| (plan.state.host.clone(), seen.logged_off_at, seen.logged_off_at)))
        .collect();
    if windows.is_empty() {
        return Ok(Vec::new());
    }
    let windows: Vec<_> = windows.into_iter().collect();
    let mut known: BTreeMap<(HostName, DateTime<Utc>), ForcedLogoffSighting> = transaction
        .forced_logoffs()
        .sightings_within(&windows)
        .await?
        .into_iter()
        .map(|sighting| ((sighting.host.clone(), sighting.logged_off_at), sighting))
        .collect();
    let mut changed = BTreeSet::new();
    for plan in plans {
        for seen in &plan.seen {
            let key = (plan.state.host.clone(), seen.logged_off_at);
            let sighting = known.entry(key.clone()).or_insert_with(|| {
                changed.insert(key.clone());
                ForcedLogoffSighting {
                    host: plan.state.host.clone(),
                    logged_off_at: seen.logged_off_at,
                    heartbeat: None,
                    service_state: None,
                    last_seen_at: None,
                    noticed_at: seen.arrived_at,
                    settled: false,
                }
            });
            match seen.heartbeat {
                None if sighting.service_state.as_ref() != Some(&seen.logoff) => {
                    sighting.service_state = Some(seen.logoff.clone());
                    changed.insert(key);
                }
                Some(_) if sighting.heartbeat.as_ref() == Some(&seen.logoff) => {}
                Some(at) if sighting.last_seen_at.is_none_or(|last| last < at) => {
                    sighting.heartbeat = Some(seen.logoff.clone());
                    sighting.last_seen_at = Some(at);
                    changed.insert(key);
                }
                _ => {}
            }
        }
    }
    Ok(known.into_iter().filter(|(key, _)| changed.contains(key)).map(|(_, sighting)| sighting).collect())
}

/// Settles sightings and writes them and their rows.
async fn settle(
    transaction: &mut Transaction,
    mut sightings: Vec<ForcedLogoffSighting>,
    reservations: &Reservations,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<(), IngestError> {
    let slack = links::SAME_LOGOFF_WITHIN;
    let windows: Vec<_> =
        sightings.iter().map(|one| (one.host.clone(), one.logged_off_at - slack, one.logged_off_at + slack)).collect();
    let mut lines: HashMap<HostName, Vec<HostEvent>> = HashMap::new();
    for row in transaction.host_events().within(&windows).await? {
        lines.entry(row.host).or_default().push(row.event);
    }
    // What a sighting was settled with before stands under its own instant, and not from a line.
    let instants: Vec<_> =
        sightings.iter().map(|one| (one.host.clone(), one.logged_off_at, one.logged_off_at)).collect();
    let standing = transaction.forced_logoffs().within(&instants).await?;
    let (mut obsolete, mut rows) = (Vec::new(), Vec::new());
    for sighting in &mut sightings {
        let (no_lines, none_booked) = (Vec::new(), Vec::new());
        let seen = Sighting {
            logged_off_at: sighting.logged_off_at,
            heartbeat: sighting.heartbeat.clone(),
            service_state: sighting.service_state.clone(),
            noticed_at: sighting.noticed_at,
        };
        let settlement = trail::settle(
            &seen,
            lines.get(&sighting.host).unwrap_or(&no_lines),
            reservations.get(&sighting.host).unwrap_or(&none_booked),
            &settings.reservations,
            now,
        );
        let lesser = standing.iter().filter(|row| {
            row.key.host == sighting.host
                && row.key.timestamp == sighting.logged_off_at
                && row.found_in != FoundIn::Jsonl
        });
        match settlement {
            Settlement::Waits => continue,
            Settlement::Line => obsolete.extend(lesser.map(|row| row.key.clone())),
            Settlement::Row(row) => {
                let key = ForcedLogoffKey {
                    host: sighting.host.clone(),
                    timestamp: row.timestamp,
                    user: row.user,
                    session_id: row.session_id,
                    occurrence: row.occurrence,
                };
                obsolete.extend(lesser.filter(|lesser| lesser.key != key).map(|row| row.key.clone()));
                rows.push(ForcedLogoffRecord {
                    key,
                    grace: row.grace,
                    force: row.force,
                    message: row.message,
                    source: row.source,
                    reservation_id: row.reservation_id,
                    found_in: row.found_in,
                });
            }
        }
        sighting.settled = true;
    }
    if !obsolete.is_empty() {
        transaction.forced_logoffs().delete(&obsolete).await?;
    }
    if !rows.is_empty() {
        transaction.forced_logoffs().save(&rows).await?;
    }
    Ok(transaction.forced_logoffs().save_sightings(&sightings).await?)
}

/// How far the trails of these stations were read.
pub(crate) async fn cursors(store: &Store, hosts: &[HostName]) -> Result<HashMap<HostName, Cursor>, IngestError> {
    let mut cursors = HashMap::with_capacity(hosts.len());
    for host in hosts {
        let key = ObjectKey::latest(host, ObjectKind::Events).into_string();
        if let Some(row) = store.event_cursor(host, &key).await? {
            cursors.insert(host.clone(), cursor(&row));
        }
    }
    Ok(cursors)
}

/// Stations of which the shown logoff is known: their trail was read when it was first seen.
pub(crate) async fn known_sightings(
    store: &Store,
    shown: &BTreeMap<HostName, DateTime<Utc>>,
) -> Result<BTreeSet<HostName>, IngestError> {
    let windows: Vec<_> = shown.iter().map(|(host, at)| (host.clone(), *at, *at)).collect();
    let mut transaction = store.begin().await?;
    let known = transaction.forced_logoffs().sightings_within(&windows).await?;
    Ok(known.into_iter().map(|sighting| sighting.host).collect())
}

impl<B: Bucket, C: Clock> Ingest<B, C> {
    /// Settles the sightings that have waited long enough for their line.
    pub async fn settle_sightings(&self) -> Result<(), IngestError> {
        let settings = self.settings().await?;
        let now = self.clock.now();
        loop {
            let hosts = self.store.hosts_with_pending_sightings(now - links::SIGHTING_WAITS, STEP).await?;
            if hosts.is_empty() {
                return Ok(());
            }
            let mut transaction = self.store.begin().await?;
            transaction.states().lock(&hosts).await?;
            let pending = transaction.forced_logoffs().pending_of(&hosts).await?;
            let Some(oldest) = pending.iter().map(|sighting| sighting.logged_off_at).min() else { return Ok(()) };
            let reservations = reservations_of(&mut transaction, &hosts, oldest).await?;
            settle(&mut transaction, pending, &reservations, &settings, now).await?;
            transaction.commit().await?;
        }
    }
}
