//! `quarantined_uploads`: a station keeps sending what nobody can read.
//!
//! Each kind of document is counted apart, so that heartbeats that can be read do not hide a status that never can. One that can be
//! read ends the run of its kind: files that are torn now and then, with whole ones in between, are no trouble.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_telemetry::ObjectKind;

use crate::evaluate::{Judged, Outcome, finish};
use crate::judge::seconds;
use crate::life::unresolved_after;
use crate::{AlertSettings, Cause, Context, Rule, StationState, Verdict};

/// So long after the last upload that nobody could read, the trouble is taken to be over.
const QUIET: TimeDelta = TimeDelta::hours(1);

/// A document that a station sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Which of its documents.
    pub kind: ObjectKind,
    /// When it was put.
    pub arrived_at: DateTime<Utc>,
    /// What came of it; none: it was read.
    pub unreadable: Option<Unreadable>,
}

/// What is known of a document that nobody can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Names this upload and no other, however often it is announced.
    pub object: String,
    /// From the closed list of rejections.
    pub reason: String,
}

/// An upload that nobody could read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Unread {
    object: String,
    arrived_at: DateTime<Utc>,
}

/// The uploads of one kind of document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Series {
    /// The newest arrival of one that was read.
    read_at: Option<DateTime<Utc>>,
    /// Those after it, oldest first: as many of the newest as it takes to open an alert.
    unread: Vec<Unread>,
    /// They came so fast that an alert opened.
    raised: bool,
}

impl Series {
    /// From when on its trouble is over because nothing else came.
    fn quiet_at(&self) -> Option<DateTime<Utc>> {
        self.unread.last()?.arrived_at.checked_add_signed(QUIET)
    }

    fn is_burst(&self, settings: &AlertSettings) -> bool {
        let most = settings.quarantined_uploads as usize;
        let first = self.unread.len().checked_sub(most).and_then(|place| self.unread.get(place));
        let last = self.unread.last();
        first.zip(last).is_some_and(|(first, last)| {
            last.arrived_at - first.arrived_at <= seconds(settings.quarantined_uploads_within_seconds)
        })
    }

    fn read(&mut self, arrived_at: DateTime<Utc>, settings: &AlertSettings) {
        self.read_at = self.read_at.max(Some(arrived_at));
        let former = self.unread.len();
        self.unread.retain(|one| Some(one.arrived_at) > self.read_at);
        if self.unread.len() < former {
            self.raised = self.is_burst(settings);
        }
    }

    /// False: it was known, or is older than one that was read.
    fn put_aside(&mut self, object: &str, arrived_at: DateTime<Utc>, settings: &AlertSettings) -> bool {
        if Some(arrived_at) <= self.read_at || self.unread.iter().any(|one| one.object == object) {
            return false;
        }
        let place = self.unread.partition_point(|one| one.arrived_at <= arrived_at);
        // Long over when the run that is known began.
        if self.unread.get(place).is_some_and(|next| next.arrived_at - arrived_at >= QUIET) {
            return false;
        }
        self.unread.insert(place, Unread { object: object.to_owned(), arrived_at });
        let over = self.unread.len().saturating_sub(settings.quarantined_uploads as usize);
        self.unread.drain(..over);
        self.raised |= self.is_burst(settings);
        true
    }
}

/// What a station remembers of its uploads: what nobody could read since the last of its kind that could be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uploads(BTreeMap<ObjectKind, Series>);

impl Uploads {
    /// Whether the last upload of each kind was read.
    pub fn all_read(&self) -> bool {
        self.0.values().all(|series| series.unread.is_empty())
    }

    /// Takes note of an upload that was read where all were: it changes no alert.
    pub fn note_read(&mut self, kind: ObjectKind, arrived_at: DateTime<Utc>) {
        let series = self.0.entry(kind).or_default();
        series.read_at = series.read_at.max(Some(arrived_at));
    }

    /// When the trouble is over if nothing else comes; none: there is none.
    pub(crate) fn quiet_at(&self) -> Option<DateTime<Utc>> {
        self.0.values().filter(|series| series.raised).filter_map(Series::quiet_at).max()
    }

    fn is_raised(&self) -> bool {
        self.0.values().any(|series| series.raised)
    }

    /// Forgets runs that are over by `now`.
    pub(crate) fn pass(&mut self, now: DateTime<Utc>) -> Verdict {
        let quiet_at = self.quiet_at().filter(|at| *at <= now);
        for series in self.0.values_mut().filter(|series| series.quiet_at().is_some_and(|at| at <= now)) {
            series.unread.clear();
            series.raised = false;
        }
        quiet_at.map_or(Verdict::Unjudged, |at| Verdict::Clear { at, cause: Cause::UnreadableNoMore })
    }

    fn take(&mut self, upload: &Upload, settings: &AlertSettings) -> Verdict {
        let series = self.0.entry(upload.kind).or_default();
        let at = upload.arrived_at;
        let Some(Unreadable { object, reason }) = &upload.unreadable else {
            series.read(at, settings);
            return match self.is_raised() {
                true => Verdict::Unjudged,
                false => Verdict::Clear { at, cause: Cause::ReadableAgain },
            };
        };
        if !series.put_aside(object, at, settings) || !series.raised {
            return Verdict::Unjudged;
        }
        let (Some(first), Some(last)) = (series.unread.first(), series.unread.last()) else { return Verdict::Unjudged };
        Verdict::Holds {
            at: last.arrived_at,
            cause: Cause::Unreadable {
                document: upload.kind.file_name().to_owned(),
                reason: reason.clone(),
                uploads: series.unread.len() as u64,
                since: first.arrived_at,
            },
        }
    }
}

/// Judges a station on what came of its uploads, which may come in any order and more than once: the arrival decides.
pub fn on_uploads(state: &StationState, mut uploads: Vec<Upload>, context: &Context<'_>) -> Outcome {
    uploads.sort_by_key(|upload| (upload.arrived_at, upload.unreadable.is_none()));
    let Some(newest) = uploads.last().map(|upload| upload.arrived_at) else { return Outcome::unmoved(state) };
    let mut next = state.clone();
    let mut transitions = Vec::new();
    for upload in &uploads {
        let passed = next.uploads.pass(upload.arrived_at);
        for verdict in [passed, next.uploads.take(upload, context.settings)] {
            let unresolved = unresolved_after(context.unresolved, &transitions);
            let context = Context { unresolved: &unresolved, ..*context };
            let mut judged = Judged::new(&next, &context);
            judged.answer(Rule::QuarantinedUploads, None, verdict);
            transitions.extend(judged.transitions);
        }
    }
    if transitions.is_empty() && context.unresolved(Rule::QuarantinedUploads, None).is_none() {
        return Outcome { state: next, transitions };
    }
    // What came late does not turn back the word of a station that has been heard since.
    let now = newest.max(state.word_since).max(state.alive_at().unwrap_or(newest));
    finish(state, next, transitions, now, context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instant, station};
    use crate::{Alert, OffPolicy, Passage, RuleSet, StationWord, on_passage};

    /// Commit after commit: uploads that came together (`h` heartbeat, `s` status; `+` read, `-` not; then the minute after 10:00 that it
    /// was put at, and perhaps `#` and which object it is), or `check` and a minute.
    fn told(settings: &AlertSettings, commits: &[&str]) -> (Vec<String>, StationState) {
        let minute = |text: &str| instant("10:00:00") + TimeDelta::minutes(text.parse().expect("a minute"));
        let mut state = station("10:00:00", |_| {});
        let mut unresolved: Vec<Alert> = Vec::new();
        let mut told = Vec::new();
        for commit in commits {
            let context = Context {
                settings,
                ignored_issue_codes: &[],
                reservations: &[],
                unresolved: &unresolved,
                rules: RuleSet::ALL,
                off: OffPolicy::Excuses,
                passage: Passage::EveryTick,
                grace_from: None,
            };
            let outcome = match commit.strip_prefix("check ") {
                Some(at) => on_passage(&state, minute(at), &context),
                None => {
                    let upload = |word: &str| {
                        let (kind, rest) = word.split_at(1);
                        let (mark, rest) = rest.split_at(1);
                        let (at, object) = rest.split_once('#').unwrap_or((rest, word));
                        let kind = if kind == "h" { ObjectKind::Heartbeat } else { ObjectKind::Status };
                        let unreadable = Unreadable { object: object.to_owned(), reason: "truncated_json".to_owned() };
                        Upload { kind, arrived_at: minute(at), unreadable: (mark == "-").then_some(unreadable) }
                    };
                    on_uploads(&state, commit.split(' ').map(upload).collect(), &context)
                }
            };
            unresolved = unresolved_after(&unresolved, &outcome.transitions);
            told.extend(
                outcome
                    .transitions
                    .iter()
                    .filter(|moved| moved.key.rule == Rule::QuarantinedUploads)
                    .map(|moved| format!("{} {}", (moved.at - instant("10:00:00")).num_minutes(), moved.to.as_str())),
            );
            state = outcome.state;
        }
        (told, state)
    }

    #[test]
    fn three_uploads_of_a_kind_within_ten_minutes_that_nobody_can_read_are_an_alert_until_one_can_be() {
        let limits = AlertSettings::default();
        let two = AlertSettings { quarantined_uploads: 2, quarantined_uploads_within_seconds: 60, ..limits.clone() };
        for (shows, settings, commits, expected) in [
            ("two are not three", &limits, &["h-1", "h-2"][..], &[][..]),
            ("three", &limits, &["h-1", "h-2", "h-3"], &["3 open"]),
            ("in one batch, in any order", &limits, &["h-3 h-1 h-2"], &["3 open"]),
            ("at the limit of the time", &limits, &["h-1", "h-2", "h-11"], &["11 open"]),
            ("one minute over it", &limits, &["h-1", "h-2", "h-12"], &[]),
            ("the newest three count", &limits, &["h-1", "h-12", "h-13", "h-14"], &["14 open"]),
            ("further ones open nothing more", &limits, &["h-1", "h-2", "h-3", "h-4", "h-30"], &["3 open"]),
            ("one that can be read between them", &limits, &["h-1", "h-2", "h+3", "h-4", "h-5"], &[]),
            ("the same in one batch", &limits, &["h-5 h+3 h-1 h-4 h-2"], &[]),
            ("one that can be read ends it", &limits, &["h-1", "h-2", "h-3", "h+4"], &["3 open", "4 resolved"]),
            ("in one batch with them", &limits, &["h+4 h-1 h-2 h-3"], &["3 open", "4 resolved"]),
            (
                "and three more begin anew",
                &limits,
                &["h-1 h-2 h-3", "h+4", "h-5 h-6", "h-7"],
                &["3 open", "4 resolved", "7 open"],
            ),
            ("one that was put before them does not", &limits, &["h-1", "h-2", "h-3", "h+0"], &["3 open"]),
            ("nor one put at the same time, whichever came first", &limits, &["h+3", "h-1 h-2 h-3"], &[]),
            ("another kind counts apart", &limits, &["h-1", "s-2", "h-3", "s-4"], &[]),
            ("and is no relief", &limits, &["s-1", "s-2", "h+2", "s-3", "h+4"], &["3 open"]),
            (
                "two kinds are one alert, until both can be read",
                &limits,
                &["s-1 s-2 s-3", "h-2 h-3 h-4", "h+5", "s+6"],
                &["3 open", "6 resolved"],
            ),
            ("other limits", &two, &["h-1", "h-2"], &["2 open"]),
            ("other limits, too slow", &two, &["h-1", "h-3"], &[]),
        ] {
            assert_eq!(told(settings, commits).0, expected, "{shows}");
        }
    }

    #[test]
    fn an_upload_counts_once_however_often_and_late_it_is_announced() {
        let limits = AlertSettings::default();
        for (shows, commits, expected) in [
            ("again at once", &["h-1#a h-1#a", "h-1#a"][..], &[][..]),
            ("again with another time of its PUT", &["h-1#a", "h-2#b", "h-3#a"], &[]),
            ("again after one that could be read", &["h-1 h-2", "h+4", "h-1", "h-2", "h-3"], &[]),
            ("again when it is over", &["h-1 h-2 h-3", "h+4", "h-1 h-2 h-3"], &["3 open", "4 resolved"]),
            (
                "the one that ended it, again",
                &["h-1 h-2 h-3", "h+4", "h-5 h-6 h-7", "h+4"],
                &["3 open", "4 resolved", "7 open"],
            ),
        ] {
            let (moved, state) = told(&limits, commits);
            assert_eq!(moved, expected, "{shows}");
            assert_eq!(
                told(&limits, &[commits, commits].concat()).1.uploads,
                state.uploads,
                "{shows}, all of it again"
            );
        }
    }

    #[test]
    fn it_is_over_an_hour_after_the_last_of_them_whoever_notices_first() {
        let limits = AlertSettings::default();
        for (shows, commits, expected) in [
            ("a check before that", &["h-1 h-2 h-3", "check 62"][..], &["3 open"][..]),
            ("a check then", &["h-1 h-2 h-3", "check 63"], &["3 open", "63 resolved"]),
            ("a check long after", &["h-1 h-2 h-3", "check 300"], &["3 open", "63 resolved"]),
            (
                "one more begins the hour anew",
                &["h-1 h-2 h-3", "h-40", "check 99", "check 100"],
                &["3 open", "100 resolved"],
            ),
            ("no check, and one that can be read", &["h-1 h-2 h-3", "h+90"], &["3 open", "63 resolved"]),
            ("no check, and one more", &["h-1 h-2 h-3", "h-90", "h-91"], &["3 open", "63 resolved"]),
            ("no check, and three more", &["h-1 h-2 h-3", "h-90 h-91 h-92"], &["3 open", "63 resolved", "92 open"]),
            ("two that nobody followed are forgotten", &["h-1 h-2", "check 90", "h-91"], &[]),
            (
                "two kinds: the later hour",
                &["h-1 h-2 h-3", "s-30 s-31 s-32", "check 63", "check 92"],
                &["3 open", "92 resolved"],
            ),
        ] {
            assert_eq!(told(&limits, commits).0, expected, "{shows}");
        }
    }

    #[test]
    fn the_word_says_it_and_the_station_is_due_when_the_hour_is_over() {
        let (_, state) = told(&AlertSettings::default(), &["h-1 h-2 h-3", "check 10"]);
        assert_eq!(state.check_at, Some(instant("11:03:00")), "it is down meanwhile, and that opens no more");
        let (_, state) = told(&AlertSettings::default(), &["h-1 h-2 h-3"]);
        assert_eq!(state.word, StationWord::Attention);
        let Some(Cause::Unreadable { document, reason, uploads, since }) = state.word_cause else {
            panic!("{:?}", state.word_cause)
        };
        assert_eq!((document.as_str(), reason.as_str(), uploads), ("heartbeat.json", "truncated_json", 3));
        assert_eq!(since, instant("10:01:00"));
    }
}
