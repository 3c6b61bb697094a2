//! What a bucket accepted, and what its queue still holds.

use std::path::Path;

use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row as _, SqliteConnection};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_store::ObjectVersion;
use stationkeeper_telemetry::decode_message;

/// A version of an object that somebody put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Key and version; the version is empty where nobody knows it.
    pub object: ObjectVersion,
    /// Of the whole body.
    pub sha256: [u8; 32],
    /// The PUT was answered. One that was not may be there, once, or not at all.
    pub answered: bool,
}

impl Accepted {
    /// A PUT that was answered.
    pub fn answered(key: impl Into<String>, version: impl Into<String>, body: &[u8]) -> Self {
        let object = ObjectVersion { key: key.into(), version: version.into() };
        Self { object, sha256: Sha256::digest(body).into(), answered: true }
    }

    /// A PUT whose answer never came: nobody knows its version.
    pub fn unanswered(key: impl Into<String>, body: &[u8]) -> Self {
        Self { answered: false, ..Self::answered(key, "", body) }
    }
}

/// All versions that a bucket in memory holds.
pub fn accepted_by_memory(bucket: &MemoryBucket) -> Vec<Accepted> {
    let of = |(address, body): (stationkeeper_pipeline::bucket::ObjectAddress, bytes::Bytes)| {
        Accepted::answered(address.key, address.version_id.unwrap_or_default(), &body)
    };
    bucket.versions().into_iter().map(of).collect()
}

/// All versions that the file of an embedded bucket still holds (those swept away after their retention are not among them).
///
/// # Panics
/// Where the file cannot be read.
pub async fn accepted_by_embedded(file: &Path) -> Vec<Accepted> {
    let mut connection = open(file).await;
    let rows =
        sqlx::query("select object_key, version_id, body from versions where delete_marker = 0 order by sequence")
            .fetch_all(&mut connection)
            .await
            .expect("its versions can be read");
    connection.close().await.expect("the connection ends in an orderly way");
    let of = |row: &sqlx::sqlite::SqliteRow| {
        Accepted::answered(row.get::<String, _>(0), row.get::<String, _>(1), row.get::<&[u8], _>(2))
    };
    rows.iter().map(of).collect()
}

/// What the queue of an embedded bucket still holds.
///
/// # Panics
/// Where the file cannot be read.
pub async fn waiting_in_embedded(file: &Path) -> Vec<ObjectVersion> {
    let mut connection = open(file).await;
    let bodies: Vec<String> = sqlx::query_scalar("select body from queue order by id")
        .fetch_all(&mut connection)
        .await
        .expect("its queue can be read");
    connection.close().await.expect("the connection ends in an orderly way");
    announced(bodies.iter().map(String::as_str))
}

/// The versions that deliveries speak of.
pub fn announced<'a>(bodies: impl IntoIterator<Item = &'a str>) -> Vec<ObjectVersion> {
    let of = |body: &str| {
        let events = decode_message(body).events.into_iter();
        events.map(|event| ObjectVersion { key: event.key, version: event.version_id.unwrap_or_default() })
    };
    bodies.into_iter().flat_map(of).collect()
}

async fn open(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(false).pragma("query_only", "on");
    options.connect().await.unwrap_or_else(|error| panic!("cannot open {}: {error}", file.display()))
}
