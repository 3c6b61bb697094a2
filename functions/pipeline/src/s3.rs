//! The one adapter for every bucket, the embedded one included: `aws-sdk-s3`.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeDelta, Utc};
use md5::{Digest, Md5};
use tokio::time::Instant;

use crate::answer_date::DateOfAnswer;
use crate::bucket::{Bucket, BucketError, Fetched, Listed, ObjectAddress, ObjectHead};
use crate::chain;
use crate::pace::Pace;

/// How long one request may take, its body included: a bucket that gives a byte now and then holds nobody up for longer.
const DEADLINE: Duration = Duration::from_secs(20);

/// A bucket behind the S3 protocol. It asks once and says what came of it: whoever delivers the event decides when to ask again,
/// and the SDK does not multiply that. Clones take turns at an object that could not be had.
#[derive(Debug, Clone)]
pub struct S3Bucket {
    client: Client,
    name: String,
    pace: Arc<Pace>,
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
            .retry_config(RetryConfig::disabled())
            .load()
            .await;
        // Path style only where an endpoint is named: S3 itself wants the bucket in the host name.
        let path_style = shared.endpoint_url().is_some();
        let mut config = aws_sdk_s3::config::Builder::from(&shared).force_path_style(path_style);
        if path_style && shared.region().is_none() {
            // Who runs a server of their own seldom has regions; a signature wants one.
            config = config.region(Region::from_static("us-east-1"));
        }
        let config = config.build();
        Self { client: Client::from_conf(config), name, pace: Arc::default(), clock: ServerClock::Asked }
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
            .retry_config(RetryConfig::disabled())
            .build();
        Self { client: Client::from_conf(config), name, pace: Arc::default(), clock: ServerClock::Shared }
    }

    /// The same bucket over the same connections, with another access key.
    pub fn with_key(&self, access_key_id: &str, secret_access_key: &str) -> Self {
        let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "stationkeeper");
        let config = self.client.config().to_builder().credentials_provider(credentials).build();
        Self { client: Client::from_conf(config), ..self.clone() }
    }

    /// For uploads, which no queue repeats: the SDK tries up to three times.
    pub fn for_uploads(self) -> Self {
        let config =
            self.client.config().to_builder().retry_config(RetryConfig::standard().with_max_attempts(3)).build();
        Self { client: Client::from_conf(config), ..self }
    }

    /// The same bucket, of a server with a clock of its own.
    pub fn with_its_own_clock(self) -> Self {
        Self { clock: ServerClock::Asked, ..self }
    }

    /// The same with its name in the path, whatever the environment says.
    pub fn in_path_style(self) -> Self {
        let config = self.client.config().to_builder().force_path_style(true).build();
        Self { client: Client::from_conf(config), ..self }
    }

    /// Whether the bucket is there and lets us look.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn check(&self) -> Result<(), BucketError> {
        let action = || format!("look at the bucket {}", self.name);
        let asking = self.client.head_bucket().bucket(&self.name).send();
        match tokio::time::timeout(DEADLINE, asking).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(match failed(action(), &self.name, &error) {
                BucketError::NotFound { .. } => {
                    BucketError::Unavailable { action: action(), reason: "there is no such bucket".to_owned() }
                }
                other => other,
            }),
            Err(_elapsed) => {
                Err(BucketError::Unavailable { action: action(), reason: "it does not answer".to_owned() })
            }
        }
    }

    /// The client, for what is not the handlers' business (uploads of the simulator).
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks in its turn, within the deadline.
    pub(crate) async fn ask<T>(
        &self,
        address: &ObjectAddress,
        action: impl Fn() -> String,
        asking: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, BucketError> {
        let wait = self.pace.turn(address, Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let outcome = tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| {
            let reason = format!("it was not over after {} s", DEADLINE.as_secs());
            Err(BucketError::Unavailable { action: action(), reason })
        });
        match &outcome {
            Ok(_) | Err(BucketError::TooLarge { .. }) => self.pace.had(address),
            Err(_) => self.pace.failed(address, Instant::now()),
        }
        outcome
    }

    async fn fetch(&self, address: &ObjectAddress, offset: u64, limit: u64) -> Result<Fetched, BucketError> {
        let action = || format!("get {}", address.key);
        let unavailable = |reason| BucketError::Unavailable { action: action(), reason };
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
                let head = self.look_at(&address.key).await?;
                return Ok(Fetched { head, body: Bytes::new() });
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
            body.extend_from_slice(&chunk.map_err(|error| unavailable(chain(&error)))?);
            if body.len() as u64 > limit {
                return Err(too_large(body.len() as u64));
            }
        }
        if (body.len() as u64) < length {
            return Err(unavailable(format!("the body ended after {} of {length} bytes", body.len())));
        }
        let body = body.freeze();
        let said = Said::of(&answer, offset == 0);
        match said.contradiction(address, &body) {
            Some(contradiction) => Err(unavailable(contradiction)),
            None => Ok(Fetched { head, body }),
        }
    }

    async fn look_at(&self, key: &str) -> Result<ObjectHead, BucketError> {
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
}

/// What an answer says of its body besides the bytes.
struct Said<'a> {
    version_id: Option<&'a str>,
    /// The MD5 of the body in hexadecimal digits, where the ETag is that and nothing better vouches for the body.
    md5: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn of(answer: &'a GetObjectOutput, whole: bool) -> Self {
        // The SDK has compared these with the body. A composite one (`…-3`) it cannot.
        let checksums = [
            answer.checksum_crc64_nvme(),
            answer.checksum_crc32(),
            answer.checksum_crc32_c(),
            answer.checksum_sha1(),
            answer.checksum_sha256(),
        ];
        let verified = checksums.into_iter().flatten().any(|checksum| !checksum.contains('-'));
        // With a key of a client or of a key service the ETag has the form of an MD5 and is none.
        let own_key = answer.sse_customer_algorithm().is_some()
            || answer.server_side_encryption().is_some_and(|kind| *kind != ServerSideEncryption::Aes256);
        let md5 = (whole && !verified && !own_key)
            .then(|| answer.e_tag().map(|etag| etag.trim_matches('"')))
            .flatten()
            // An object of several parts has another kind of ETag, and so have some servers.
            .filter(|etag| etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit()));
        Self { version_id: answer.version_id(), md5 }
    }

    /// How the answer contradicts itself or the question: something on the way mixed it up.
    fn contradiction(&self, address: &ObjectAddress, body: &[u8]) -> Option<String> {
        if let (Some(asked), Some(came)) = (&address.version_id, self.version_id)
            && asked != came
        {
            return Some(format!("version {asked} was asked for and {came} came"));
        }
        let told = self.md5?;
        let found = hex::encode(Md5::digest(body));
        (!found.eq_ignore_ascii_case(told)).then(|| format!("the ETag is {told}, but the body's MD5 is {found}"))
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_timeout(DEADLINE).build()
}

pub(crate) fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
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

fn instant(at: Option<&aws_sdk_s3::primitives::DateTime>) -> Option<DateTime<Utc>> {
    at.and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()))
}

/// As [`instant`], of an answer that tells the second only: its end. The event of the same PUT knows better, and an arrival that is
/// told later corrects one before it only when it is the earlier.
pub(crate) fn end_of_second(at: Option<&aws_sdk_s3::primitives::DateTime>) -> Option<DateTime<Utc>> {
    let at = instant(at)?;
    if at.timestamp_subsec_nanos() == 0 { at.checked_add_signed(TimeDelta::milliseconds(999)) } else { Some(at) }
}

pub(crate) fn unsigned(number: Option<i64>) -> u64 {
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
        self.ask(address, || format!("get {}", address.key), self.fetch(address, offset, limit)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectHead, BucketError> {
        let address = ObjectAddress { key: key.to_owned(), version_id: None };
        self.ask(&address, || format!("look at {key}"), self.look_at(key)).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Listed>, BucketError> {
        let asking = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(prefix)
            .set_start_after(start_after.map(str::to_owned))
            .max_keys(1_000)
            .send();
        let listing = async { asking.await.map_err(|error| failed(format!("list {prefix}"), prefix, &error)) };
        let address = ObjectAddress { key: prefix.to_owned(), version_id: None };
        let answer = self.ask(&address, || format!("list {prefix}"), listing).await?;
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
        let action = || format!("copy {} to {to_key}", from.key);
        let asking = self.client.copy_object().bucket(&self.name).copy_source(source).key(to_key).send();
        let copying = async { asking.await.map(drop).map_err(|error| failed(action(), &from.key, &error)) };
        self.ask(from, action, copying).await
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

    /// MD5 of `body`.
    const MD5_OF_BODY: &str = "841a2d689ad86bd1611447453c22c6fc";

    #[test]
    fn an_answer_that_contradicts_itself_is_not_taken() {
        let etag = |etag: &str| GetObjectOutput::builder().e_tag(format!("\"{etag}\""));
        let wrong = MD5_OF_BODY.replace('8', "9");
        for (shows, answer, contradicts) in [
            ("the MD5 of the body", etag(MD5_OF_BODY), false),
            ("in capitals", etag(&MD5_OF_BODY.to_uppercase()), false),
            ("another MD5", etag(&wrong), true),
            ("several parts", etag(&format!("{wrong}-2")), false),
            ("not an MD5", etag("opaque"), false),
            ("no ETag", GetObjectOutput::builder(), false),
            ("a checksum vouches for the body", etag(&wrong).checksum_crc64_nvme("rosUhgp5mIg="), false),
            ("a checksum of parts vouches for nothing", etag(&wrong).checksum_crc32("y/Q5Jg==-2"), true),
            ("the bucket's own key", etag(&wrong).server_side_encryption(ServerSideEncryption::Aes256), true),
            ("a key service's", etag(&wrong).server_side_encryption(ServerSideEncryption::AwsKms), false),
            ("a client's key", etag(&wrong).sse_customer_algorithm("AES256"), false),
            ("the version that was asked for", etag(MD5_OF_BODY).version_id("7"), false),
            ("another version", etag(MD5_OF_BODY).version_id("8"), true),
        ] {
            let answer = answer.build();
            let address = ObjectAddress { key: "key".to_owned(), version_id: Some("7".to_owned()) };
            let found = Said::of(&answer, true).contradiction(&address, b"body");
            assert_eq!(found.is_some(), contradicts, "{shows}: {found:?}");
        }
        let part = etag(&wrong).build();
        let address = ObjectAddress { key: "key".to_owned(), version_id: None };
        assert_eq!(Said::of(&part, false).contradiction(&address, b"bo"), None, "a part is not the whole");
    }

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
