//! Every file of the corpus is understood as its expected file says.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stationkeeper_telemetry::{
    HostName, Limits, Reason, decode_event, normalize_events, normalize_heartbeat, normalize_service_state,
    normalize_status, parse_instant,
};

/// When every file of the corpus arrives.
const NOW: &str = "2026-11-24T12:00:00Z";

#[derive(Deserialize)]
struct Entry {
    file: String,
    kind: Option<String>,
    object_key_host: Option<String>,
    expected: Option<String>,
    expect: Option<String>,
    exit: Option<u8>,
}

fn read(folder: &str, file: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../tests/corpus", folder, file].iter().collect();
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(folder: &str) -> Vec<Entry> {
    serde_json::from_slice(&read(folder, "manifest.json")).expect("a manifest")
}

/// As the expected files are written: one blank a level.
fn pretty(value: &impl Serialize) -> String {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter)).expect("a view is JSON");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// What `normalize` prints, or the reason.
fn normalize(kind: &str, bytes: &[u8], key_host: Option<&str>) -> Result<String, Reason> {
    let (limits, now) = (Limits::default(), parse_instant(NOW).expect("an instant"));
    let host = key_host.and_then(|host| HostName::parse(host).ok());
    let printed = match kind {
        "heartbeat" => normalize_heartbeat(bytes, host.as_ref(), now, &limits).map(|found| pretty(&found.normalized())),
        "status" => {
            let host = host.expect("the key names a host");
            normalize_status(bytes, &host, now, &limits).map(|found| pretty(&found.normalized()))
        }
        "events" => normalize_events(bytes, &limits, 1).map(|found| pretty(&found.normalized())),
        "service_state" => normalize_service_state(bytes, &limits).map(|found| pretty(&found.normalized())),
        other => panic!("unknown kind {other}"),
    };
    printed.map_err(|rejection| rejection.reason)
}

#[test]
fn golden_files_come_out_as_expected_to_the_byte() {
    let entries = manifest("golden");
    assert!(entries.len() >= 44, "the corpus is whole");
    for entry in entries {
        let kind = entry.kind.as_deref().expect("a kind");
        let printed = normalize(kind, &read("golden", &entry.file), entry.object_key_host.as_deref());
        let expected = String::from_utf8(read("golden", &entry.expected.expect("an expected file"))).expect("UTF-8");
        assert_eq!(printed.as_deref(), Ok(expected.trim_end()), "{}", entry.file);
    }
}

#[test]
fn hostile_files_are_taken_or_rejected_as_expected() {
    let entries = manifest("hostile");
    assert!(entries.len() >= 45, "the corpus is whole");
    for entry in entries {
        let printed = normalize("heartbeat", &read("hostile", &entry.file), entry.object_key_host.as_deref());
        let expect = entry.expect.expect("an expectation");
        match expect.strip_prefix("reject:") {
            Some(reason) => {
                assert_eq!(printed.map_err(Reason::as_str), Err(reason), "{}", entry.file);
            }
            None => {
                let expected = String::from_utf8(read("hostile", &entry.expected.expect("an expected file")));
                assert_eq!(printed.as_deref(), Ok(expected.expect("UTF-8").trim_end()), "{}", entry.file);
            }
        }
    }
}

#[test]
fn bucket_events_are_decoded_as_expected() {
    let entries = manifest("bucket-events");
    assert!(entries.len() >= 45, "the corpus is whole");
    for entry in entries {
        let decoded = decode_event(&read("bucket-events", &entry.file));
        assert_eq!(entry.exit, Some(if decoded.rejected.is_some() { 65 } else { 0 }), "{}", entry.file);
        let printed = pretty(&decoded);
        let mut decoded: Value = serde_json::from_str(&printed).expect("JSON");
        // The detail is for people: there is one, and that is all.
        if let Some(detail) = decoded.pointer_mut("/rejected/detail") {
            assert!(detail.take().as_str().is_some_and(|detail| !detail.is_empty()), "{}", entry.file);
        }
        let expected = read("bucket-events", &entry.expected.expect("an expected file"));
        let expected: Value = serde_json::from_slice(&expected).expect("JSON");
        assert_eq!(decoded, expected, "{}", entry.file);
    }
}

#[test]
fn bucket_events_keep_the_order_of_their_keys() {
    let decoded = decode_event(&read("bucket-events", "s3_all_kinds.json"));
    let expected = String::from_utf8(read("bucket-events", "s3_all_kinds.expected.json")).expect("UTF-8");
    assert_eq!(pretty(&decoded), expected.trim_end());
}
