//! `heartbeat_missing`, and when silence is excused: a station that is off on purpose, a grace after an outage of ours.

use chrono::{DateTime, TimeDelta, Utc};

use crate::judge::seconds;
use crate::{AlertSettings, Cause, Context, Doing, OffPolicy, StationState, Verdict};

/// How long after its announced end a power action may still be followed by a last heartbeat.
const POWER_ACTION_SLACK: TimeDelta = TimeDelta::seconds(60);

/// A station that was switched off and said nothing since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Off {
    /// When the action was ordered.
    pub ordered_at: DateTime<Utc>,
    /// From when on silence means that it is off.
    pub from: DateTime<Utc>,
    /// `shutdown` or `hibernate`.
    pub mode: Option<String>,
}

/// Whether the newest power action went well and no heartbeat came later than its end (alerts.md, "off is not missing").
pub fn off(state: &StationState) -> Option<Off> {
    let action = state.last_power_action()?;
    let ordered_at = action.timestamp.filter(|_| action.success == Some(true))?;
    let delay = TimeDelta::seconds(action.delay.unwrap_or(0).clamp(0, 86_400));
    let from = ordered_at.checked_add_signed(delay + POWER_ACTION_SLACK)?;
    let later = state.latest.as_ref().is_some_and(|latest| latest.snapshot.timestamp_utc > from);
    (!later).then_some(Off { ordered_at, from, mode: action.mode })
}

/// The instant at which the station becomes missing if nothing newer arrives.
pub fn missing_at(
    state: &StationState,
    grace_from: Option<DateTime<Utc>>,
    settings: &AlertSettings,
) -> Option<DateTime<Utc>> {
    let from = state.alive_at()?;
    let from = grace_from.map_or(from, |grace| from.max(grace));
    from.checked_add_signed(settings.missing_after() + TimeDelta::seconds(1))
}

/// `heartbeat_missing`: no advance for *more than* three intervals. Judged by the overdue check alone.
pub fn heartbeat_missing(state: &StationState, now: DateTime<Utc>, context: &Context<'_>) -> Verdict {
    let Some(latest) = &state.latest else { return Verdict::Unjudged };
    if context.off == OffPolicy::Excuses
        && let Some(off) = off(state)
        && now >= off.from
    {
        return Verdict::Clear { at: off.from, cause: Cause::OffOnPurpose { at: off.ordered_at, mode: off.mode } };
    }
    match missing_at(state, context.grace_from, context.settings) {
        Some(at) if now >= at => Verdict::Holds {
            at,
            cause: match state.running_at(now) {
                Some(running) if running.doing != Doing::Wake => {
                    Cause::Busy { command: running.doing.as_str().to_owned(), since: running.since }
                }
                _ => Cause::NothingNewer { since: latest.snapshot.timestamp_utc },
            },
        },
        _ => Verdict::Unjudged,
    }
}

/// The instant at which the station becomes late.
pub fn late_at(state: &StationState, settings: &AlertSettings) -> Option<DateTime<Utc>> {
    state.advanced_at()?.checked_add_signed(seconds(settings.late_after_seconds) + TimeDelta::seconds(1))
}

#[cfg(test)]
mod tests {
    use stationkeeper_telemetry::PowerAction;

    use super::*;
    use crate::testing::{instant, station};
    use crate::{Passage, RuleSet, Running};

    fn context<'a>(settings: &'a AlertSettings) -> Context<'a> {
        Context {
            settings,
            ignored_issue_codes: &[],
            reservations: &[],
            unresolved: &[],
            rules: RuleSet::ALL,
            off: OffPolicy::Excuses,
            passage: Passage::EveryTick,
            grace_from: None,
        }
    }

    #[test]
    fn a_station_is_missing_181_seconds_after_the_arrival_of_its_last_advance() {
        let settings = AlertSettings::default();
        let state = station("10:00:00", |_| {});
        for (now, grace, expected) in [
            ("10:03:00", None, None),
            ("10:03:01", None, Some("10:03:01")),
            ("11:00:00", None, Some("10:03:01")),
            ("10:03:01", Some("10:02:00"), None),
            ("10:05:00", Some("10:02:00"), None),
            ("10:05:01", Some("10:02:00"), Some("10:05:01")),
            ("10:03:01", Some("09:00:00"), Some("10:03:01")),
        ] {
            let context = Context { grace_from: grace.map(instant), ..context(&settings) };
            let got = match heartbeat_missing(&state, instant(now), &context) {
                Verdict::Holds { at, .. } => Some(at),
                _ => None,
            };
            assert_eq!(got, expected.map(instant), "now {now}, grace {grace:?}");
        }
    }

    #[test]
    fn off_is_not_missing() {
        let settings = AlertSettings::default();
        // The last heartbeat, the power action (when, success, delay), and whether the silence at 12:00 is excused.
        for (shows, last, ordered, success, delay, excused) in [
            ("a shutdown that went well", "10:00:00", "09:59:30", Some(true), Some(60), true),
            ("the last beat at the very end of its slack", "10:01:00", "09:59:00", Some(true), Some(60), true),
            ("a beat one second later: it came back", "10:01:01", "09:59:00", Some(true), Some(60), false),
            ("no delay", "10:00:00", "09:59:00", Some(true), None, true),
            ("it failed", "10:00:00", "09:59:30", Some(false), Some(60), false),
            ("how it went is unknown", "10:00:00", "09:59:30", None, Some(60), false),
        ] {
            let state = station(last, |snapshot| {
                snapshot.last_power_action = Some(PowerAction {
                    timestamp: Some(instant(ordered)),
                    mode: Some("shutdown".to_owned()),
                    forced: None,
                    wake_ready: None,
                    success,
                    delay,
                    reason: None,
                    wake_issues: None,
                });
            });
            let missing = |off| {
                let context = Context { off, ..context(&settings) };
                matches!(heartbeat_missing(&state, instant("12:00:00"), &context), Verdict::Holds { .. })
            };
            assert_eq!(!missing(OffPolicy::Excuses), excused, "{shows}");
            assert!(missing(OffPolicy::Ignored), "{shows}: nothing is excused when off is ignored");
        }
    }

    #[test]
    fn the_cause_names_a_command_that_is_known_to_run() {
        let settings = AlertSettings::default();
        for (doing, explains) in [(Doing::SessionGuard, true), (Doing::Wake, false)] {
            let mut state = station("10:00:00", |_| {});
            state.running = Some(Running { doing, since: instant("10:00:10"), until: instant("10:12:00") });
            let verdict = heartbeat_missing(&state, instant("10:10:00"), &context(&settings));
            let busy = matches!(verdict, Verdict::Holds { cause: Cause::Busy { .. }, .. });
            assert_eq!(busy, explains, "{doing:?}");
        }
    }
}
