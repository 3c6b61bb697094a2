//! How much is held, and what may go.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::SqlitePool;

use crate::database::micros;
use crate::error::BucketError;

/// Versions removed in one transaction: a PUT waits for no more than that.
const STEP: i64 = 100;

/// What a sweep removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Versions, delete markers included.
    pub versions: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// What the bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Keys with an object.
    pub objects: u64,
    /// Bytes of those objects.
    pub object_bytes: u64,
    /// Versions with a body, the objects included.
    pub versions: u64,
    /// Bytes of those versions.
    pub version_bytes: u64,
}

pub(crate) async fn sweep(writes: &SqlitePool, keep: Duration, now: DateTime<Utc>) -> Result<Swept, BucketError> {
    const DOING: &str = "remove old versions";
    // A marker that is the newest hides nothing once it is alone, and then says what absence says.
    let sql = "delete from versions where sequence in (
            select old.sequence from versions old
            where old.ingested_at_us is not null and (old.is_latest = 0 or old.delete_marker = 1) and old.last_modified_us < ?
                and (old.is_latest = 0 or not exists (
                    select 1 from versions other where other.object_key = old.object_key and other.sequence <> old.sequence))
            limit ?)
        returning size";
    let before = chrono::Duration::from_std(keep)
        .ok()
        .and_then(|keep| now.checked_sub_signed(keep))
        .unwrap_or(DateTime::<Utc>::MIN_UTC);
    let mut swept = Swept::default();
    loop {
        let sizes: Vec<i64> = sqlx::query_scalar(sql)
            .bind(micros(before))
            .bind(STEP)
            .fetch_all(writes)
            .await
            .map_err(BucketError::doing(DOING))?;
        if sizes.is_empty() {
            break;
        }
        swept.versions += sizes.len() as u64;
        swept.bytes += sizes.iter().map(|size| size.unsigned_abs()).sum::<u64>();
        sqlx::raw_sql("pragma incremental_vacuum(2000)").execute(writes).await.map_err(BucketError::doing(DOING))?;
        tokio::task::yield_now().await;
    }
    Ok(swept)
}

pub(crate) async fn sizes(reads: &SqlitePool) -> Result<Sizes, BucketError> {
    let sql = "select count(*) filter (where is_latest = 1), coalesce(sum(size) filter (where is_latest = 1), 0),
            count(*), coalesce(sum(size), 0) from versions indexed by versions_sizes where delete_marker = 0";
    let (objects, object_bytes, versions, version_bytes): (i64, i64, i64, i64) =
        sqlx::query_as(sql).fetch_one(reads).await.map_err(BucketError::doing("measure the bucket"))?;
    Ok(Sizes {
        objects: objects.unsigned_abs(),
        object_bytes: object_bytes.unsigned_abs(),
        versions: versions.unsigned_abs(),
        version_bytes: version_bytes.unsigned_abs(),
    })
}
