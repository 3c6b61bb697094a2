//! What a person does to an alert, and when that is over.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Actor, Alert, AlertState, Cause, Transition};

/// Longest note that is kept, in characters.
pub const NOTE_LIMIT: usize = 2_000;

/// Why an alert did not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LifeError {
    /// It is over.
    #[error("the alert is resolved: there is nothing left to acknowledge")]
    Resolved,
    /// Too much text.
    #[error("a note has at most {NOTE_LIMIT} characters")]
    NoteTooLong,
    /// It would be over at once.
    #[error("an acknowledgement ends after it begins")]
    EndsBeforeItBegins,
}

/// Takes an alert, until it is over or until an instant. One that is already taken stays with whoever took it: `None`.
pub fn acknowledge(
    alert: &Alert,
    actor: Actor,
    note: Option<String>,
    until: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Result<Option<Transition>, LifeError> {
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_LIMIT) {
        return Err(LifeError::NoteTooLong);
    }
    let at = at.max(alert.opened_at);
    if until.is_some_and(|until| until <= at) {
        return Err(LifeError::EndsBeforeItBegins);
    }
    match alert.state {
        AlertState::Resolved => Err(LifeError::Resolved),
        AlertState::Acknowledged => Ok(None),
        AlertState::Open => Ok(Some(Transition {
            alert_id: alert.id.clone(),
            key: alert.key.clone(),
            from: Some(AlertState::Open),
            to: AlertState::Acknowledged,
            at,
            actor,
            cause: Cause::ByHand,
            note,
            acknowledged_until: until,
        })),
    }
}

/// Opens an alert again that somebody had taken for a while that is over.
pub fn expire(alert: &Alert, now: DateTime<Utc>) -> Option<Transition> {
    let until = alert.acknowledged_until.filter(|until| *until <= now)?;
    let over = || reopen(alert, until, Cause::AcknowledgementOver { by: alert.acknowledged_by.clone() });
    (alert.state == AlertState::Acknowledged).then(over)
}

/// The transition by which a taken alert is open again; never before it was taken.
pub(crate) fn reopen(alert: &Alert, at: DateTime<Utc>, cause: Cause) -> Transition {
    let taken_at = alert.acknowledged_at.unwrap_or(alert.opened_at);
    Transition {
        alert_id: alert.id.clone(),
        key: alert.key.clone(),
        from: Some(AlertState::Acknowledged),
        to: AlertState::Open,
        at: at.max(taken_at + TimeDelta::microseconds(1)),
        actor: Actor::Rule,
        cause,
        note: None,
        acknowledged_until: None,
    }
}

/// The alerts that stand after these transitions: what is judged next sees them.
pub fn unresolved_after(unresolved: &[Alert], transitions: &[Transition]) -> Vec<Alert> {
    let mut standing = unresolved.to_vec();
    for transition in transitions {
        match transition.to {
            AlertState::Open if transition.from.is_some() => {
                for alert in standing.iter_mut().filter(|alert| alert.id == transition.alert_id) {
                    alert.state = AlertState::Open;
                    (alert.acknowledged_at, alert.acknowledged_by) = (None, None);
                    (alert.acknowledged_until, alert.note) = (None, None);
                }
            }
            AlertState::Open => standing.push(Alert {
                id: transition.alert_id.clone(),
                key: transition.key.clone(),
                state: AlertState::Open,
                opened_at: transition.at,
                acknowledged_at: None,
                acknowledged_by: None,
                note: None,
                acknowledged_until: None,
                resolved_at: None,
                cause: transition.cause.clone(),
            }),
            AlertState::Resolved => standing.retain(|alert| alert.id != transition.alert_id),
            AlertState::Acknowledged => {
                for alert in standing.iter_mut().filter(|alert| alert.id == transition.alert_id) {
                    alert.state = AlertState::Acknowledged;
                }
            }
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instant;
    use crate::{AlertId, AlertKey, Rule};

    #[test]
    fn only_an_open_alert_can_be_taken() {
        let key = AlertKey { rule: Rule::NotReady, host: None, reservation_id: None };
        let mut alert = Alert {
            id: AlertId::derive(&key, instant("10:00:00")),
            key,
            state: AlertState::Open,
            opened_at: instant("10:00:00"),
            acknowledged_at: None,
            acknowledged_by: None,
            acknowledged_until: None,
            note: None,
            resolved_at: None,
            cause: Cause::ReadyAgain,
        };
        let take_until = |alert: &Alert, note: Option<String>, until: Option<&str>| {
            acknowledge(alert, Actor::Person("ana".to_owned()), note, until.map(instant), instant("10:05:00"))
        };
        let take = |alert: &Alert, note: Option<String>| take_until(alert, note, None);
        let moved = take(&alert, None).expect("open").expect("moves");
        assert_eq!(
            (moved.from, moved.to, moved.at),
            (Some(AlertState::Open), AlertState::Acknowledged, instant("10:05:00"))
        );
        let expires = take_until(&alert, None, Some("11:00:00")).expect("open").expect("moves");
        assert_eq!(expires.acknowledged_until, Some(instant("11:00:00")));
        assert_eq!(take_until(&alert, None, Some("10:05:00")), Err(LifeError::EndsBeforeItBegins));
        assert_eq!(take(&alert, Some("x".repeat(NOTE_LIMIT + 1))), Err(LifeError::NoteTooLong));
        assert!(take(&alert, Some("x".repeat(NOTE_LIMIT))).is_ok());
        alert.state = AlertState::Acknowledged;
        assert_eq!(take(&alert, None), Ok(None));
        alert.state = AlertState::Resolved;
        assert_eq!(take(&alert, None), Err(LifeError::Resolved));
    }

    #[test]
    fn an_alert_that_was_taken_for_a_while_is_open_again_when_that_is_over() {
        let key = AlertKey { rule: Rule::NotReady, host: None, reservation_id: None };
        let taken = Alert {
            id: AlertId::derive(&key, instant("10:00:00")),
            key,
            state: AlertState::Acknowledged,
            opened_at: instant("10:00:00"),
            acknowledged_at: Some(instant("10:05:00")),
            acknowledged_by: Some("ana".to_owned()),
            acknowledged_until: Some(instant("11:00:00")),
            note: None,
            resolved_at: None,
            cause: Cause::ReadyAgain,
        };
        for (shows, state, until, now, at) in [
            ("not yet", AlertState::Acknowledged, Some("11:00:00"), "10:59:59", None),
            ("at that instant", AlertState::Acknowledged, Some("11:00:00"), "11:00:00", Some("11:00:00")),
            ("as of then, whenever noticed", AlertState::Acknowledged, Some("11:00:00"), "12:00:00", Some("11:00:00")),
            ("not without an end", AlertState::Acknowledged, None, "23:00:00", None),
            ("not what is over", AlertState::Resolved, Some("11:00:00"), "12:00:00", None),
            ("not what is open", AlertState::Open, Some("11:00:00"), "12:00:00", None),
        ] {
            let alert = Alert { state, acknowledged_until: until.map(instant), ..taken.clone() };
            let moved = expire(&alert, instant(now));
            assert_eq!(
                moved.map(|moved| (moved.to, moved.at)),
                at.map(|at| (AlertState::Open, instant(at))),
                "{shows}"
            );
        }
    }
}
