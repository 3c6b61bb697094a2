//! Who may do what. Signatures are s3s's matter; here a valid one is measured by its scope.

use std::sync::Arc;

use http::{HeaderMap, Uri};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{ListObjectsInput, ListObjectsV2Input};
use s3s::{S3Request, S3Result, s3_error};

use crate::bucket::EmbeddedBucket;
use crate::credential::{Credential, Scope};
use crate::key::{BadKey, ObjectKey, station_of};

/// The gate before the bucket.
pub(crate) struct Gate(pub(crate) Arc<EmbeddedBucket>);

/// What an operation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// To write the key of the path.
    Write,
    /// To write the key of the path with the bytes of another.
    Copy,
    /// To read the key of the path.
    Read,
    /// To list; the prefix is judged once it is known.
    List,
    /// A part of an upload in parts.
    Multipart,
    /// An HTML form, whose key is not in the path.
    Form,
    /// Anything else: for the whole bucket's credentials only.
    Whole,
}

fn need(operation: &str) -> Need {
    match operation {
        "PutObject" => Need::Write,
        "CopyObject" => Need::Copy,
        "GetObject" | "HeadObject" => Need::Read,
        "ListObjects" | "ListObjectsV2" => Need::List,
        "PostObject" => Need::Form,
        "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload"
        | "AbortMultipartUpload"
        | "ListParts"
        | "ListMultipartUploads" => Need::Multipart,
        _ => Need::Whole,
    }
}

/// Signature version 2 has no date that s3s would check in a header: what was signed once could be sent for ever.
fn is_version_2(uri: &Uri, headers: &HeaderMap) -> bool {
    let header = headers.get(http::header::AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS "));
    header || query(uri).any(|(name, _)| name == "Signature")
}

fn query(uri: &Uri) -> impl Iterator<Item = (&str, &str)> {
    uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='))
}

/// Whether the signature covers a header. Names of headers need no escape in a URL; the `;` between them does.
fn signs(uri: &Uri, headers: &HeaderMap, name: &str) -> bool {
    let in_header = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once("SignedHeaders="))
        .map(|(_, rest)| rest.split(',').next().unwrap_or_default());
    let in_query = query(uri).find(|(key, _)| *key == "X-Amz-SignedHeaders").map(|(_, names)| names);
    in_header.or(in_query).is_some_and(|names| {
        names.replace("%3B", ";").replace("%3b", ";").split(';').any(|signed| signed.trim() == name)
    })
}

impl Gate {
    async fn credential(&self, access_key: &str) -> S3Result<Credential> {
        match self.0.credential(access_key).await {
            Ok(Some(credential)) => Ok(credential),
            Ok(None) => Err(s3_error!(InvalidAccessKeyId, "this access key is not known here")),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an access key could not be looked up");
                Err(s3_error!(ServiceUnavailable, "access keys cannot be looked up now: try again"))
            }
        }
    }

    /// The scope that a request was admitted with.
    fn list<T>(request: &S3Request<T>, prefix: Option<&str>) -> S3Result<()> {
        match request.extensions.get::<Scope>() {
            Some(Scope::All) => Ok(()),
            Some(Scope::Station(host)) if prefix.and_then(station_of).as_ref() == Some(host) => Ok(()),
            Some(Scope::Station(host)) => {
                Err(s3_error!(AccessDenied, "this access key lists below stations/{host}/ only: give that prefix"))
            }
            None => Err(s3_error!(AccessDenied)),
        }
    }
}

#[async_trait::async_trait]
impl S3Auth for Gate {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(self.credential(access_key).await?.secret.expose()))
    }
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = cx.credentials() else {
            return Err(s3_error!(AccessDenied, "requests must be signed (AWS signature version 4)"));
        };
        if is_version_2(cx.uri(), cx.headers()) {
            return Err(s3_error!(AccessDenied, "signature version 2 is not accepted: sign with version 4"));
        }
        let scope = self.credential(&credentials.access_key).await?.scope;
        let need = need(cx.s3_op().name());
        if need == Need::Multipart {
            let limit = self.0.options.max_object_bytes;
            return Err(s3_error!(
                NotImplemented,
                "uploads in parts are not supported: send it in one PUT, at most {limit} bytes"
            ));
        }
        if need == Need::Form {
            return Err(s3_error!(NotImplemented, "uploads by form are not supported: send it in a PUT"));
        }
        if let Scope::Station(host) = &scope {
            let below = cx.s3_path().get_object_key().and_then(station_of).as_ref() == Some(host);
            let bucket = cx.s3_path().get_bucket_name() == Some(self.0.name());
            let allowed = match need {
                Need::Write | Need::Read => bucket && below,
                Need::List => bucket,
                Need::Copy | Need::Whole | Need::Multipart | Need::Form => false,
            };
            if !allowed {
                return Err(s3_error!(AccessDenied, "this access key reads and writes below stations/{host}/ only"));
            }
        }
        if cx.s3_path().get_bucket_name().is_some_and(|bucket| bucket != self.0.name()) {
            return Err(s3_error!(NoSuchBucket, "the only bucket here is {}", self.0.name()));
        }
        if matches!(need, Need::Write | Need::Copy) {
            match ObjectKey::parse(cx.s3_path().get_object_key().unwrap_or_default()) {
                Ok(_) => {}
                Err(bad @ BadKey::TooLong) => return Err(s3_error!(KeyTooLongError, "{bad}")),
                Err(bad) => return Err(s3_error!(InvalidArgument, "{bad}")),
            }
        }
        // A presigned PUT must not become a copy by a header that its maker did not sign.
        if need == Need::Copy && !signs(cx.uri(), cx.headers(), "x-amz-copy-source") {
            return Err(s3_error!(AccessDenied, "x-amz-copy-source is not among the signed headers"));
        }
        cx.extensions_mut().insert(scope);
        Ok(())
    }

    async fn list_objects(&self, request: &mut S3Request<ListObjectsInput>) -> S3Result<()> {
        Self::list(request, request.input.prefix.as_deref())
    }

    async fn list_objects_v2(&self, request: &mut S3Request<ListObjectsV2Input>) -> S3Result<()> {
        Self::list(request, request.input.prefix.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn signed_headers_are_found_in_either_place() {
        let plain = Uri::from_static("/b/k");
        let presigned = Uri::from_static("/b/k?X-Amz-SignedHeaders=host%3Bx-amz-copy-source&X-Amz-Signature=1");
        let mut headers = HeaderMap::new();
        assert!(!signs(&plain, &headers, "x-amz-copy-source"));
        assert!(signs(&presigned, &headers, "x-amz-copy-source"));
        assert!(!signs(&presigned, &headers, "x-amz-copy"));
        let authorization = "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-copy-source, Signature=x";
        headers.insert(http::header::AUTHORIZATION, HeaderValue::from_static(authorization));
        assert!(signs(&plain, &headers, "x-amz-copy-source"));
        assert!(!signs(&plain, &headers, "x-amz-meta-a"));
    }

    #[test]
    fn version_2_is_recognized_in_either_place() {
        let mut headers = HeaderMap::new();
        assert!(is_version_2(&Uri::from_static("/b/k?AWSAccessKeyId=a&Signature=b"), &headers));
        assert!(!is_version_2(&Uri::from_static("/b/k?X-Amz-Signature=b"), &headers));
        headers.insert(http::header::AUTHORIZATION, HeaderValue::from_static("AWS a:b"));
        assert!(is_version_2(&Uri::from_static("/b/k"), &headers));
    }
}
