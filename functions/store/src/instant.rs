//! Instants as each database keeps them: MySQL `datetime(6)`, SQLite text of fixed width, so that text order is time order.

use chrono::{DateTime, Datelike, Timelike, Utc};

use crate::StoreError;

/// `2026-11-24T08:00:00.000000Z`: always 27 characters.
pub(crate) const WIDTH: usize = 27;

/// The instant without what is finer than a microsecond; an error for a year that does not fit.
pub(crate) fn stored(at: DateTime<Utc>) -> Result<DateTime<Utc>, StoreError> {
    let micros = at.nanosecond().min(999_999_999) / 1_000;
    match at.with_nanosecond(micros * 1_000) {
        Some(at) if (1..=9999).contains(&at.year()) => Ok(at),
        _ => Err(StoreError::Instant(at)),
    }
}

/// As SQLite keeps it.
pub(crate) fn to_text(at: DateTime<Utc>) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.nanosecond().min(999_999_999) / 1_000
    )
}

/// What [`to_text`] wrote; nothing else.
#[cfg(any(feature = "sqlite", test))]
pub(crate) fn from_text(text: &str) -> Option<DateTime<Utc>> {
    let bytes = text.as_bytes();
    if bytes.len() != WIDTH {
        return None;
    }
    for (position, mark) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')] {
        if bytes[position] != mark {
            return None;
        }
    }
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    let date = chrono::NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    Some(date.and_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 26)?)?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_text_of_fixed_width_that_sorts_by_time() {
        for (rfc3339, text) in [
            ("2026-11-24T08:00:00Z", "2026-11-24T08:00:00.000000Z"),
            ("2026-11-24T08:00:00.5+01:00", "2026-11-24T07:00:00.500000Z"),
            ("2026-11-24T08:00:00.123456789Z", "2026-11-24T08:00:00.123456Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ] {
            let at: DateTime<Utc> = rfc3339.parse().unwrap();
            assert_eq!(to_text(at), text);
            assert_eq!(from_text(text), Some(stored(at).unwrap()));
        }
    }

    #[test]
    fn other_text_is_no_instant() {
        for text in [
            "",
            "2026-11-24T08:00:00Z",
            "2026-11-24 08:00:00.000000Z",
            "2026-02-30T08:00:00.000000Z",
            "2026-11-24T24:00:00.000000Z",
            "2026-11-24T08:00:00.00000éZ",
            "2026-11-24T08:00:00.+00000Z",
        ] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }

    #[test]
    fn a_year_that_does_not_fit_is_an_error() {
        for (year, fits) in [(0, false), (1, true), (9999, true), (10_000, false)] {
            let at = chrono::NaiveDate::from_ymd_opt(year, 6, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
            assert_eq!(stored(at).is_ok(), fits, "{year}");
        }
    }
}
