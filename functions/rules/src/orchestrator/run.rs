//! What comes next in a run, by what is recorded of it: a step, a wait, a word on a step that nobody saw end, or the end.

use chrono::{DateTime, Utc};

use super::known::Record;
use super::{
    Action, Block, Known, Operation, OperationId, OperationStatus, OrderedBy, Outcome, Part, Run, RunId, Side, Timing,
    Work,
};
use crate::ReservationId;
use crate::judge::seconds;

/// Why no further step is begun. What was begun is still settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// This reservation was cancelled: it is not prepared any more. What is done at its end is done all the same.
    Cancelled(ReservationId),
    /// A person wants the whole run to end.
    Asked {
        /// By name.
        by: String,
    },
}

/// Why a run that is due cannot even be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No station of that name, or none for that lab.
    UnknownStation,
    /// The reservation asks for what cannot be.
    BadRequest,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Write this row; once it is committed, do the work, and settle the row with the outcome. A row that exists already was opened
    /// by somebody else: then do nothing.
    Issue {
        /// The row.
        operation: Box<Operation>,
        /// The work.
        work: Work,
    },
    /// Ask again when a heartbeat has come, and at this instant at the latest.
    WaitForHeartbeat {
        /// Made and arrived after this.
        newer_than: DateTime<Utc>,
        /// When the wait is over.
        until: DateTime<Utc>,
    },
    /// Settle this row, whose step nobody saw end.
    Settle {
        /// Which.
        operation_id: OperationId,
        /// How.
        outcome: Outcome,
    },
    /// Write the closing rows, and give the lease back.
    Finished(Finished),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// All of its parts went well.
    pub success: bool,
    /// In a sentence: of the first part that did not, else of the last.
    pub message: String,
    /// What kept a part from being begun.
    pub blocked: Option<Block>,
    /// The rows that close its scheduled parts.
    pub closings: Vec<Operation>,
}

/// How a part stands.
enum PartNext {
    Step(Next),
    Ended { status: OperationStatus, message: String, block: Option<Block> },
}

/// What comes next. It is asked between two steps by whoever holds the station's lease: an operation that is found running has nobody
/// any more who waits for its end, be it that the reply was lost or that whoever waited is gone.
pub fn next(
    run: &Run,
    operations: &[Operation],
    known: &Known<'_>,
    stops: &[Stop],
    timing: &Timing,
    now: DateTime<Utc>,
) -> Next {
    let asked = Asked { run, operations, known, stops, timing, now };
    let mut finished = Finished { success: true, message: String::new(), blocked: None, closings: Vec::new() };
    for part in &run.parts {
        let (status, message, block) = match asked.part(part) {
            PartNext::Step(next) => return next,
            PartNext::Ended { status, message, block } => (status, message, block),
        };
        finished.closings.extend(asked.closing(part, status, &message));
        if finished.success {
            finished.message = message;
        }
        finished.success &= status == OperationStatus::Completed;
        finished.blocked = finished.blocked.or(block);
    }
    Next::Finished(finished)
}

struct Asked<'a> {
    run: &'a Run,
    operations: &'a [Operation],
    known: &'a Known<'a>,
    stops: &'a [Stop],
    timing: &'a Timing,
    now: DateTime<Utc>,
}

impl Asked<'_> {
    fn part(&self, part: &Part) -> PartNext {
        for work in &part.work {
            let last = self.of(part, work.action()).max_by_key(|operation| operation.attempt);
            let attempt = last.map_or(1, |last| last.attempt.saturating_add(1));
            let next = match last.map(|last| (last, last.status)) {
                Some((_, OperationStatus::Completed)) => continue,
                Some((last, OperationStatus::Running)) => self.orphan(last, work),
                // A wake does no harm twice.
                Some((_, OperationStatus::Unknown)) if !work.action().changes_station() => {
                    self.begin(part, work, attempt)
                }
                Some((last, _)) => failed(last.message.clone().unwrap_or_else(|| format!("{} failed", last.action))),
                None => self.begin(part, work, attempt),
            };
            return next;
        }
        let usual = || if part.work.is_empty() { "There is nothing to do" } else { "Done" }.to_owned();
        let message = part.remark.clone().unwrap_or_else(usual);
        PartNext::Ended { status: OperationStatus::Completed, message, block: None }
    }

    fn of<'b>(&'b self, part: &'b Part, action: Action) -> impl Iterator<Item = &'b Operation> {
        self.operations.iter().filter(move |operation| {
            operation.reservation_id == part.reservation_id && operation.run == part.run && operation.action == action
        })
    }

    /// Begins a step, if nothing stands in its way.
    fn begin(&self, part: &Part, work: &Work, attempt: u32) -> PartNext {
        for stop in self.stops {
            match stop {
                Stop::Cancelled(id) if part.side == Side::Start && *id == part.reservation_id => {
                    return failed("The reservation was cancelled".to_owned());
                }
                Stop::Cancelled(_) => {}
                Stop::Asked { by } => return failed(format!("Stopped by {by}")),
            }
        }
        if part.begins_before.is_some_and(|end| end <= self.now) {
            return failed("The reservation is over".to_owned());
        }
        let waits = || self.awaited(part).filter(|(newer_than, _)| !self.known.heard_after(*newer_than));
        if work.action() == Action::Prepare
            && let Some((newer_than, until)) = waits()
        {
            // One that never sent a heartbeat has nobody there who would.
            if self.now < until && self.known.ever_heard() {
                return PartNext::Step(Next::WaitForHeartbeat { newer_than, until });
            }
            if self.known.ever_heard() {
                return failed("The station answers, but sent no heartbeat since it was woken".to_owned());
            }
        }
        if let Some(block) = self.blocks(part, work) {
            let message = block.message().to_owned();
            return PartNext::Ended { status: block.status(), message, block: Some(block) };
        }
        let operation = Box::new(self.row(part, work.action(), attempt));
        PartNext::Step(Next::Issue { operation, work: work.clone() })
    }

    /// Which heartbeat a prepare waits for, and for how long: one from after the wake, or from after the reboot.
    fn awaited(&self, part: &Part) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let woken = || self.of(part, Action::Wake).filter(|wake| wake.packets != Some(0));
        // A later try finds it up because an earlier one woke it.
        let since = woken().map(|wake| wake.started_at).min().max(self.run.heartbeat_after)?;
        let from =
            self.of(part, Action::Wake).filter_map(|wake| wake.finished_at).max().map_or(since, |at| at.max(since));
        Some((since, from + seconds(self.timing.ready_within_seconds)))
    }

    /// What stands in the way of a step that touches whoever is at the station.
    fn blocks(&self, part: &Part, work: &Work) -> Option<Block> {
        let block = self.known.block(self.now, self.timing).filter(|_| part.overridden.is_none())?;
        let stands_in_the_way = match (work, &block) {
            (Work::Wake(_), _) => false,
            (Work::Prepare { .. } | Work::Power { .. }, _) | (Work::Release { .. }, Block::LocalMode) => true,
            // The release logs off the reservation's user alone.
            (Work::Release { reboot_timeout_seconds, .. }, Block::LocalSession { .. }) => {
                reboot_timeout_seconds.is_some()
            }
        };
        stands_in_the_way.then_some(block)
    }

    /// Settles a step that nobody saw end: by what the station says of it, or when the time for that is over.
    fn orphan(&self, operation: &Operation, work: &Work) -> PartNext {
        let settle = |outcome| PartNext::Step(Next::Settle { operation_id: operation.id.clone(), outcome });
        if !work.action().changes_station() {
            return settle(Outcome::unknown("Interrupted"));
        }
        let until = operation.started_at + work.budget(self.timing) + seconds(self.timing.settle_within_seconds);
        match self.known.record(work, operation.started_at, self.timing) {
            Record::Ended { success: true, at } => {
                let message = format!("Done, as the station's heartbeat says (at {})", at.format("%H:%M:%S UTC"));
                settle(Outcome::new(OperationStatus::Completed, None, message))
            }
            Record::Ended { success: false, .. } => settle(Outcome::unknown(
                "The reply was lost; the station's heartbeat says that it did not do all of it",
            )),
            // It never got there, so that a later run may try again.
            Record::Absent => {
                settle(Outcome::not_sent("The station's heartbeat says nothing of it: it was not carried out"))
            }
            Record::Silent if self.now >= until => {
                settle(Outcome::unknown("The reply was lost, and no heartbeat tells how it ended"))
            }
            Record::Silent => PartNext::Step(Next::WaitForHeartbeat { newer_than: operation.started_at, until }),
        }
    }

    fn row(&self, part: &Part, action: Action, attempt: u32) -> Operation {
        row(self.run, part, action, attempt, self.now)
    }

    /// Only what the schedule began is closed by a row of its own.
    fn closing(&self, part: &Part, status: OperationStatus, message: &str) -> Option<Operation> {
        let RunId::Scheduled(_) = part.run else { return None };
        let code = match status {
            OperationStatus::Completed => Some(200),
            OperationStatus::Failed => Some(502),
            _ => None,
        };
        let outcome = Outcome::new(status, code, message);
        Some(self.row(part, part.side.closing(), 1).settled(outcome, self.now))
    }
}

/// The closing row of a scheduled run that is due and cannot even be tried. It counts as one that failed.
pub fn refused(run: &Run, part: &Part, refusal: Refusal, message: &str, now: DateTime<Utc>) -> Operation {
    let code = match refusal {
        Refusal::UnknownStation => 404,
        Refusal::BadRequest => 400,
    };
    let outcome = Outcome::new(OperationStatus::Failed, Some(code), message);
    row(run, part, part.side.closing(), 1, now).settled(outcome, now)
}

fn row(run: &Run, part: &Part, action: Action, attempt: u32, now: DateTime<Utc>) -> Operation {
    let person = part.overridden.as_ref().map(|one| OrderedBy::Person(one.by.clone()));
    Operation {
        id: OperationId::derive(&part.reservation_id, &part.run, action, attempt),
        reservation_id: part.reservation_id.clone(),
        host: run.host.clone(),
        lab: part.lab.clone(),
        run: part.run.clone(),
        action,
        attempt,
        status: OperationStatus::Running,
        success: None,
        response_code: None,
        message: None,
        packets: None,
        started_at: now,
        finished_at: None,
        ordered_by: person.unwrap_or_else(|| run.ordered_by.clone()),
    }
}

fn failed(message: String) -> PartNext {
    PartNext::Ended { status: OperationStatus::Failed, message, block: None }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
