//! What the handlers ask of a bucket: no more than this, so that any store can answer it and any fault can be injected.

use std::future::Future;

use bytes::Bytes;
use chrono::{DateTime, Utc};

/// An object, by key and, where it is known, version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectAddress {
    /// Decoded.
    pub key: String,
    /// None: the newest.
    pub version_id: Option<String>,
}

/// What is said of an object without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Of the whole object, in bytes.
    pub size: u64,
    /// Of the version that was found.
    pub version_id: Option<String>,
    /// As the bucket gives it, quotes taken off.
    pub etag: Option<String>,
    /// When it was put, to the second.
    pub last_modified: Option<DateTime<Utc>>,
}

/// A body, or a part of one.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Of the whole object.
    pub head: ObjectHead,
    /// The bytes asked for.
    pub body: Bytes,
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// When it was put, to the second.
    pub last_modified: Option<DateTime<Utc>>,
}

/// A version among those that a bucket lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// Its key.
    pub key: String,
    /// None: the bucket keeps no versions, and this is all there is of the key.
    pub version_id: Option<String>,
    /// In bytes.
    pub size: u64,
    /// When it was put, to the second.
    pub last_modified: Option<DateTime<Utc>>,
}

/// Where a list of versions goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionMarker {
    /// Behind this key,
    pub key: String,
    /// or, within it, behind this version.
    pub version_id: Option<String>,
}

/// A part of a list of versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionPage {
    /// By key; of one key the newest first.
    pub versions: Vec<ListedVersion>,
    /// None: nothing follows.
    pub next: Option<VersionMarker>,
}

/// Why a bucket did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// No such key or version. A store may answer so for a moment after a PUT.
    #[error("there is no object {key}")]
    NotFound {
        /// Which.
        key: String,
    },
    /// It is bigger than the caller takes.
    #[error("{key} has {size} bytes, over the limit of {limit}")]
    TooLarge {
        /// Which.
        key: String,
        /// As far as it is known.
        size: u64,
        /// In bytes.
        limit: u64,
    },
    /// The bucket forbids it: nothing to repeat, somebody must change a policy or a key.
    #[error("the bucket refuses to {action}: {code}")]
    Denied {
        /// What was asked.
        action: String,
        /// The bucket's word.
        code: String,
    },
    /// It went wrong on the way, or the bucket is busy: worth repeating.
    #[error("cannot {action}: {reason}")]
    Unavailable {
        /// What was asked.
        action: String,
        /// What went wrong.
        reason: String,
    },
}

/// A bucket of objects.
pub trait Bucket: Send + Sync + 'static {
    /// The bytes of an object from `offset` to its end, at most `limit` of them; a longer rest is [`BucketError::TooLarge`], before
    /// it is read where the bucket tells its size.
    fn get(
        &self,
        address: &ObjectAddress,
        offset: u64,
        limit: u64,
    ) -> impl Future<Output = Result<Fetched, BucketError>> + Send;

    /// What is said of an object.
    fn head(&self, key: &str) -> impl Future<Output = Result<ObjectHead, BucketError>> + Send;

    /// Keys below `prefix` that sort after `start_after`, in order, at most 1,000.
    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> impl Future<Output = Result<Vec<Listed>, BucketError>> + Send;

    /// Copies one object inside the bucket.
    fn copy(&self, from: &ObjectAddress, to_key: &str) -> impl Future<Output = Result<(), BucketError>> + Send;

    /// What time it is by the clock that stamps arrivals; none: it is the caller's own, or the bucket does not tell.
    fn now(&self) -> impl Future<Output = Option<DateTime<Utc>>> + Send {
        std::future::ready(None)
    }
}

/// A bucket that can say all that it holds: what nobody announced is found so.
pub trait ListVersions: Bucket {
    /// First segments of the keys below `prefix`, prefix and closing slash included, that sort after `after`; in order, at most 1,000.
    fn folders(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Future<Output = Result<Vec<String>, BucketError>> + Send;

    /// Versions of the keys that begin with `prefix`, at most 1,000 at a time.
    fn versions_below(
        &self,
        prefix: &str,
        after: Option<&VersionMarker>,
    ) -> impl Future<Output = Result<VersionPage, BucketError>> + Send;
}

impl<B: ListVersions> ListVersions for std::sync::Arc<B> {
    async fn folders(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, BucketError> {
        self.as_ref().folders(prefix, after).await
    }

    async fn versions_below(&self, prefix: &str, after: Option<&VersionMarker>) -> Result<VersionPage, BucketError> {
        self.as_ref().versions_below(prefix, after).await
    }
}

impl<B: Bucket> Bucket for std::sync::Arc<B> {
    async fn get(&self, address: &ObjectAddress, offset: u64, limit: u64) -> Result<Fetched, BucketError> {
        self.as_ref().get(address, offset, limit).await
    }

    async fn head(&self, key: &str) -> Result<ObjectHead, BucketError> {
        self.as_ref().head(key).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Vec<Listed>, BucketError> {
        self.as_ref().list(prefix, start_after).await
    }

    async fn copy(&self, from: &ObjectAddress, to_key: &str) -> Result<(), BucketError> {
        self.as_ref().copy(from, to_key).await
    }

    async fn now(&self) -> Option<DateTime<Utc>> {
        self.as_ref().now().await
    }
}
