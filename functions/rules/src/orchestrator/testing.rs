//! A station with its reservations and what is recorded of them, and decisions as one line.

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::{SessionOperation, Snapshot};

use super::*;
use crate::testing::{host, instant, reservation, station};
use crate::{Reservation, ReservationId, ReservationStatus, StationState};

pub(super) struct Lab {
    pub(super) state: StationState,
    pub(super) held: bool,
    pub(super) reservations: Vec<Reservation>,
    pub(super) operations: Vec<Operation>,
    pub(super) overrides: Vec<Override>,
    pub(super) open: Option<OpenRun>,
    pub(super) after_end: AfterEnd,
    pub(super) timing: Timing,
}

impl Lab {
    /// With reservations as `ID 10:00:00 11:00:00`.
    pub(super) fn with(reservations: &[&str]) -> Self {
        let booked = |text: &&str| {
            let words: Vec<_> = text.split(' ').collect();
            reservation(words[0], words[1], words[2])
        };
        Self {
            state: station("00:00:00", |_| {}),
            held: false,
            reservations: reservations.iter().map(booked).collect(),
            operations: Vec::new(),
            overrides: Vec::new(),
            open: None,
            after_end: AfterEnd::default(),
            timing: Timing::default(),
        }
    }

    /// Its latest heartbeat, uploaded at once.
    pub(super) fn beats(mut self, at: &str, says: impl FnOnce(&mut Snapshot)) -> Self {
        self.state = station(at, says);
        self.state.skew = Some(chrono::TimeDelta::zero());
        self
    }

    /// Operations as `RESERVATION run action status code started [finished]`; code `-`: none.
    pub(super) fn did(mut self, operations: &[&str]) -> Self {
        self.operations.extend(operations.iter().map(|text| operation(text)));
        self
    }

    pub(super) fn status(mut self, id: &str, status: ReservationStatus) -> Self {
        for one in self.reservations.iter_mut().filter(|one| one.id.0 == id) {
            one.status = status;
        }
        self
    }

    pub(super) fn decide(&self, now: DateTime<Utc>) -> Decision {
        let scene = Scene {
            known: Known { state: &self.state, held: self.held },
            reservations: &self.reservations,
            operations: &self.operations,
            overrides: &self.overrides,
            open: self.open.as_ref(),
            after_end: &self.after_end,
            timing: &self.timing,
        };
        plan(&scene, now)
    }

    pub(super) fn at(&self, clock: &str) -> String {
        told(&self.decide(instant(clock)))
    }
}

pub(super) fn operation(text: &str) -> Operation {
    let words: Vec<_> = text.split(' ').collect();
    let reservation_id = ReservationId(words[0].to_owned());
    let run = RunId::parse(words[1]).expect("a run");
    let action = Action::parse(words[2]).expect("an action");
    let status = OperationStatus::parse(words[3]).expect("a status");
    Operation {
        id: OperationId::derive(&reservation_id, &run, action, 1),
        reservation_id,
        host: host(),
        lab: None,
        run,
        action,
        attempt: 1,
        status,
        success: (status != OperationStatus::Running).then_some(status == OperationStatus::Completed),
        response_code: (words[4] != "-").then(|| words[4].parse().expect("a code")),
        message: None,
        packets: (action == Action::Wake && status == OperationStatus::Completed).then_some(0),
        started_at: instant(words[5]),
        finished_at: (status != OperationStatus::Running).then(|| instant(words.get(6).unwrap_or(&words[5]))),
        ordered_by: OrderedBy::Schedule,
    }
}

/// A prepare or release as a heartbeat shows it.
pub(super) fn went_well(at: &str) -> Option<SessionOperation> {
    Some(SessionOperation { timestamp: Some(instant(at)), success: Some(true), duration_ms: None, user: None })
}

pub(super) fn told(decision: &Decision) -> String {
    let until = |at: &Option<DateTime<Utc>>| at.map_or("ever".to_owned(), |at| at.format("%H:%M:%S").to_string());
    match decision {
        Decision::Nothing { look_again_at } => format!("nothing until {}", until(look_again_at)),
        Decision::Run(run) => told_run(run),
        Decision::Resume(run) => format!("resume {}", told_run(run)),
        Decision::Blocked(blocked) => format!(
            "{} {} {} until {}",
            blocked.reservation_id.0,
            blocked.side.as_str(),
            blocked.record.status.as_str(),
            until(&blocked.look_again_at)
        ),
        Decision::GaveUp(gave_up) => format!(
            "{} {} gave_up after {} ({})",
            gave_up.reservation_id.0,
            gave_up.side.as_str(),
            gave_up.attempts,
            gave_up.failed.map_or("-", Action::as_str)
        ),
    }
}

fn told_run(run: &Run) -> String {
    let work = |work: &Work| match work {
        Work::Release { reboot_timeout_seconds: Some(timeout), .. } => format!("release+reboot:{timeout}"),
        other => other.action().to_string(),
    };
    let part = |part: &Part| {
        let work: Vec<_> = part.work.iter().map(work).collect();
        format!("{} {}: {}", part.reservation_id.0, part.run, work.join(", "))
    };
    run.parts.iter().map(part).collect::<Vec<_>>().join(" | ")
}
