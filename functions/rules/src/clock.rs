//! A station whose clock was set back, or to a date that cannot be, talks all the same.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::drift::clock_skew;
use crate::evaluate::{Judged, Outcome, finish};
use crate::{Cause, Context, Rule, StationState, Verdict};

/// What a station's clock said when it uploaded its `heartbeat.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// By the station's clock.
    pub timestamp: DateTime<Utc>,
    /// Near enough to its arrival to be taken as a heartbeat.
    pub in_range: bool,
    /// When it was put.
    pub arrived_at: DateTime<Utc>,
}

/// What a station's clock said in the newest upload of its `heartbeat.json`, whether or not that moved the station forward.
///
/// A clock that was set back says nothing newer for as long as it was set back. Its station talks all the same, which shows in two
/// uploads of which the later says more. One alone can be an old file that somebody put again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// By the station's clock.
    pub timestamp: DateTime<Utc>,
    /// Near enough to its arrival to be taken as a heartbeat.
    pub in_range: bool,
    /// When it was put: the newest of all.
    pub arrived_at: DateTime<Utc>,
    /// The newest upload whose timestamp was newer than that of the upload before it.
    pub alive_at: Option<DateTime<Utc>>,
}

impl Heard {
    /// The newest upload after one more; none: it was put before the one that is known.
    pub fn after(
        before: Option<&Self>,
        ClockReading { timestamp, in_range, arrived_at }: ClockReading,
    ) -> Option<Self> {
        if before.is_some_and(|before| arrived_at <= before.arrived_at) {
            return None;
        }
        // A date that cannot be is believed in only when it goes on.
        let goes_on = before.is_some_and(|before| before.timestamp < timestamp && (in_range || !before.in_range));
        let alive_at = if goes_on { Some(arrived_at) } else { before.and_then(|before| before.alive_at) };
        Some(Self { timestamp, in_range, arrived_at, alive_at })
    }

    /// Whether this upload is one that shows the station's clock going on.
    pub fn goes_on(&self) -> bool {
        self.alive_at == Some(self.arrived_at)
    }
}

/// Judges a station on an upload that does not move it forward: a date that cannot be, or one from before the latest. Two in a row,
/// the later saying more, are a station that talks; the latest state stays what it was, for station time decides.
pub fn on_clock(state: &StationState, clock: ClockReading, context: &Context<'_>) -> Outcome {
    let Some(heard) = Heard::after(state.heard.as_ref(), clock) else { return Outcome::unmoved(state) };
    let goes_on = heard.goes_on();
    let mut next = StationState { heard: Some(heard), ..state.clone() };
    if !goes_on {
        return Outcome { state: next, transitions: Vec::new() };
    }
    let ClockReading { timestamp, arrived_at, .. } = clock;
    let skew = timestamp - arrived_at;
    next.skew = Some(skew);
    let mut judged = Judged::new(&next, context);
    let talks = Verdict::Clear { at: arrived_at, cause: Cause::HeartbeatArrived { timestamp } };
    judged.answer(Rule::HeartbeatMissing, None, talks);
    judged.answer(Rule::ClockSkew, None, clock_skew(skew, arrived_at, context.settings));
    let transitions = judged.transitions;
    finish(state, next, transitions, arrived_at, context)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::testing::{host, instant, snapshot};
    use crate::{
        Alert, AlertSettings, Incoming, OffPolicy, Passage, RuleSet, StationWord, on_heartbeat, on_passage,
        unresolved_after,
    };

    /// What happens to a station: seconds of true time, and what its clock says then (seconds beside the truth), or a tick.
    enum Step {
        /// `heartbeat.json`, put at once.
        Beat(i64, i64),
        /// The same, but dated where no date is taken.
        Misdated(i64, i64),
        /// The same file again.
        Again(i64, i64),
        /// The overdue check.
        Tick(i64),
    }
    use Step::{Again, Beat, Misdated, Tick};

    fn told(steps: &[Step]) -> (Vec<String>, StationState) {
        let settings = AlertSettings::default();
        let start = instant("10:00:00");
        let second = |offset: i64| start + TimeDelta::seconds(offset);
        let mut state = StationState::unheard(host(), start);
        let mut unresolved: Vec<Alert> = Vec::new();
        let mut told = Vec::new();
        for step in steps {
            let context = Context {
                settings: &settings,
                ignored_issue_codes: &[],
                reservations: &[],
                unresolved: &unresolved,
                rules: RuleSet::ALL,
                off: OffPolicy::Excuses,
                passage: Passage::EveryTick,
                grace_from: None,
            };
            let outcome = match *step {
                Beat(at, off) | Again(at, off) => {
                    let mut said = snapshot("10:00:00");
                    // A file that is put again says what it said.
                    said.timestamp_utc = if matches!(step, Again(..)) { second(off) } else { second(at + off) };
                    let incoming = Incoming { snapshot: said, arrived_at: second(at), at_once: true };
                    on_heartbeat(&state, incoming, &context)
                }
                Misdated(at, off) => {
                    let (timestamp, arrived_at) = (second(at + off), second(at));
                    on_clock(&state, ClockReading { timestamp, in_range: false, arrived_at }, &context)
                }
                Tick(at) => on_passage(&state, second(at), &context),
            };
            unresolved = unresolved_after(&unresolved, &outcome.transitions);
            for moved in &outcome.transitions {
                told.push(format!("{} {} {}", (moved.at - start).num_seconds(), moved.key.rule, moved.to.as_str()));
            }
            state = outcome.state;
        }
        (told, state)
    }

    const HOUR: i64 = 3_600;
    const YEAR: i64 = 365 * 24 * HOUR;

    #[test]
    fn a_station_that_talks_is_not_missing_whatever_its_clock_says() {
        for (shows, steps, expected) in [
            (
                "a clock set back by an hour",
                vec![
                    Beat(0, 0),
                    Beat(60, -HOUR),
                    Beat(120, -HOUR),
                    Beat(180, -HOUR),
                    Tick(241),
                    Beat(240, -HOUR),
                    Tick(301),
                ],
                vec!["120 clock_skew open"],
            ),
            (
                "by a second: the latest stands for one beat at most",
                vec![Beat(0, 0), Beat(60, -1), Beat(120, -1), Tick(241)],
                vec![],
            ),
            (
                "so that a timestamp comes again",
                vec![
                    Beat(0, 0),
                    Beat(60, 0),
                    Beat(120, 0),
                    Beat(180, -120),
                    Beat(240, -120),
                    Tick(302),
                    Beat(300, -120),
                    Tick(362),
                ],
                vec![],
            ),
            (
                "and right again: it is known at once",
                vec![Beat(0, 0), Beat(60, -HOUR), Beat(120, -HOUR), Beat(180, 0), Tick(200)],
                vec!["120 clock_skew open", "180 clock_skew resolved"],
            ),
            (
                "to a date that cannot be, in the past",
                vec![
                    Beat(0, 0),
                    Misdated(60, -10 * YEAR),
                    Misdated(120, -10 * YEAR),
                    Misdated(180, -10 * YEAR),
                    Tick(300),
                ],
                vec!["120 clock_skew open"],
            ),
            (
                "in the future",
                vec![Beat(0, 0), Misdated(60, 10 * YEAR), Misdated(120, 10 * YEAR), Tick(300), Beat(240, 0), Tick(301)],
                vec!["120 clock_skew open", "240 clock_skew resolved"],
            ),
            (
                "one date that cannot be is a damaged file",
                vec![Beat(0, 0), Misdated(60, 10 * YEAR), Beat(120, 0), Tick(200)],
                vec![],
            ),
            (
                "away, and back with a clock that was reset",
                vec![Beat(0, 0), Tick(181), Beat(600, -YEAR), Tick(601), Beat(660, -YEAR), Tick(661)],
                vec!["181 heartbeat_missing open", "660 heartbeat_missing resolved", "660 clock_skew open"],
            ),
        ] {
            let (told, _) = told(&steps);
            assert_eq!(told, expected, "{shows}");
        }
    }

    #[test]
    fn an_old_file_that_is_put_again_is_no_sign_of_life() {
        for (shows, steps) in [
            ("one older file", vec![Beat(0, 0), Again(60, -300), Tick(181)]),
            ("the same older file again and again", vec![Beat(0, 0), Again(60, -300), Again(120, -300), Tick(181)]),
            ("older and older files", vec![Beat(0, 0), Again(60, -300), Again(120, -360), Tick(181)]),
            (
                "a date that cannot be, and the same again",
                vec![Beat(0, 0), Misdated(60, -10 * YEAR), Misdated(120, -10 * YEAR - 60), Tick(181)],
            ),
        ] {
            assert_eq!(told(&steps).0, ["181 heartbeat_missing open"], "{shows}");
        }
    }

    #[test]
    fn silence_after_the_clock_was_set_back_counts_from_the_last_upload() {
        let steps = [Beat(0, 0), Beat(60, -HOUR), Beat(120, -HOUR), Tick(300), Tick(301)];
        assert_eq!(told(&steps).0, ["120 clock_skew open", "301 heartbeat_missing open"]);
    }

    #[test]
    fn the_latest_state_stays_and_the_word_does_not_hide_it() {
        let (_, state) = told(&[Beat(0, 0), Beat(60, -HOUR), Beat(120, -HOUR), Tick(130)]);
        assert_eq!(state.latest.map(|latest| latest.snapshot.timestamp_utc), Some(instant("10:00:00")));
        assert_eq!((state.word, state.skew), (StationWord::Attention, Some(TimeDelta::seconds(-HOUR))));
    }
}
