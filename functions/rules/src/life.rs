//! What a person does to an alert.

use chrono::{DateTime, Utc};

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
}
