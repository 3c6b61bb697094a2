//! How far one side of a reservation has come, by what is recorded of it.

use chrono::{DateTime, TimeDelta, Utc};

use super::known::INEXACT;
use super::{Action, Known, Operation, OperationStatus, RunId, Side, Timing};
use crate::Reservation;
use crate::judge::seconds;

/// A prepare this long before the start is still one for this reservation, and not for where it stood before it was moved.
const EARLY: TimeDelta = TimeDelta::hours(1);

/// How far one side of a reservation has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing is left to do.
    Done,
    /// It was given up, and that is written down.
    GivenUp,
    /// It is to be given up.
    GiveUp {
        /// The last run's number.
        attempts: u32,
        /// The step that failed last.
        failed: Option<Action>,
        /// What was said of it.
        message: Option<String>,
    },
    /// A run is to be made.
    Next {
        /// Its number.
        number: u32,
        /// Not before, after one that failed.
        not_before: Option<DateTime<Utc>>,
        /// The release is done already.
        released: bool,
    },
}

/// The operations of one reservation.
pub(super) struct Trail<'a> {
    operations: Vec<&'a Operation>,
}

impl<'a> Trail<'a> {
    pub(super) fn of(reservation: &Reservation, operations: &'a [Operation]) -> Self {
        let mut operations: Vec<_> =
            operations.iter().filter(|operation| operation.reservation_id == reservation.id).collect();
        operations.sort_by(|one, other| (one.started_at, &one.id).cmp(&(other.started_at, &other.id)));
        Self { operations }
    }

    /// When it was last prepared, well or not, as far as that reached the station.
    pub(super) fn prepared_at(&self) -> Option<DateTime<Utc>> {
        self.operations
            .iter()
            .filter(|operation| operation.action == Action::Prepare && operation.may_have_reached_station())
            .map(|operation| operation.started_at)
            .max()
    }

    /// How far the start has come.
    pub(super) fn start(&self, reservation: &Reservation, timing: &Timing) -> Progress {
        let since = reservation.start_at.checked_sub_signed(EARLY).unwrap_or(reservation.start_at);
        let lately = || self.since(since);
        let is = |action, status| lately().any(|one| one.action == action && one.status == status);
        if is(Action::Prepare, OperationStatus::Completed) || is(Action::SchedulerStart, OperationStatus::Completed) {
            return Progress::Done;
        }
        // Whether it was carried out is not known, and a second one may log the reservation's own user off.
        let hopeless = is(Action::Prepare, OperationStatus::Unknown);
        self.next(Side::Start, since, hopeless, false, timing)
    }

    /// How far the end has come, of a reservation that was prepared at `since`.
    pub(super) fn end(&self, since: DateTime<Utc>, timing: &Timing) -> Progress {
        let lately = || self.since(since);
        let completed = |one: &&Operation| one.status == OperationStatus::Completed;
        let closed = lately().filter(completed).any(|one| one.action == Action::SchedulerEnd);
        let asked = |one: &Operation| matches!(one.run, RunId::Asked(_));
        let released = |one: &&Operation| one.action == Action::Release;
        if closed || lately().filter(completed).filter(released).any(asked) {
            return Progress::Done;
        }
        let ends = |one: &&Operation| matches!(one.action, Action::Release | Action::Power(_));
        let hopeless =
            lately().filter(ends).any(|one| one.may_have_reached_station() && one.status != OperationStatus::Completed);
        self.next(Side::End, since, hopeless, lately().filter(completed).any(|one| released(&one)), timing)
    }

    /// Whether a release of ours reached the station since, or may have.
    pub(super) fn released(&self, since: DateTime<Utc>) -> bool {
        self.since(since).any(|one| one.action == Action::Release && one.may_have_reached_station())
    }

    /// The number of the last scheduled run of that side; 0: there was none.
    pub(super) fn last_number(&self, side: Side) -> u32 {
        self.operations
            .iter()
            .filter(|one| one.action == side.closing())
            .filter_map(|one| match one.run {
                RunId::Scheduled(number) | RunId::Verdict(_, number) => Some(number),
                RunId::Asked(_) => None,
            })
            .max()
            .unwrap_or(0)
    }

    fn since(&self, since: DateTime<Utc>) -> impl Iterator<Item = &'a Operation> {
        self.operations.iter().copied().filter(move |operation| operation.started_at >= since)
    }

    fn next(&self, side: Side, since: DateTime<Utc>, hopeless: bool, released: bool, timing: &Timing) -> Progress {
        let of_side = |one: &&Operation| one.action == side.closing();
        if self.since(since).filter(of_side).any(|one| one.status == OperationStatus::GaveUp) {
            return Progress::GivenUp;
        }
        let failed: Vec<_> = self
            .since(since)
            .filter(of_side)
            .filter(|one| one.status == OperationStatus::Failed)
            .map(|one| one.finished_at.unwrap_or(one.started_at))
            .collect();
        let last = self.last_number(side);
        let wait = match u32::try_from(failed.len()).unwrap_or(u32::MAX) {
            0 => Some(TimeDelta::zero()),
            times => timing.wait_after(times),
        };
        let Some(wait) = wait.filter(|_| !hopeless) else {
            let step = self
                .since(since)
                .filter(|one| steps(side).any(|action| action == one.action) && one.success == Some(false))
                .last();
            let message = step.and_then(|step| step.message.clone());
            return Progress::GiveUp { attempts: last, failed: step.map(|step| step.action), message };
        };
        // A person who tried in vain is not followed at once either.
        let asked = self
            .since(since)
            .filter(|one| matches!(one.run, RunId::Asked(_)) && one.success == Some(false))
            .filter(|one| steps(side).any(|action| action == one.action))
            .map(|one| one.finished_at.unwrap_or(one.started_at) + seconds(timing.cooldown_seconds))
            .max();
        let not_before = failed.iter().max().map(|at| *at + wait).max(asked);
        Progress::Next { number: last.saturating_add(1), not_before, released }
    }
}

fn steps(side: Side) -> impl Iterator<Item = Action> {
    Action::ALL.into_iter().filter(move |action| match action {
        Action::Wake | Action::Prepare => side == Side::Start,
        Action::Release | Action::Power(_) => side == Side::End,
        Action::SchedulerStart | Action::SchedulerEnd => false,
    })
}

/// The instant from which a reservation that was prepared is over: now at the latest if it was cancelled, completed or moved away.
pub(super) fn over_at(reservation: &Reservation, now: DateTime<Utc>) -> DateTime<Utc> {
    let moved_away = now < reservation.start_at.checked_sub_signed(EARLY).unwrap_or(reservation.start_at);
    match reservation.stands() && !moved_away {
        true => reservation.end_at,
        false => reservation.end_at.min(now),
    }
}

/// When the station says that it was prepared for this reservation, although no operation says so: after the reservation before it,
/// no earlier than a schedule would, and not by what was done for another.
pub(super) fn prepared_elsewhere(
    reservation: &Reservation,
    all: &[Reservation],
    operations: &[Operation],
    known: &Known<'_>,
    timing: &Timing,
) -> Option<DateTime<Utc>> {
    let at = known.prepared_at()?;
    let earliest = reservation.start_at - timing.lead() - timing.delay();
    let before = all
        .iter()
        .filter(|other| other.stands() && (other.start_at, &other.id) < (reservation.start_at, &reservation.id))
        .map(|other| other.end_at)
        .max();
    let for_another = operations.iter().any(|one| {
        one.reservation_id != reservation.id
            && one.action == Action::Prepare
            && one.started_at - INEXACT <= at
            && one.finished_at.is_none_or(|finished_at| at <= finished_at + INEXACT)
    });
    let is_for_this = earliest <= at && at < reservation.end_at && before.is_none_or(|end| end <= at) && !for_another;
    is_for_this.then_some(at)
}
