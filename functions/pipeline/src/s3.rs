//! The one adapter for every bucket, the embedded one included: `aws-sdk-s3`.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use bytes::BytesMut;
use chrono::{DateTime, TimeDelta, Utc};

use crate::answer_date::DateOfAnswer;
use crate::bucket::{Bucket, BucketError, Fetched, Listed, ObjectAddress, ObjectHead};

/// A bucket behind the S3 protocol.
#[derive(Debug, Clone)]
pub struct S3Bucket {
    client: Client,
    name: String,
    clock: ServerClock,
}

/// Whose clock stamps arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerClock {
    /// The server's own: its answers tell it.
    Asked,
    /// That of this process, which the endpoint runs in.
    Shared,
}

/// Where an S3 server stands and who asks.
pub struct Endpoint {
    /// Such as `http://127.0.0.1:9000`.
    pub url: String,
    /// Such as `eu-south-2`.
    pub region: String,
    /// Who asks.
    pub access_key_id: String,
    /// Never shown.
    pub secret_access_key: String,
}

impl S3Bucket {
    /// By the SDK's own variables and files (region, credentials, `AWS_ENDPOINT_URL`).
    pub async fn from_environment(name: String) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts())
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .load()
            .await;
        // Path style only where an endpoint is named: S3 itself wants the bucket in the host name.
        let path_style = shared.endpoint_url().is_some();
        let config = aws_sdk_s3::config::Builder::from(&shared).force_path_style(path_style).build();
        Self { client: Client::from_conf(config), name, clock: ServerClock::Asked }
    }

    /// At a known endpoint, without looking at the environment. Its clock is taken to be that of this process.
    pub fn at(endpoint: &Endpoint, name: String) -> Self {
        let builder = aws_smithy_http_client::Builder::new();
        let http = if endpoint.url.starts_with("https:") {
            builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
        } else {
            builder.build_http()
        };
        let credentials = Credentials::new(
            endpoint.access_key_id.clone(),
            endpoint.secret_access_key.clone(),
            None,
            None,
            "stationkeeper",
        );
        let config = aws_sdk_s3::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(&endpoint.url)
            .region(Region::new(endpoint.region.clone()))
            .credentials_provider(credentials)
            .force_path_style(true)
            .timeout_config(timeouts())
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .build();
        Self { client: Client::from_conf(config), name, clock: ServerClock::Shared }
    }

    /// The same bucket, of a server with a clock of its own.
    pub fn with_its_own_clock(self) -> Self {
        Self { clock: ServerClock::Asked, ..self }
    }

    /// The client, for what is not the handlers' business (uploads of the simulator).
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_secs(60))
        .build()
}

fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
    action: String,
    key: &str,
    error: &SdkError<E>,
) -> BucketError {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.code().unwrap_or_default().to_owned();
    match (status, code.as_str()) {
        (_, "NoSuchKey" | "NoSuchVersion" | "NotFound") | (Some(404), "") => {
            BucketError::NotFound { key: key.to_owned() }
        }
        (Some(403), _) => BucketError::Denied { action, code: if code.is_empty() { "403".to_owned() } else { code } },
        _ => {
            let reason = match (error.message(), code.is_empty()) {
                (Some(message), false) => format!("{code}: {message}"),
                (None, false) => code,
                // The SDK's own text names the layer only; its source says what happened.
                _ => chain(error),
            };
            BucketError::Unavailable { action, reason }
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn instant(at: Option<&aws_sdk_s3::primitives::DateTime>) -> Option<DateTime<Utc>> {
    at.and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()))
}

/// As [`instant`], of an answer that tells the second only: its end. The event of the same PUT knows better, and an arrival that is
/// told later corrects one before it only when it is the earlier.
fn end_of_second(at: Option<&aws_sdk_s3::primitives::DateTime>) -> Option<DateTime<Utc>> {
    let at = instant(at)?;
    if at.timestamp_subsec_nanos() == 0 { at.checked_add_signed(TimeDelta::milliseconds(999)) } else { Some(at) }
}

fn unsigned(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
}

fn unquoted(etag: Option<&str>) -> Option<String> {
    etag.map(|etag| etag.trim_matches('"').to_owned())
}

/// The size of the whole object from `bytes 100-199/4811`.
fn whole(content_range: Option<&str>) -> Option<u64> {
    content_range?.rsplit_once('/')?.1.parse().ok()
}

impl Bucket for S3Bucket {
    async fn get(&self, address: &ObjectAddress, offset: u64, limit: u64) -> Result<Fetched, BucketError> {
        let action = || format!("get {}", address.key);
        let request = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(&address.key)
            .set_version_id(address.version_id.clone())
            .set_range((offset > 0).then(|| format!("bytes={offset}-")));
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            // Nothing lies beyond the offset: an empty rest, not a fault.
            Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == 416) => {
                let head = self.head(&address.key).await?;
                return Ok(Fetched { head, body: bytes::Bytes::new() });
            }
            Err(error) => return Err(failed(action(), &address.key, &error)),
        };
        let length = unsigned(answer.content_length);
        let size = whole(answer.content_range.as_deref()).unwrap_or(length);
        let too_large = |size| BucketError::TooLarge { key: address.key.clone(), size, limit };
        if length > limit {
            return Err(too_large(size));
        }
        let head = ObjectHead {
            size,
            version_id: answer.version_id.clone(),
            etag: unquoted(answer.e_tag.as_deref()),
            last_modified: instant(answer.last_modified.as_ref()),
        };
        let mut body = BytesMut::with_capacity(usize::try_from(length).unwrap_or_default());
        while let Some(chunk) = answer.body.next().await {
            let chunk = chunk.map_err(|error| BucketError::Unavailable { action: action(), reason: chain(&error) })?;
            body.extend_from_slice(&chunk);
            if body.len() as u64 > limit {
                return Err(too_large(body.len() as u64));
            }
        }
        if (body.len() as u64) < length {
            let reason = format!("the body ended after {} of {length} bytes", body.len());
            return Err(BucketError::Unavailable { action: action(), reason });
        }
        Ok(Fetched { head, body: body.freeze() })
    }

    async fn head(&self, key: &str) -> Result<ObjectHead, BucketError> {
        let answer = self
            .client
            .head_object()
            .bucket(&self.name)
            .key(key)
            .send()
            .await
            .map_err(|error| failed(format!("look at {key}"), key, &error))?;
        Ok(ObjectHead {
            size: unsigned(answer.content_length),
            version_id: answer.version_id.clone(),
            etag: unquoted(answer.e_tag.as_deref()),
            last_modified: end_of_second(answer.last_modified.as_ref()),
        })
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Listed>, BucketError> {
        let answer = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(prefix)
            .set_start_after(start_after.map(str::to_owned))
            .max_keys(1_000)
            .send()
            .await
            .map_err(|error| failed(format!("list {prefix}"), prefix, &error))?;
        Ok(answer
            .contents()
            .iter()
            .filter_map(|object| {
                Some(Listed {
                    key: object.key()?.to_owned(),
                    size: unsigned(object.size()),
                    last_modified: end_of_second(object.last_modified()),
                })
            })
            .collect())
    }

    async fn copy(&self, from: &ObjectAddress, to_key: &str) -> Result<(), BucketError> {
        let mut source = format!("{}/{}", self.name, percent_encoded(&from.key));
        if let Some(version) = &from.version_id {
            source.push_str("?versionId=");
            source.push_str(&percent_encoded(version));
        }
        self.client
            .copy_object()
            .bucket(&self.name)
            .copy_source(source)
            .key(to_key)
            .send()
            .await
            .map_err(|error| failed(format!("copy {} to {to_key}", from.key), &from.key, &error))?;
        Ok(())
    }

    async fn now(&self) -> Option<DateTime<Utc>> {
        if self.clock == ServerClock::Shared {
            return None;
        }
        let date = DateOfAnswer::default();
        // A refusal has a date too.
        let _ = self.client.head_bucket().bucket(&self.name).customize().interceptor(date.clone()).send().await;
        date.read()
    }
}

/// A key in the `x-amz-copy-source` header: a path, every other byte as `%XX` (RFC 3986).
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_source_is_a_path_of_plain_bytes() {
        assert_eq!(percent_encoded("stations/LAB-Ñ 1/heartbeat.json"), "stations/LAB-%C3%91%201/heartbeat.json");
    }

    #[test]
    fn the_whole_size_stands_after_the_slash() {
        for (range, size) in
            [(Some("bytes 100-199/4811"), Some(4811)), (Some("bytes 0-1/*"), None), (Some(""), None), (None, None)]
        {
            assert_eq!(whole(range), size, "{range:?}");
        }
    }
}
