//! The name of a station, as the wire has it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization;

/// 1 to 15 characters, composed (NFC), upper case: the same station whatever the case it wrote. Compared in binary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct HostName(String);

/// Not the name of a station (telemetry.md section 6, `bad_host`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a host is 1 to 15 characters: first a letter or digit, then letters, digits, `_` or `-`")]
pub struct BadHost;

impl HostName {
    /// Composes, judges, and folds to upper case.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        let composed: String = text.nfc().collect();
        let mut characters = composed.chars();
        let first = characters.next().is_some_and(char::is_alphanumeric);
        let rest = characters.clone().count() < 15 && characters.all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        if !(first && rest) {
            return Err(BadHost);
        }
        Ok(Self(composed.to_uppercase().nfc().collect()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
