//! Silences, and what was decided about who is told: with their sentences.

use serde::{Deserialize, Serialize};
use stationkeeper_rules::notify::{Because, Decision, Silence, Span, Telling};
use stationkeeper_rules::{AlertState, Rule};
use stationkeeper_telemetry::HostName;

use crate::text::minute;
use crate::{AlertView, Instant, Language, phrase, rule_text};

/// A silence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SilenceView {
    /// 16 hex digits.
    pub id: String,
    /// Of this station; null: of any.
    pub host: Option<HostName>,
    /// Of stations of this lab; null: of any, and of none.
    pub lab: Option<String>,
    /// Of this rule; null: of any.
    pub rule: Option<Rule>,
    /// When it mutes.
    pub span: Span,
    /// The same as a sentence.
    pub span_text: String,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub author: String,
    /// When it was set.
    pub created_at: Instant,
    /// When it was ended; null: nobody did.
    pub ended_at: Option<Instant>,
    /// It mutes just now.
    pub mutes: bool,
}

/// A decision about a transition of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionView {
    /// When the transition became true.
    pub at: Instant,
    /// Where it led.
    pub to: AlertState,
    /// About whom; null: about everybody.
    pub receiver: Option<String>,
    /// When it was decided.
    pub decided_at: Instant,
    /// What was decided.
    pub telling: Telling,
    /// Why: a code with its parameters.
    pub because: Because,
    /// The same as a sentence.
    pub because_text: String,
}

/// An alert with its life, and what was decided about each step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplanationView {
    /// The alert.
    #[serde(flatten)]
    pub alert: AlertView,
    /// In the order in which they were made; a decision is there when it is new, or other than the one before.
    pub decisions: Vec<DecisionView>,
    /// When what still waits is looked at again; null: nothing waits.
    pub next_look_at: Option<Instant>,
}

impl SilenceView {
    /// As it is at an instant.
    pub fn new(silence: &Silence, now: chrono::DateTime<chrono::Utc>, language: Language) -> Self {
        Self {
            id: silence.id.0.clone(),
            host: silence.host.clone(),
            lab: silence.lab.clone(),
            rule: silence.rule,
            span: silence.span.clone(),
            span_text: span_text(language, &silence.span),
            reason: silence.reason.clone(),
            author: silence.author.clone(),
            created_at: silence.created_at.into(),
            ended_at: silence.ended_at.map(Into::into),
            mutes: silence.at(now).is_some(),
        }
    }
}

impl DecisionView {
    /// With its sentence.
    pub fn new(decision: &Decision, language: Language) -> Self {
        Self {
            at: decision.step.at.into(),
            to: decision.step.to,
            receiver: decision.receiver.clone(),
            decided_at: decision.decided_at.into(),
            telling: decision.because.telling(),
            because: decision.because.clone(),
            because_text: because_text(language, &decision.because),
        }
    }
}

/// When a silence mutes, without a full stop.
pub fn span_text(language: Language, span: &Span) -> String {
    let say = |key: &str, values: &[(&str, &str)]| phrase(language, "silence", key, values);
    match span {
        Span::Once { from, until } => say("once", &[("from", &minute(*from)), ("until", &minute(*until))]),
        Span::Recurring { from, until, rule, time_zone } => say(
            "recurring",
            &[("from", &minute(*from)), ("until", &minute(*until)), ("rule", rule), ("zone", &time_zone.to_string())],
        ),
        Span::UntilResolved { from } => say("until_resolved", &[("from", &minute(*from))]),
    }
}

/// Why it was decided so, as a sentence without a full stop.
pub fn because_text(language: Language, because: &Because) -> String {
    let say = |key: &str, values: &[(&str, &str)]| phrase(language, "decision", key, values);
    match because {
        Because::Together { due_at, .. } => say("together", &[("due_at", &minute(*due_at))]),
        Because::Acknowledged { by, until } => {
            let somebody = || say("somebody", &[]);
            let by = by.clone().unwrap_or_else(somebody);
            match until {
                Some(until) => say("acknowledged_until", &[("by", &by), ("until", &minute(*until))]),
                None => say("acknowledged", &[("by", &by)]),
            }
        }
        Because::Silenced { silence, until } => match until {
            Some(until) => say("silenced_until", &[("silence", &silence.0), ("until", &minute(*until))]),
            None => say("silenced", &[("silence", &silence.0)]),
        },
        Because::Inhibited { alert_id, rule } => {
            say("inhibited", &[("rule", &rule_text(language, *rule)), ("id", &alert_id.0)])
        }
        Because::QuietHours { until } => say("quiet_hours", &[("until", &minute(*until))]),
        Because::Restless { until } => say("restless", &[("until", &minute(*until))]),
        Because::Message { id, kind } => {
            let kind = say(&format!("message_{}", kind.as_str()), &[]);
            say("message", &[("id", &id.0), ("kind", &kind)])
        }
        Because::NoRoute => say("no_route", &[]),
        Because::OverBefore => say("over_before", &[]),
        Because::NeverHeard => say("never_heard", &[]),
        Because::OpenedAgain => say("opened_again", &[]),
        Because::Flapping { openings } => say("flapping", &[("openings", &openings.to_string())]),
        Because::ReceiverGone => say("receiver_gone", &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};
    use stationkeeper_rules::notify::SilenceId;
    use stationkeeper_rules::{AlertId, MessageId, MessageKind, TimeZone};

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-11-24T{time}:00Z").parse().unwrap()
    }

    fn reasons() -> Vec<(Because, &'static str)> {
        let (silence, until) = (SilenceId("5f1e".to_owned()), at("12:00"));
        let told = |kind| Because::Message { id: MessageId("9d".to_owned()), kind };
        let taken = |by: Option<&str>, until| Because::Acknowledged { by: by.map(str::to_owned), until };
        let missing = Because::Inhibited { alert_id: AlertId("a1".to_owned()), rule: Rule::HeartbeatMissing };
        vec![
            (
                Because::Together { since: at("10:00"), due_at: until },
                "waits until 2026-11-24 12:00 UTC for what else happens in its lab",
            ),
            (taken(Some("{by}"), None), "held: {by} has taken it"),
            (taken(None, Some(until)), "held: somebody has taken it until 2026-11-24 12:00 UTC"),
            (
                Because::Silenced { silence: silence.clone(), until: Some(until) },
                "held by silence 5f1e until 2026-11-24 12:00 UTC",
            ),
            (Because::Silenced { silence, until: None }, "held by silence 5f1e until what it mutes is over"),
            (missing, "held: another alert says why it is there (Heartbeat missing, a1)"),
            (Because::QuietHours { until }, "held by quiet hours until 2026-11-24 12:00 UTC"),
            (
                Because::Restless { until },
                "held until 2026-11-24 12:00 UTC: it opened and ended again and again, and may open once more",
            ),
            (told(MessageKind::Problem), "told in message 9d (problem)"),
            (told(MessageKind::Resolution), "told in message 9d (resolution)"),
            (told(MessageKind::Reminder), "told in message 9d (reminder)"),
            (told(MessageKind::Flapping), "told in message 9d (flapping)"),
            (told(MessageKind::Test), "told in message 9d (test)"),
            (Because::NoRoute, "not told: no route leads it to anybody"),
            (Because::OverBefore, "not told: it was over before it could be told"),
            (Because::NeverHeard, "not told: the receiver never heard that it opened"),
            (Because::OpenedAgain, "not told: it opened again, which counts instead"),
            (
                Because::Flapping { openings: 6 },
                "not told by itself: it opened 6 times within a short time, which is told once",
            ),
            (Because::ReceiverGone, "not told: the settings know the receiver no more"),
        ]
    }

    #[test]
    fn every_reason_is_a_sentence_in_both_languages() {
        for (because, sentence) in reasons() {
            assert_eq!(because_text(Language::En, &because), sentence);
            let spanish = because_text(Language::Es, &because);
            assert!(!spanish.contains("decision.") && spanish != sentence, "{spanish}");
        }
    }

    #[test]
    fn every_span_is_a_sentence_in_both_languages() {
        let (from, until) = (at("10:00"), at("12:00"));
        let time_zone = TimeZone::parse("Europe/Madrid").unwrap();
        for (span, sentence) in [
            (Span::Once { from, until }, "from 2026-11-24 10:00 UTC to 2026-11-24 12:00 UTC"),
            (
                Span::Recurring { from, until, rule: "FREQ=DAILY".to_owned(), time_zone },
                "from 2026-11-24 10:00 UTC to 2026-11-24 12:00 UTC, and again by FREQ=DAILY (Europe/Madrid)",
            ),
            (Span::UntilResolved { from }, "from 2026-11-24 10:00 UTC until what it mutes is over"),
        ] {
            assert_eq!(span_text(Language::En, &span), sentence);
            let spanish = span_text(Language::Es, &span);
            assert!(!spanish.contains("silence.") && spanish != sentence, "{spanish}");
        }
    }
}
