//! Objects as they are stored.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Checksums of a body in base64, as S3 names them. Each one present was verified or computed at the PUT.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checksums {
    /// CRC-32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc32: Option<String>,
    /// CRC-32C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<String>,
    /// CRC-64/NVME; computed when the client sent none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<String>,
    /// SHA-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What a client says about a body, given back with it unread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// User metadata: the names after `x-amz-meta-`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// When a PUT may replace what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WriteCondition {
    /// Whatever is there.
    #[default]
    Always,
    /// Only where no object is (`If-None-Match: *`).
    Absent,
    /// Only over the object with this ETag, without quotes (`If-Match`).
    Etag(String),
}

/// A PUT that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Unique, and sorts by the order of the commits.
    pub version_id: String,
    /// 16 hex digits that rise with each commit.
    pub sequencer: String,
    /// MD5 of the body in hex, without quotes.
    pub etag: String,
    /// When it was committed, in whole milliseconds: `eventTime` and `Last-Modified`.
    pub last_modified: DateTime<Utc>,
}

/// Why a PUT or DELETE was not done; nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// [`WriteCondition::Absent`], and there is an object.
    #[error("an object is there already")]
    Present,
    /// [`WriteCondition::Etag`], and the object has another one.
    #[error("the object has another ETag")]
    OtherEtag,
    /// [`WriteCondition::Etag`], and there is no object.
    #[error("there is no object")]
    Missing,
}

/// One version of an object without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionMeta {
    pub(crate) sequence: i64,
    /// The key.
    pub key: String,
    /// See [`Stored::version_id`].
    pub version_id: String,
    /// Whether it is the newest of its key.
    pub is_latest: bool,
    /// Whether it says that the object was deleted; it then has no body.
    pub delete_marker: bool,
    /// Bytes of the body.
    pub size: u64,
    /// MD5 of the body in hex, without quotes.
    pub etag: String,
    /// See [`Checksums`].
    pub checksums: Checksums,
    /// See [`Attributes`].
    pub attributes: Attributes,
    /// See [`Stored::last_modified`].
    pub last_modified: DateTime<Utc>,
    /// When the event of this version was deleted from the queue; at once where there is no event.
    pub ingested_at: Option<DateTime<Utc>>,
}

impl VersionMeta {
    /// See [`Stored::sequencer`].
    pub(crate) fn sequencer(&self) -> String {
        format!("{:016X}", self.sequence)
    }
}

/// One version with its body, or the asked range of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// All but the body.
    pub meta: VersionMeta,
    /// The bytes.
    pub body: Bytes,
}
