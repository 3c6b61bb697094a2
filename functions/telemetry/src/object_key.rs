//! Keys of the bucket: which object is whose (DESIGN.md section 4.3).

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::HostName;
use crate::instant::{date, number};

/// What an object of a station holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// `heartbeat.json`, or one of `heartbeat/`.
    Heartbeat,
    /// `status.json`.
    Status,
    /// `session-guard-events.jsonl`.
    Events,
    /// `service-state.ini`.
    ServiceState,
    /// `uplink.json`.
    Uplink,
}

impl ObjectKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Heartbeat, Self::Status, Self::Events, Self::ServiceState, Self::Uplink];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Status => "status",
            Self::Events => "events",
            Self::ServiceState => "service-state",
            Self::Uplink => "uplink",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Last segment of the key of the latest object of this kind.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat.json",
            Self::Status => "status.json",
            Self::Events => "session-guard-events.jsonl",
            Self::ServiceState => "service-state.ini",
            Self::Uplink => "uplink.json",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The key of an object of a station.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// `stations/{host}/` and the file: the latest object of a kind.
    pub fn latest(host: &HostName, kind: ObjectKind) -> Self {
        Self(format!("stations/{host}/{}", kind.file_name()))
    }

    /// `stations/{host}/heartbeat/{yyyyMMddTHHmmssZ}.json`: one heartbeat of many. Years 1 to 9999.
    pub fn heartbeat_at(host: &HostName, at: DateTime<Utc>) -> Self {
        Self(format!("stations/{host}/heartbeat/{}.json", at.format("%Y%m%dT%H%M%SZ")))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key, to own.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose object a decoded key names, and what it holds. The whole key must fit, letter case included (the host
/// excepted); nothing is resolved or trimmed. `None`: not an object of a station.
pub fn classify_key(key: &str) -> Option<(HostName, ObjectKind)> {
    let (host, file) = key.strip_prefix("stations/")?.split_once('/')?;
    let latest = ObjectKind::ALL.into_iter().find(|kind| kind.file_name() == file);
    let kind = latest.or_else(|| is_history(file).then_some(ObjectKind::Heartbeat))?;
    Some((HostName::parse(host).ok()?, kind))
}

/// A key with an empty, `.` or `..` segment cannot be told from another one on a file system.
pub fn has_unsafe_segment(key: &str) -> bool {
    key.split('/').any(|segment| matches!(segment, "" | "." | ".."))
}

/// `heartbeat/{yyyyMMddTHHmmssZ}.json`, the name a real instant.
fn is_history(file: &str) -> bool {
    let Some(name) = file.strip_prefix("heartbeat/").and_then(|name| name.strip_suffix("Z.json")) else {
        return false;
    };
    let bytes = name.as_bytes();
    let parts = || {
        let day = date(number(bytes.get(0..4)?)?, number(bytes.get(4..6)?)?, number(bytes.get(6..8)?)?)?;
        let time = (number(bytes.get(9..11)?)?, number(bytes.get(11..13)?)?, number(bytes.get(13..15)?)?);
        day.and_hms_opt(time.0, time.1, time.2)
    };
    bytes.len() == 15 && bytes.get(8) == Some(&b'T') && parts().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_key_must_fit() {
        for (key, expected) in [
            ("stations/LAB-WS01/heartbeat.json", Some(("LAB-WS01", ObjectKind::Heartbeat))),
            ("stations/lab-ws01/heartbeat/20261124T080116Z.json", Some(("LAB-WS01", ObjectKind::Heartbeat))),
            ("stations/LAB-WS01/status.json", Some(("LAB-WS01", ObjectKind::Status))),
            ("stations/LAB-WS01/session-guard-events.jsonl", Some(("LAB-WS01", ObjectKind::Events))),
            ("stations/LAB-WS01/service-state.ini", Some(("LAB-WS01", ObjectKind::ServiceState))),
            ("stations/LAB-N\u{303}ANDU\u{301}01/uplink.json", Some(("LAB-ÑANDÚ01", ObjectKind::Uplink))),
            ("stations/LAB-WS01/heartbeat/20261131T080116Z.json", None),
            ("stations/LAB-WS01/heartbeat/20261124T080160Z.json", None),
            ("stations/LAB-WS01/heartbeat/20261124t080116Z.json", None),
            ("stations/LAB-WS01/heartbeat/20261124T080116Z.JSON", None),
            ("stations/LAB-WS01/heartbeat/+0261124T080116Z.json", None),
            ("stations/LAB-WS01/heartbeat/20261124T0801١٦Z.json", None),
            ("stations/LAB-WS01/heartbeat/.json", None),
            ("stations/LAB-WS01/", None),
            ("stations/LAB-WS01", None),
            ("stations//heartbeat.json", None),
            ("stations/../heartbeat.json", None),
            ("/stations/LAB-WS01/heartbeat.json", None),
            ("stations/LAB-WS01//heartbeat.json", None),
            ("stations/LAB-WS01/heartbeat.json/", None),
            ("Stations/LAB-WS01/heartbeat.json", None),
            ("", None),
        ] {
            let found = classify_key(key);
            assert_eq!(found.as_ref().map(|(host, kind)| (host.as_str(), *kind)), expected, "{key}");
        }
    }

    #[test]
    fn keys_that_are_made_are_keys_that_are_known() {
        let host = HostName::parse("LAB-ÑANDÚ01").expect("a host");
        for kind in ObjectKind::ALL {
            let key = ObjectKey::latest(&host, kind);
            assert_eq!(classify_key(key.as_str()), Some((host.clone(), kind)), "{key}");
            assert_eq!(ObjectKind::parse(kind.as_str()), Some(kind));
        }
        let at = crate::parse_instant("2026-11-24T08:01:16.9Z").expect("an instant");
        let key = ObjectKey::heartbeat_at(&host, at);
        assert_eq!(key.as_str(), "stations/LAB-ÑANDÚ01/heartbeat/20261124T080116Z.json");
        assert_eq!(classify_key(key.as_str()), Some((host, ObjectKind::Heartbeat)));
    }

    #[test]
    fn segments_that_a_file_system_would_resolve_are_unsafe() {
        for (key, unsafe_segment) in [
            ("stations/LAB-WS01/heartbeat.json", false),
            ("a", false),
            ("a/...", false),
            ("a/.hidden", false),
            ("", true),
            ("/a", true),
            ("a/", true),
            ("a//b", true),
            ("a/./b", true),
            ("../a", true),
        ] {
            assert_eq!(has_unsafe_segment(key), unsafe_segment, "{key}");
        }
    }
}
