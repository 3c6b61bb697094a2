//! An S3 endpoint inside the process, for labs that have no object store: the bucket of `stationkeeper up`.
//!
//! s3s speaks the protocol and checks signatures; what stands behind it is one SQLite file. The body of an object, its ETag,
//! its checksums and the event that announces it are committed in one transaction, so a reader sees either the old object or
//! the new one, and an accepted PUT is never without its event (DESIGN.md section 4, 1 and 3). No key is mapped to a path.
//!
//! Each accepted PUT is kept as a version until its event was deleted from the queue and [`BucketOptions::keep`] has passed.
//!
//! Log target: s3s writes every refused request at `ERROR` under `s3s` (`s3s::ops`, `s3s::service`). A refused request is the
//! client's trouble, so a binary filters `s3s=off`; this crate logs under its own name what an operator should see.

mod access;
mod again;
mod answer;
mod body;
mod bucket;
mod conditions;
mod credential;
mod credentials;
mod database;
mod digest;
mod error;
mod key;
mod keys;
mod listing;
mod notification;
mod object;
mod opening;
mod options;
mod queue;
mod reading;
mod retention;
mod s3;
mod s3_body;
mod serve;
mod writer;

pub use again::IngestedVersion;
pub use bucket::EmbeddedBucket;
pub use credential::{Credential, Scope, SecretAccessKey};
pub use error::BucketError;
pub use key::{BadKey, ObjectKey};
pub use listing::{ListRequest, Listed, Listing};
pub use object::{Attributes, Checksums, Object, Refusal, Stored, VersionMeta, WriteCondition};
pub use options::{BucketOptions, Clock, Durability, ServeLimits, system_clock};
pub use queue::{Delivery, DeliveryId};
pub use reading::Condition;
pub use retention::{Sizes, Swept};
