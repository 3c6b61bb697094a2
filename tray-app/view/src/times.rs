//! Times as people of a laboratory read them.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use stationkeeper_api::{LabView, Language};

use crate::words::say;

/// The time zones of the laboratories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zones {
    default: Tz,
    labs: BTreeMap<String, Tz>,
}

impl Default for Zones {
    fn default() -> Self {
        Self { default: Tz::UTC, labs: BTreeMap::new() }
    }
}

impl Zones {
    /// Of this PC, by its IANA name, until something else is said of a laboratory.
    pub fn everywhere(name: &str) -> Option<Self> {
        Some(Self { default: name.parse().ok()?, labs: BTreeMap::new() })
    }

    /// With what the gateway says of the laboratories; a zone that is not known here changes nothing.
    #[must_use]
    pub fn told(&self, labs: &[LabView]) -> Self {
        let known = |lab: &LabView| Some((lab.name.clone(), lab.time_zone.parse().ok()?));
        Self { default: self.default, labs: labs.iter().filter_map(known).collect() }
    }

    fn of(&self, lab: Option<&str>) -> Tz {
        lab.and_then(|lab| self.labs.get(lab)).copied().unwrap_or(self.default)
    }

    /// A time in the laboratory. Where not all clocks agree it says by which.
    fn text(&self, lab: Option<&str>, at: DateTime<Utc>, format: &str) -> String {
        let at = at.with_timezone(&self.of(lab));
        match self.labs.values().all(|zone| *zone == self.default) {
            true => at.format(format).to_string(),
            false => at.format(&format!("{format} %Z")).to_string(),
        }
    }

    /// `10:47` in the laboratory.
    pub fn minute(&self, lab: Option<&str>, at: DateTime<Utc>) -> String {
        self.text(lab, at, "%H:%M")
    }

    /// `10:47:05` in the laboratory.
    pub fn second(&self, lab: Option<&str>, at: DateTime<Utc>) -> String {
        self.text(lab, at, "%H:%M:%S")
    }

    /// The day in the laboratory.
    pub fn day(&self, lab: Option<&str>, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.of(lab)).date_naive()
    }

    /// `10:47`, with the date where it is another day than `now`'s.
    pub fn moment(&self, lab: Option<&str>, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        self.text(lab, at, if self.day(lab, at) == self.day(lab, now) { "%H:%M" } else { "%Y-%m-%d %H:%M" })
    }

    /// The next midnight by this PC's clock: when tomorrow begins. A day that begins later begins then.
    pub fn tomorrow(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let next = self.day(None, now) + TimeDelta::days(1);
        let begins = (0..24).find_map(|hour| next.and_hms_opt(hour, 0, 0)?.and_local_timezone(self.default).earliest());
        begins.map_or(now + TimeDelta::days(1), |begins| begins.with_timezone(&Utc))
    }
}

/// `41 s`, `4 min 52 s`, `1 h 18 min`, `3 d 2 h`. The same in both languages.
pub fn span_text(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60);
    match (days, hours, minutes, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, 0) => format!("{minutes} min"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, 0, _) => format!("{hours} h"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, 0, _, _) => format!("{days} d"),
        (days, hours, _, _) => format!("{days} d {hours} h"),
    }
}

/// `in 8 min`, `12 min ago`: whole minutes, since nobody plans by seconds.
pub(crate) fn relative(language: Language, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let whole = |span: TimeDelta| match span.num_seconds() {
        seconds if seconds < 60 => span_text(span),
        // Rounded up: in the 61 seconds before, nobody reads "1 min" and is late.
        seconds => span_text(TimeDelta::minutes(seconds / 60)),
    };
    if at > now {
        let left = at - now;
        let up = if left.num_seconds() < 60 { left } else { left + TimeDelta::seconds(59) };
        say(language, "in_span", &[("span", &whole(up))])
    } else {
        say(language, "span_ago", &[("span", &whole(now - at))])
    }
}

/// `7:42`, and `1:07:42` from an hour on: what is left of a countdown.
pub(crate) fn countdown(left: TimeDelta) -> String {
    let seconds = left.num_seconds().max(0);
    match (seconds / 3_600, seconds % 3_600 / 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn spans_have_at_most_two_parts() {
        for (seconds, text) in [
            (-5, "0 s"),
            (41, "41 s"),
            (60, "1 min"),
            (292, "4 min 52 s"),
            (3_600, "1 h"),
            (4_700, "1 h 18 min"),
            (86_400, "1 d"),
            (266_400, "3 d 2 h"),
        ] {
            assert_eq!(span_text(TimeDelta::seconds(seconds)), text);
        }
    }

    #[test]
    fn what_comes_is_rounded_up_and_what_was_is_rounded_down() {
        let now = at("10:00:00");
        for (time, english, spanish) in [
            ("10:00:00", "0 s ago", "hace 0 s"),
            ("10:00:41", "in 41 s", "en 41 s"),
            ("10:01:00", "in 1 min", "en 1 min"),
            ("10:01:01", "in 2 min", "en 2 min"),
            ("11:48:00", "in 1 h 48 min", "en 1 h 48 min"),
            ("09:47:01", "12 min ago", "hace 12 min"),
        ] {
            assert_eq!(relative(Language::En, at(time), now), english, "{time}");
            assert_eq!(relative(Language::Es, at(time), now), spanish, "{time}");
        }
    }

    #[test]
    fn each_laboratory_has_its_own_time() {
        let lab = |name: &str, zone: &str| LabView { name: name.to_owned(), time_zone: zone.to_owned() };
        let here = Zones::everywhere("Europe/Madrid").unwrap();
        let instant = at("10:47:05");
        let zones = here.told(&[lab("Redes", "Europe/Madrid"), lab("x", "Nowhere")]);
        assert_eq!(zones.minute(Some("Redes"), instant), "11:47", "all clocks agree: none is named");
        assert_eq!(zones.second(Some("x"), instant), "11:47:05");
        assert_eq!(zones.minute(None, instant), "11:47");
        assert_eq!(zones.moment(None, at("23:30:00"), instant), "2026-11-25 00:30");
        assert_eq!(zones.tomorrow(instant), at("23:00:00"), "midnight in Madrid");
        let zones = zones.told(&[lab("Redes", "Europe/Madrid"), lab("Atlántico", "Atlantic/Canary")]);
        assert_eq!(zones.minute(Some("Redes"), instant), "11:47 CET");
        assert_eq!(zones.minute(Some("Atlántico"), instant), "10:47 WET");
        assert_eq!(zones.moment(Some("Atlántico"), at("23:30:00"), instant), "23:30 WET", "the same day there");
        assert_eq!(zones.tomorrow(instant), at("23:00:00"), "still midnight here");
        assert_eq!(zones.told(&[]), here);
        assert_eq!(Zones::everywhere("Nowhere"), None);
    }

    #[test]
    fn tomorrow_begins_where_a_change_of_clocks_leaves_out_midnight() {
        let zones = Zones::everywhere("America/Havana").unwrap();
        let before: DateTime<Utc> = "2026-03-07T20:00:00Z".parse().unwrap();
        assert_eq!(zones.tomorrow(before), "2026-03-08T05:00:00Z".parse::<DateTime<Utc>>().unwrap());
    }

    #[test]
    fn a_countdown_counts_in_minutes_and_seconds() {
        for (seconds, text) in [(-1, "0:00"), (9, "0:09"), (462, "7:42"), (4_062, "1:07:42")] {
            assert_eq!(countdown(TimeDelta::seconds(seconds)), text);
        }
    }
}
