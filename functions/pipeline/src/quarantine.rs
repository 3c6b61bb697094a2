//! What can never be read: where it is put, and the row that says why.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use stationkeeper_rules::{ClockReading, Unreadable, Upload};
use stationkeeper_telemetry::{EventFault, EventRejection, HostName, ObjectKind, Reason, Rejection};

use crate::bucket::ObjectAddress;
use crate::ingest::Delivery;

/// Where copies of what can never be read are put.
pub const QUARANTINE: &str = "quarantine/";
/// So many bytes are kept in the row, to see at a glance what it was.
const FIRST_BYTES: usize = 256;

/// Why a body can never be had, though it was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The bucket has no such version.
    Missing,
    /// The bucket has a body, and it is not the one that was put.
    Damaged,
}

impl Loss {
    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing_object",
            Self::Damaged => "damaged_object",
        }
    }

    fn detail(self, size: u64) -> String {
        match self {
            Self::Missing => format!("the bucket no longer has this version of {size} bytes"),
            Self::Damaged => format!("the bucket no longer has the {size} bytes that were put"),
        }
    }
}

/// An object, or a delivery, that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Whose, where the key tells.
    pub host: Option<HostName>,
    /// The object's key, or `delivery/{id}`.
    pub key: String,
    /// The object's version; empty where there is none.
    pub version_id: String,
    /// From the closed list.
    pub reason: &'static str,
    /// A sentence.
    pub detail: String,
    /// At most 256.
    pub first_bytes: Vec<u8>,
    /// Bytes.
    pub size: u64,
    /// When it was put.
    pub arrived_at: DateTime<Utc>,
    /// Where a copy is kept.
    pub copy_key: String,
    /// Whether it is there.
    pub copied: bool,
    /// A heartbeat that was rejected for its date alone: what the station's clock said.
    pub clock: Option<ClockReading>,
    /// What the station sent that nobody can read; none: it is not the station's doing, or its date alone is wrong.
    pub upload: Option<Upload>,
}

impl Quarantined {
    /// Of an object whose body can never be had.
    pub fn of_lost(host: &HostName, address: &ObjectAddress, arrived_at: DateTime<Utc>, size: u64, loss: Loss) -> Self {
        Self {
            host: Some(host.clone()),
            key: address.key.clone(),
            version_id: address.version_id.clone().unwrap_or_default(),
            reason: loss.as_str(),
            detail: loss.detail(size),
            first_bytes: Vec::new(),
            size,
            arrived_at,
            copy_key: String::new(),
            copied: false,
            clock: None,
            upload: None,
        }
    }

    /// Of an object. The copy's key follows from address alone: a repeat overwrites it with the same bytes.
    pub fn of_object(
        host: &HostName,
        kind: ObjectKind,
        address: &ObjectAddress,
        arrived_at: DateTime<Utc>,
        size: u64,
        body: &Bytes,
        rejection: Rejection,
    ) -> Self {
        let version_id = address.version_id.clone().unwrap_or_default();
        let short = short_digest(&address.key, &version_id);
        let object = match version_id.as_str() {
            // Where the bucket has no versions, the time tells one PUT from the next.
            "" => short_digest(&address.key, &arrived_at.to_rfc3339()),
            _ => short.clone(),
        };
        // `clock_skew` speaks of dates.
        let upload = (rejection.reason != Reason::TimestampOutOfRange).then(|| Upload {
            kind,
            arrived_at,
            unreadable: Some(Unreadable { object, reason: rejection.reason.as_str().to_owned() }),
        });
        Self {
            host: Some(host.clone()),
            key: address.key.clone(),
            version_id,
            reason: rejection.reason.as_str(),
            detail: rejection.detail,
            first_bytes: first_bytes(body),
            size,
            arrived_at,
            copy_key: format!("{QUARANTINE}{host}/{}-{short}", arrived_at.format("%Y%m%dT%H%M%SZ")),
            copied: false,
            clock: None,
            upload,
        }
    }

    /// Of a delivery that is no bucket's event, or not wholly one.
    pub fn of_delivery(delivery: &Delivery, rejection: &EventRejection, now: DateTime<Utc>) -> Self {
        Self {
            host: None,
            key: format!("delivery/{}", delivery.id),
            version_id: String::new(),
            reason: match rejection.reason {
                EventFault::MalformedJson => "malformed_json",
                EventFault::UnknownEnvelope => "unknown_envelope",
            },
            detail: rejection.detail.clone(),
            first_bytes: first_bytes(delivery.body.as_bytes()),
            size: delivery.body.len() as u64,
            arrived_at: now,
            copy_key: String::new(),
            copied: false,
            clock: None,
            upload: None,
        }
    }
}

/// What tells one version of an object from all others, in 16 digits.
fn short_digest(key: &str, version: &str) -> String {
    let digest = Sha256::digest(format!("{key}\n{version}").as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn first_bytes(body: &[u8]) -> Vec<u8> {
    body.get(..FIRST_BYTES).unwrap_or(body).to_vec()
}
