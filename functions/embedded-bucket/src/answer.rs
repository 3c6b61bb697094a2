//! From the bucket's values to those of S3.

use std::ops::Range as Bytes;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue};
use s3s::dto::{
    ChecksumType, CommonPrefix, CommonPrefixList, ETag, HeadObjectOutput, Metadata, ObjectList, ObjectStorageClass,
    Range, Timestamp,
};
use s3s::{S3Error, S3Result, s3_error};

use crate::conditions::Unmet;
use crate::error::BucketError;
use crate::listing::{Listed, Listing};
use crate::notification::form_encode;
use crate::object::{Attributes, Checksums, Refusal, VersionMeta};

/// What S3 says where a client named no type.
const UNTYPED: &str = "binary/octet-stream";

/// User metadata of an object, names and values, in bytes (S3's limit).
const METADATA_BYTES: usize = 2048;

pub(crate) fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp::from(SystemTime::from(at))
}

pub(crate) fn etag(hex: &str) -> ETag {
    ETag::Strong(hex.to_owned())
}

pub(crate) fn full_object() -> ChecksumType {
    ChecksumType::from_static(ChecksumType::FULL_OBJECT)
}

/// The file failed: logged here and nowhere else, and told to the client without a word about the file.
pub(crate) fn storage(error: BucketError) -> S3Error {
    tracing::error!(error = &error as &dyn std::error::Error, "the bucket could not serve a request");
    if error.passes() {
        s3_error!(SlowDown, "the bucket cannot be used at the moment; nothing was changed; try again")
    } else {
        s3_error!(InternalError, "the bucket's file failed; nothing was changed; the operator has to look")
    }
}

pub(crate) fn refused(refusal: Refusal) -> S3Error {
    match refusal {
        Refusal::Present | Refusal::OtherEtag => s3_error!(PreconditionFailed, "{refusal}"),
        Refusal::Missing => s3_error!(NoSuchKey, "{refusal}"),
    }
}

/// There is nothing to give: no such key, no such version, or a delete marker.
pub(crate) fn missing(version_id: Option<&str>, marker: Option<&VersionMeta>) -> S3Error {
    let mut error = match (version_id, marker) {
        (Some(_), None) => s3_error!(NoSuchVersion),
        (Some(_), Some(_)) => s3_error!(MethodNotAllowed, "this version is a delete marker"),
        (None, _) => s3_error!(NoSuchKey),
    };
    if let Some(marker) = marker {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
        if let Ok(id) = HeaderValue::from_str(&marker.version_id) {
            headers.insert("x-amz-version-id", id);
        }
        error.set_headers(headers);
    }
    error
}

pub(crate) fn unmet(unmet: Unmet, meta: &VersionMeta) -> S3Error {
    match unmet {
        Unmet::Failed => s3_error!(PreconditionFailed),
        Unmet::NotModified => {
            let mut error = s3_error!(NotModified);
            let mut headers = HeaderMap::new();
            if let Ok(etag) = etag(&meta.etag).to_http_header() {
                headers.insert(http::header::ETAG, etag);
            }
            error.set_headers(headers);
            error
        }
    }
}

/// The bytes that a `Range` asks for. An empty object has none.
pub(crate) fn bytes(range: Option<&Range>, size: u64) -> S3Result<Bytes<u64>> {
    let Some(range) = range else { return Ok(0..size) };
    match range.check(size) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        Ok(_) | Err(_) => {
            let mut error = s3_error!(InvalidRange, "the object has {size} bytes");
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                headers.insert(http::header::CONTENT_RANGE, value);
            }
            error.set_headers(headers);
            Err(error)
        }
    }
}

/// `Content-Encoding` as it holds for the stored body: `aws-chunked` was of the transfer only.
pub(crate) fn stored_encoding(encoding: Option<String>) -> Option<String> {
    let kept: Vec<_> =
        encoding.as_deref()?.split(',').map(str::trim).filter(|coding| *coding != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

pub(crate) fn stored_metadata(metadata: Option<Metadata>) -> S3Result<std::collections::BTreeMap<String, String>> {
    let metadata = metadata.unwrap_or_default();
    if metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > METADATA_BYTES {
        return Err(s3_error!(MetadataTooLarge, "user metadata has at most {METADATA_BYTES} bytes"));
    }
    Ok(metadata.into_iter().collect())
}

/// All that is said of a version besides its body. Checksums are of whole bodies, and are sent where asked for.
pub(crate) fn head(meta: VersionMeta, range: Option<Bytes<u64>>, checksums: bool) -> HeadObjectOutput {
    let checksums = if checksums && range.is_none() { meta.checksums } else { Checksums::default() };
    let has_checksum = checksums != Checksums::default();
    let Attributes { content_type, content_encoding, content_language, content_disposition, cache_control, metadata } =
        meta.attributes;
    let length = range.as_ref().map_or(meta.size, |range| range.end - range.start);
    HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control,
        checksum_crc32: checksums.crc32,
        checksum_crc32c: checksums.crc32c,
        checksum_crc64nvme: checksums.crc64nvme,
        checksum_sha1: checksums.sha1,
        checksum_sha256: checksums.sha256,
        checksum_type: has_checksum.then(full_object),
        content_disposition,
        content_encoding,
        content_language,
        content_length: Some(length.cast_signed()),
        content_range: range.map(|range| format!("bytes {}-{}/{}", range.start, range.end - 1, meta.size)),
        content_type: Some(content_type.unwrap_or_else(|| UNTYPED.to_owned())),
        e_tag: Some(etag(&meta.etag)),
        last_modified: Some(timestamp(meta.last_modified)),
        metadata: (!metadata.is_empty()).then(|| metadata.into_iter().collect()),
        version_id: Some(meta.version_id),
        ..HeadObjectOutput::default()
    }
}

/// Keys as they are, or as the client asked for them (`encoding-type=url`).
#[derive(Clone, Copy)]
pub(crate) struct Spelling {
    pub(crate) url: bool,
}

impl Spelling {
    pub(crate) fn of(self, key: &str) -> String {
        if self.url { form_encode(key) } else { key.to_owned() }
    }

    pub(crate) fn some(self, key: Option<&String>) -> Option<String> {
        key.map(|key| self.of(key))
    }
}

/// The two halves of a listing, as S3 has them.
pub(crate) fn listed(listing: &Listing, spelling: Spelling) -> (ObjectList, CommonPrefixList) {
    let mut objects = ObjectList::new();
    let mut prefixes = CommonPrefixList::new();
    for line in &listing.lines {
        match line {
            Listed::Prefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(spelling.of(prefix)) }),
            Listed::Object(meta) => objects.push(s3s::dto::Object {
                e_tag: Some(etag(&meta.etag)),
                key: Some(spelling.of(&meta.key)),
                last_modified: Some(timestamp(meta.last_modified)),
                size: Some(meta.size.cast_signed()),
                storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                ..s3s::dto::Object::default()
            }),
        }
    }
    (objects, prefixes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_object() {
        for (range, size, asked) in [
            ("bytes=0-4", 10, Some(0..5)),
            ("bytes=5-", 10, Some(5..10)),
            ("bytes=5-99", 10, Some(5..10)),
            ("bytes=-3", 10, Some(7..10)),
            ("bytes=-99", 10, Some(0..10)),
            ("bytes=10-", 10, None),
            ("bytes=-0", 10, None),
            ("bytes=-1", 0, None),
            ("bytes=0-", 0, None),
        ] {
            assert_eq!(bytes(Some(&Range::parse(range).unwrap()), size).ok(), asked, "{range} of {size}");
        }
        assert_eq!(bytes(None, 0).unwrap(), 0..0);
    }

    #[test]
    fn the_encoding_of_the_transfer_is_not_stored() {
        for (sent, stored) in [
            (None, None),
            (Some("aws-chunked"), None),
            (Some("gzip"), Some("gzip")),
            (Some("aws-chunked,gzip"), Some("gzip")),
        ] {
            assert_eq!(stored_encoding(sent.map(str::to_owned)).as_deref(), stored);
        }
    }
}
