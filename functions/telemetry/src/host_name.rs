//! The name of a station, as the wire has it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization;

/// 1 to 15 characters, composed (NFC), upper case: the same station whatever the case it wrote. Compared in binary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, min_length = 1, max_length = 15, example = "LAB-WS01"))]
#[serde(transparent)]
pub struct HostName(String);

/// Not the name of a station (telemetry.md section 6, `bad_host`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a host is 1 to 15 characters: first a letter or digit, then letters, digits, `_` or `-`")]
pub struct BadHost;

impl HostName {
    /// Composes, judges, and folds to upper case.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        // As nearly all are; composed already, and each letter has one upper case.
        if text.is_ascii() {
            return if is_host(text) { Ok(Self(text.to_ascii_uppercase())) } else { Err(BadHost) };
        }
        let composed: String = text.nfc().collect();
        if !is_host(&composed) {
            return Err(BadHost);
        }
        let upper: String = composed.to_uppercase().nfc().collect();
        if is_host(&upper) {
            return Ok(Self(upper));
        }
        // A few letters become several (`ß`, `ΐ`), and the name too long or no name: those stay as they are, so that a
        // host that was written down reads back as the same.
        let upper =
            |c: char| Some(c.to_uppercase()).filter(|upper| upper.len() == 1).and_then(|mut c| c.next()).unwrap_or(c);
        Ok(Self(composed.chars().map(upper).nfc().collect()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 1 to 15 characters; composed already.
fn is_host(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next().is_some_and(char::is_alphanumeric);
    first && characters.clone().count() < 15 && characters.all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_composed_judged_and_folded() {
        for (text, expected) in [
            ("LAB-WS01", Some("LAB-WS01")),
            ("lab_ws01", Some("LAB_WS01")),
            ("7", Some("7")),
            ("lab-ñandú01", Some("LAB-ÑANDÚ01")),
            ("LAB-N\u{303}ANDU\u{301}01", Some("LAB-ÑANDÚ01")),
            ("ЛАБ-1", Some("ЛАБ-1")),
            ("abcdefghijklmno", Some("ABCDEFGHIJKLMNO")),
            ("straße", Some("STRASSE")),
            ("abcdefghijklmnß", Some("ABCDEFGHIJKLMNß")),
            ("", None),
            ("abcdefghijklmnop", None),
            ("-LAB", None),
            ("_LAB", None),
            ("LAB WS01", None),
            ("LAB.WS01", None),
            ("LAB/WS01", None),
            ("LAB\nWS01", None),
            ("LAB-WS01\u{200b}", None),
            ("..", None),
            ("\u{301}A", None),
        ] {
            assert_eq!(HostName::parse(text).ok().as_ref().map(HostName::as_str), expected, "{text:?}");
        }
    }
}
