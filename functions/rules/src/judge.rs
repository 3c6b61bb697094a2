//! What every rule answers, and what it is asked with.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_telemetry::{ForcedLogoff, PowerAction, SessionOperation};

use crate::{Alert, AlertKey, AlertSettings, Cause, Passage, Reservation, ReservationId, Rule, StationState};

/// What a rule says of a station at an instant.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It holds, since `at`.
    Holds {
        /// When it became true.
        at: DateTime<Utc>,
        /// Why.
        cause: Cause,
    },
    /// It does not hold, since `at`.
    Clear {
        /// When it became false.
        at: DateTime<Utc>,
        /// Why not any more.
        cause: Cause,
    },
    /// Nothing is known that would open or resolve it.
    Unjudged,
}

/// Which rules are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleSet(u16);

impl RuleSet {
    /// Every rule.
    pub const ALL: Self = Self(u16::MAX);

    /// Only these.
    pub fn of(rules: &[Rule]) -> Self {
        Self(rules.iter().fold(0, |set, rule| set | 1 << *rule as u16))
    }

    /// Whether `rule` is judged.
    pub const fn has(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u16) != 0
    }
}

/// Whether a power action that went well excuses silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffPolicy {
    /// A station that is off on purpose is not missing.
    Excuses,
    /// Every gap counts (`replay` without `--off`).
    Ignored,
}

/// What surrounds a station when it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Limits.
    pub settings: &'a AlertSettings,
    /// Issue codes that count for nothing at this station.
    pub ignored_issue_codes: &'a [String],
    /// Its reservations that have not ended, cancelled ones left out.
    pub reservations: &'a [Reservation],
    /// Its unresolved alerts.
    pub unresolved: &'a [Alert],
    /// Which rules are judged.
    pub rules: RuleSet,
    /// Whether a power action excuses silence.
    pub off: OffPolicy,
    /// Which rules are also judged between heartbeats.
    pub passage: Passage,
    /// Until then plus three intervals nobody is missing (the ingest, or the check itself, was away).
    pub grace_from: Option<DateTime<Utc>>,
}

impl Context<'_> {
    pub(crate) fn unresolved(&self, rule: Rule, reservation: Option<&ReservationId>) -> Option<&Alert> {
        self.unresolved.iter().find(|alert| alert.key.rule == rule && alert.key.reservation_id.as_ref() == reservation)
    }

    pub(crate) fn key(&self, state: &StationState, rule: Rule, reservation: Option<&Reservation>) -> AlertKey {
        AlertKey { rule, host: Some(state.host.clone()), reservation_id: reservation.map(|found| found.id.clone()) }
    }
}

pub(crate) fn seconds(number: u32) -> TimeDelta {
    TimeDelta::seconds(i64::from(number))
}

pub(crate) fn newest<T: Clone>(
    heartbeat: Option<&T>,
    ini: Option<&T>,
    at: impl Fn(&T) -> Option<DateTime<Utc>>,
) -> Option<T> {
    match (heartbeat, ini) {
        (Some(one), Some(other)) if at(other) > at(one) => Some(other.clone()),
        (Some(one), _) => Some(one.clone()),
        (None, other) => other.cloned(),
    }
}

/// Operations as they are best known: `service-state.ini` supplies what the heartbeat lacks or has lost.
impl StationState {
    /// The newest forced logoff.
    pub fn last_forced_logoff(&self) -> Option<ForcedLogoff> {
        let heartbeat = self.latest.as_ref().and_then(|latest| latest.snapshot.last_forced_logoff.as_ref());
        let ini = self.service_state.as_ref().and_then(|(ini, _)| ini.last_forced_logoff.as_ref());
        newest(heartbeat, ini, |logoff| logoff.timestamp)
    }

    /// The newest power action, one of ours among them: the station may be off before it can tell.
    pub fn last_power_action(&self) -> Option<PowerAction> {
        let newest = [self.powered.as_ref(), self.told_power_action()].into_iter().flatten();
        newest.max_by_key(|action| action.timestamp).cloned()
    }

    /// The newest power action that the station itself tells of.
    pub fn told_power_action(&self) -> Option<&PowerAction> {
        let heartbeat = self.latest.as_ref().and_then(|latest| latest.snapshot.last_power_action.as_ref());
        let ini = self.service_state.as_ref().and_then(|(ini, _)| ini.last_power_action.as_ref());
        ini.filter(|ini| heartbeat.is_none_or(|heartbeat| ini.timestamp > heartbeat.timestamp)).or(heartbeat)
    }

    /// The newest prepare.
    pub fn last_prepare(&self) -> Option<SessionOperation> {
        let heartbeat = self.latest.as_ref().and_then(|latest| latest.snapshot.last_prepare.as_ref());
        let ini = self.service_state.as_ref().and_then(|(ini, _)| ini.last_prepare.as_ref());
        newest(heartbeat, ini, |operation| operation.timestamp)
    }
}
