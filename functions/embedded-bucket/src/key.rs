//! Object keys that may be written.

use std::fmt;

use stationkeeper_telemetry::HostName;

/// Keys below this prefix belong to stations, and each PUT there makes an event.
pub(crate) const STATIONS: &str = "stations/";

/// A key that may be written: 1 to 1024 bytes, no empty, `.` or `..` segment, no control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

/// Why a key cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// More than S3 allows.
    #[error("a key has at most 1024 bytes")]
    TooLong,
    /// `//`, a slash at either end, `.` or `..`: other tools would read another key from it.
    #[error("a key has no empty, `.` or `..` segment")]
    Segment,
    /// Could not be shown in a listing.
    #[error("a key has no control character")]
    Control,
}

impl ObjectKey {
    /// Judges a key; it stays as it is written.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        if text.len() > 1024 {
            return Err(BadKey::TooLong);
        }
        // XML 1.0, in which listings are written, has no place for the two non-characters either.
        if text.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
            return Err(BadKey::Control);
        }
        if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(BadKey::Segment);
        }
        Ok(Self(text.to_owned()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a PUT here makes an event.
    pub(crate) fn makes_events(&self) -> bool {
        self.0.starts_with(STATIONS)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The station whose prefix `stations/{HOST}/` a key or a listing's prefix lies below.
pub(crate) fn station_of(key: &str) -> Option<HostName> {
    let (host, _) = key.strip_prefix(STATIONS)?.split_once('/')?;
    HostName::parse(host).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_literally_or_refused() {
        let long = "x".repeat(1024);
        for (key, judged) in [
            ("stations/LAB-01/heartbeat.json", Ok(())),
            ("stations/LAB-01/..heartbeat.json", Ok(())),
            ("quarantine/a b+c%2F/é", Ok(())),
            (&long, Ok(())),
            (&format!("{long}x"), Err(BadKey::TooLong)),
            ("", Err(BadKey::Segment)),
            ("/a", Err(BadKey::Segment)),
            ("a/", Err(BadKey::Segment)),
            ("a//b", Err(BadKey::Segment)),
            ("a/./b", Err(BadKey::Segment)),
            ("stations/A/../B/heartbeat.json", Err(BadKey::Segment)),
            ("..", Err(BadKey::Segment)),
            ("a\nb", Err(BadKey::Control)),
            ("a\u{0}b", Err(BadKey::Control)),
            ("a\u{7f}", Err(BadKey::Control)),
            ("a\u{85}", Err(BadKey::Control)),
            ("a\u{ffff}", Err(BadKey::Control)),
        ] {
            assert_eq!(ObjectKey::parse(key).map(|_| ()), judged, "{key:?}");
        }
    }

    #[test]
    fn the_station_of_a_key_is_its_second_segment_in_any_case() {
        let host = |text| HostName::parse(text).ok();
        for (key, station) in [
            ("stations/LAB-01/heartbeat.json", host("LAB-01")),
            ("stations/lab-01/heartbeat.json", host("LAB-01")),
            ("stations/LAB-01/", host("LAB-01")),
            ("stations/LAB-01", None),
            ("stations/", None),
            ("stations//x", None),
            ("stations/../x", None),
            ("Stations/LAB-01/x", None),
            ("quarantine/LAB-01/x", None),
        ] {
            assert_eq!(station_of(key), station, "{key}");
        }
    }
}
