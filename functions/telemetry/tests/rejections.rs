//! Documents by the line of telemetry.md section 6 that they are about.

use serde_json::{Value, json};
use stationkeeper_telemetry::{
    HostName, Limits, Reason, Snapshot, normalize_heartbeat, normalize_status, parse_instant,
};

/// A small heartbeat that is taken.
fn heartbeat() -> Value {
    json!({
        "host": "LAB-WS01",
        "schemaVersion": "1.0.0",
        "timestamp": "2026-11-24T09:00:00Z",
        "summary": { "ready": true, "state": "ready", "issues": [] },
        "operations": { "lastForcedLogoff": { "user": "a", "timestamp": "2026-11-24T08:00:00Z" } },
        "status": {
            "localModeEnabled": false,
            "power": { "sleepCompliant": true },
            "wake": { "nicPower": [{ "name": "Ethernet", "wolReady": false }], "nicNonCompliant": [{}, {}] },
        },
    })
}

fn read(text: &str) -> Result<Snapshot, Reason> {
    let now = parse_instant("2026-11-24T12:00:00Z").expect("an instant");
    let host = HostName::parse("lab-ws01").expect("a host");
    normalize_heartbeat(text.as_bytes(), Some(&host), now, &Limits::default()).map_err(|rejection| rejection.reason)
}

/// The heartbeat with other values, written as JSON, at some places. `-` takes a key away.
fn with(changes: &[(&str, &str)]) -> Result<Snapshot, Reason> {
    let mut text = heartbeat();
    let mut raw = Vec::new();
    for (number, (place, value)) in changes.iter().enumerate() {
        let (parent, key) = place.rsplit_once('/').expect("a place");
        let parent = text.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        parent.remove(key);
        if *value != "-" {
            parent.insert(key.to_owned(), json!(format!("raw-{number}")));
            raw.push((format!("\"raw-{number}\""), *value));
        }
    }
    let text = raw.into_iter().fold(text.to_string(), |text, (mark, value)| text.replace(&mark, value));
    read(&text)
}

#[test]
fn the_reason_is_the_first_of_the_table() {
    use Reason::*;
    let logoff = "/operations/lastForcedLogoff";
    let at = |field: &str| format!("{logoff}/{field}");
    let (user, grace, force, time) = (at("user"), at("grace"), at("force"), at("timestamp"));
    let cases: &[(&[(&str, &str)], Reason)] = &[
        (&[("/schemaVersion", "\"2.0.0\"")], UnsupportedSchema),
        (&[("/schemaVersion", "\"10.0\"")], UnsupportedSchema),
        (&[("/schemaVersion", "\"\"")], UnsupportedSchema),
        (&[("/schemaVersion", "1.0")], UnsupportedSchema),
        (&[("/schemaVersion", "[]")], UnsupportedSchema),
        (&[("/schemaVersion", "2"), ("/host", "-")], UnsupportedSchema),
        (&[("/host", "-")], MissingField),
        (&[("/host", "null"), ("/timestamp", "{}")], MissingField),
        (&[("/timestamp", "-")], MissingField),
        (&[("/timestamp", "null")], MissingField),
        (&[("/summary", "-")], MissingField),
        (&[("/summary", "[]")], MissingField),
        (&[("/summary/ready", "-")], MissingField),
        (&[("/summary/ready", "\"\"")], MissingField),
        (&[("/summary/ready", "[]"), ("/host", "7")], MissingField),
        (&[("/host", "7")], WrongType),
        (&[("/host", "true")], WrongType),
        (&[("/host", "{}")], WrongType),
        (&[("/timestamp", "{}")], WrongType),
        (&[("/summary", "true")], WrongType),
        (&[("/summary", "\"\"")], WrongType),
        (&[("/summary", "[1]")], WrongType),
        (&[("/summary/ready", "2")], WrongType),
        (&[("/summary/ready", "\"maybe\"")], WrongType),
        (&[("/summary/issues", "\"a\"")], WrongType),
        (&[("/summary/issues", "[[1]]")], WrongType),
        (&[("/summary/issues", "{}")], WrongType),
        (&[("/status", "\"@{}\"")], WrongType),
        (&[("/status/wake", "7")], WrongType),
        (&[("/status/wake/nicPower", "{}")], WrongType),
        (&[("/status/wake/nicPower", "\"System.Object[]\"")], WrongType),
        (&[("/status/wake/nicPower", "[\"@{}\"]")], WrongType),
        (&[("/status/wake/nicPower", "[{\"wolReady\":\"perhaps\"}]")], WrongType),
        (&[("/status/wake/nicNonCompliant", "3")], WrongType),
        (&[("/status/power", "\"\"")], WrongType),
        (&[("/status/localModeEnabled", "3")], WrongType),
        (&[("/operations", "\"\"")], WrongType),
        (&[(logoff, "\"a\"")], WrongType),
        (&[(&user, "{}")], WrongType),
        (&[(&user, "[1]")], WrongType),
        (&[(&grace, "9223372036854775808")], WrongType),
        (&[(&grace, "\"9223372036854775807\"")], WrongType),
        (&[(&grace, "1e30"), ("/host", "\"..\"")], WrongType),
        (&[(&force, "\"si\"")], WrongType),
        (&[("/host", "\"\"")], BadHost),
        (&[("/host", "\"LAB WS01\""), ("/timestamp", "7")], BadHost),
        (&[("/host", "\"LAB-WS02\""), ("/timestamp", "7")], HostMismatch),
        (&[("/timestamp", "1795507560")], BadTimestamp),
        (&[("/timestamp", "true")], BadTimestamp),
        (&[("/timestamp", "\"\"")], BadTimestamp),
        (&[(&time, "\"08:00\"")], BadTimestamp),
        (&[(&time, "\"08:00\""), ("/timestamp", "\"1999-01-01T00:00:00Z\"")], BadTimestamp),
        (&[("/timestamp", "\"2019-12-31T23:59:59Z\"")], TimestampOutOfRange),
        (&[("/timestamp", "\"2026-11-25T12:00:00.000001Z\"")], TimestampOutOfRange),
        (&[("/timestamp", "\"9999-12-31T23:59:59-01:00\"")], TimestampOutOfRange),
        (&[(&time, "\"9999-12-31T23:59:59-01:00\"")], TimestampOutOfRange),
        // What is not even looked at must be JSON all the same.
        (&[(&user, "{\"a\":1,\"a\":2}")], DuplicateKey),
        (&[("/status/unknown", "[{\"b\":1,\"a\":2,\"b\":3}]")], DuplicateKey),
        (&[("/status/unknown", "1e400"), ("/host", "-")], NonFiniteNumber),
        (&[("/status/unknown", "-1.7976931348623159e308")], NonFiniteNumber),
        (&[(&user, "1e400")], NonFiniteNumber),
        (&[(&user, "[1e400]")], NonFiniteNumber),
        (&[(&user, "NaN")], NonFiniteNumber),
        (&[(&user, "\"\\ud800\"")], LoneSurrogate),
        (&[(&user, "[\"\\udc00\"]")], LoneSurrogate),
        (&[("/unknown", "\"\\ud800x\"")], LoneSurrogate),
        (&[("/unknown", "\"\\u0000\"")], NulByte),
        (&[("/unknown", "\"a\0b\"")], NulByte),
    ];
    for (changes, reason) in cases {
        assert_eq!(with(changes).err(), Some(*reason), "{changes:?}");
    }
    // A user is in three objects, so that 61 brackets are as deep as may be.
    for (more, reason) in [(62, TooDeep), (61, WrongType)] {
        let brackets = format!("{}{}", "[".repeat(more), "]".repeat(more));
        assert_eq!(with(&[(&user, &brackets)]).err(), Some(reason), "{more}");
    }
}

#[test]
fn whole_texts_are_told_apart() {
    for (text, reason) in [
        ("[]".to_owned(), Reason::NotAnObject),
        ("null".to_owned(), Reason::NotAnObject),
        ("\"LAB-WS01\"".to_owned(), Reason::NotAnObject),
        ("[[1e400]]".to_owned(), Reason::NonFiniteNumber),
        ("{\"a\":".repeat(100_000), Reason::TooDeep),
        ("[".repeat(100_000), Reason::TooDeep),
        (format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), Reason::TooDeep),
        (heartbeat().to_string().repeat(2), Reason::MalformedJson),
        (heartbeat().to_string()[1..].to_owned(), Reason::MalformedJson),
        (
            format!("{{{}}}", (0..300_000).rev().map(|n| format!("\"{n}\":0,")).collect::<String>()),
            Reason::MalformedJson,
        ),
        (" ".repeat(4 * 1024 * 1024 + 1), Reason::TooLarge),
    ] {
        assert_eq!(read(&text).err(), Some(reason), "{}", &text[..text.len().min(60)]);
    }
    let text = heartbeat().to_string();
    for end in 1..text.len() {
        assert_eq!(read(&text[..end]).err(), Some(Reason::TruncatedJson), "{end}");
    }
}

#[test]
fn other_forms_are_taken() {
    let read = |changes: &[(&str, &str)]| with(changes).expect("taken");
    let logoff = "/operations/lastForcedLogoff";
    let user = |value| read(&[(&format!("{logoff}/user"), value)]).last_forced_logoff.expect("a logoff").user;
    for (written, expected) in [
        ("712", Some("712")),
        ("1.50", Some("1.50")),
        ("-0", Some("-0")),
        ("1e+20", Some("1e+20")),
        ("123456789012345678901234567890", Some("123456789012345678901234567890")),
        ("true", Some("true")),
        ("null", None),
        ("[ ]", None),
        ("\"\"", None),
        ("\"a\tb\"", Some("a\tb")),
        ("\"LAB\\\\ni\\u00f1o \\ud83e\\udd80\"", Some("LAB\\niño 🦀")),
    ] {
        assert_eq!(user(written).as_deref(), expected, "{written}");
    }
    assert_eq!(read(&[("/schemaVersion", "\"1.9\"")]).details.schema_version.as_deref(), Some("1.9"));
    assert_eq!(read(&[("/schemaVersion", "-")]).details.schema_version, None);
    assert_eq!(read(&[("/summary/issues", "[1,null,\"\",\"b\"]")]).issues, ["1", "b"]);
    assert_eq!(read(&[("/summary/issues", "-")]).issues, [""; 0]);
    assert_eq!(read(&[("/status", "[]")]).nics, None);
    assert_eq!(read(&[("/status/wake", "null")]).nic_issue_count, None);
    assert_eq!(read(&[]).nic_issue_count, Some(2));
    for finite in ["1.7976931348623157e308", "1.7976931348623158e308", "-1e-400", "0e999999999999"] {
        assert!(read(&[("/unknown", finite)]).ready, "{finite}");
    }
    assert_eq!(read(&[("/status/wake/nicNonCompliant", "-")]).nic_issue_count, Some(1));
    assert_eq!(read(&[("/status/wake/armedCount", "true")]).details.wake_armed_count, Some(1));
    let none = [("/status/wake/armedCount", "true"), ("/status/wake/armedDevices", "[\"NONE\"]")];
    assert_eq!(read(&none).details.wake_armed_count, Some(0));
    assert_eq!(read(&[("/status/wake/armedCount", "{}")]).details.wake_armed_count, None);
    assert_eq!(read(&[("/timestamp", "\"2026-11-25T12:00:00Z\"")]).host.as_str(), "LAB-WS01");
    assert_eq!(read(&[("/host", "\"lab-ws01\"")]).host.as_str(), "LAB-WS01");
    let users = "{\"otherUsers\":[{\"user\":\"ana\",\"id\":{}},{\"user\":7},\"x\",{}],\"entries\":\"?\"}";
    assert_eq!(read(&[("/status/sessions", users)]).details.local_users, ["ana", "7"]);
    assert_eq!(read(&[("/status/sessions", "7")]).details.local_users, [""; 0]);
}

#[test]
fn issues_of_an_older_check_are_not_those_of_the_last() {
    for (ready, expected) in [("false", Some("a; b")), ("true", None), ("\"\"", None), ("-", None)] {
        let ready = if ready == "-" { String::new() } else { format!("\"wakeReady\":{ready},") };
        let action = format!("{{{ready}\"wakeIssues\":\"a; b\"}}");
        let snapshot = with(&[("/operations/lastPowerAction", &action)]).expect("taken");
        assert_eq!(snapshot.last_power_action.expect("an action").wake_issues.as_deref(), expected, "{ready}");
    }
}

#[test]
fn a_status_has_the_host_of_its_key_and_no_other() {
    let (now, host) =
        (parse_instant("2026-11-24T12:00:00Z").expect("an instant"), HostName::parse("Z").expect("a host"));
    let text = json!({ "host": 7, "timestamp": "2026-11-24T09:00:00Z", "summary": { "ready": "no" } }).to_string();
    let snapshot = normalize_status(text.as_bytes(), &host, now, &Limits::default()).expect("taken");
    assert_eq!((snapshot.host.as_str(), snapshot.ready, snapshot.nics), ("Z", false, None));
}
