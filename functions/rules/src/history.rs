//! A station's past as a chart needs it: the worst word of each stretch of time, how far its clock was off, and when nothing was heard.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_telemetry::HostName;

use crate::{Cause, StationWord};

/// The longest window.
const LONGEST: TimeDelta = TimeDelta::days(31);

/// A station was in one state.
#[derive(Debug, Clone, PartialEq)]
pub struct StateRun {
    /// Which station.
    pub host: HostName,
    /// From this instant.
    pub from_at: DateTime<Utc>,
    /// To this one; none: it still is.
    pub to_at: Option<DateTime<Utc>>,
    /// In this state.
    pub word: StationWord,
    /// Why.
    pub cause: Option<Cause>,
}

/// When a heartbeat was, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// By the station's clock.
    pub timestamp_utc: DateTime<Utc>,
    /// When it was first put.
    pub first_arrived_at: DateTime<Utc>,
}

/// A stretch of time, cut into buckets of whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    bucket_seconds: u32,
}

/// No window can be made of two instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoWindow {
    /// Nothing lies between them.
    #[error("from is before to")]
    Empty,
    /// Too much lies between them.
    #[error("from and to are at most {} days apart", LONGEST.num_days())]
    TooLong,
}

impl Window {
    /// From one instant to before another, in at most so many buckets; the last one may be shorter.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>, buckets: u32) -> Result<Self, NoWindow> {
        let length = to - from;
        if length <= TimeDelta::zero() {
            return Err(NoWindow::Empty);
        }
        if length > LONGEST {
            return Err(NoWindow::TooLong);
        }
        let bucket = ceiling(length, TimeDelta::seconds(i64::from(buckets.max(1))));
        Ok(Self { from, to, bucket_seconds: u32::try_from(bucket).unwrap_or(u32::MAX) })
    }

    /// First instant of it.
    pub fn from(&self) -> DateTime<Utc> {
        self.from
    }

    /// First instant after it.
    pub fn to(&self) -> DateTime<Utc> {
        self.to
    }

    /// How long a bucket is.
    pub fn bucket_seconds(&self) -> u32 {
        self.bucket_seconds
    }

    fn bucket(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.bucket_seconds))
    }

    /// Numbers of the buckets that [from, to) touches.
    fn touched(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> std::ops::Range<usize> {
        let (from, to) = (from.max(self.from), to.min(self.to));
        if to <= from {
            return 0..0;
        }
        let number = |number: i64| usize::try_from(number).unwrap_or(0);
        let first = (from - self.from).num_seconds() / i64::from(self.bucket_seconds);
        number(first)..number(ceiling(to - self.from, self.bucket()))
    }
}

/// How many of `part` it takes to fill `whole`.
fn ceiling(whole: TimeDelta, part: TimeDelta) -> i64 {
    let micros = |span: TimeDelta| span.num_microseconds().unwrap_or(i64::MAX);
    let (whole, part) = (micros(whole), micros(part).max(1));
    whole / part + i64::from(whole % part != 0)
}

/// What happened in one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// First instant of it.
    pub from: DateTime<Utc>,
    /// The worst word; none: nothing is known.
    pub word: Option<StationWord>,
    /// Heartbeats in it, by the station's clock.
    pub heartbeats: u32,
    /// Least and greatest of station clock minus ours.
    pub skew: Option<(TimeDelta, TimeDelta)>,
}

/// No heartbeat for longer than makes a station missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The heartbeat before it, by the station's clock.
    pub from_at: DateTime<Utc>,
    /// The one after it; none: it goes on.
    pub to_at: Option<DateTime<Utc>>,
}

/// What is gathered of a window while its heartbeats pass by, so that nobody holds all of them.
#[derive(Debug, Clone)]
pub struct History {
    window: Window,
    missing_after: TimeDelta,
    buckets: Vec<Bucket>,
    gaps: Vec<Gap>,
    last: Option<Beat>,
}

impl History {
    /// `missing_after`: a longer silence is a gap.
    pub fn new(window: Window, missing_after: TimeDelta) -> Self {
        let count = window.touched(window.from, window.to).len();
        let mut from = window.from;
        let buckets = std::iter::repeat_with(|| {
            let bucket = Bucket { from, word: None, heartbeats: 0, skew: None };
            from += window.bucket();
            bucket
        });
        Self { window, missing_after, buckets: buckets.take(count).collect(), gaps: Vec::new(), last: None }
    }

    /// What it is gathered of.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// The next heartbeat in order of the station's clock. The last before the window and the first after it count for gaps that reach beyond it.
    pub fn hear(&mut self, beat: Beat) {
        let Window { from, to, .. } = self.window;
        let (at, skew) = (beat.timestamp_utc, beat.timestamp_utc - beat.first_arrived_at);
        if let Some(last) = self.last
            && at - last.timestamp_utc > self.missing_after
            && last.timestamp_utc < to
            && from < at
        {
            self.gaps.push(Gap { from_at: last.timestamp_utc, to_at: Some(at) });
        }
        self.last = Some(beat);
        if from <= at
            && at < to
            && let Some(bucket) = self.window.touched(at, to).next().and_then(|number| self.buckets.get_mut(number))
        {
            bucket.heartbeats += 1;
            let (least, greatest) = bucket.skew.unwrap_or((skew, skew));
            bucket.skew = Some((least.min(skew), greatest.max(skew)));
        }
    }

    /// All of it at `now`, with the states that the station was in meanwhile.
    pub fn told(mut self, runs: &[StateRun], now: DateTime<Utc>) -> (Vec<Bucket>, Vec<Gap>) {
        for run in runs {
            for number in self.window.touched(run.from_at, run.to_at.unwrap_or(now)) {
                let Some(bucket) = self.buckets.get_mut(number) else { break };
                bucket.word = Some(bucket.word.map_or(run.word, |word| word.worse(run.word)));
            }
        }
        // Whether a silence goes on is told by our clock: the station's may be anywhere.
        if let Some(last) = self.last
            && now - last.first_arrived_at > self.missing_after
            && last.timestamp_utc < self.window.to
        {
            self.gaps.push(Gap { from_at: last.timestamp_utc, to_at: None });
        }
        (self.buckets, self.gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{host, instant};

    fn window(from: &str, to: &str, buckets: u32) -> Window {
        Window::new(instant(from), instant(to), buckets).unwrap()
    }

    fn beat(at: &str, skew: i64) -> Beat {
        Beat { timestamp_utc: instant(at), first_arrived_at: instant(at) - TimeDelta::milliseconds(skew) }
    }

    fn run(from: &str, to: Option<&str>, word: StationWord) -> StateRun {
        StateRun { host: host(), from_at: instant(from), to_at: to.map(instant), word, cause: None }
    }

    /// `08:00:00 down 2`, and the skew where there is one.
    fn line(bucket: &Bucket) -> String {
        let word = bucket.word.map_or("-", StationWord::as_str);
        let skew = bucket
            .skew
            .map(|(least, greatest)| format!(" {}..{}", least.num_milliseconds(), greatest.num_milliseconds()));
        format!("{} {word} {}{}", bucket.from.format("%H:%M:%S"), bucket.heartbeats, skew.unwrap_or_default())
    }

    #[test]
    fn a_window_has_at_most_so_many_buckets_of_whole_seconds() {
        for (shows, to, buckets, seconds, count) in [
            ("they fit", "12:00:00", 288, 50, 288),
            ("rounded up, there are fewer", "12:00:00", 1000, 15, 960),
            ("the last one is shorter", "08:00:10", 4, 3, 4),
            ("one", "12:00:00", 1, 14_400, 1),
            ("no shorter than a second", "08:00:10", 1000, 1, 10),
        ] {
            let window = window("08:00:00", to, buckets);
            let (told, _) = History::new(window, TimeDelta::seconds(180)).told(&[], instant("12:00:00"));
            assert_eq!((window.bucket_seconds(), told.len()), (seconds, count), "{shows}");
            assert!(told.last().unwrap().from < window.to(), "{shows}");
        }
        let half = instant("08:00:00") + TimeDelta::milliseconds(2500);
        let window = Window::new(instant("08:00:00"), half, 5).unwrap();
        assert_eq!((window.bucket_seconds(), window.touched(window.from, window.to)), (1, 0..3), "half a second more");
    }

    #[test]
    fn what_is_no_window() {
        let from = instant("08:00:00");
        for (shows, length, expected) in [
            ("backwards", TimeDelta::seconds(-1), Some(NoWindow::Empty)),
            ("empty", TimeDelta::zero(), Some(NoWindow::Empty)),
            ("a microsecond", TimeDelta::microseconds(1), None),
            ("the longest", LONGEST, None),
            ("longer", LONGEST + TimeDelta::microseconds(1), Some(NoWindow::TooLong)),
        ] {
            assert_eq!(Window::new(from, from + length, 288).err(), expected, "{shows}");
        }
        assert_eq!(Window::new(from, from + LONGEST, 0).unwrap().bucket_seconds(), 31 * 86_400, "none is one");
    }

    #[test]
    fn the_worst_word_of_a_bucket_wins_and_what_is_not_known_is_none() {
        use StationWord::{Attention, Down, Held, Late, Off, Ready};
        for (shows, runs, expected) in [
            ("nothing is known", vec![], ["-", "-", "-", "-"]),
            ("a run that goes on ends now", vec![run("08:05:00", None, Ready)], ["ready", "ready", "ready", "-"]),
            ("from before the window", vec![run("07:00:00", Some("08:10:00"), Off)], ["off", "-", "-", "-"]),
            (
                "over before it, or after it",
                vec![run("07:00:00", Some("08:00:00"), Off), run("09:00:00", None, Off)],
                ["-"; 4],
            ),
            (
                "a second is enough",
                vec![
                    run("08:00:00", Some("08:19:59"), Ready),
                    run("08:19:59", Some("08:20:00"), Late),
                    run("08:20:00", None, Ready),
                ],
                ["ready", "late", "ready", "-"],
            ),
            (
                "down is worse than what asks for a look, which is worse than late",
                vec![
                    run("08:00:00", Some("08:01:00"), Late),
                    run("08:01:00", Some("08:11:00"), Attention),
                    run("08:11:00", Some("08:12:00"), Down),
                    run("08:12:00", None, Held),
                ],
                ["attention", "down", "held", "-"],
            ),
        ] {
            let history = History::new(window("08:00:00", "08:40:00", 4), TimeDelta::seconds(180));
            let (buckets, _) = history.told(&runs, instant("08:25:00"));
            let words: Vec<_> = buckets.iter().map(|one| one.word.map_or("-", StationWord::as_str)).collect();
            assert_eq!(words, expected, "{shows}");
        }
    }

    #[test]
    fn heartbeats_are_counted_where_their_clock_says_and_so_is_how_far_it_is_off() {
        let mut history = History::new(window("08:00:00", "08:03:00", 3), TimeDelta::seconds(180));
        for (at, skew) in [
            ("07:59:59", 9_000),
            ("08:00:00", -250),
            ("08:00:59", 130_000),
            ("08:02:00", 40),
            ("08:02:59", 40),
            ("08:03:00", 9_000),
        ] {
            history.hear(beat(at, skew));
        }
        let (buckets, gaps) = history.told(&[], instant("08:03:00"));
        let lines: Vec<_> = buckets.iter().map(line).collect();
        assert_eq!(lines, ["08:00:00 - 2 -250..130000", "08:01:00 - 0", "08:02:00 - 2 40..40"]);
        assert_eq!(gaps, []);
    }

    #[test]
    fn a_gap_is_longer_than_what_makes_a_station_missing_and_is_not_cut_at_the_window() {
        for (shows, beats, now, expected) in [
            ("nobody ever spoke", vec![], "10:00:00", vec![]),
            ("180 s are none", vec!["08:00:00", "08:03:00"], "08:04:00", vec![]),
            ("181 s are", vec!["08:00:00", "08:03:01"], "08:04:00", vec![("08:00:00", Some("08:03:01"))]),
            ("from before the window", vec!["07:10:00", "08:30:00"], "08:31:00", vec![("07:10:00", Some("08:30:00"))]),
            ("before it", vec!["07:10:00", "08:00:00"], "08:01:00", vec![]),
            ("to after it", vec!["08:58:00", "11:00:00"], "11:01:00", vec![("08:58:00", Some("11:00:00"))]),
            ("after it", vec!["09:00:00", "11:00:00"], "11:01:00", vec![]),
            ("all around it", vec!["07:00:00", "11:00:00"], "11:01:00", vec![("07:00:00", Some("11:00:00"))]),
            ("180 s of silence until now are none", vec!["08:30:00"], "08:33:00", vec![]),
            ("it goes on", vec!["08:30:00"], "08:33:01", vec![("08:30:00", None)]),
            ("it goes on since before the window", vec!["07:00:00"], "10:00:00", vec![("07:00:00", None)]),
            ("it began after the window", vec!["08:59:00", "09:00:00"], "12:00:00", vec![]),
        ] {
            let mut history = History::new(window("08:00:00", "09:00:00", 1), TimeDelta::seconds(180));
            beats.iter().for_each(|at| history.hear(beat(at, 0)));
            let (_, gaps) = history.told(&[], instant(now));
            let expected: Vec<_> =
                expected.into_iter().map(|(from, to)| Gap { from_at: instant(from), to_at: to.map(instant) }).collect();
            assert_eq!(gaps, expected, "{shows}");
        }
        let mut fast = History::new(window("08:00:00", "09:00:00", 1), TimeDelta::seconds(180));
        fast.hear(beat("08:30:00", 600_000));
        let (_, gaps) = fast.told(&[], instant("08:23:01"));
        assert_eq!(
            gaps,
            [Gap { from_at: instant("08:30:00"), to_at: None }],
            "a clock ten minutes fast hides no silence"
        );
    }
}
