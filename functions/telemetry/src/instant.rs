//! Instants as stations and buckets write them (telemetry.md section 6, `bad_timestamp`), and as we do.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};

/// Why a text is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InstantError {
    /// Another form, or a date or time that does not exist (leap seconds among them).
    #[error("an instant is yyyy-MM-ddTHH:mm:ss, with a fraction and a zone if any")]
    Malformed,
    /// Its offset carries it out of the years 1 to 9999.
    #[error("the offset leaves the calendar")]
    OutsideCalendar,
}

/// `yyyy-MM-ddTHH:mm:ss`, a fraction of 1 to 9 digits (cut to microseconds), `Z` or an offset `±hh:mm` or `±hhmm`.
/// No zone means UTC.
///
/// # Errors
/// See [`InstantError`].
pub fn parse_instant(text: &str) -> Result<DateTime<Utc>, InstantError> {
    parse(text.as_bytes()).ok_or(InstantError::Malformed).and_then(|(local, offset)| {
        let utc = local - offset;
        if (1..=9999).contains(&utc.year()) { Ok(utc) } else { Err(InstantError::OutsideCalendar) }
    })
}

/// RFC 3339 with `Z`; a fraction of at most 6 digits, without trailing zeros. For the years 0 to 9999.
pub fn format_instant(instant: DateTime<Utc>) -> String {
    WrittenInstant::new(instant).as_str().to_owned()
}

/// The text of [`format_instant`], written digit by digit and without an allocation: a list has thousands.
pub struct WrittenInstant {
    text: [u8; WrittenInstant::LONGEST],
    length: usize,
}

impl WrittenInstant {
    const LONGEST: usize = "2026-11-24T08:54:10.000001Z".len();
    const WHOLE: usize = "2026-11-24T08:54:10".len();

    /// Writes it.
    pub fn new(instant: DateTime<Utc>) -> Self {
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        // Other years have no place in four digits; none of them is ever read.
        let year = u32::try_from(instant.year()).unwrap_or_default().min(9_999);
        let micros = instant.timestamp_subsec_micros() % 1_000_000;
        for (places, number) in [
            (0..4, year),
            (5..7, instant.month()),
            (8..10, instant.day()),
            (11..13, instant.hour()),
            (14..16, instant.minute()),
            (17..19, instant.second()),
            (20..26, micros),
        ] {
            digits(&mut text[places], number);
        }
        let fraction = text[Self::WHOLE + 1..Self::LONGEST - 1].iter().rposition(|digit| *digit != b'0');
        // Point and digits up to the last one that counts.
        let end = fraction.map_or(Self::WHOLE, |last| Self::WHOLE + 2 + last);
        text[end] = b'Z';
        Self { text, length: end + 1 }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }
}

fn digits(places: &mut [u8], mut number: u32) {
    for place in places.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// The local time as if it were UTC, and how far it is ahead of UTC.
fn parse(bytes: &[u8]) -> Option<(DateTime<Utc>, TimeDelta)> {
    let (seconds, rest) = bytes.split_at_checked(19)?;
    let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if punctuation.into_iter().any(|(at, expected)| seconds[at] != expected) {
        return None;
    }
    let date = date(number(&seconds[0..4])?, number(&seconds[5..7])?, number(&seconds[8..10])?)?;
    let (hour, minute, second) = (number(&seconds[11..13])?, number(&seconds[14..16])?, number(&seconds[17..19])?);
    let (micros, zone) = fraction(rest)?;
    let local = date.and_hms_micro_opt(hour, minute, second, micros)?.and_utc();
    Some((local, offset(zone)?))
}

/// A day of the years 1 to 9999.
pub(crate) fn date(year: u32, month: u32, day: u32) -> Option<NaiveDate> {
    (year >= 1).then(|| NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)).flatten()
}

/// ASCII digits and nothing else; at most nine, so that it fits.
pub(crate) fn number(digits: &[u8]) -> Option<u32> {
    let valid = !digits.is_empty() && digits.len() <= 9 && digits.iter().all(u8::is_ascii_digit);
    valid.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

/// Microseconds, and what follows the fraction.
fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some(after) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, zone) = after.split_at(length);
    let missing = u32::try_from(9_usize.checked_sub(length)?).ok()?;
    Some((number(digits)? * 10_u32.pow(missing) / 1000, zone))
}

fn offset(zone: &[u8]) -> Option<TimeDelta> {
    let (sign, hours, minutes) = match zone {
        [] | [b'Z'] => return Some(TimeDelta::zero()),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            (*sign, number(&[*h1, *h2])?, number(&[*m1, *m2])?)
        }
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = TimeDelta::minutes(i64::from(hours * 60 + minutes));
    Some(if sign == b'-' { -ahead } else { ahead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_their_forms_and_written_in_one() {
        for (text, written) in [
            ("2026-11-24T09:00:09Z", "2026-11-24T09:00:09Z"),
            ("2026-11-24T09:00:09", "2026-11-24T09:00:09Z"),
            ("2026-11-24T09:00:09.000Z", "2026-11-24T09:00:09Z"),
            ("2026-11-24T09:00:09.250", "2026-11-24T09:00:09.25Z"),
            ("2026-11-24T09:00:09.1234567Z", "2026-11-24T09:00:09.123456Z"),
            ("2026-11-24T09:00:09.999999999Z", "2026-11-24T09:00:09.999999Z"),
            ("2026-11-24T09:00:09+01:00", "2026-11-24T08:00:09Z"),
            ("2026-11-24T09:00:09.5-0330", "2026-11-24T12:30:09.5Z"),
            ("2026-11-24T00:30:00+23:59", "2026-11-23T00:31:00Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.9Z", "9999-12-31T23:59:59.9Z"),
        ] {
            assert_eq!(parse_instant(text).map(format_instant).as_deref(), Ok(written), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_instants() {
        for text in [
            "",
            "2026-11-24",
            "2026-11-24 09:00:09Z",
            "2026-11-24t09:00:09Z",
            "2026-11-24T09:00:09z",
            "2026-11-24T09:00Z",
            "2026-11-24T09:00:09.Z",
            "2026-11-24T09:00:09.1234567890Z",
            "2026-11-24T09:00:09,5Z",
            "2026-11-24T09:00:09+01",
            "2026-11-24T09:00:09+1:00",
            "2026-11-24T09:00:09+24:00",
            "2026-11-24T09:00:09+01:60",
            "2026-11-24T09:00:09Z ",
            " 2026-11-24T09:00:09Z",
            "2026-11-24T09:00:60Z",
            "2026-11-24T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "+026-11-24T09:00:09Z",
            "20261124T090009Z",
            "２０２６-11-24T09:00:09Z",
        ] {
            assert_eq!(parse_instant(text), Err(InstantError::Malformed), "{text}");
        }
    }

    #[test]
    fn an_offset_may_leave_the_calendar() {
        for text in ["9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+0001"] {
            assert_eq!(parse_instant(text), Err(InstantError::OutsideCalendar), "{text}");
        }
    }
}
