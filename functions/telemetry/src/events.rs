//! Signatures.
use crate::{HostEvent, Limits, Reason, Rejection};

/// What a JSONL file, or a part of it, says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Events {
    /// In the order of the lines.
    pub events: Vec<HostEvent>,
    /// Lines that are not taken; the others stand.
    pub rejected_lines: Vec<RejectedLine>,
    /// Bytes up to where the next read begins: a torn tail is not among them.
    pub consumed: usize,
    /// Lines ended within `consumed`: the next read begins in line `first_line + lines`.
    pub lines: u64,
}

/// A line that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLine {
    /// 1-based line of the file.
    pub line: u64,
    /// The word to decide by.
    pub reason: Reason,
    /// The sentence to show.
    pub detail: String,
}

/// A file from its first byte.
///
/// # Errors
/// What makes the whole file unreadable (size, emptiness, compression, UTF-16).
pub fn normalize_events(_bytes: &[u8], _limits: &Limits, _first_line: u64) -> Result<Events, Rejection> {
    unimplemented!()
}
