//! An alert and the steps of its life.

use serde::{Deserialize, Serialize};
use stationkeeper_rules::orchestrator::{ActionKind, ActionState, StationAction};
use stationkeeper_rules::{Alert, AlertState, Cause, Rule, Severity, Transition};
use stationkeeper_telemetry::HostName;

use crate::{Instant, Language, text};

/// One alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlertView {
    /// 32 hex digits.
    pub id: String,
    /// What holds.
    pub rule: Rule,
    /// How urgent.
    pub severity: Severity,
    /// Null: of the system itself.
    pub host: Option<HostName>,
    /// The station's first lab.
    pub lab: Option<String>,
    /// The reservation at risk, where the rule is about one.
    pub reservation_id: Option<String>,
    /// Where it stands.
    pub state: AlertState,
    /// When the rule became true.
    pub opened_at: Instant,
    /// When it was taken.
    pub acknowledged_at: Option<Instant>,
    /// Who took it.
    pub acknowledged_by: Option<String>,
    /// Until when, after which it is open again; null: until it is over.
    pub acknowledged_until: Option<Instant>,
    /// What they wrote.
    pub note: Option<String>,
    /// When the rule became false.
    pub resolved_at: Option<Instant>,
    /// Why it opened: a code with its parameters.
    pub cause: Cause,
    /// The same as a sentence.
    pub cause_text: String,
    /// What is done about it, or could be: the answer that its rule has.
    pub action: Option<AlertActionView>,
    /// Its life so far, oldest first. Only where one alert was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transitions: Option<Vec<TransitionView>>,
}

/// The answer to an alert, as far as its row shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlertActionView {
    /// 32 hex digits.
    pub id: String,
    /// What.
    pub kind: ActionKind,
    /// Where it stands.
    pub state: ActionState,
    /// How it ended, in a sentence.
    pub message: Option<String>,
}

/// One step of an alert's life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TransitionView {
    /// Where it stood; null when it opened.
    pub from: Option<AlertState>,
    /// Where it stood afterwards.
    pub to: AlertState,
    /// When this became true, not when it was noticed.
    pub at: Instant,
    /// `rule`, or `person:` and a name.
    pub actor: String,
    /// Why.
    pub cause: Cause,
    /// The same as a sentence.
    pub cause_text: String,
    /// What a person wrote with it.
    pub note: Option<String>,
}

impl AlertView {
    /// As a row of a list: without transitions.
    pub fn new(alert: &Alert, lab: Option<&str>, language: Language) -> Self {
        Self {
            id: alert.id.0.clone(),
            rule: alert.key.rule,
            severity: alert.key.rule.severity(),
            host: alert.key.host.clone(),
            lab: lab.map(str::to_owned),
            reservation_id: alert.key.reservation_id.as_ref().map(|id| id.0.clone()),
            state: alert.state,
            opened_at: alert.opened_at.into(),
            acknowledged_at: alert.acknowledged_at.map(Into::into),
            acknowledged_by: alert.acknowledged_by.clone(),
            acknowledged_until: alert.acknowledged_until.map(Into::into),
            note: alert.note.clone(),
            resolved_at: alert.resolved_at.map(Into::into),
            cause: alert.cause.clone(),
            cause_text: text(language, &alert.cause),
            action: None,
            transitions: None,
        }
    }

    /// With what is done about it.
    #[must_use]
    pub fn with_action(mut self, action: Option<&StationAction>) -> Self {
        self.action = action.map(|action| AlertActionView {
            id: action.id.0.clone(),
            kind: action.kind,
            state: action.state,
            message: action.message.clone(),
        });
        self
    }

    /// With its life.
    #[must_use]
    pub fn with_transitions(mut self, transitions: &[Transition], language: Language) -> Self {
        self.transitions = Some(transitions.iter().map(|step| TransitionView::new(step, language)).collect());
        self
    }
}

impl TransitionView {
    /// One step.
    pub fn new(step: &Transition, language: Language) -> Self {
        Self {
            from: step.from,
            to: step.to,
            at: step.at.into(),
            actor: step.actor.to_string(),
            cause: step.cause.clone(),
            cause_text: text(language, &step.cause),
            note: step.note.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use stationkeeper_rules::{Actor, AlertId, AlertKey};

    use super::*;

    #[test]
    fn a_row_names_rule_state_and_cause_and_shows_transitions_only_when_asked() {
        let opened_at = "2026-11-24T10:03:01Z".parse().unwrap();
        let key = AlertKey {
            rule: Rule::HeartbeatMissing,
            host: Some(HostName::parse("LAB-01").unwrap()),
            reservation_id: None,
        };
        let cause = Cause::NothingNewer { since: "2026-11-24T10:00:00Z".parse().unwrap() };
        let alert = Alert {
            id: AlertId::derive(&key, opened_at),
            key: key.clone(),
            state: AlertState::Open,
            opened_at,
            acknowledged_at: None,
            acknowledged_by: None,
            note: None,
            acknowledged_until: None,
            resolved_at: None,
            cause: cause.clone(),
        };
        let row = AlertView::new(&alert, Some("Redes"), Language::En);
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["rule"], "heartbeat_missing");
        assert_eq!(json["severity"], "critical");
        assert_eq!(json["state"], "open");
        assert_eq!(json["opened_at"], "2026-11-24T10:03:01Z");
        assert_eq!(json["cause"]["code"], "nothing_newer");
        assert_eq!(json["cause_text"], "No heartbeat since 2026-11-24 10:00 UTC");
        assert!(json.get("transitions").is_none());

        let step = Transition {
            alert_id: alert.id.clone(),
            key,
            from: None,
            to: AlertState::Open,
            at: opened_at,
            actor: Actor::Rule,
            cause,
            note: None,
            acknowledged_until: None,
        };
        let one = serde_json::to_value(row.with_transitions(&[step], Language::En)).unwrap();
        assert_eq!(one["transitions"][0]["to"], "open");
        assert_eq!(one["transitions"][0]["actor"], "rule");
    }
}
