//! What an operator sets to mute notifications for a while. Alerts go on as ever; only the telling waits.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use rrule::{Frequency, RRule, RRuleSet, Unvalidated};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stationkeeper_telemetry::HostName;

use super::Placed;
use crate::{Rule, TimeZone};

/// Longest recurrence rule, in characters.
const RECURRENCE_LIMIT: usize = 500;
/// Longest reason, in characters.
const REASON_LIMIT: usize = 2_000;

/// Derived from what a silence says and when it was set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct SilenceId(pub String);

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A silence. It mutes the alerts that meet every condition that is given, and has at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// See [`SilenceId`].
    pub id: SilenceId,
    /// Of this station.
    pub host: Option<HostName>,
    /// Of stations of this laboratory.
    pub lab: Option<String>,
    /// Of this rule.
    pub rule: Option<Rule>,
    /// When.
    pub span: Span,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub author: String,
    /// When it was set.
    pub created_at: DateTime<Utc>,
    /// When somebody, or the resolution that it waited for, ended it.
    pub ended_at: Option<DateTime<Utc>>,
}

/// When a silence mutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Span {
    /// Once.
    Once {
        /// The first instant of it.
        from: DateTime<Utc>,
        /// The first instant after it.
        until: DateTime<Utc>,
    },
    /// Again and again.
    Recurring {
        /// The first instant of the first time.
        from: DateTime<Utc>,
        /// The first instant after the first time; each lasts as long.
        until: DateTime<Utc>,
        /// RFC 5545, such as `FREQ=WEEKLY;BYDAY=SA,SU`.
        rule: String,
        /// Where its days and hours are those of the clock on the wall.
        time_zone: TimeZone,
    },
    /// From then on until no alert that it mutes is left.
    UntilResolved {
        /// The first instant of it.
        from: DateTime<Utc>,
    },
}

/// Why a silence cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// It would mute everything.
    #[error("a silence names a station, a laboratory or a rule: without one it would mute everything")]
    OfEverything,
    /// It ends before it begins.
    #[error("a silence ends after it begins")]
    EndsBeforeItBegins,
    /// It is over before it is set.
    #[error("the silence would be over already")]
    Over,
    /// No reason.
    #[error("a silence gives its reason, in at most {REASON_LIMIT} characters")]
    Reason,
    /// The recurrence cannot be read.
    #[error("the recurrence cannot be read: {0}")]
    Recurrence(String),
    /// The recurrence is faster than a day.
    #[error("a silence recurs daily, weekly, monthly or yearly")]
    TooOften,
    /// Nothing is open that it would wait for.
    #[error("nothing is open that a silence until the resolution would mute")]
    NothingOpen,
}

impl Silence {
    /// Checks what was asked for and gives it its id.
    pub fn new(mut asked: Self) -> Result<Self, SilenceError> {
        if asked.host.is_none() && asked.lab.is_none() && asked.rule.is_none() {
            return Err(SilenceError::OfEverything);
        }
        asked.reason = asked.reason.trim().to_owned();
        if asked.reason.is_empty() || asked.reason.chars().count() > REASON_LIMIT {
            return Err(SilenceError::Reason);
        }
        match &asked.span {
            Span::Once { from, until } | Span::Recurring { from, until, .. } if until <= from => {
                return Err(SilenceError::EndsBeforeItBegins);
            }
            Span::Once { until, .. } if *until <= asked.created_at => return Err(SilenceError::Over),
            Span::Recurring { from, rule, time_zone, .. } => drop(recurrence(rule, *from, *time_zone)?),
            Span::Once { .. } | Span::UntilResolved { .. } => {}
        }
        let named = format!(
            "{:?}\n{:?}\n{:?}\n{:?}\n{}\n{}\n{}",
            asked.host,
            asked.lab,
            asked.rule,
            asked.span,
            asked.reason,
            asked.author,
            asked.created_at.timestamp_micros()
        );
        let digest = Sha256::digest(named.as_bytes());
        asked.id = SilenceId(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect());
        Ok(asked)
    }

    /// Whether it speaks of this alert.
    pub fn speaks_of(&self, placed: &Placed) -> bool {
        let key = &placed.alert.key;
        self.host.as_ref().is_none_or(|host| key.host.as_ref() == Some(host))
            && self.lab.as_ref().is_none_or(|lab| placed.lab.as_ref() == Some(lab))
            && self.rule.is_none_or(|rule| key.rule == rule)
    }

    /// The time of muting that `now` lies in, if it does.
    pub fn at(&self, now: DateTime<Utc>) -> Option<Muted> {
        if self.ended_at.is_some_and(|ended| ended <= now) {
            return None;
        }
        match &self.span {
            Span::Once { from, until } => (*from <= now && now < *until).then_some(Muted { until: Some(*until) }),
            Span::UntilResolved { from } => (*from <= now).then_some(Muted { until: None }),
            Span::Recurring { from, until, rule, time_zone } => {
                let lasts = *until - *from;
                let begun = last_begin(rule, *from, *time_zone, now, lasts)?;
                Some(Muted { until: Some(begun + lasts) })
            }
        }
    }

    /// Whether it will never mute again.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.ended_at.is_some_and(|ended| ended <= now)
            || matches!(&self.span, Span::Once { until, .. } if *until <= now)
    }
}

/// A time of muting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Muted {
    /// The first instant after it; none: until something else happens.
    pub until: Option<DateTime<Utc>>,
}

/// Those that mute now: reckoned once for all alerts, since a recurrence takes its time.
pub fn muting(silences: &[Silence], now: DateTime<Utc>) -> Vec<(&Silence, Muted)> {
    silences.iter().filter_map(|silence| Some((silence, silence.at(now)?))).collect()
}

/// The silence that mutes this alert, of those that mute now: of several, the one that lasts longest.
pub fn silence_of<'s>(muting: &[(&'s Silence, Muted)], placed: &Placed) -> Option<(&'s Silence, Muted)> {
    muting
        .iter()
        .filter(|(silence, _)| silence.speaks_of(placed))
        .copied()
        .max_by_key(|(silence, muted)| (muted.until.is_none(), muted.until, &silence.id))
}

fn recurrence(rule: &str, from: DateTime<Utc>, zone: TimeZone) -> Result<RRuleSet, SilenceError> {
    if rule.chars().count() > RECURRENCE_LIMIT {
        return Err(SilenceError::Recurrence(format!("it has more than {RECURRENCE_LIMIT} characters")));
    }
    let parsed: RRule<Unvalidated> =
        rule.parse().map_err(|error: rrule::RRuleError| SilenceError::Recurrence(error.to_string()))?;
    if !matches!(parsed.get_freq(), Frequency::Daily | Frequency::Weekly | Frequency::Monthly | Frequency::Yearly) {
        return Err(SilenceError::TooOften);
    }
    let begins = from.with_timezone(&rrule::Tz::from(zone.0));
    let valid = parsed.validate(begins).map_err(|error| SilenceError::Recurrence(error.to_string()))?;
    Ok(RRuleSet::new(begins).rrule(valid))
}

/// When the time that holds `now` began.
fn last_begin(
    rule: &str,
    from: DateTime<Utc>,
    zone: TimeZone,
    now: DateTime<Utc>,
    lasts: TimeDelta,
) -> Option<DateTime<Utc>> {
    let zone_of_rule = rrule::Tz::from(zone.0);
    // What was stored was read before it was stored.
    let set = recurrence(rule, from, zone).ok()?;
    let around = set.after((now - lasts).with_timezone(&zone_of_rule)).before(now.with_timezone(&zone_of_rule));
    let begins = around.all(1_000).dates.into_iter().map(|at| at.with_timezone(&Utc));
    begins.filter(|at| *at <= now && now < *at + lasts).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{at, placed};

    fn silence(span: Span) -> Silence {
        Silence {
            id: SilenceId(String::new()),
            host: None,
            lab: Some("redes".to_owned()),
            rule: None,
            span,
            reason: "cleaning".to_owned(),
            author: "ana".to_owned(),
            created_at: at("2026-11-24T08:00"),
            ended_at: None,
        }
    }

    fn recurring(from: &str, hours: i64, rule: &str, zone: &str) -> Span {
        let from = at(from);
        let time_zone = TimeZone::parse(zone).expect("a zone");
        Span::Recurring { from, until: from + TimeDelta::hours(hours), rule: rule.to_owned(), time_zone }
    }

    #[test]
    fn a_silence_mutes_what_meets_all_its_conditions() {
        let all = |_: &mut Silence| {};
        for (shows, change, speaks) in [
            ("the laboratory", all as fn(&mut Silence), true),
            ("another laboratory", |one| one.lab = Some("optics".to_owned()), false),
            ("the station", |one| one.host = Some(HostName::parse("lab-01").expect("a host")), true),
            ("another station", |one| one.host = Some(HostName::parse("lab-02").expect("a host")), false),
            ("the rule", |one| one.rule = Some(Rule::HeartbeatMissing), true),
            ("another rule", |one| one.rule = Some(Rule::NotReady), false),
        ] {
            let mut one = silence(Span::UntilResolved { from: at("2026-11-24T08:00") });
            change(&mut one);
            assert_eq!(one.speaks_of(&placed(Rule::HeartbeatMissing, "LAB-01", "2026-11-24T10:00")), speaks, "{shows}");
        }
    }

    #[test]
    fn a_silence_mutes_from_its_first_instant_to_before_its_last() {
        let once = Span::Once { from: at("2026-11-24T10:00"), until: at("2026-11-24T12:00") };
        let weekend = recurring("2026-10-24T00:00", 24, "FREQ=WEEKLY;BYDAY=SA,SU", "UTC");
        // 22:00 of the wall is 20:00 UTC in summer and 21:00 UTC in winter.
        let nights = recurring("2026-10-20T20:00", 8, "FREQ=DAILY", "Europe/Madrid");
        let until_resolved = Span::UntilResolved { from: at("2026-11-24T10:00") };
        for (span, now, until) in [
            (&once, "2026-11-24T09:59", None),
            (&once, "2026-11-24T10:00", Some(Some("2026-11-24T12:00"))),
            (&once, "2026-11-24T12:00", None),
            (&weekend, "2026-11-27T23:59", None),
            (&weekend, "2026-11-28T00:00", Some(Some("2026-11-29T00:00"))),
            (&weekend, "2026-11-29T23:59", Some(Some("2026-11-30T00:00"))),
            (&weekend, "2026-11-30T00:00", None),
            (&nights, "2026-10-20T20:00", Some(Some("2026-10-21T04:00"))),
            (&nights, "2026-11-24T20:59", None),
            (&nights, "2026-11-24T21:00", Some(Some("2026-11-25T05:00"))),
            (&until_resolved, "2026-11-24T09:59", None),
            (&until_resolved, "2027-11-24T10:00", Some(None)),
        ] {
            let muted = silence(span.clone()).at(at(now)).map(|muted| muted.until);
            assert_eq!(muted, until.map(|until| until.map(at)), "{span:?} at {now}");
            let ended = Silence { ended_at: Some(at(now)), ..silence(span.clone()) };
            assert_eq!(ended.at(at(now)), None, "ended");
        }
    }

    #[test]
    fn of_several_silences_the_one_that_lasts_longest_mutes() {
        let once = |until: &str| silence(Span::Once { from: at("2026-11-24T10:00"), until: at(until) });
        let mut until_resolved = silence(Span::UntilResolved { from: at("2026-11-24T10:00") });
        let alert = placed(Rule::NotReady, "LAB-01", "2026-11-24T10:00");
        let longest = |silences: &[Silence]| {
            let muting = muting(silences, at("2026-11-24T11:00"));
            silence_of(&muting, &alert).map(|(_, muted)| muted.until)
        };
        let (short, long, over) = (once("2026-11-24T12:00"), once("2026-11-24T13:00"), once("2026-11-24T10:30"));
        assert_eq!(longest(std::slice::from_ref(&over)), None);
        assert_eq!(longest(&[short.clone(), long.clone(), over]), Some(Some(at("2026-11-24T13:00"))));
        assert_eq!(longest(&[short.clone(), until_resolved.clone(), long]), Some(None));
        until_resolved.lab = Some("optics".to_owned());
        assert_eq!(longest(&[until_resolved, short]), Some(Some(at("2026-11-24T12:00"))), "those of others do not");
    }

    #[test]
    fn what_would_mute_everything_or_nothing_is_refused() {
        let once = Span::Once { from: at("2026-11-24T10:00"), until: at("2026-11-24T12:00") };
        let of = |change: fn(&mut Silence)| {
            let mut one = silence(once.clone());
            change(&mut one);
            Silence::new(one).map(|one| one.id.0.len()).map_err(|error| error.to_string())
        };
        assert_eq!(of(|_| {}), Ok(16));
        for (change, said) in [
            ((|one| one.lab = None) as fn(&mut Silence), "without one it would mute everything"),
            (|one| one.reason = "  ".to_owned(), "gives its reason"),
            (|one| one.created_at = at("2026-11-24T12:00"), "over already"),
            (|one| one.span = Span::Once { from: one.created_at, until: one.created_at }, "ends after it begins"),
            (|one| one.span = recurring("2026-11-24T10:00", 1, "FREQ=SECONDLY", "UTC"), "daily, weekly"),
            (|one| one.span = recurring("2026-11-24T10:00", 1, "every day", "UTC"), "cannot be read"),
            (|one| one.span = recurring("2026-11-24T10:00", 0, "FREQ=DAILY", "UTC"), "ends after it begins"),
        ] {
            let error = of(change).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
    }
}
