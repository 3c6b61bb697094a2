//! Why a text is no JSON that we take: slow, exact, and only after the parser has refused.

use std::collections::HashSet;

use super::source::escape_controls;
use crate::{Reason, Rejection};

/// The first reason of the table, from `nul_byte` to `lone_surrogate`, that holds for what comes before the first error
/// of grammar. `None`: the text is JSON.
pub(super) fn diagnose(text: &str, max_depth: usize) -> Option<Rejection> {
    if let Some(at) = text.find('\0').or_else(|| escaped_nul(text)) {
        return Some(Rejection::new(Reason::NulByte, format!("a NUL at byte {at}")));
    }
    let mut walk = Walk { text, at: 0, depth: 0, max_depth, first: None };
    if let Err(stop) = walk.document() {
        walk.note(stop);
    }
    walk.first
}

/// Where `\u0000` stands without another backslash before it.
fn escaped_nul(text: &str) -> Option<usize> {
    let backslashes_before = |at: usize| text[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
    text.match_indices("\\u0000").map(|(at, _)| at).find(|at| backslashes_before(*at) % 2 == 0)
}

/// A walk along the grammar. It is recursive, and no deeper than `max_depth`.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    max_depth: usize,
    /// Of what has been met so far, the reason that comes first in the table.
    first: Option<Rejection>,
}

impl<'a> Walk<'a> {
    fn note(&mut self, rejection: Rejection) {
        if self.first.as_ref().is_none_or(|first| rejection.reason < first.reason) {
            self.first = Some(rejection);
        }
    }

    fn found(&mut self, reason: Reason, what: &str, at: usize) {
        self.note(Rejection::new(reason, format!("{what} at byte {at}")));
    }

    /// The error of grammar here. Only at the end of the text something can be still open.
    fn stop(&self, in_string: bool) -> Rejection {
        let ended = self.at >= self.text.len();
        if ended && (in_string || self.depth > 0) {
            return Rejection::new(Reason::TruncatedJson, format!("ends after {} bytes, unfinished", self.text.len()));
        }
        Rejection::new(Reason::MalformedJson, format!("does not parse at byte {}", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn document(&mut self) -> Result<(), Rejection> {
        self.value()?;
        self.blanks();
        if self.at < self.text.len() { Err(self.stop(false)) } else { Ok(()) }
    }

    fn value(&mut self) -> Result<(), Rejection> {
        self.blanks();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(|_| ()),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'N') => self.not_finite("NaN"),
            Some(b'I') => self.not_finite("Infinity"),
            Some(b'-') if self.text.as_bytes().get(self.at + 1) == Some(&b'I') => self.not_finite("-Infinity"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.stop(false)),
        }
    }

    fn nested(&mut self, content: fn(&mut Self) -> Result<(), Rejection>) -> Result<(), Rejection> {
        self.at += 1;
        self.depth += 1;
        if self.depth > self.max_depth {
            // Nothing that may follow comes before it in the table.
            let detail = format!("nested deeper than {} at byte {}", self.max_depth, self.at - 1);
            return Err(Rejection::new(Reason::TooDeep, detail));
        }
        content(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), Rejection> {
        let mut keys = HashSet::new();
        self.blanks();
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(self.stop(false));
            }
            let at = self.at;
            let token = self.string()?;
            // A key that does not decode has half of a surrogate pair, which is noted: its spelling will do.
            let key = serde_json::from_str(&escape_controls(token)).unwrap_or_else(|_| token.to_owned());
            if !keys.insert(key) {
                self.found(Reason::DuplicateKey, "a key that its object has already", at);
            }
            self.blanks();
            if !self.eat(b':') {
                return Err(self.stop(false));
            }
            self.value()?;
            self.blanks();
            if self.eat(b'}') {
                return Ok(());
            }
            if !self.eat(b',') {
                return Err(self.stop(false));
            }
        }
    }

    fn array(&mut self) -> Result<(), Rejection> {
        self.blanks();
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.value()?;
            self.blanks();
            if self.eat(b']') {
                return Ok(());
            }
            if !self.eat(b',') {
                return Err(self.stop(false));
            }
        }
    }

    /// The token, quotes included.
    fn string(&mut self) -> Result<&'a str, Rejection> {
        let begin = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.stop(true)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[begin..self.at]);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), Rejection> {
        let begin = self.at;
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.code_unit()? {
                0xD800..0xDC00 => {
                    // Only a low surrogate is its partner; anything else stands for itself.
                    let after = self.at;
                    let partner = self.text[after..].starts_with("\\u");
                    self.at += usize::from(partner);
                    if !partner || !(0xDC00..0xE000).contains(&self.code_unit()?) {
                        self.found(Reason::LoneSurrogate, "half of a surrogate pair", begin);
                        self.at = after;
                    }
                }
                0xDC00..0xE000 => self.found(Reason::LoneSurrogate, "half of a surrogate pair", begin),
                _ => {}
            },
            _ => return Err(self.stop(true)),
        }
        Ok(())
    }

    /// The `u` of an escape and its four digits.
    fn code_unit(&mut self) -> Result<u32, Rejection> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(|| self.stop(true))?;
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn word(&mut self, word: &str) -> Result<(), Rejection> {
        for byte in word.bytes() {
            if !self.eat(byte) {
                return Err(self.stop(false));
            }
        }
        Ok(())
    }

    /// Not JSON, but what other writers make of it is well known.
    fn not_finite(&mut self, word: &str) -> Result<(), Rejection> {
        let begin = self.at;
        self.word(word)?;
        if self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            return Err(self.stop(false));
        }
        self.found(Reason::NonFiniteNumber, word, begin);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Rejection> {
        let begin = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _signed = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        if !self.text[begin..self.at].parse().is_ok_and(f64::is_finite) {
            self.found(Reason::NonFiniteNumber, "more than a double holds", begin);
        }
        Ok(())
    }

    /// At least one.
    fn digits(&mut self) -> Result<(), Rejection> {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == begin { Err(self.stop(false)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text, and the reason, if it is not taken.
    #[test]
    fn the_first_reason_of_the_table_is_given() {
        let deep = format!("{}1{}", "[".repeat(64), "]".repeat(64));
        let deeper = format!("{}1{}", "[".repeat(65), "]".repeat(65));
        let cut = "{\"a\":".repeat(100_000);
        for (text, reason) in [
            ("{}", None),
            (" { \"a\" : [ 1 , -0.5e+3 , true , false , null , \"\\ud83d\\ude00\\/\" ] }\r\n\t", None),
            ("{\"a\":\"\u{1b}\"}", None),
            ("{\"a\":\"\\\\u0000\"}", None),
            (deep.as_str(), None),
            ("{\"a\":\"\\u0000\"}", Some(Reason::NulByte)),
            ("{}\0", Some(Reason::NulByte)),
            ("{\"a\":\"\0", Some(Reason::NulByte)),
            ("{\"a\":\"\\\\\\u0000\"}", Some(Reason::NulByte)),
            ("{\"a\":x,\"b\":\"\\u0000\"}", Some(Reason::NulByte)),
            (deeper.as_str(), Some(Reason::TooDeep)),
            (cut.as_str(), Some(Reason::TooDeep)),
            ("{\"a\":1,\"a\":2}", Some(Reason::DuplicateKey)),
            ("{\"a\":1,\"\\u0061\":2}", Some(Reason::DuplicateKey)),
            ("{\"b\":{\"a\":1,\"c\":2,\"a\":3},\"z\":", Some(Reason::DuplicateKey)),
            ("{\"a\":NaN,\"a\":2,}", Some(Reason::DuplicateKey)),
            ("{\"a\u{1}\":1,\"a\\u0001\":2}", Some(Reason::DuplicateKey)),
            ("{\"a\":NaN}", Some(Reason::NonFiniteNumber)),
            ("[Infinity,-Infinity", Some(Reason::NonFiniteNumber)),
            ("[1e400,}", Some(Reason::NonFiniteNumber)),
            ("[-1e309]", Some(Reason::NonFiniteNumber)),
            ("[1e-400, 1.7976931348623157e308]", None),
            ("{", Some(Reason::TruncatedJson)),
            ("{\"a", Some(Reason::TruncatedJson)),
            ("{\"a\"", Some(Reason::TruncatedJson)),
            ("{\"a\":tr", Some(Reason::TruncatedJson)),
            ("{\"a\":-", Some(Reason::TruncatedJson)),
            ("{\"a\":1.", Some(Reason::TruncatedJson)),
            ("{\"a\":\"\\", Some(Reason::TruncatedJson)),
            ("{\"a\":\"\\u00", Some(Reason::TruncatedJson)),
            ("{\"a\":1,", Some(Reason::TruncatedJson)),
            ("[\"\\ud800\"", Some(Reason::TruncatedJson)),
            ("\"a", Some(Reason::TruncatedJson)),
            ("", Some(Reason::MalformedJson)),
            ("tru", Some(Reason::MalformedJson)),
            ("{\"a\":trx}", Some(Reason::MalformedJson)),
            ("{\"a\":1,}", Some(Reason::MalformedJson)),
            ("{'a':1", Some(Reason::MalformedJson)),
            ("{\"a\":01}", Some(Reason::MalformedJson)),
            ("{\"a\":+1}", Some(Reason::MalformedJson)),
            ("{\"a\":NaNs}", Some(Reason::MalformedJson)),
            ("{\"a\":\"\\x\"}", Some(Reason::MalformedJson)),
            ("{\"a\":\"\\u00g0\"}", Some(Reason::MalformedJson)),
            ("{}{}", Some(Reason::MalformedJson)),
            ("{}]", Some(Reason::MalformedJson)),
            ("[1}", Some(Reason::MalformedJson)),
            ("{}\u{c}", Some(Reason::MalformedJson)),
            ("<html></html>", Some(Reason::MalformedJson)),
            ("[\"\\ud800\"]", Some(Reason::LoneSurrogate)),
            ("[\"\\ud800\\u0041\"]", Some(Reason::LoneSurrogate)),
            ("[\"\\ud800\\ud800\\udc00\"]", Some(Reason::LoneSurrogate)),
            ("[\"\\udc00\"]", Some(Reason::LoneSurrogate)),
            ("{\"\\udc00\":1}", Some(Reason::LoneSurrogate)),
        ] {
            let shown = &text[..text.len().min(80)];
            assert_eq!(diagnose(text, 64).map(|rejection| rejection.reason), reason, "{shown}");
        }
    }
}
