//! The guard that waits for whoever sits at a station: whoever leaves need not be waited for, and a grant of more time is kept.

use chrono::{DateTime, Utc};

use super::{InstructorRequest, RequestKind, RequestState};
use crate::orchestrator::{ActionKind, ActionState, OrderedBy, StationAction};

impl StationAction {
    /// A guard that a rule wants and that nobody has taken up. What a person wants now is no matter of waiting.
    pub fn is_guard_that_waits(&self) -> bool {
        self.kind == ActionKind::SessionGuard
            && matches!(self.state, ActionState::Proposed | ActionState::Pending)
            && matches!(self.ordered_by, OrderedBy::Rule(_))
    }

    /// It need not wait any more.
    #[must_use]
    pub fn hastened(self, now: DateTime<Utc>) -> Self {
        Self { not_before: self.not_before.min(now), ..self }
    }

    /// It begins at that instant at the earliest.
    fn delayed_to(self, at: DateTime<Utc>) -> Self {
        Self { not_before: self.not_before.max(at), ..self }
    }

    /// As it was granted before it was wanted: more time at its station, before the same reservation.
    #[must_use]
    pub fn after_grants(self, requests: &[InstructorRequest]) -> Self {
        let grants = |request: &&InstructorRequest| {
            request.kind == RequestKind::MoreTime
                && request.state == RequestState::Granted
                && (&request.host, &request.reservation_id) == (&self.host, &self.reservation_id)
        };
        let until = requests.iter().filter(grants).filter_map(|request| request.until).max();
        match until.filter(|_| self.is_guard_that_waits()) {
            Some(until) => self.delayed_to(until),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::RequestId;
    use crate::testing::{host, instant};
    use crate::{ReservationId, Rule};

    fn guard(state: ActionState, ordered_by: OrderedBy) -> StationAction {
        StationAction {
            id: crate::orchestrator::ActionId("a".to_owned()),
            host: host(),
            kind: ActionKind::SessionGuard,
            state,
            ordered_by,
            alert_id: None,
            reservation_id: Some(ReservationId("A".to_owned())),
            approved_by: None,
            ordered_at: instant("11:50:00"),
            not_before: instant("11:55:00"),
            expires_at: instant("12:00:00"),
            claim: None,
            issued_at: None,
            settled_at: None,
            message: None,
        }
    }

    fn grant(reservation: Option<&str>, until: &str) -> InstructorRequest {
        InstructorRequest {
            id: RequestId(until.to_owned()),
            kind: RequestKind::MoreTime,
            host: host(),
            reservation_id: reservation.map(|id| ReservationId(id.to_owned())),
            asked_by: "ana".to_owned(),
            asked_at: instant("11:45:00"),
            reason: None,
            minutes: Some(10),
            until: Some(instant(until)),
            state: RequestState::Granted,
            expires_at: None,
            shown_at: None,
            seen_at: None,
            answered_at: None,
            answered_by: None,
            note: None,
        }
    }

    #[test]
    fn a_guard_waits_until_the_last_grant_before_its_reservation_is_over() {
        let by_rule = || OrderedBy::Rule(Rule::LocalSessionBeforeReservation);
        let refused = InstructorRequest { state: RequestState::Refused, ..grant(Some("A"), "11:58:00") };
        let hold = InstructorRequest { kind: RequestKind::Hold, ..grant(Some("A"), "11:58:00") };
        for (shows, guard, requests, begins) in [
            ("no grant", guard(ActionState::Pending, by_rule()), vec![], "11:55:00"),
            ("a grant", guard(ActionState::Pending, by_rule()), vec![grant(Some("A"), "11:56:00")], "11:56:00"),
            (
                "the later of two",
                guard(ActionState::Proposed, by_rule()),
                vec![grant(Some("A"), "11:57:00"), grant(Some("A"), "11:56:00")],
                "11:57:00",
            ),
            ("a shorter one", guard(ActionState::Pending, by_rule()), vec![grant(Some("A"), "11:54:00")], "11:55:00"),
            ("another's", guard(ActionState::Pending, by_rule()), vec![grant(Some("B"), "11:56:00")], "11:55:00"),
            ("refused, and a hold", guard(ActionState::Pending, by_rule()), vec![refused, hold], "11:55:00"),
            (
                "an operator wants it now",
                guard(ActionState::Pending, OrderedBy::Person("eva".to_owned())),
                vec![grant(Some("A"), "11:56:00")],
                "11:55:00",
            ),
            ("it has begun", guard(ActionState::Claimed, by_rule()), vec![grant(Some("A"), "11:56:00")], "11:55:00"),
        ] {
            assert_eq!(guard.after_grants(&requests).not_before, instant(begins), "{shows}");
        }
    }

    #[test]
    fn whoever_leaves_is_not_waited_for() {
        let guard = || guard(ActionState::Pending, OrderedBy::Rule(Rule::LocalSessionBeforeReservation));
        assert_eq!(guard().hastened(instant("11:52:00")).not_before, instant("11:52:00"));
        assert_eq!(guard().hastened(instant("11:56:00")).not_before, instant("11:55:00"), "never later");
    }
}
