//! Why a document is not taken: the closed list of telemetry.md section 6.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declared in the order of the table: of several reasons that apply, the smallest is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// More bytes than [`Limits::max_bytes`](crate::Limits::max_bytes).
    TooLarge,
    /// No byte, or nothing but blanks.
    EmptyFile,
    /// Preallocated and never written.
    AllZeroBytes,
    /// A gzip member.
    Compressed,
    /// A JSON document in UTF-16.
    Utf16Json,
    /// Not strict UTF-8.
    InvalidUtf8,
    /// A NUL, raw or escaped.
    NulByte,
    /// More brackets inside each other than [`Limits::max_depth`](crate::Limits::max_depth).
    TooDeep,
    /// A key twice in one object.
    DuplicateKey,
    /// NaN, an infinity, or more than a double holds.
    NonFiniteNumber,
    /// Does not parse, and a bracket or string is still open.
    TruncatedJson,
    /// Does not parse.
    MalformedJson,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// The document is not an object.
    NotAnObject,
    /// A schema of another major version.
    UnsupportedSchema,
    /// Without it nothing can be said of the station.
    MissingField,
    /// A value of a form that the field does not take.
    WrongType,
    /// Not the name of a station.
    BadHost,
    /// Document and object key name different stations.
    HostMismatch,
    /// Not an instant.
    BadTimestamp,
    /// Before 2020, too far in the future, or outside the calendar.
    TimestampOutOfRange,
    /// The last line of a JSONL file is still being written.
    TornTail,
}

impl Reason {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 22] = [
        Self::TooLarge,
        Self::EmptyFile,
        Self::AllZeroBytes,
        Self::Compressed,
        Self::Utf16Json,
        Self::InvalidUtf8,
        Self::NulByte,
        Self::TooDeep,
        Self::DuplicateKey,
        Self::NonFiniteNumber,
        Self::TruncatedJson,
        Self::MalformedJson,
        Self::LoneSurrogate,
        Self::NotAnObject,
        Self::UnsupportedSchema,
        Self::MissingField,
        Self::WrongType,
        Self::BadHost,
        Self::HostMismatch,
        Self::BadTimestamp,
        Self::TimestampOutOfRange,
        Self::TornTail,
    ];

    /// The stable name: what files, metrics and the quarantine write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::EmptyFile => "empty_file",
            Self::AllZeroBytes => "all_zero_bytes",
            Self::Compressed => "compressed",
            Self::Utf16Json => "utf16_json",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NulByte => "nul_byte",
            Self::TooDeep => "too_deep",
            Self::DuplicateKey => "duplicate_key",
            Self::NonFiniteNumber => "non_finite_number",
            Self::TruncatedJson => "truncated_json",
            Self::MalformedJson => "malformed_json",
            Self::LoneSurrogate => "lone_surrogate",
            Self::NotAnObject => "not_an_object",
            Self::UnsupportedSchema => "unsupported_schema",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::BadHost => "bad_host",
            Self::HostMismatch => "host_mismatch",
            Self::BadTimestamp => "bad_timestamp",
            Self::TimestampOutOfRange => "timestamp_out_of_range",
            Self::TornTail => "torn_tail",
        }
    }

    /// The reason of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A document that is not taken. The detail says where and what, for a person; it never quotes the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Rejection {
    /// The word to decide by.
    pub reason: Reason,
    /// The sentence to show.
    pub detail: String,
}

impl Rejection {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_name_in_the_order_of_the_table() {
        for (position, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, position, "{reason}");
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
            assert_eq!(serde_json::to_string(&reason).expect("a word"), format!("\"{reason}\""));
        }
        assert_eq!(Reason::parse("Too_Large"), None);
    }
}
