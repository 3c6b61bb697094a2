//! How a station action moves: each step says from where it is possible and why it is not.

use chrono::{DateTime, TimeDelta, Utc};

use super::action::budget;
use super::known::{INEXACT, Record};
use super::{ActionKind, ActionSettings, ActionState, Block, Claim, Known, StationAction, Timing, Work};
use crate::judge::seconds;
use crate::{Reservation, StationState};

/// Why an action does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// It does not stand where that is possible.
    #[error("the action is {}: that cannot be done to it any more", .0.as_str())]
    NotFrom(ActionState),
    /// It is too late.
    #[error("the action has expired")]
    Expired,
    /// It is too early.
    #[error("the action waits until {}", .0.format("%H:%M:%S UTC"))]
    NotYet(DateTime<Utc>),
    /// Nobody wakes what was switched off by order.
    #[error("the station is off on purpose")]
    OffOnPurpose,
    /// Somebody is using it.
    #[error("a reservation is running")]
    ReservationRunning,
    /// Somebody is about to.
    #[error("a reservation starts at {}", .0.format("%H:%M:%S UTC"))]
    ReservationSoon(DateTime<Utc>),
    /// An instructor has it.
    #[error("the station is held in local mode")]
    LocalMode,
    /// Somebody is logged on.
    #[error("somebody is logged on at the station")]
    LocalSession,
    /// A command of ours runs on it, which explains its silence.
    #[error("a command is running on the station")]
    Busy,
    /// Another gateway has it.
    #[error("the action is another gateway's")]
    NotYours,
}

/// What an action depends on.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The station.
    pub known: Known<'a>,
    /// A guard or prepare is known to run on it.
    pub busy: bool,
    /// Its reservations, those that are over left out or not.
    pub reservations: &'a [Reservation],
    /// Policies.
    pub settings: &'a ActionSettings,
    /// Times.
    pub timing: &'a Timing,
}

impl Surroundings<'_> {
    /// Whether it may be done to the station now.
    pub fn permit(&self, action: &StationAction, now: DateTime<Utc>) -> Result<(), ActionError> {
        match action.kind {
            ActionKind::WolCheck if self.known.off(now).is_some() => return Err(ActionError::OffOnPurpose),
            ActionKind::WolCheck if self.busy => return Err(ActionError::Busy),
            ActionKind::WolCheck | ActionKind::Wake => return Ok(()),
            ActionKind::RebootIfNeeded | ActionKind::SessionGuard | ActionKind::Shutdown | ActionKind::Hibernate => {}
        }
        let starts_at = self.reservations.iter().filter(|one| one.is_to_come(now)).map(|one| one.start_at).min();
        if starts_at.is_some_and(|starts_at| starts_at <= now) {
            return Err(ActionError::ReservationRunning);
        }
        let block = self.known.block(now, self.timing);
        if block == Some(Block::LocalMode) {
            return Err(ActionError::LocalMode);
        }
        // A person who wants the station down has looked; a rule has not.
        if action.kind.takes_down() && !action.is_wanted_by_a_person() {
            let quiet = seconds(self.settings.quiet_before_reservation_seconds);
            if let Some(starts_at) = starts_at.filter(|starts_at| *starts_at - now <= quiet) {
                return Err(ActionError::ReservationSoon(starts_at));
            }
            if block.is_some() {
                return Err(ActionError::LocalSession);
            }
        }
        Ok(())
    }
}

impl StationAction {
    /// An operator lets it go ahead.
    pub fn approve(mut self, by: &str, around: &Surroundings<'_>, now: DateTime<Utc>) -> Result<Self, ActionError> {
        self.must_be(&[ActionState::Proposed])?;
        self.must_not_be_late(now)?;
        self.approved_by = Some(by.to_owned());
        around.permit(&self, now)?;
        self.state = ActionState::Pending;
        Ok(self)
    }

    /// An operator does not want it, or its alert is over. What a gateway has goes on, but for a wake: no packet follows.
    pub fn withdraw(mut self, why: &str, now: DateTime<Utc>) -> Result<Self, ActionError> {
        if self.state != ActionState::Claimed || self.kind.changes_station() {
            self.must_be(&[ActionState::Proposed, ActionState::Pending])?;
        }
        self.end(ActionState::Withdrawn, why, now);
        Ok(self)
    }

    /// A gateway takes it, for as long as it renews its claim.
    pub fn claim(
        mut self,
        by: &str,
        lease: TimeDelta,
        around: &Surroundings<'_>,
        now: DateTime<Utc>,
    ) -> Result<Self, ActionError> {
        self.must_be(&[ActionState::Pending])?;
        self.must_not_be_late(now)?;
        if now < self.not_before {
            return Err(ActionError::NotYet(self.not_before));
        }
        around.permit(&self, now)?;
        self.state = ActionState::Claimed;
        self.claim = Some(Claim { by: by.to_owned(), until: now + lease });
        Ok(self)
    }

    /// It is about to be sent: committed before it is. What changes the station is sent once.
    pub fn issue(mut self, by: &str, around: &Surroundings<'_>, now: DateTime<Utc>) -> Result<Self, ActionError> {
        self.must_be_claimed_by(by, now)?;
        if self.kind.changes_station() && self.issued_at.is_some() {
            return Err(ActionError::NotFrom(self.state));
        }
        self.must_not_be_late(now)?;
        around.permit(&self, now)?;
        self.issued_at = self.issued_at.or(Some(now));
        Ok(self)
    }

    /// Its gateway knows how it ended: done, failed, or (the reply was lost) unknown. What it knows counts although its claim is over by now.
    pub fn finish(
        mut self,
        by: &str,
        state: ActionState,
        message: &str,
        now: DateTime<Utc>,
    ) -> Result<Self, ActionError> {
        self.must_be(&[ActionState::Claimed, ActionState::Unknown])?;
        if self.claim.as_ref().is_some_and(|claim| claim.by != by) {
            return Err(ActionError::NotYours);
        }
        match state {
            ActionState::Done | ActionState::Failed => self.end(state, message, now),
            ActionState::Unknown => {
                self.state = ActionState::Unknown;
                self.claim = None;
                self.message = Some(message.to_owned());
            }
            other => return Err(ActionError::NotFrom(other)),
        }
        Ok(self)
    }

    /// What time alone does to it: it expires, or a claim is over. None: nothing.
    #[must_use]
    pub fn lapse(&self, now: DateTime<Utc>) -> Option<Self> {
        let mut lapsed = self.clone();
        match self.state {
            ActionState::Proposed | ActionState::Pending if self.expires_at <= now => {
                lapsed.end(ActionState::Expired, "Nobody took it up in time", now);
            }
            ActionState::Claimed if self.claim.as_ref().is_none_or(|claim| claim.until <= now) => {
                lapsed.claim = None;
                if self.issued_at.is_some() && self.kind.changes_station() {
                    lapsed.state = ActionState::Unknown;
                    lapsed.message = Some("Whoever sent it is gone".to_owned());
                } else if self.expires_at <= now {
                    lapsed.end(ActionState::Expired, "Whoever had it is gone, and it is too late", now);
                } else {
                    lapsed.state = ActionState::Pending;
                }
            }
            _ => return None,
        }
        Some(lapsed)
    }

    /// What the station's heartbeats say of one that nobody saw end. None: nothing yet. Never is it sent again.
    #[must_use]
    pub fn settle(&self, known: &Known<'_>, timing: &Timing, now: DateTime<Utc>) -> Option<Self> {
        let issued_at = self.issued_at.filter(|_| self.state == ActionState::Unknown)?;
        let record = match (self.kind, self.kind.power()) {
            (_, Some(mode)) => known.record(&Work::Power { mode, arguments: Vec::new() }, issued_at, timing),
            (ActionKind::RebootIfNeeded, None) => known.reboot_record(issued_at),
            (_, None) => known.guard_record(issued_at, budget(self.kind, timing)),
        };
        let time_is_up = issued_at + budget(self.kind, timing) + seconds(timing.settle_within_seconds);
        let (state, message) = match record {
            Record::Ended { success: true, .. } => (ActionState::Done, "Done, as the station's heartbeat says"),
            Record::Ended { success: false, .. } => {
                (ActionState::Failed, "The station's heartbeat says that it went wrong")
            }
            Record::Absent => (ActionState::Failed, "The station's heartbeat says nothing of it"),
            Record::Silent if time_is_up <= now => (ActionState::Failed, "No heartbeat tells how it ended"),
            Record::Silent => return None,
        };
        let mut settled = self.clone();
        settled.end(state, message, now);
        Some(settled)
    }

    /// What its end leaves of the station: what it did there is over, and a guard that went well is remembered, whoever saw it end.
    pub fn leave(&self, state: &mut StationState, now: DateTime<Utc>) {
        if !self.state.is_over() || self.issued_at.is_none() {
            return;
        }
        state.running = state.running.filter(|running| Some(running.doing) != self.kind.doing());
        if self.kind == ActionKind::SessionGuard && self.state == ActionState::Done {
            state.guarded_at = Some(now);
        }
    }

    fn must_be(&self, states: &[ActionState]) -> Result<(), ActionError> {
        if states.contains(&self.state) { Ok(()) } else { Err(ActionError::NotFrom(self.state)) }
    }

    fn must_not_be_late(&self, now: DateTime<Utc>) -> Result<(), ActionError> {
        if now < self.expires_at { Ok(()) } else { Err(ActionError::Expired) }
    }

    fn must_be_claimed_by(&self, by: &str, now: DateTime<Utc>) -> Result<(), ActionError> {
        self.must_be(&[ActionState::Claimed])?;
        match &self.claim {
            Some(claim) if claim.by == by && now < claim.until => Ok(()),
            _ => Err(ActionError::NotYours),
        }
    }

    fn end(&mut self, state: ActionState, message: &str, now: DateTime<Utc>) {
        self.state = state;
        self.claim = None;
        self.settled_at = Some(now);
        self.message = Some(message.to_owned());
    }
}

impl Known<'_> {
    /// What became of a reboot that was wanted at `issued_at`.
    fn reboot_record(&self, issued_at: DateTime<Utc>) -> Record {
        let said = self.last_safeguard_reboot().and_then(|said| Some((self.ours(said.timestamp?), said.success)));
        match said.filter(|(at, _)| *at >= issued_at - INEXACT) {
            Some((at, success)) => Record::Ended { success: success == Some(true), at },
            None => Record::Silent,
        }
    }

    /// What became of a session guard: a forced logoff since, or nobody there any more once its time was up.
    fn guard_record(&self, issued_at: DateTime<Utc>, budget: TimeDelta) -> Record {
        let logoff =
            self.state.last_forced_logoff().and_then(|logoff| Some((self.ours(logoff.timestamp?), logoff.success)));
        if let Some((at, success)) = logoff.filter(|(at, _)| *at >= issued_at - INEXACT) {
            return Record::Ended { success: success != Some(false), at };
        }
        let time_is_up = issued_at + budget + INEXACT;
        let sits = self.state.latest.as_ref().and_then(|latest| latest.snapshot.local_session_active);
        match sits.filter(|_| self.heard_after(time_is_up)) {
            Some(false) => Record::Ended { success: true, at: time_is_up },
            Some(true) => Record::Absent,
            None => Record::Silent,
        }
    }
}

#[cfg(test)]
#[path = "action_tests.rs"]
pub(super) mod tests;
