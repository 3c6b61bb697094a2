//! The event that S3 would send for a change of an object.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Put,
    Copy,
    Delete,
    DeleteMarkerCreated,
}

impl Cause {
    fn event_name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Copy => "ObjectCreated:Copy",
            Self::Delete => "ObjectRemoved:Delete",
            Self::DeleteMarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
        }
    }
}

/// What happened, and who asked for it from where.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    pub(crate) cause: Cause,
    /// The access key; none: this process itself.
    pub(crate) access_key_id: Option<String>,
    /// The client's address; none: this process itself.
    pub(crate) address: Option<String>,
}

impl Happening {
    /// Something that this process did without going through HTTP.
    pub(crate) fn internal(cause: Cause) -> Self {
        Self { cause, access_key_id: None, address: None }
    }
}

/// The object that an event is about.
pub(crate) struct Subject<'a> {
    pub(crate) key: &'a str,
    pub(crate) version_id: &'a str,
    pub(crate) sequencer: &'a str,
    /// Size in bytes and ETag; none for a removal.
    pub(crate) content: Option<(usize, &'a str)>,
    pub(crate) at: DateTime<Utc>,
}

/// Which bucket speaks.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    pub(crate) bucket: String,
    pub(crate) region: String,
}

/// The JSON text of an event with one record, layout 2.1.
pub(crate) fn notification(speaker: &Speaker, happening: &Happening, subject: &Subject<'_>) -> String {
    let mut object =
        json!({ "key": form_encode(subject.key), "versionId": subject.version_id, "sequencer": subject.sequencer });
    if let Some((size, etag)) = subject.content {
        object["size"] = json!(size);
        object["eTag"] = json!(etag);
    }
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": speaker.region,
        "eventTime": subject.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "eventName": happening.cause.event_name(),
        "userIdentity": { "principalId": happening.access_key_id.as_deref().unwrap_or("stationkeeper") },
        "requestParameters": { "sourceIPAddress": happening.address.as_deref().unwrap_or("127.0.0.1") },
        "responseElements": { "x-amz-request-id": subject.sequencer },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "stationkeeper",
            "bucket": {
                "name": speaker.bucket,
                "ownerIdentity": { "principalId": "stationkeeper" },
                "arn": format!("arn:aws:s3:::{}", speaker.bucket),
            },
            "object": object,
        },
    }] })
    .to_string()
}

/// As a form value, the way S3 writes keys in events and listings: a blank is `+`, slashes stay.
pub(crate) fn form_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(char::from(byte))
            }
            b' ' => encoded.push('+'),
            _ => {
                encoded.push('%');
                encoded.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_form_values() {
        for (key, encoded) in [
            ("stations/LAB-01/heartbeat.json", "stations/LAB-01/heartbeat.json"),
            ("a b+c%d", "a+b%2Bc%25d"),
            ("stations/LÁB/x(1).json", "stations/L%C3%81B/x%281%29.json"),
        ] {
            assert_eq!(form_encode(key), encoded);
        }
    }

    #[test]
    fn an_event_has_the_fields_of_s3() {
        let speaker = Speaker { bucket: "lab".to_owned(), region: "eu-south-2".to_owned() };
        let at = DateTime::from_timestamp_micros(1_700_000_000_417_000).unwrap();
        let subject =
            Subject { key: "stations/A B/x", version_id: "v1", sequencer: "00AB", content: Some((7, "e")), at };
        let text = notification(&speaker, &Happening::internal(Cause::Put), &subject);
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        let record = &event["Records"][0];
        assert_eq!(record["eventTime"], "2023-11-14T22:13:20.417Z");
        assert_eq!(record["eventName"], "ObjectCreated:Put");
        assert_eq!(record["eventSource"], "aws:s3");
        assert_eq!(record["s3"]["bucket"]["name"], "lab");
        let object = json!({ "key": "stations/A+B/x", "size": 7, "eTag": "e", "versionId": "v1", "sequencer": "00AB" });
        assert_eq!(record["s3"]["object"], object);
        let removed =
            notification(&speaker, &Happening::internal(Cause::Delete), &Subject { content: None, ..subject });
        assert!(removed.contains("ObjectRemoved:Delete") && !removed.contains("size"), "{removed}");
    }
}
