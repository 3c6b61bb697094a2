//! What stations write, for tests of one heartbeat.

use chrono::{DateTime, Utc};
use stationkeeper_simulator::HeartbeatBuilder;
use stationkeeper_telemetry::{HostName, ObjectKey, ObjectKind, format_instant};

/// A ready heartbeat.
pub fn heartbeat(host: &str, at: DateTime<Utc>) -> Vec<u8> {
    HeartbeatBuilder::new(host, at).bytes()
}

/// A name.
pub fn host(name: &str) -> HostName {
    HostName::parse(name).expect("a station's name")
}

/// `stations/HOST/heartbeat.json`.
pub fn newest_key(name: &str) -> String {
    ObjectKey::latest(&host(name), ObjectKind::Heartbeat).into_string()
}

/// `stations/HOST/session-guard-events.jsonl`.
pub fn trail_key(name: &str) -> String {
    ObjectKey::latest(&host(name), ObjectKind::Events).into_string()
}

/// `stations/HOST/heartbeat/….json`, as a spool uploads.
pub fn spool_key(name: &str, at: DateTime<Utc>) -> String {
    ObjectKey::heartbeat_at(&host(name), at).into_string()
}

/// As the API writes instants.
pub fn written(at: DateTime<Utc>) -> String {
    format_instant(at)
}
