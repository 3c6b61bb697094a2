//! From bytes to text that a strict parser takes (telemetry.md sections 0.1 and 0.2).

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::{Limits, Reason, Rejection};

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A JSON text, as it came and, if need be, as a strict parser takes it.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    original: &'a str,
    escaped: OnceCell<Cow<'a, str>>,
}

/// What can be said of any file before its encoding is known.
pub(crate) fn refuse_before_decoding(bytes: &[u8], limits: &Limits) -> Result<(), Rejection> {
    limits.check_size(bytes.len() as u64)?;
    let blank = |text: &[u8]| text.iter().all(|byte| BLANKS.contains(&char::from(*byte)));
    if blank(bytes.strip_prefix(BOM).unwrap_or(bytes)) {
        return Err(Rejection::new(Reason::EmptyFile, format!("{} bytes, all of them blanks", bytes.len())));
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(Rejection::new(Reason::AllZeroBytes, format!("{} bytes, all of them NUL", bytes.len())));
    }
    if bytes.starts_with(b"\x1F\x8B") {
        return Err(Rejection::new(Reason::Compressed, "a gzip member, not a text"));
    }
    Ok(())
}

impl<'a> Source<'a> {
    /// A whole JSON file.
    pub(crate) fn of_file(bytes: &'a [u8], limits: &Limits) -> Result<Self, Rejection> {
        refuse_before_decoding(bytes, limits)?;
        Self::refuse_utf16(bytes)?;
        Self::of_text(bytes.strip_prefix(BOM).unwrap_or(bytes))
    }

    /// UTF-16 is told by its BOM, or by the NUL beside the first character.
    pub(crate) fn refuse_utf16(bytes: &[u8]) -> Result<(), Rejection> {
        match bytes {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, ..] | [_, 0, ..] => {
                Err(Rejection::new(Reason::Utf16Json, "UTF-16, not UTF-8"))
            }
            _ => Ok(()),
        }
    }

    /// Bytes without a BOM.
    pub(crate) fn of_text(bytes: &'a [u8]) -> Result<Self, Rejection> {
        let original = std::str::from_utf8(bytes).map_err(|error| {
            Rejection::new(Reason::InvalidUtf8, format!("not UTF-8 after byte {}", error.valid_up_to()))
        })?;
        Ok(Self { original, escaped: OnceCell::new() })
    }

    /// As it came, without its BOM.
    pub(crate) fn original(&self) -> &str {
        self.original
    }

    /// With the control characters within its strings escaped; `None` if there are none.
    pub(crate) fn escaped(&self) -> Option<&str> {
        match self.escaped.get_or_init(|| escape_controls(self.original)) {
            Cow::Owned(escaped) => Some(escaped),
            Cow::Borrowed(_) => None,
        }
    }

    /// A NUL stands in it, raw or as `\u0000` (perhaps behind an escaped backslash).
    pub(crate) fn may_hold_nul(&self) -> bool {
        self.original.as_bytes().contains(&0) || self.original.contains("\\u0000")
    }
}

/// Raw control characters within strings, which the emitter writes and no strict parser takes, become escapes.
pub(super) fn escape_controls(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut escaped = String::new();
    let (mut copied, mut in_string, mut at) = (0, false, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => in_string = !in_string,
            // Whatever follows a backslash stays as it is: a raw control character there is no escape.
            b'\\' if in_string => at += 1,
            0..0x20 if in_string => {
                escaped.push_str(&text[copied..at]);
                escaped.push_str(&format!("\\u{byte:04x}"));
                copied = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    escaped.push_str(&text[copied..]);
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_escaped_within_strings_only() {
        for (text, expected) in [
            ("{\r\n\t\"a\": 1}", "{\r\n\t\"a\": 1}"),
            ("{\"a\":\"\u{1b}[0m\"}", "{\"a\":\"\\u001b[0m\"}"),
            ("{\"a\u{1}\":\"b\tc\nñ\"}\n", "{\"a\\u0001\":\"b\\u0009c\\u000añ\"}\n"),
            ("[\"\\\"\u{7}\",\"\\\\\"]\u{7}", "[\"\\\"\\u0007\",\"\\\\\"]\u{7}"),
            ("[\"\\\u{7}\"]", "[\"\\\u{7}\"]"),
            ("\"\\", "\"\\"),
        ] {
            assert_eq!(escape_controls(text), expected, "{text:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told_apart() {
        for (bytes, reason) in [
            (&b""[..], Some(Reason::EmptyFile)),
            (b"\xEF\xBB\xBF", Some(Reason::EmptyFile)),
            (b"\xEF\xBB\xBF \r\n\t", Some(Reason::EmptyFile)),
            (b"\0\0\0", Some(Reason::AllZeroBytes)),
            (b"\x1F\x8B\x08", Some(Reason::Compressed)),
            (b"\xFF\xFE{\0}\0", Some(Reason::Utf16Json)),
            (b"\xFE\xFF\0{\0}", Some(Reason::Utf16Json)),
            (b"{\0}\0", Some(Reason::Utf16Json)),
            (b"\0{\0}", Some(Reason::Utf16Json)),
            (b"{}\xFF", Some(Reason::InvalidUtf8)),
            (b"{\"\xED\xA0\x80\":1}", Some(Reason::InvalidUtf8)),
            (b"\xEF\xBB\xBF\xFF\0", Some(Reason::InvalidUtf8)),
            (b"\xEF\xBB\xBF{}", None),
        ] {
            let source = Source::of_file(bytes, &Limits::default());
            assert_eq!(source.err().map(|rejection| rejection.reason), reason, "{bytes:?}");
        }
    }
}
