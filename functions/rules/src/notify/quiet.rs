//! Quiet hours: what is not critical waits until they end.

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};

use crate::{QuietHours, TimeZone};

/// When the quiet hours that hold `now` end; none: they do not hold. `lab` is the zone of those that name none.
pub fn quiet_until(hours: QuietHours, lab: TimeZone, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let zone = hours.time_zone.unwrap_or(lab);
    let local = now.with_timezone(&zone.0);
    let (from, to, time) = (hours.from.0, hours.to.0, local.time());
    let over_midnight = to <= from;
    let holds = match over_midnight {
        true => time >= from || time < to,
        false => from <= time && time < to,
    };
    if !holds {
        return None;
    }
    let tomorrow = over_midnight && time >= from;
    let day = if tomorrow { local.date_naive().checked_add_days(Days::new(1))? } else { local.date_naive() };
    // Where that time exists twice, quiet ends with the second; never before now.
    Some(instant(zone, day, to).max(now + TimeDelta::seconds(1)))
}

/// What the clock on the wall calls so. Where it jumps over that time, what it shows an hour later.
fn instant(zone: TimeZone, day: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
    let mut wall = day.and_time(time);
    for _ in 0..25 {
        match zone.0.from_local_datetime(&wall) {
            LocalResult::Single(at) | LocalResult::Ambiguous(_, at) => return at.with_timezone(&Utc),
            LocalResult::None => wall += TimeDelta::hours(1),
        }
    }
    wall.and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TimeOfDay;
    use crate::notify::testing::at;

    #[test]
    fn quiet_hours_end_by_the_clock_on_the_wall() {
        let madrid = TimeZone::parse("Europe/Madrid").expect("a zone");
        for (shows, from, to, now, until) in [
            ("before", "22:00", "07:00", "2026-11-24T20:59", None),
            ("at the first minute", "22:00", "07:00", "2026-11-24T21:00", Some("2026-11-25T06:00")),
            ("after midnight", "22:00", "07:00", "2026-11-25T05:59", Some("2026-11-25T06:00")),
            ("at the end", "22:00", "07:00", "2026-11-25T06:00", None),
            ("within a day", "13:00", "15:00", "2026-11-24T12:30", Some("2026-11-24T14:00")),
            ("in summer an hour earlier", "22:00", "07:00", "2026-07-24T20:00", Some("2026-07-25T05:00")),
            ("over the change to winter", "22:00", "07:00", "2026-10-24T21:00", Some("2026-10-25T06:00")),
            ("an end that the clock jumps over", "22:00", "02:30", "2026-03-28T22:00", Some("2026-03-29T01:30")),
            ("an end that comes twice", "22:00", "02:30", "2026-10-24T22:00", Some("2026-10-25T01:30")),
        ] {
            let hours = QuietHours {
                from: TimeOfDay::parse(from).expect("a time"),
                to: TimeOfDay::parse(to).expect("a time"),
                time_zone: None,
            };
            assert_eq!(quiet_until(hours, madrid, at(now)), until.map(at), "{shows}");
            let elsewhere = QuietHours { time_zone: Some(madrid), ..hours };
            assert_eq!(quiet_until(elsewhere, TimeZone::default(), at(now)), until.map(at), "{shows}, by its own zone");
        }
    }
}
