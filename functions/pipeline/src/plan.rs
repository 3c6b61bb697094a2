//! What a batch does to one station, decided before anything is written.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use stationkeeper_rules::{
    Alert, AlertSettings, Cause, ClockReading, Context, Incoming, OffPolicy, Outcome, Passage, Reservation,
    ReservationId, ReservationSettings, Rule, RuleSet, StationState, StationWord, StatusDocument, Transition, Upload,
    links, on_clock, on_heartbeat, on_operations, on_uploads, rank, unresolved_after,
};
use stationkeeper_telemetry::{ForcedLogoff, ObjectKind};

use crate::document::{Document, HeartbeatDocument};

/// How stations are judged: all of it in service, less in a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judging {
    /// Which rules.
    pub rules: RuleSet,
    /// Whether a power action excuses silence.
    pub off: OffPolicy,
    /// What time alone moves.
    pub passage: Passage,
}

impl Default for Judging {
    fn default() -> Self {
        Self { rules: RuleSet::ALL, off: OffPolicy::Excuses, passage: Passage::EveryTick }
    }
}

/// A heartbeat of history, as far as a second one of the same instant must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Of the body that won.
    pub sha256: [u8; 32],
    /// The first arrival of any body of this station timestamp.
    pub first_arrived_at: DateTime<Utc>,
    /// The arrival of the body that won.
    pub arrived_at: DateTime<Utc>,
    /// The other bodies, by SHA-256, each with its first arrival.
    pub variants: HashMap<[u8; 32], DateTime<Utc>>,
}

/// What happens to history.
#[derive(Debug, Clone)]
pub enum HistoryWrite {
    /// A station timestamp that was not there.
    New(HistoryRow),
    /// Another body of a known timestamp that arrived later: it wins, the former becomes a variant.
    Replace(HistoryRow),
    /// Another body of a known timestamp that arrived earlier (or one that is kept, and arrived earlier than was known): kept beside
    /// it.
    Variant(HistoryRow),
    /// The same body again, but this arrival is the earlier one.
    Earlier(HistoryRow),
}

/// A row of history.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    /// What was received. Shared: a batch may be tried again.
    pub heartbeat: Arc<HeartbeatDocument>,
    /// Of this body, for the first time.
    pub arrived_at: DateTime<Utc>,
    /// Of any body of this timestamp.
    pub first_arrived_at: DateTime<Utc>,
    /// The reservation that it belongs to.
    pub reservation_id: Option<ReservationId>,
}

/// A forced logoff that a heartbeat or the INI shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// When it was, by the station's clock.
    pub logged_off_at: DateTime<Utc>,
    /// The fields.
    pub logoff: ForcedLogoff,
    /// The heartbeat's station timestamp; none: the INI showed it.
    pub heartbeat: Option<DateTime<Utc>>,
    /// When the document arrived.
    pub arrived_at: DateTime<Utc>,
}

/// A change of the station's word.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Since when.
    pub from_at: DateTime<Utc>,
    /// The word.
    pub word: StationWord,
    /// Why.
    pub cause: Option<Cause>,
}

/// All that a batch does to one station.
#[derive(Debug, Clone)]
pub struct StationPlan {
    /// The state to store.
    pub state: StationState,
    /// What happens to history, in order.
    pub history: Vec<HistoryWrite>,
    /// How alerts move, in order.
    pub transitions: Vec<Transition>,
    /// How the word changed, in order.
    pub turns: Vec<Turn>,
    /// Forced logoffs that were seen.
    pub seen: Vec<Seen>,
    /// For the counters.
    pub tally: Tally,
}

/// What became of the documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Heartbeats that moved the station forward.
    pub advanced: u64,
    /// Heartbeats that went to history only.
    pub history_only: u64,
    /// Heartbeats that were there.
    pub duplicates: u64,
    /// Other bytes for a known timestamp.
    pub variants: u64,
    /// `status.json` and `service-state.ini`.
    pub state_documents: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.advanced += other.advanced;
        self.history_only += other.history_only;
        self.duplicates += other.duplicates;
        self.variants += other.variants;
        self.state_documents += other.state_documents;
    }
}

/// What stands in the database about a station before the batch.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Heartbeats of history at the timestamps of this batch.
    pub known: &'a HashMap<DateTime<Utc>, Known>,
    /// Its unresolved alerts.
    pub unresolved: &'a [Alert],
    /// Its reservations that may matter, cancelled ones left out.
    pub reservations: &'a [Reservation],
    /// Issue codes that count for nothing here.
    pub ignored_issue_codes: &'a [String],
}

/// Folds the documents of a batch into the station's state. They may come in any order.
pub fn plan(
    standing: Standing<'_>,
    state: StationState,
    documents: Vec<Document>,
    alerts: &AlertSettings,
    windows: &ReservationSettings,
    judging: Judging,
) -> StationPlan {
    let mut folding = Folding {
        standing,
        alerts,
        windows,
        judging,
        known: HashMap::new(),
        unresolved: standing.unresolved.to_vec(),
        uploads: Vec::with_capacity(documents.len()),
        plan: StationPlan {
            state,
            history: Vec::with_capacity(documents.len()),
            transitions: Vec::new(),
            turns: Vec::new(),
            seen: Vec::new(),
            tally: Tally::default(),
        },
    };
    let mut heartbeats = Vec::with_capacity(documents.len());
    let mut others = Vec::new();
    for document in documents {
        match document {
            Document::Heartbeat(heartbeat) => heartbeats.push(heartbeat),
            other => others.push(other),
        }
    }
    heartbeats.sort_by_key(|heartbeat| rank(heartbeat.snapshot.timestamp_utc, heartbeat.arrived_at));
    for heartbeat in heartbeats {
        folding.heartbeat(heartbeat);
    }
    for other in others {
        folding.other(other);
    }
    folding.judge_uploads();
    folding.plan
}

struct Folding<'a> {
    standing: Standing<'a>,
    alerts: &'a AlertSettings,
    windows: &'a ReservationSettings,
    judging: Judging,
    /// What this batch added to `standing.known`.
    known: HashMap<DateTime<Utc>, Known>,
    unresolved: Vec<Alert>,
    /// What came of all documents.
    uploads: Vec<Upload>,
    plan: StationPlan,
}

impl Folding<'_> {
    fn heartbeat(&mut self, heartbeat: Arc<HeartbeatDocument>) {
        let timestamp = heartbeat.snapshot.timestamp_utc;
        // What a spool still held says nothing of what the station sends now.
        if heartbeat.at_once {
            self.was_read(ObjectKind::Heartbeat, heartbeat.arrived_at);
        }
        self.see_logoff(heartbeat.snapshot.last_forced_logoff.as_ref(), Some(timestamp), heartbeat.arrived_at);
        let known = self.known.get(&timestamp).or_else(|| self.standing.known.get(&timestamp)).cloned();
        match known {
            None => self.new_heartbeat(heartbeat),
            Some(known) if known.sha256 == heartbeat.sha256 => self.again(known, heartbeat),
            Some(known) => self.other_bytes(known, heartbeat),
        }
    }

    fn new_heartbeat(&mut self, heartbeat: Arc<HeartbeatDocument>) {
        let timestamp = heartbeat.snapshot.timestamp_utc;
        let arrived_at = heartbeat.arrived_at;
        let newer = rank(timestamp, arrived_at);
        let advances = self.plan.state.latest.as_ref().is_none_or(|latest| latest.rank() < newer);
        let known =
            Known { sha256: heartbeat.sha256, first_arrived_at: arrived_at, arrived_at, variants: HashMap::new() };
        self.known.insert(timestamp, known);
        let row = self.row(&heartbeat, arrived_at);
        self.plan.history.push(HistoryWrite::New(row));
        if !advances {
            self.plan.tally.history_only += 1;
            self.clock(&heartbeat);
            return;
        }
        self.plan.tally.advanced += 1;
        self.was_read(ObjectKind::Heartbeat, arrived_at);
        let incoming = Incoming { snapshot: heartbeat.snapshot.clone(), arrived_at, at_once: heartbeat.at_once };
        let outcome = on_heartbeat(&self.plan.state, incoming, &self.context());
        self.take(outcome);
    }

    /// The same bytes again: only an earlier arrival says something new.
    fn again(&mut self, known: Known, heartbeat: Arc<HeartbeatDocument>) {
        self.plan.tally.duplicates += 1;
        let (timestamp, arrived_at) = (heartbeat.snapshot.timestamp_utc, heartbeat.arrived_at);
        let first_arrived_at = known.first_arrived_at.min(arrived_at);
        if arrived_at < known.arrived_at {
            self.known.insert(timestamp, Known { first_arrived_at, arrived_at, ..known });
            let row = self.row(&heartbeat, first_arrived_at);
            self.plan.history.push(HistoryWrite::Earlier(row));
            self.first_arrival(timestamp, first_arrived_at);
        }
        // History and state are one commit, so that only a database that lost rows has a state behind its history.
        let newer = rank(timestamp, first_arrived_at);
        if self.plan.state.latest.as_ref().is_none_or(|latest| latest.rank() < newer) {
            let incoming = Incoming {
                snapshot: heartbeat.snapshot.clone(),
                arrived_at: first_arrived_at,
                at_once: heartbeat.at_once,
            };
            let outcome = on_heartbeat(&self.plan.state, incoming, &self.context());
            self.take(outcome);
        }
    }

    /// Both bodies are kept; the later arrival wins (equal arrivals: the greater hash), whatever the order of the events. A body
    /// arrives when it first does: sent once more, one that lost wins nothing.
    fn other_bytes(&mut self, mut known: Known, heartbeat: Arc<HeartbeatDocument>) {
        let (timestamp, arrived_at) = (heartbeat.snapshot.timestamp_utc, heartbeat.arrived_at);
        let former = known.variants.get(&heartbeat.sha256).copied();
        let first = former.map_or(arrived_at, |former| former.min(arrived_at));
        match former {
            Some(_) => self.plan.tally.duplicates += 1,
            None => self.plan.tally.variants += 1,
        }
        let wins = (first, heartbeat.sha256) > (known.arrived_at, known.sha256);
        if !wins && former == Some(first) {
            return;
        }
        known.first_arrived_at = known.first_arrived_at.min(first);
        let row = HistoryRow { arrived_at: first, ..self.row(&heartbeat, known.first_arrived_at) };
        if wins {
            known.variants.remove(&heartbeat.sha256);
            known.variants.insert(known.sha256, known.arrived_at);
            (known.sha256, known.arrived_at) = (heartbeat.sha256, first);
            self.plan.history.push(HistoryWrite::Replace(row));
            if let Some(latest) = &mut self.plan.state.latest
                && latest.snapshot.timestamp_utc == timestamp
            {
                latest.snapshot = heartbeat.snapshot.clone();
            }
        } else {
            known.variants.insert(heartbeat.sha256, first);
            self.plan.history.push(HistoryWrite::Variant(row));
        }
        self.first_arrival(timestamp, known.first_arrived_at);
        self.known.insert(timestamp, known);
        self.clock(&heartbeat);
    }

    /// A heartbeat that does not move the station forward shows its clock all the same, when it was put as the newest.
    fn clock(&mut self, heartbeat: &HeartbeatDocument) {
        if heartbeat.at_once {
            let timestamp = heartbeat.snapshot.timestamp_utc;
            self.read_clock(ClockReading { timestamp, in_range: true, arrived_at: heartbeat.arrived_at });
        }
    }

    fn read_clock(&mut self, reading: ClockReading) {
        let outcome = on_clock(&self.plan.state, reading, &self.context());
        self.take(outcome);
    }

    fn first_arrival(&mut self, timestamp: DateTime<Utc>, first_arrived_at: DateTime<Utc>) {
        if let Some(latest) = &mut self.plan.state.latest
            && latest.snapshot.timestamp_utc == timestamp
        {
            latest.first_arrived_at = latest.first_arrived_at.min(first_arrived_at);
        }
    }

    fn other(&mut self, document: Document) {
        match document {
            Document::Status { snapshot, arrived_at } => {
                self.was_read(ObjectKind::Status, arrived_at);
                self.plan.tally.state_documents += 1;
                let newer = |held: &StatusDocument| {
                    (held.snapshot.timestamp_utc, held.arrived_at) < (snapshot.timestamp_utc, arrived_at)
                };
                if self.plan.state.status.as_ref().is_none_or(newer) {
                    self.plan.state.status = Some(StatusDocument { snapshot: *snapshot, arrived_at });
                }
            }
            Document::ServiceState { service_state, arrived_at } => {
                self.was_read(ObjectKind::ServiceState, arrived_at);
                self.plan.tally.state_documents += 1;
                self.see_logoff(service_state.last_forced_logoff.as_ref(), None, arrived_at);
                if self.plan.state.service_state.as_ref().is_none_or(|(_, held)| *held <= arrived_at) {
                    self.plan.state.service_state = Some((*service_state, arrived_at));
                    // It may tell of a shutdown: what the station's silence means can change.
                    let outcome = on_operations(&self.plan.state, arrived_at, &self.context());
                    self.take(outcome);
                }
            }
            Document::Misdated(reading) => self.read_clock(reading),
            Document::Unreadable(upload) => self.uploads.push(upload),
            Document::Trail { arrived_at } => self.was_read(ObjectKind::Events, arrived_at),
            Document::Heartbeat(_) | Document::Beacon => {}
        }
    }

    fn was_read(&mut self, kind: ObjectKind, arrived_at: DateTime<Utc>) {
        self.uploads.push(Upload { kind, arrived_at, unreadable: None });
    }

    /// What came of the batch's uploads, as one: how they follow each other is told by their arrivals.
    fn judge_uploads(&mut self) {
        let uploads = std::mem::take(&mut self.uploads);
        let in_trouble = !self.plan.state.uploads.all_read()
            || self.unresolved.iter().any(|alert| alert.key.rule == Rule::QuarantinedUploads)
            || uploads.iter().any(|upload| upload.unreadable.is_some());
        if in_trouble {
            let outcome = on_uploads(&self.plan.state, uploads, &self.context());
            return self.take(outcome);
        }
        for Upload { kind, arrived_at, .. } in uploads {
            self.plan.state.uploads.note_read(kind, arrived_at);
        }
    }

    fn see_logoff(
        &mut self,
        logoff: Option<&ForcedLogoff>,
        heartbeat: Option<DateTime<Utc>>,
        arrived_at: DateTime<Utc>,
    ) {
        let Some(logoff) = logoff else { return };
        let Some(logged_off_at) = logoff.timestamp else { return };
        let seen = Seen { logged_off_at, logoff: logoff.clone(), heartbeat, arrived_at };
        // A minute's heartbeat repeats the last logoff for ever: what repeats the one before it says nothing new.
        let held = self.plan.seen.iter().rev().find(|held| held.heartbeat.is_some() == heartbeat.is_some());
        let standing = self.plan.state.latest.as_ref().and_then(|latest| latest.snapshot.last_forced_logoff.as_ref());
        let repeats = match held {
            Some(held) => held.logoff == seen.logoff,
            None => heartbeat.is_some() && standing == Some(&seen.logoff),
        };
        if !repeats {
            self.plan.seen.push(seen);
        }
    }

    fn row(&self, heartbeat: &Arc<HeartbeatDocument>, first_arrived_at: DateTime<Utc>) -> HistoryRow {
        let timestamp = heartbeat.snapshot.timestamp_utc;
        HistoryRow {
            heartbeat: heartbeat.clone(),
            arrived_at: heartbeat.arrived_at,
            first_arrived_at,
            reservation_id: links::of_heartbeat(timestamp, self.standing.reservations, self.windows).cloned(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            settings: self.alerts,
            ignored_issue_codes: self.standing.ignored_issue_codes,
            reservations: self.standing.reservations,
            unresolved: &self.unresolved,
            rules: self.judging.rules,
            off: self.judging.off,
            passage: self.judging.passage,
            grace_from: None,
        }
    }

    fn take(&mut self, outcome: Outcome) {
        let before = (self.plan.state.word, self.plan.state.word_since);
        self.unresolved = unresolved_after(&self.unresolved, &outcome.transitions);
        self.plan.transitions.extend(outcome.transitions);
        self.plan.state = outcome.state;
        let state = &self.plan.state;
        if before != (state.word, state.word_since) {
            let turn = Turn { from_at: state.word_since, word: state.word, cause: state.word_cause.clone() };
            self.plan.turns.push(turn);
        }
    }
}
