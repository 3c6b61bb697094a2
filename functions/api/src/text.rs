//! Sentences, from one catalogue a language (`i18n/*.json`). The page, mails and the tray app say the same.
//!
//! What a station wrote is a value: it is put in verbatim and never read again as a template.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use stationkeeper_rules::orchestrator::Action;
use stationkeeper_rules::{Cause, NicDeviation, Rule, Severity, StationWord};

/// The languages that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English, the default.
    #[default]
    En,
    /// Spanish.
    Es,
}

/// `section → key → template`.
type Catalogue = BTreeMap<String, BTreeMap<String, String>>;

// A test reads both files: an empty catalogue cannot be shipped.
static EN: LazyLock<Catalogue> =
    LazyLock::new(|| serde_json::from_str(include_str!("../i18n/en.json")).unwrap_or_default());
static ES: LazyLock<Catalogue> =
    LazyLock::new(|| serde_json::from_str(include_str!("../i18n/es.json")).unwrap_or_default());

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Es];

    /// The tag for `<html lang>`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Es => "es",
        }
    }

    /// The first language of an `Accept-Language` header that there is; otherwise English. Weights are taken as written in order,
    /// which is how browsers send them.
    pub fn accepted(header: &str) -> Self {
        header
            .split(',')
            .filter_map(|entry| entry.split(';').next())
            .filter_map(|tag| tag.trim().split('-').next())
            .find_map(|primary| Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag())))
            .unwrap_or_default()
    }

    fn catalogue(self) -> &'static Catalogue {
        match self {
            Self::En => &EN,
            Self::Es => &ES,
        }
    }
}

/// Why, as a sentence without a full stop.
pub fn text(language: Language, cause: &Cause) -> String {
    let say = |key: &str, values: &[(&str, &str)]| phrase(language, "cause", key, values);
    match cause {
        Cause::Issues { issues, since, .. } if issues.is_empty() => say("issues_unsaid", &[("since", &minute(*since))]),
        Cause::Issues { issues, since, .. } => {
            say("issues", &[("since", &minute(*since)), ("issues", &issues.join("; "))])
        }
        Cause::ReadyAgain => say("ready_again", &[]),
        Cause::LocalSession { users, start } if users.is_empty() => {
            say("local_session_unnamed", &[("start", &minute(*start))])
        }
        Cause::LocalSession { users, start } => {
            say("local_session", &[("users", &users.join(", ")), ("start", &minute(*start))])
        }
        Cause::LocalSessionGone => say("local_session_gone", &[]),
        Cause::LocalMode { start, end } => say("local_mode", &[("start", &minute(*start)), ("end", &minute(*end))]),
        Cause::LocalModeOff => say("local_mode_off", &[]),
        Cause::StaleForcedLogoff { last, start } => {
            say("stale_forced_logoff", &[("last", &minute(*last)), ("start", &minute(*start))])
        }
        Cause::ForcedLogoffRenewed => say("forced_logoff_renewed", &[]),
        Cause::WindowPassed => say("window_passed", &[]),
        Cause::NothingNewer { since } => say("nothing_newer", &[("since", &minute(*since))]),
        Cause::HeartbeatArrived { timestamp } => say("heartbeat_arrived", &[("timestamp", &minute(*timestamp))]),
        Cause::NicPolicy { deviations } => {
            let list: Vec<String> = deviations.iter().map(|one| deviation(language, one)).collect();
            say("nic_policy", &[("deviations", &list.join("; "))])
        }
        Cause::NicPolicyRestored => say("nic_policy_restored", &[]),
        Cause::PowerDrift { timeouts } => {
            let list: Vec<String> = timeouts.iter().map(|(name, seconds)| timeout(language, name, *seconds)).collect();
            say("power_drift", &[("timeouts", &list.join("; "))])
        }
        Cause::PowerDriftGone => say("power_drift_gone", &[]),
        Cause::ClockSkew { seconds } => {
            let key = if *seconds < 0 { "clock_skew_behind" } else { "clock_skew" };
            say(key, &[("seconds", &seconds.unsigned_abs().to_string())])
        }
        Cause::ClockRight => say("clock_right", &[]),
        Cause::NothingFromAnyone { since, stations } => {
            say("nothing_from_anyone", &[("since", &minute(*since)), ("stations", &stations.to_string())])
        }
        Cause::LookFailed { error } => say("look_failed", &[("error", error)]),
        Cause::FlowsAgain => say("flows_again", &[]),
        Cause::Unreadable { document, reason, uploads, since } => say(
            "unreadable",
            &[
                ("document", document),
                ("reason", reason),
                ("uploads", &uploads.to_string()),
                ("since", &minute(*since)),
            ],
        ),
        Cause::ReadableAgain => say("readable_again", &[]),
        Cause::UnreadableNoMore => say("unreadable_no_more", &[]),
        Cause::WakeNotReady { at, issues: Some(issues) } => {
            say("wake_not_ready", &[("at", &minute(*at)), ("issues", issues)])
        }
        Cause::WakeNotReady { at, issues: None } => say("wake_not_ready_unsaid", &[("at", &minute(*at))]),
        Cause::WakeReady => say("wake_ready", &[]),
        Cause::OffThoughReserved { at, start } => {
            say("off_though_reserved", &[("at", &minute(*at)), ("start", &minute(*start))])
        }
        Cause::OffOnPurpose { at, mode: Some(mode) } => say("off_on_purpose", &[("at", &minute(*at)), ("mode", mode)]),
        Cause::OffOnPurpose { at, mode: None } => say("off_on_purpose_unsaid", &[("at", &minute(*at))]),
        Cause::Busy { command, since } => say("busy", &[("command", command), ("since", &minute(*since))]),
        Cause::Waking { since } => say("waking", &[("since", &minute(*since))]),
        Cause::AlertOpen { rule } => {
            let name = Rule::parse(rule).map_or_else(|| rule.clone(), |rule| rule_text(language, rule));
            say("alert_open", &[("rule", &name)])
        }
        Cause::GivenUp { step, runs, message } => {
            let step = step.as_deref().map_or_else(|| say("no_step", &[]), |step| step_text(language, step));
            let values = [("step", step.as_str()), ("runs", &runs.to_string())];
            match message {
                Some(message) => say("given_up", &[values[0], values[1], ("message", message)]),
                None => say("given_up_unsaid", &values),
            }
        }
        Cause::DoneAfterAll { step } => say("done_after_all", &[("step", &step_text(language, step))]),
        Cause::ByHand => say("by_hand", &[]),
        Cause::ResolvedByHand { by, note: Some(note) } => say("resolved_by_hand", &[("by", by), ("note", note)]),
        Cause::ResolvedByHand { by, note: None } => say("resolved_by_hand_unsaid", &[("by", by)]),
        Cause::AcknowledgementOver { by: Some(by) } => say("acknowledgement_over", &[("by", by)]),
        Cause::AcknowledgementOver { by: None } => say("acknowledgement_over_unsaid", &[]),
        Cause::NeverHeard => say("never_heard", &[]),
        Cause::Late { since } => say("late", &[("since", &minute(*since))]),
    }
}

/// What a step of a reservation is called; one that is not known is called as it is.
pub fn step_text(language: Language, step: &str) -> String {
    match Action::parse(step) {
        Some(action) => phrase(language, "step", action.as_str(), &[]),
        None => step.to_owned(),
    }
}

/// The name of a rule.
pub fn rule_text(language: Language, rule: Rule) -> String {
    phrase(language, "rule", rule.as_str(), &[])
}

/// The word of a station.
pub fn word_text(language: Language, word: StationWord) -> String {
    phrase(language, "state", word.as_str(), &[])
}

/// The word of a severity.
pub fn severity_text(language: Language, severity: Severity) -> String {
    phrase(language, "severity", severity.as_str(), &[])
}

/// The label of an issue code (telemetry.md 1.2); none for a code that is not known.
pub fn issue_text(language: Language, code: &str) -> Option<String> {
    template(language, "issue", code).map(str::to_owned)
}

/// Any entry of the catalogue with its values. An entry that is missing shows its own name rather than nothing.
pub fn phrase(language: Language, section: &str, key: &str, values: &[(&str, &str)]) -> String {
    match template(language, section, key) {
        Some(template) => fill(template, values),
        None => format!("{section}.{key}"),
    }
}

/// All sentences of a section as they stand in the catalogue, with their values' names in braces: for a page that fills them in itself.
pub fn phrases(language: Language, section: &str) -> BTreeMap<String, String> {
    language.catalogue().get(section).cloned().unwrap_or_default()
}

fn template(language: Language, section: &str, key: &str) -> Option<&'static str> {
    language.catalogue().get(section)?.get(key).map(String::as_str)
}

/// One pass from left to right: a value that contains braces stays as it is.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}') {
            Some((name, tail)) => {
                match values.iter().find(|(known, _)| *known == name) {
                    Some((_, value)) => filled.push_str(value),
                    None => {
                        filled.push('{');
                        filled.push_str(name);
                        filled.push('}');
                    }
                }
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

pub(crate) fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn deviation(language: Language, one: &NicDeviation) -> String {
    let say = |key, values: &[(&str, &str)]| phrase(language, "nic_deviation", key, values);
    let (adapter, setting) = (("adapter", one.adapter.as_str()), ("setting", one.setting.as_str()));
    match (one.from.as_deref(), one.to.as_deref()) {
        (Some(from), Some(to)) => say("changed", &[adapter, setting, ("from", from), ("to", to)]),
        (Some(from), None) => say("lost", &[adapter, setting, ("from", from)]),
        (None, Some(to)) if one.setting == "compliance" => say("fault", &[adapter, ("to", to)]),
        (None, Some(to)) => say("new", &[adapter, setting, ("to", to)]),
        (None, None) => say("bare", &[adapter, setting]),
    }
}

fn timeout(language: Language, name: &str, seconds: u64) -> String {
    let seconds = seconds.to_string();
    match template(language, "power_timeout", name) {
        Some(template) => fill(template, &[("seconds", &seconds)]),
        None => format!("{name}: {seconds} s"),
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
