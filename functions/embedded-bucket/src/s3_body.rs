//! A PUT's body: read within bounds and verified whole, before anything is committed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::HeaderMap;
use s3s::dto::{PutObjectInput, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::body::{TOO_LONG, TOO_SLOW};
use crate::digest;
use crate::object::Checksums;

/// How long a PUT waits for room in memory before it gets 503.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(10);

/// The refusal of an object that is too large.
pub(crate) fn too_large(limit: usize) -> S3Error {
    s3_error!(EntityTooLarge, "an object here has at most {limit} bytes")
}

/// The length of the object that the head announces, if it does; judged against the limit before a byte is read.
pub(crate) fn announced(input: &PutObjectInput, headers: &HeaderMap, limit: usize) -> S3Result<Option<usize>> {
    // s3s writes the decoded length over Content-Length where both were sent.
    let decoded = || headers.get("x-amz-decoded-content-length")?.to_str().ok()?.parse::<i64>().ok();
    let Some(length) = input.content_length.or_else(decoded) else { return Ok(None) };
    match usize::try_from(length) {
        Ok(length) if length <= limit => Ok(Some(length)),
        Ok(_) => Err(too_large(limit)),
        Err(_) => Err(s3_error!(InvalidArgument, "Content-Length is not a length")),
    }
}

/// Waits until the body may come into memory.
pub(crate) async fn make_room(room: &Semaphore, bytes: usize) -> S3Result<SemaphorePermit<'_>> {
    let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).saturating_add(1);
    match tokio::time::timeout(WAIT_FOR_ROOM, room.acquire_many(kib)).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(s3_error!(SlowDown, "too many uploads at once; try again")),
    }
}

/// Reads a body of the announced length, and no more than the limit, whatever was announced.
pub(crate) async fn read(body: Option<StreamingBlob>, announced: Option<usize>, limit: usize) -> S3Result<Bytes> {
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or(8192));
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| broken(&error.to_string(), limit))?;
            if bytes.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            bytes.extend_from_slice(&chunk);
        }
    }
    if announced.is_some_and(|announced| announced != bytes.len()) {
        return Err(s3_error!(IncompleteBody, "the body has {} bytes, not the number announced", bytes.len()));
    }
    Ok(bytes.freeze())
}

/// What is wrong with a body that broke off. s3s keeps its error types to itself; their texts are all there is.
fn broken(error: &str, limit: usize) -> S3Error {
    if error.contains(TOO_LONG) {
        too_large(limit)
    } else if error.contains(TOO_SLOW) {
        s3_error!(RequestTimeout, "{TOO_SLOW}")
    } else if error.contains("SignatureMismatch") {
        s3_error!(SignatureDoesNotMatch, "the signature of a chunk does not match")
    } else if error.contains("Sha256Mismatch") {
        let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let mut mismatch = S3Error::with_message(code, "x-amz-content-sha256 is not the SHA-256 of the body");
        mismatch.set_status_code(http::StatusCode::BAD_REQUEST);
        mismatch
    } else {
        s3_error!(IncompleteBody, "the body broke off or is malformed")
    }
}

/// Checks everything that the client said of the body, in the head or after the body. Returns the checksums to keep: those
/// that were sent, else the one S3 makes by itself.
pub(crate) fn verify(
    input: &PutObjectInput,
    headers: &HeaderMap,
    trailers: Option<&TrailingHeaders>,
    body: &[u8],
) -> S3Result<Checksums> {
    if let Some(md5) = &input.content_md5 {
        if md5.len() != 24 || !md5.ends_with("==") {
            return Err(s3_error!(InvalidDigest, "Content-MD5 is not an MD5 in base64"));
        }
        if *md5 != digest::md5_base64(body) {
            return Err(s3_error!(BadDigest, "Content-MD5 is not the MD5 of the body"));
        }
    }
    let mut claimed = Checksums {
        crc32: input.checksum_crc32.clone(),
        crc32c: input.checksum_crc32c.clone(),
        crc64nvme: input.checksum_crc64nvme.clone(),
        sha1: input.checksum_sha1.clone(),
        sha256: input.checksum_sha256.clone(),
    };
    let trailing = trailers.and_then(TrailingHeaders::take).unwrap_or_default();
    for (name, place) in [
        ("x-amz-checksum-crc32", &mut claimed.crc32),
        ("x-amz-checksum-crc32c", &mut claimed.crc32c),
        ("x-amz-checksum-crc64nvme", &mut claimed.crc64nvme),
        ("x-amz-checksum-sha1", &mut claimed.sha1),
        ("x-amz-checksum-sha256", &mut claimed.sha256),
    ] {
        let sent = trailing.get(name).and_then(|value| value.to_str().ok()).map(|value| value.trim().to_owned());
        let promised = headers
            .get_all("x-amz-trailer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(name));
        if promised && sent.is_none() {
            return Err(s3_error!(InvalidRequest, "x-amz-trailer promised {name}, which did not come"));
        }
        if sent.is_some() {
            *place = sent;
        }
    }
    if claimed == Checksums::default() {
        return Ok(Checksums { crc64nvme: Some(digest::crc64nvme(body)), ..claimed });
    }
    if digest::recompute(&claimed, body) != claimed {
        return Err(s3_error!(BadDigest, "a checksum sent with the body is not that of the body"));
    }
    Ok(claimed)
}
