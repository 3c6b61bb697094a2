//! Reading versions. What is returned comes from one snapshot, so no reader sees a torn object.

use std::ops::Range;

use bytes::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::bucket::EmbeddedBucket;
use crate::database::instant;
use crate::digest;
use crate::error::BucketError;
use crate::object::{Object, VersionMeta};

const DOING: &str = "read an object";

/// The columns of [`meta`], in its order.
pub(crate) const COLUMNS: &str = "sequence, object_key, version_id, is_latest, delete_marker, size, etag, checksums, attributes, last_modified_us, ingested_at_us";

/// A row of [`COLUMNS`].
pub(crate) fn meta(row: &SqliteRow) -> Result<VersionMeta, sqlx::Error> {
    let undecodable = |error: serde_json::Error| sqlx::Error::Decode(Box::new(error));
    Ok(VersionMeta {
        sequence: row.try_get(0)?,
        key: row.try_get(1)?,
        version_id: row.try_get(2)?,
        is_latest: row.try_get(3)?,
        delete_marker: row.try_get(4)?,
        size: row.try_get::<i64, _>(5)?.unsigned_abs(),
        etag: row.try_get(6)?,
        checksums: serde_json::from_str(row.try_get(7)?).map_err(undecodable)?,
        attributes: serde_json::from_str(row.try_get(8)?).map_err(undecodable)?,
        last_modified: instant(row.try_get(9)?),
        ingested_at: row.try_get::<Option<i64>, _>(10)?.map(instant),
    })
}

/// What to read of a version, once its meta is known.
pub(crate) enum Part<E> {
    /// Nothing; the answer stands.
    Nothing(E),
    /// These bytes of the body.
    Bytes(Range<u64>),
}

impl EmbeddedBucket {
    /// One version with its body: the named one, or the newest. A delete marker comes without a body; `None`: there is none.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn get(&self, key: &str, version_id: Option<&str>) -> Result<Option<Object>, BucketError> {
        let whole = |meta: &VersionMeta| Part::<std::convert::Infallible>::Bytes(0..meta.size);
        match self.get_part(key, version_id, whole).await? {
            None => Ok(None),
            Some((meta, Ok(body))) => Ok(Some(Object { meta, body })),
            Some((_, Err(never))) => match never {},
        }
    }

    /// One version without its body: the named one, or the newest, which may be a delete marker.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn head(&self, key: &str, version_id: Option<&str>) -> Result<Option<VersionMeta>, BucketError> {
        let mut connection = self.reads.acquire().await.map_err(BucketError::doing(DOING))?;
        find(&mut connection, key, version_id).await.map_err(BucketError::doing(DOING))
    }

    /// One version with the part of its body that `choose` asks for, both of one snapshot.
    pub(crate) async fn get_part<E>(
        &self,
        key: &str,
        version_id: Option<&str>,
        choose: impl FnOnce(&VersionMeta) -> Part<E>,
    ) -> Result<Option<(VersionMeta, Result<Bytes, E>)>, BucketError> {
        let mut transaction = self.reads.begin().await.map_err(BucketError::doing(DOING))?;
        let found = find(&mut transaction, key, version_id).await.map_err(BucketError::doing(DOING))?;
        let Some(meta) = found else { return Ok(None) };
        let range = match choose(&meta) {
            Part::Nothing(answer) => return Ok(Some((meta, Err(answer)))),
            Part::Bytes(range) => range,
        };
        // SQLite counts from 1. Sizes come from the table and are within i64.
        let body: Vec<u8> = sqlx::query_scalar("select substr(body, ?, ?) from versions where sequence = ?")
            .bind(range.start.cast_signed() + 1)
            .bind((range.end - range.start).cast_signed())
            .bind(meta.sequence)
            .fetch_one(&mut *transaction)
            .await
            .map_err(BucketError::doing(DOING))?;
        transaction.rollback().await.map_err(BucketError::doing(DOING))?;
        // Only all of it can be compared with what was put.
        let is_damaged = match range.start == 0 && range.end == meta.size {
            true => !is_whole(&meta, &body),
            false => body.len() as u64 != range.end - range.start,
        };
        match is_damaged {
            true => Err(BucketError::BodyDamaged { key: meta.key }),
            false => Ok(Some((meta, Ok(body.into())))),
        }
    }
}

/// The body is the one that was put.
fn is_whole(meta: &VersionMeta, body: &[u8]) -> bool {
    body.len() as u64 == meta.size && (meta.delete_marker || digest::md5_hex(body) == meta.etag)
}

/// What became of the body of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It is the one that was put.
    Whole,
    /// It is there, and not the one that was put.
    Damaged,
    /// There is no such version.
    Missing,
}

impl EmbeddedBucket {
    /// Whether a version can still be given: what was announced and is not there, or not whole, never will be.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn condition(&self, key: &str, version_id: &str) -> Result<Condition, BucketError> {
        match self.get(key, Some(version_id)).await {
            Ok(Some(_)) => Ok(Condition::Whole),
            Ok(None) => Ok(Condition::Missing),
            Err(BucketError::BodyDamaged { .. }) => Ok(Condition::Damaged),
            Err(error) => Err(error),
        }
    }
}

async fn find(
    connection: &mut SqliteConnection,
    key: &str,
    version_id: Option<&str>,
) -> Result<Option<VersionMeta>, sqlx::Error> {
    let row = match version_id {
        None => {
            sqlx::query(sqlx::AssertSqlSafe(format!(
                "select {COLUMNS} from versions where object_key = ? and is_latest = 1"
            )))
            .bind(key)
            .fetch_optional(connection)
            .await?
        }
        Some(version_id) => {
            sqlx::query(sqlx::AssertSqlSafe(format!(
                "select {COLUMNS} from versions where object_key = ? and version_id = ?"
            )))
            .bind(key)
            .bind(version_id)
            .fetch_optional(connection)
            .await?
        }
    };
    row.as_ref().map(meta).transpose()
}
