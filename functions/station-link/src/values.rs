//! What may stand in an argument.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::quoting::{Unquotable, quote};

/// Why a value is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Neither `NAME` nor `DOMAIN\NAME`.
    #[error("it is no Windows account (NAME or DOMAIN\\NAME of letters, digits, spaces and . _ - $ @)")]
    Account,
    /// Empty or too long.
    #[error("it must have 1 to {limit} characters")]
    Length {
        /// The most.
        limit: usize,
    },
    /// It cannot be passed on.
    #[error(transparent)]
    Unquotable(#[from] Unquotable),
    /// No whole number, or out of its range.
    #[error("it must be a whole number of seconds from 0 to {limit}")]
    Seconds {
        /// The most.
        limit: u32,
    },
    /// Neither yes nor no.
    #[error("it must be yes or no")]
    YesOrNo,
}

/// An account of Windows, alone or with its domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName(String);

impl FromStr for AccountName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let part = |part: &str| {
            !part.is_empty() && part.trim() == part && part.chars().all(|c| c.is_alphanumeric() || " ._-$@".contains(c))
        };
        let text = text.trim();
        let parts: Vec<&str> = text.split('\\').collect();
        if text.chars().count() > 104 || parts.len() > 2 || !parts.into_iter().all(part) {
            return Err(ValueError::Account);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is shown on a station: one line that a command line can carry.
#[derive(Clone, PartialEq, Eq)]
pub struct SentText(String);

impl SentText {
    const LIMIT: usize = 250;
}

impl FromStr for SentText {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > Self::LIMIT {
            return Err(ValueError::Length { limit: Self::LIMIT });
        }
        quote(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SentText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a user is told is nobody else's: it stays out of logs.
impl fmt::Debug for SentText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SentText({} characters)", self.0.chars().count())
    }
}

/// The most seconds of any option.
const LONGEST: u32 = 3600;

/// A number of seconds as a person writes it.
pub(crate) fn seconds(text: &str) -> Result<u32, ValueError> {
    let out_of_range = ValueError::Seconds { limit: LONGEST };
    if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(out_of_range);
    }
    text.parse().ok().filter(|seconds| *seconds <= LONGEST).ok_or(out_of_range)
}

/// A switch as a person writes it; without a value it is on.
pub(crate) fn yes_or_no(text: Option<&str>) -> Result<bool, ValueError> {
    let Some(text) = text else { return Ok(true) };
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "on" => Ok(true),
        "no" | "false" | "0" | "off" => Ok(false),
        _ => Err(ValueError::YesOrNo),
    }
}

/// Time that a local user gets to leave: 30 s to an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grace(u32);

impl Grace {
    const FLOOR: u32 = 30;
    /// What `prepare-session` gives.
    pub const PREPARE: Self = Self(90);
    /// What `session guard` gives.
    pub const GUARD: Self = Self(120);

    /// At least 30 s, since Lab Station gives no less; `None` beyond an hour.
    pub fn seconds(seconds: u32) -> Option<Self> {
        (seconds <= LONGEST).then(|| Self(seconds.max(Self::FLOOR)))
    }

    /// How long.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

/// Time between the order to reboot and the reboot: 15 s to an hour, so that the answer comes back before the station goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RebootTimeout(u32);

impl RebootTimeout {
    const FLOOR: u32 = 15;

    /// At least 15 s; `None` beyond an hour.
    pub fn seconds(seconds: u32) -> Option<Self> {
        (seconds <= LONGEST).then(|| Self(seconds.max(Self::FLOOR)))
    }

    /// How long.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl Default for RebootTimeout {
    fn default() -> Self {
        Self(20)
    }
}

macro_rules! as_seconds {
    ($($name:ident)*) => {$(
        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                Self::seconds(seconds(text)?).ok_or(ValueError::Seconds { limit: LONGEST })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
as_seconds!(Grace RebootTimeout);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_grammar() {
        for good in ["LABUSER", r"LAB\ana", r".\ana", "ana@uni.es", "José Ñandú", "svc$"] {
            assert_eq!(good.parse::<AccountName>().unwrap().to_string(), good);
        }
        for bad in ["", " ", r"a\b\c", r"\a", r"a\", "a&b", "a\"b", "a%b", "a\nb", "a;b", "a/b", &"a".repeat(105)] {
            assert_eq!(bad.parse::<AccountName>(), Err(ValueError::Account), "{bad:?}");
        }
    }

    #[test]
    fn times_have_a_floor_and_an_end() {
        for (text, grace, timeout) in [
            ("0", Some(30), Some(15)),
            ("15", Some(30), Some(15)),
            ("29", Some(30), Some(29)),
            ("30", Some(30), Some(30)),
            ("31", Some(31), Some(31)),
            ("3600", Some(3600), Some(3600)),
            ("3601", None, None),
            ("", None, None),
            ("-1", None, None),
            ("+5", None, None),
            ("1.5", None, None),
            ("99999999999", None, None),
            ("٣", None, None),
        ] {
            assert_eq!(text.parse::<Grace>().ok().map(|grace| grace.0), grace, "{text}");
            assert_eq!(text.parse::<RebootTimeout>().ok().map(|timeout| timeout.0), timeout, "{text}");
        }
    }

    #[test]
    fn a_sent_text_is_one_line_and_no_log_shows_it() {
        assert_eq!(" Remote order ".parse::<SentText>().unwrap().to_string(), "Remote order");
        assert_eq!(format!("{:?}", "Remote order".parse::<SentText>().unwrap()), "SentText(12 characters)");
        assert_eq!("".parse::<SentText>(), Err(ValueError::Length { limit: 250 }));
        assert_eq!("a".repeat(251).parse::<SentText>(), Err(ValueError::Length { limit: 250 }));
        assert_eq!("a\r\nshutdown".parse::<SentText>(), Err(ValueError::Unquotable(Unquotable::ControlCharacter)));
        assert_eq!("a\" & calc \"".parse::<SentText>(), Err(ValueError::Unquotable(Unquotable::ExposedOperator)));
    }
}
