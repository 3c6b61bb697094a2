//! What a bucket, a queue, a topic or another S3 server says when an object changes.

use std::cmp::Ordering;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{HostName, ObjectKind, classify_key, format_instant, parse_instant};

/// An envelope within an envelope needs its quotes escaped once more, so that real ones are never this deep.
const MAX_ENVELOPES: usize = 16;

/// One change of one object, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectEvent {
    /// Decoded, in its own spelling: what a GET needs. As it was sent if it does not decode.
    pub key: String,
    /// Whose object it is; `None` if it is no station's.
    pub host: Option<HostName>,
    /// What the key names; `None` (written `ignored`) if it is no object of a station.
    #[serde(serialize_with = "kind_or_ignored")]
    pub kind: Option<ObjectKind>,
    /// Bytes.
    pub size: Option<u64>,
    /// As sent; the text `null` is an id.
    pub version_id: Option<String>,
    /// As sent: neither padded nor cut. Compare with [`compare_sequencers`].
    pub sequencer: Option<String>,
    /// Written as [`format_instant`] does.
    #[serde(serialize_with = "instant_or_null")]
    pub event_time: Option<chrono::DateTime<chrono::Utc>>,
    /// The object was written, not removed, tagged or read.
    pub created: bool,
}

/// Why something in a delivery was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventFault {
    /// The delivery, a body or a message is not one JSON document.
    MalformedJson,
    /// None of the known forms, or a record without a key.
    UnknownEnvelope,
}

/// The first thing of a delivery that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRejection {
    /// The word to decide by.
    pub reason: EventFault,
    /// The sentence to show.
    pub detail: String,
}

/// All that was understood of a delivery, in its order, before and after what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DecodedEvents {
    /// One a record.
    pub events: Vec<ObjectEvent>,
    /// The first fault.
    pub rejected: Option<EventRejection>,
}

/// Opens the envelopes of a delivery: SQS records and SNS notifications around S3 notifications, EventBridge events
/// and `s3:TestEvent`.
pub fn decode_event(bytes: &[u8]) -> DecodedEvents {
    let mut decoded = DecodedEvents::default();
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    decoded.document(serde_json::from_slice(bytes), "the event", 0);
    decoded
}

/// [`decode_event`] for the body of one SQS message.
pub fn decode_message(body: &str) -> DecodedEvents {
    decode_event(body.as_bytes())
}

/// Order of two writes of one key: hexadecimal digits, the shorter one padded on the right with zeros. Digits compare
/// by value, in either letter case.
pub fn compare_sequencers(left: &str, right: &str) -> Ordering {
    let digits = |text: &str| -> Vec<u8> {
        let length = left.len().max(right.len());
        text.bytes().map(|byte| byte.to_ascii_uppercase()).chain(std::iter::repeat(b'0')).take(length).collect()
    };
    digits(left).cmp(&digits(right))
}

impl DecodedEvents {
    /// Only the first fault is told.
    fn fault(&mut self, reason: EventFault, detail: impl Into<String>) {
        self.rejected.get_or_insert_with(|| EventRejection { reason, detail: detail.into() });
    }

    fn document(&mut self, parsed: serde_json::Result<Value>, what: &str, depth: usize) {
        match parsed {
            Err(error) => self.fault(EventFault::MalformedJson, format!("{what} is not one JSON document: {error}")),
            Ok(_) if depth > MAX_ENVELOPES => {
                self.fault(EventFault::UnknownEnvelope, format!("more than {MAX_ENVELOPES} envelopes"));
            }
            Ok(value) => self.envelope(&value, depth),
        }
    }

    fn envelope(&mut self, value: &Value, depth: usize) {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        if let Some(records) = value.get("Records").and_then(Value::as_array) {
            for (number, record) in records.iter().enumerate() {
                self.record(number, record, depth);
            }
        } else if text("source") == Some("aws.s3") {
            self.event_bridge(value);
        } else if let (Some("Notification"), Some(message)) = (text("Type"), text("Message")) {
            self.document(serde_json::from_str(message), "the message of a notification", depth + 1);
        } else if text("Event") != Some("s3:TestEvent") {
            self.fault(EventFault::UnknownEnvelope, "neither records, nor a notification, nor an event of a bucket");
        }
    }

    fn record(&mut self, number: usize, record: &Value, depth: usize) {
        if let Some(s3) = record.get("s3") {
            let name = record.get("eventName").and_then(Value::as_str).unwrap_or_default();
            let name = name.strip_prefix("s3:").unwrap_or(name);
            let created = name.strip_prefix("ObjectCreated:").is_some_and(|how| !how.is_empty());
            match ObjectEvent::new(s3.get("object"), "versionId", record.get("eventTime"), created) {
                Some(event) => self.events.push(event),
                None => self.fault(EventFault::UnknownEnvelope, format!("record {number} has no s3.object.key")),
            }
        } else if let Some(body) = record.get("body").and_then(Value::as_str) {
            self.document(serde_json::from_str(body), &format!("the body of record {number}"), depth + 1);
        } else {
            self.fault(EventFault::UnknownEnvelope, format!("record {number} is neither a bucket's nor a queue's"));
        }
    }

    fn event_bridge(&mut self, event: &Value) {
        let created = event.get("detail-type").and_then(Value::as_str) == Some("Object Created");
        let object = event.get("detail").and_then(|detail| detail.get("object"));
        match ObjectEvent::new(object, "version-id", event.get("time"), created) {
            Some(event) => self.events.push(event),
            None => self.fault(EventFault::UnknownEnvelope, "the event has no detail.object.key"),
        }
    }
}

impl ObjectEvent {
    /// `None`: without a key.
    fn new(object: Option<&Value>, version: &str, time: Option<&Value>, created: bool) -> Option<Self> {
        let object = object?;
        let sent = object.get("key")?.as_str()?;
        let decoded = decode_key(sent);
        let (host, kind) = decoded.as_deref().and_then(classify_key).unzip();
        let text = |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        Some(Self {
            key: decoded.unwrap_or_else(|| sent.to_owned()),
            host,
            kind,
            size: object.get("size").and_then(whole_number),
            version_id: text(version).map(str::to_owned),
            sequencer: text("sequencer").map(str::to_owned),
            event_time: time.and_then(Value::as_str).and_then(|text| parse_instant(text).ok()),
            created,
        })
    }
}

/// A form value, strictly: `+` is a blank, `%` needs two hexadecimal digits, and the bytes are UTF-8.
fn decode_key(sent: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(sent.len());
    let mut bytes = sent.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// A number of bytes, also as decimal text.
fn whole_number(size: &Value) -> Option<u64> {
    match size {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

fn kind_or_ignored<S: Serializer>(kind: &Option<ObjectKind>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.map_or("ignored", ObjectKind::as_str))
}

fn instant_or_null<S: Serializer>(
    instant: &Option<chrono::DateTime<chrono::Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    instant.map(format_instant).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_decode_once_and_strictly() {
        for (sent, decoded) in [
            ("a/b.json", Some("a/b.json")),
            ("a%2Fb%2fc", Some("a/b/c")),
            ("a+b%2B", Some("a b+")),
            ("%2525", Some("%25")),
            ("%C3%91%c3%91Ñ", Some("ÑÑÑ")),
            ("%", None),
            ("%4", None),
            ("%4g", None),
            ("%+1", None),
            ("%C0%AF", None),
            ("%ED%A0%80", None),
            ("%ff", None),
        ] {
            assert_eq!(decode_key(sent).as_deref(), decoded, "{sent}");
        }
    }

    #[test]
    fn sequencers_compare_as_if_padded_on_the_right() {
        for (left, right, order) in [
            ("0069", "00690", Ordering::Equal),
            ("0069", "006900000001", Ordering::Less),
            ("F", "00692411C2A7B3F0D4", Ordering::Greater),
            ("00692411c2a7b3f0d5", "00692411C2A7B3F0D4", Ordering::Greater),
            ("00692411c2a7b3f0d4", "00692411C2A7B3F0D4", Ordering::Equal),
            ("", "", Ordering::Equal),
        ] {
            assert_eq!(compare_sequencers(left, right), order, "{left} {right}");
            assert_eq!(compare_sequencers(right, left), order.reverse(), "{right} {left}");
        }
    }

    #[test]
    fn only_whole_numbers_are_sizes() {
        for (size, bytes) in [
            ("0", Some(0)),
            ("\"988\"", Some(988)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.5", None),
            ("\"+1\"", None),
            ("\"\"", None),
            ("null", None),
            ("[]", None),
        ] {
            assert_eq!(whole_number(&serde_json::from_str(size).expect("JSON")), bytes, "{size}");
        }
    }

    #[test]
    fn envelopes_without_end_are_a_fault_and_no_overflow() {
        let mut body = "{\"Records\":[]}".to_owned();
        for _ in 0..8 {
            body = serde_json::json!({ "Type": "Notification", "Message": body }).to_string();
        }
        assert_eq!(decode_message(&body), DecodedEvents::default());
        let deep = "[".repeat(100_000);
        let fault = decode_event(deep.as_bytes()).rejected.map(|rejected| rejected.reason);
        assert_eq!(fault, Some(EventFault::MalformedJson));
    }
}
