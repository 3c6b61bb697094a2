//! An alert that a person calls over. Where its rule holds on, the next look opens another one: never the same again.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::evaluate::{open, resolve};
use crate::life::{LifeError, NOTE_LIMIT};
use crate::{Actor, Alert, AlertKey, AlertState, Cause, Reservation, ReservationId, Rule, StationState, Transition};

/// That an alert of a station was called over, until another one of its key has opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedByHand {
    /// Of this rule.
    pub rule: Rule,
    /// About this reservation, where the rule is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<ReservationId>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Calls an alert over. One that is over already stays as it is: `None`.
///
/// # Errors
/// The note is too long.
pub fn resolve_by_hand(
    alert: &Alert,
    by: &str,
    note: Option<String>,
    at: DateTime<Utc>,
) -> Result<Option<Transition>, LifeError> {
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_LIMIT) {
        return Err(LifeError::NoteTooLong);
    }
    if alert.state == AlertState::Resolved {
        return Ok(None);
    }
    let at = alert.acknowledged_at.map_or(at, |taken_at| at.max(taken_at));
    let cause = Cause::ResolvedByHand { by: by.to_owned(), note: note.clone() };
    Ok(Some(Transition { actor: Actor::Person(by.to_owned()), note, ..resolve(alert, at, cause) }))
}

impl StationState {
    /// Its alert `key` was called over at `at`: it is looked at again at once.
    pub fn remember_resolved(&mut self, key: &AlertKey, at: DateTime<Utc>) {
        self.resolved_by_hand.retain(|one| !one.is_of(key));
        let (rule, reservation_id) = (key.rule, key.reservation_id.clone());
        self.resolved_by_hand.push(ResolvedByHand { rule, reservation_id, at });
        self.check_at = Some(self.check_at.map_or(at, |check_at| check_at.min(at)));
    }

    /// An alert of this key, true since `at`, opens: later than the one that somebody has called over.
    pub(crate) fn opening(&self, key: AlertKey, at: DateTime<Utc>, cause: Cause) -> Transition {
        let over = self.resolved_by_hand.iter().find(|one| one.is_of(&key));
        let at = over.map_or(at, |over| at.max(over.at + TimeDelta::microseconds(1)));
        open(key, at, cause)
    }

    /// What is of no account any more: another alert has opened, or the reservation is gone.
    pub(crate) fn forget_resolved(&mut self, transitions: &[Transition], reservations: &[Reservation]) {
        self.resolved_by_hand.retain(|one| {
            let opened = transitions.iter().any(|moved| moved.from.is_none() && one.is_of(&moved.key));
            let stands = |id: &ReservationId| reservations.iter().any(|reservation| reservation.id == *id);
            !opened && one.reservation_id.as_ref().is_none_or(stands)
        });
    }
}

impl ResolvedByHand {
    fn is_of(&self, key: &AlertKey) -> bool {
        (self.rule, &self.reservation_id) == (key.rule, &key.reservation_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instant, station};
    use crate::{
        AlertId, AlertSettings, Context, Incoming, OffPolicy, Outcome, Passage, RuleSet, on_heartbeat, on_passage,
        unresolved_after,
    };

    fn alert(state: AlertState) -> Alert {
        let key = AlertKey { rule: Rule::NotReady, host: Some(crate::testing::host()), reservation_id: None };
        Alert {
            id: AlertId::derive(&key, instant("10:00:00")),
            key,
            state,
            opened_at: instant("10:00:00"),
            acknowledged_at: (state != AlertState::Open).then(|| instant("10:05:00")),
            acknowledged_by: None,
            acknowledged_until: None,
            note: None,
            resolved_at: (state == AlertState::Resolved).then(|| instant("10:06:00")),
            cause: Cause::NeverHeard,
        }
    }

    #[test]
    fn what_is_not_over_can_be_called_over_with_who_and_why() {
        for (shows, state, at, resolved) in [
            ("open", AlertState::Open, "10:10:00", Some("10:10:00")),
            ("by a clock that is behind, when it opened", AlertState::Open, "09:59:00", Some("10:00:00")),
            ("taken", AlertState::Acknowledged, "10:10:00", Some("10:10:00")),
            ("never before it was taken", AlertState::Acknowledged, "10:01:00", Some("10:05:00")),
            ("over already", AlertState::Resolved, "10:10:00", None),
        ] {
            let moved = resolve_by_hand(&alert(state), "ana", Some("cable".to_owned()), instant(at)).expect("a note");
            assert_eq!(moved.as_ref().map(|moved| moved.at), resolved.map(instant), "{shows}");
            let Some(moved) = moved else { continue };
            assert_eq!((moved.from, moved.to), (Some(state), AlertState::Resolved), "{shows}");
            assert_eq!(moved.actor, Actor::Person("ana".to_owned()));
            assert_eq!(moved.cause, Cause::ResolvedByHand { by: "ana".to_owned(), note: Some("cable".to_owned()) });
        }
        let long =
            |length| resolve_by_hand(&alert(AlertState::Open), "ana", Some("x".repeat(length)), instant("10:10:00"));
        assert!(long(NOTE_LIMIT).is_ok());
        assert_eq!(long(NOTE_LIMIT + 1), Err(LifeError::NoteTooLong));
    }

    fn judged(
        state: &StationState,
        unresolved: &[Alert],
        judge: impl FnOnce(&StationState, &Context<'_>) -> Outcome,
    ) -> Outcome {
        let settings = AlertSettings::default();
        let context = Context {
            settings: &settings,
            ignored_issue_codes: &[],
            reservations: &[],
            unresolved,
            rules: RuleSet::ALL,
            off: OffPolicy::Excuses,
            passage: Passage::EveryTick,
            grace_from: None,
        };
        judge(state, &context)
    }

    /// The alert that stands after these transitions.
    fn standing(transitions: &[Transition]) -> Alert {
        let [alert] = unresolved_after(&[], transitions).try_into().expect("one");
        alert
    }

    #[test]
    fn a_silence_that_was_called_over_and_lasts_is_another_alert_at_the_next_look() {
        let silent = station("10:00:00", |_| {});
        let missing = judged(&silent, &[], |state, context| on_passage(state, instant("10:10:00"), context));
        let first = standing(&missing.transitions);
        assert_eq!((first.key.rule, first.opened_at), (Rule::HeartbeatMissing, instant("10:03:01")));

        let mut state = missing.state;
        assert_eq!(state.check_at, None, "nothing but a heartbeat would end it");
        state.remember_resolved(&first.key, instant("10:20:00"));
        assert_eq!(state.check_at, Some(instant("10:20:00")));

        let again = judged(&state, &[], |state, context| on_passage(state, instant("10:20:05"), context));
        let second = standing(&again.transitions);
        assert_eq!(second.opened_at, instant("10:20:00") + TimeDelta::microseconds(1));
        assert_ne!(second.id, first.id);
        assert_eq!(again.state.resolved_by_hand, [], "the new one stands for it");
        let quiet = judged(&again.state, &[second], |state, context| on_passage(state, instant("10:21:00"), context));
        assert_eq!(quiet.transitions, []);
    }

    #[test]
    fn an_unready_run_that_was_called_over_and_goes_on_is_another_alert_and_one_that_ended_is_none() {
        let unready = |at: &str, ready: bool| {
            let mut snapshot = crate::testing::snapshot(at);
            snapshot.ready = ready;
            Incoming { snapshot, arrived_at: instant(at), at_once: true }
        };
        let mut state = StationState::unheard(crate::testing::host(), instant("09:00:00"));
        let mut told = Vec::new();
        for at in ["10:00:00", "10:01:00", "10:02:01"] {
            let outcome = judged(&state, &[], |state, context| on_heartbeat(state, unready(at, false), context));
            state = outcome.state;
            told.extend(outcome.transitions);
        }
        let first = standing(&told);
        state.remember_resolved(&first.key, instant("10:02:30"));
        for (ready, opened) in [(false, 1), (true, 0)] {
            let next = judged(&state, &[], |state, context| on_heartbeat(state, unready("10:03:01", ready), context));
            assert_eq!(next.transitions.len(), opened, "ready: {ready}");
            assert!(next.transitions.iter().all(|moved| moved.alert_id != first.id && moved.at > instant("10:02:30")));
        }
    }

    #[test]
    fn what_was_called_over_is_forgotten_with_its_reservation() {
        let mut state = station("10:00:00", |_| {});
        let key = AlertKey {
            rule: Rule::LocalSessionBeforeReservation,
            host: Some(state.host.clone()),
            reservation_id: Some(ReservationId("R".to_owned())),
        };
        state.remember_resolved(&key, instant("10:00:30"));
        state.remember_resolved(&key, instant("10:00:40"));
        assert_eq!(state.resolved_by_hand.len(), 1, "one of a key");
        let booked = crate::testing::reservation("R", "10:05:00", "11:00:00");
        state.forget_resolved(&[], std::slice::from_ref(&booked));
        assert_eq!(state.resolved_by_hand.len(), 1);
        state.forget_resolved(&[], &[]);
        assert_eq!(state.resolved_by_hand, []);
    }
}
