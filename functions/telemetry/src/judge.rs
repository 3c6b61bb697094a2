//! Which values a field takes (telemetry.md sections 0.3, 0.4 and 6), and the first reason why one is not taken.

use chrono::{DateTime, Utc};

use crate::json::{Block, List, Scalar};
use crate::{InstantError, Reason, Rejection, parse_instant};

/// Text of at most this many digits is an integer.
const MAX_DIGITS: usize = 18;
/// 2^63: the first double that is no `i64`.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// Collects what is wrong with a document; the reason that comes first in the table is given.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    first: Option<Rejection>,
}

/// A field and the block it is in, for the detail of a rejection.
pub(crate) type Path<'a> = (&'a str, &'static str);

impl Judge {
    /// The value, unless anything was wrong.
    pub(crate) fn verdict<T>(self, value: T) -> Result<T, Rejection> {
        self.first.map_or(Ok(value), Err)
    }

    /// For a document without which a field is nothing.
    pub(crate) fn into_rejection(self) -> Rejection {
        self.first.unwrap_or_else(|| Rejection::new(Reason::MissingField, "a field that must be there is missing"))
    }

    pub(crate) fn note(&mut self, reason: Reason, detail: impl FnOnce() -> String) {
        if self.first.as_ref().is_none_or(|first| reason < first.reason) {
            self.first = Some(Rejection::new(reason, detail()));
        }
    }

    pub(crate) fn wrong_type(&mut self, (block, field): Path<'_>, expected: &str) {
        self.note(Reason::WrongType, || format!("{} is not {expected}", join(block, field)));
    }

    pub(crate) fn missing(&mut self, (block, field): Path<'_>) {
        self.note(Reason::MissingField, || format!("{} is missing", join(block, field)));
    }

    /// `None`: the block is not there, or is no block, which is noted.
    pub(crate) fn block<T>(&mut self, path: Path<'_>, block: Block<T>) -> Option<T> {
        match block {
            Block::Present(block) => Some(block),
            Block::Absent => None,
            Block::Wrong => {
                self.wrong_type(path, "an object");
                None
            }
        }
    }

    pub(crate) fn list<T>(&mut self, path: Path<'_>, list: List<T>) -> Option<Vec<T>> {
        match list {
            List::Items(items) => Some(items),
            List::Absent => None,
            List::Wrong => {
                self.wrong_type(path, "an array");
                None
            }
        }
    }

    /// Also a number or a boolean, as it was written. Empty is absent.
    pub(crate) fn text(&mut self, path: Path<'_>, scalar: Scalar<'_>) -> Option<String> {
        match scalar {
            Scalar::Missing | Scalar::Null | Scalar::Empty => None,
            Scalar::Bool(truth) => Some(truth.to_string()),
            Scalar::Number(number) => Some(number.to_owned()),
            Scalar::Text(_) | Scalar::Escaped(_) => {
                scalar.text().map(|text| text.into_owned()).filter(|text| !text.is_empty())
            }
            Scalar::Container => {
                self.wrong_type(path, "a text");
                None
            }
        }
    }

    /// The texts of a list. Entries that say nothing are left out.
    pub(crate) fn texts(&mut self, path: Path<'_>, list: List<Scalar<'_>>) -> Option<Vec<String>> {
        let items = self.list(path, list)?;
        Some(items.into_iter().filter_map(|item| self.text(path, item)).collect())
    }

    pub(crate) fn boolean(&mut self, path: Path<'_>, scalar: Scalar<'_>) -> Option<bool> {
        let judged = boolean(scalar);
        if judged.is_err() {
            self.wrong_type(path, "a boolean");
        }
        judged.ok().flatten()
    }

    /// A boolean that must be there: an unknown one is missing.
    pub(crate) fn required_boolean(&mut self, path: Path<'_>, scalar: Scalar<'_>) -> Option<bool> {
        if boolean(scalar) == Ok(None) {
            self.missing(path);
        }
        self.boolean(path, scalar)
    }

    pub(crate) fn integer(&mut self, path: Path<'_>, scalar: Scalar<'_>) -> Option<i64> {
        let judged = integer(scalar);
        if judged.is_err() {
            self.wrong_type(path, "an integer of 64 bits");
        }
        judged.ok().flatten()
    }

    pub(crate) fn instant(&mut self, path: Path<'_>, scalar: Scalar<'_>) -> Option<DateTime<Utc>> {
        let text = self.text(path, scalar)?;
        self.instant_of(path, &text)
    }

    /// An instant that must be there: an empty text is a bad one.
    pub(crate) fn required_instant(&mut self, path: Path<'_>, scalar: Scalar<'_>) -> Option<DateTime<Utc>> {
        if matches!(scalar, Scalar::Text("")) {
            return self.instant_of(path, "");
        }
        if matches!(scalar, Scalar::Missing | Scalar::Null | Scalar::Empty) {
            self.missing(path);
        }
        self.instant(path, scalar)
    }

    fn instant_of(&mut self, (block, field): Path<'_>, text: &str) -> Option<DateTime<Utc>> {
        let parsed = parse_instant(text);
        if let Err(error) = parsed {
            let reason = match error {
                InstantError::Malformed => Reason::BadTimestamp,
                InstantError::OutsideCalendar => Reason::TimestampOutOfRange,
            };
            self.note(reason, || format!("{}: {error}", join(block, field)));
        }
        parsed.ok()
    }
}

fn join(block: &str, field: &str) -> String {
    if block.is_empty() { field.to_owned() } else { format!("{block}.{field}") }
}

/// The value is of a form that the field does not take.
#[derive(Debug, PartialEq, Eq)]
struct WrongType;

fn boolean(scalar: Scalar<'_>) -> Result<Option<bool>, WrongType> {
    let truth = match scalar {
        Scalar::Missing | Scalar::Null | Scalar::Empty => return Ok(None),
        Scalar::Bool(truth) => truth,
        Scalar::Number(number) => match number.parse::<f64>() {
            Ok(1.0) => true,
            Ok(0.0) => false,
            _ => return Err(WrongType),
        },
        Scalar::Text(_) | Scalar::Escaped(_) => {
            let text = scalar.text().unwrap_or_default();
            let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
            if text.is_empty() {
                return Ok(None);
            } else if is(&["true", "yes", "on", "1"]) {
                true
            } else if is(&["false", "no", "off", "0"]) {
                false
            } else {
                return Err(WrongType);
            }
        }
        Scalar::Container => return Err(WrongType),
    };
    Ok(Some(truth))
}

fn integer(scalar: Scalar<'_>) -> Result<Option<i64>, WrongType> {
    match scalar {
        Scalar::Missing | Scalar::Null | Scalar::Empty => Ok(None),
        Scalar::Bool(truth) => Ok(Some(i64::from(truth))),
        Scalar::Number(number) if number.contains(['.', 'e', 'E']) => rounded(number).map(Some),
        Scalar::Number(number) => number.parse().map(Some).map_err(|_| WrongType),
        Scalar::Text(_) | Scalar::Escaped(_) => {
            let text = scalar.text().unwrap_or_default();
            let digits = text.strip_prefix('-').unwrap_or(&text);
            if text.is_empty() {
                Ok(None)
            } else if (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                text.parse().map(Some).map_err(|_| WrongType)
            } else {
                Err(WrongType)
            }
        }
        Scalar::Container => Err(WrongType),
    }
}

/// To the even neighbour, as the INI rounds: 45.5 is 46 and 44.5 is 44.
fn rounded(number: &str) -> Result<i64, WrongType> {
    let rounded = number.parse::<f64>().map_err(|_| WrongType)?.round_ties_even();
    // Within these bounds every whole double is an `i64`, so that the cast loses nothing.
    if (-TWO_TO_63..TWO_TO_63).contains(&rounded) { Ok(rounded as i64) } else { Err(WrongType) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_taken_in_many_words() {
        for (scalar, expected) in [
            (Scalar::Missing, Ok(None)),
            (Scalar::Null, Ok(None)),
            (Scalar::Empty, Ok(None)),
            (Scalar::Text(""), Ok(None)),
            (Scalar::Bool(true), Ok(Some(true))),
            (Scalar::Number("1"), Ok(Some(true))),
            (Scalar::Number("1.0"), Ok(Some(true))),
            (Scalar::Number("0"), Ok(Some(false))),
            (Scalar::Number("-0"), Ok(Some(false))),
            (Scalar::Number("2"), Err(WrongType)),
            (Scalar::Number("-1"), Err(WrongType)),
            (Scalar::Number("0.5"), Err(WrongType)),
            (Scalar::Text("TRUE"), Ok(Some(true))),
            (Scalar::Text("Yes"), Ok(Some(true))),
            (Scalar::Text("on"), Ok(Some(true))),
            (Scalar::Text("1"), Ok(Some(true))),
            (Scalar::Text("False"), Ok(Some(false))),
            (Scalar::Text("NO"), Ok(Some(false))),
            (Scalar::Text("off"), Ok(Some(false))),
            (Scalar::Text("0"), Ok(Some(false))),
            (Scalar::Escaped("\\u006fn"), Ok(Some(true))),
            (Scalar::Text("maybe"), Err(WrongType)),
            (Scalar::Text("null"), Err(WrongType)),
            (Scalar::Container, Err(WrongType)),
        ] {
            assert_eq!(boolean(scalar), expected, "{scalar:?}");
        }
    }

    #[test]
    fn integers_are_rounded_and_bounded() {
        for (scalar, expected) in [
            (Scalar::Missing, Ok(None)),
            (Scalar::Null, Ok(None)),
            (Scalar::Empty, Ok(None)),
            (Scalar::Text(""), Ok(None)),
            (Scalar::Bool(true), Ok(Some(1))),
            (Scalar::Bool(false), Ok(Some(0))),
            (Scalar::Number("-7"), Ok(Some(-7))),
            (Scalar::Number("45.5"), Ok(Some(46))),
            (Scalar::Number("44.5"), Ok(Some(44))),
            (Scalar::Number("-0.4"), Ok(Some(0))),
            (Scalar::Number("1e3"), Ok(Some(1000))),
            (Scalar::Number("9223372036854775807"), Ok(Some(i64::MAX))),
            (Scalar::Number("-9223372036854775808"), Ok(Some(i64::MIN))),
            (Scalar::Number("9223372036854775808"), Err(WrongType)),
            (Scalar::Number("18446744073709551616"), Err(WrongType)),
            (Scalar::Number("9223372036854775808.0"), Err(WrongType)),
            (Scalar::Number("1e20"), Err(WrongType)),
            (Scalar::Text("12"), Ok(Some(12))),
            (Scalar::Text("-12"), Ok(Some(-12))),
            (Scalar::Text("00712"), Ok(Some(712))),
            (Scalar::Text("999999999999999999"), Ok(Some(999_999_999_999_999_999))),
            (Scalar::Text("1000000000000000000"), Err(WrongType)),
            (Scalar::Text("-"), Err(WrongType)),
            (Scalar::Text("+1"), Err(WrongType)),
            (Scalar::Text(" 1"), Err(WrongType)),
            (Scalar::Text("1.5"), Err(WrongType)),
            (Scalar::Text("١"), Err(WrongType)),
            (Scalar::Text("true"), Err(WrongType)),
            (Scalar::Container, Err(WrongType)),
        ] {
            assert_eq!(integer(scalar), expected, "{scalar:?}");
        }
    }

    #[test]
    fn texts_keep_what_was_written() {
        for (scalar, expected) in [
            (Scalar::Missing, None),
            (Scalar::Null, None),
            (Scalar::Empty, None),
            (Scalar::Text(""), None),
            (Scalar::Text(" "), Some(" ")),
            (Scalar::Text("null"), Some("null")),
            (Scalar::Bool(true), Some("true")),
            (Scalar::Number("1e+20"), Some("1e+20")),
            (Scalar::Number("0.10000000000000001"), Some("0.10000000000000001")),
            (Scalar::Escaped("a\\\\b\\u00f1"), Some("a\\bñ")),
        ] {
            let mut judge = Judge::default();
            assert_eq!(judge.text(("", "user"), scalar).as_deref(), expected, "{scalar:?}");
            assert_eq!(judge.verdict(()), Ok(()));
        }
    }

    #[test]
    fn the_first_reason_of_the_table_is_the_verdict() {
        let mut judge = Judge::default();
        judge.instant(("operations.lastPowerAction", "timestamp"), Scalar::Text("yesterday"));
        judge.text(("summary", "state"), Scalar::Container);
        judge.boolean(("summary", "ready"), Scalar::Container);
        let rejection = judge.verdict(()).expect_err("two wrong types");
        assert_eq!(rejection, Rejection::new(Reason::WrongType, "summary.state is not a text"));
    }
}
