//! The pure core, driven with the calls of the pipeline: bytes are normalized, a batch is folded into its stations, and every tick
//! judges the ingest and the stations that are due. No bucket, no database.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::plan::{Judging, Standing, plan};
use stationkeeper_pipeline::{Document, normalize};
use stationkeeper_rules::fleet::{self, Fleet};
use stationkeeper_rules::{
    Alert, Context, Reservation, Rule, Settings, StationState, StationWord, Transition, on_passage, unresolved_after,
};
use stationkeeper_simulator::{Document as Written, Upload};
use stationkeeper_telemetry::{HostName, Limits};

use crate::ticks::{key, kind};

/// Reservations beyond this move nothing: the farthest lead is ten minutes, and a cycle has one.
const AHEAD: TimeDelta = TimeDelta::hours(4);
/// The check judges reservations that ended within this time.
const LATELY: TimeDelta = TimeDelta::days(1);

/// What the database would hold.
#[derive(Default)]
pub struct Board {
    stations: BTreeMap<HostName, Kept>,
    settings: Settings,
    judging: Judging,
    newest_advance_at: Option<DateTime<Utc>>,
    last_check_at: Option<DateTime<Utc>>,
    grace_from: Option<DateTime<Utc>>,
    /// How alerts moved, in order.
    pub transitions: Vec<Transition>,
    /// Heartbeats that were taken.
    pub heartbeats: u64,
    /// Of these, unready ones.
    pub unready: u64,
}

struct Kept {
    state: StationState,
    unresolved: Vec<Alert>,
    /// By start; they do not overlap.
    reservations: Vec<Reservation>,
}

impl Kept {
    fn unheard(host: &HostName, now: DateTime<Utc>) -> Self {
        Self { state: StationState::unheard(host.clone(), now), unresolved: Vec::new(), reservations: Vec::new() }
    }

    fn around(&self, now: DateTime<Utc>) -> &[Reservation] {
        let from = self.reservations.partition_point(|one| one.end_at <= now - LATELY);
        let to = self.reservations.partition_point(|one| one.start_at < now + AHEAD);
        &self.reservations[from..to.max(from)]
    }
}

impl Board {
    /// Takes reservations; their stations are due at once.
    pub fn book(&mut self, reservations: Vec<Reservation>, now: DateTime<Utc>) {
        for reservation in reservations {
            let host = reservation.host.clone();
            let kept = self.stations.entry(host.clone()).or_insert_with(|| Kept::unheard(&host, now));
            kept.reservations.push(reservation);
            kept.reservations.sort_by_key(|one| one.start_at);
            kept.state.check_at = Some(now);
        }
    }

    /// Takes a batch.
    pub fn take(&mut self, batch: Vec<Upload>, now: DateTime<Utc>) {
        let limits = Limits::default();
        let mut documents: BTreeMap<HostName, Vec<Document>> = BTreeMap::new();
        for upload in batch {
            // The trail moves no alert; its station is known from then on.
            let of_host = documents.entry(upload.host.clone()).or_default();
            if upload.document == Written::Events {
                continue;
            }
            let (key, kind) = (key(&upload), kind(upload.document));
            let document = normalize(kind, &upload.host, &key, Bytes::from(upload.bytes), upload.at, &limits)
                .unwrap_or_else(|rejection| panic!("{} at {}: {rejection}", upload.host, upload.at));
            if let Document::Heartbeat(heartbeat) = &document {
                self.heartbeats += 1;
                self.unready += u64::from(!heartbeat.snapshot.ready);
            }
            of_host.push(document);
        }
        let none = HashMap::new();
        for (host, documents) in documents {
            let kept = self.stations.entry(host.clone()).or_insert_with(|| Kept::unheard(&host, now));
            let standing = Standing {
                known: &none,
                unresolved: &kept.unresolved,
                reservations: kept.around(now),
                ignored_issue_codes: &[],
            };
            let (alerts, reservations) = (&self.settings.alerts, &self.settings.reservations);
            let planned = plan(standing, kept.state.clone(), documents, alerts, reservations, self.judging);
            kept.unresolved = unresolved_after(&kept.unresolved, &planned.transitions);
            self.transitions.extend(planned.transitions);
            kept.state = planned.state;
            self.newest_advance_at = self.newest_advance_at.max(kept.state.alive_at());
        }
    }

    /// The overdue check. The look finds nothing here: what was put was taken.
    pub fn check(&mut self, now: DateTime<Utc>) {
        let silent = [StationWord::Off, StationWord::Down, StationWord::Unknown];
        let expected = self.stations.values().filter(|kept| !silent.contains(&kept.state.word)).count() as u64;
        let facts = Fleet {
            newest_advance_at: self.newest_advance_at,
            expected,
            last_check_at: self.last_check_at,
            grace_from: self.grace_from,
            stalled: None,
            stalled_since: None,
            look_error: None,
        };
        let outcome = fleet::on_check(&facts, now, &self.settings.alerts);
        assert!(outcome.transition.is_none(), "the ingest was never away: {:?}", outcome.transition);
        (self.last_check_at, self.grace_from) = (Some(now), outcome.grace_from);
        for kept in self.stations.values_mut().filter(|kept| kept.state.check_at.is_some_and(|at| at <= now)) {
            let context = Context {
                settings: &self.settings.alerts,
                ignored_issue_codes: &[],
                reservations: kept.around(now),
                unresolved: &kept.unresolved,
                rules: self.judging.rules,
                off: self.judging.off,
                passage: self.judging.passage,
                grace_from: self.grace_from,
            };
            let judged = on_passage(&kept.state, now, &context);
            kept.unresolved = unresolved_after(&kept.unresolved, &judged.transitions);
            self.transitions.extend(judged.transitions);
            kept.state = judged.state;
        }
    }

    /// Stations that are marked down now.
    pub fn down(&self) -> usize {
        let missing = |kept: &&Kept| kept.unresolved.iter().any(|alert| alert.key.rule == Rule::HeartbeatMissing);
        self.stations.values().filter(missing).count()
    }
}
