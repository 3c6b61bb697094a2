//! What a bucket puts in order when it is opened, and how a damaged file becomes a sound one.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use stationkeeper_sqlite_file as sqlite_file;
use stationkeeper_sqlite_file::{Prepared, Salvage};

use crate::again;
use crate::bucket::EmbeddedBucket;
use crate::database::{self, micros};
use crate::error::BucketError;
use crate::keys;
use crate::options::BucketOptions;

/// The bucket's own row is new in a new file: its sequence goes on above the old one. A version whose body cannot be read stays
/// without it, so that it is known which; of a key whose newest version is lost, the newest that is left takes its place.
const SALVAGE: Salvage = Salvage {
    without: &["bucket"],
    cut: Some(("versions", "body")),
    afterwards: "update versions set is_latest = 1 where sequence in (
        select max(sequence) from versions group by object_key having max(is_latest) = 0)",
};

impl EmbeddedBucket {
    /// As [`open`](Self::open), and a file that is damaged is set aside and rebuilt from what can be read of it; access keys come from
    /// their copy beside the file (`{path}.keys`) where need be. Looks for damage for at most about `budget`.
    ///
    /// # Errors
    /// As [`open`](Self::open); of damage only what is no bucket at all.
    pub async fn open_or_rebuild(
        path: &Path,
        options: BucketOptions,
        budget: Duration,
    ) -> Result<(Self, Prepared), BucketError> {
        let lock = database::lock_alone(path)?;
        let now = (options.clock)();
        let make = async |rebuilt: &Path| {
            let pools = database::open(rebuilt, &options).await?;
            pools.reads.close().await;
            pools.writes.close().await;
            Ok::<_, BucketError>(())
        };
        let mut prepared = sqlite_file::prepare(path, now, budget, &SALVAGE, make).await?;
        // Otherwise the file has them all, and one that was revoked must not come back.
        if prepared.set_aside.is_some() || prepared.findings.is_mixed() {
            let pools = database::open(path, &options).await?;
            keys::restore(path, &pools.writes, now).await?;
            pools.reads.close().await;
            pools.writes.close().await;
        }
        let mut bucket = Self::open_locked(path, options, lock).await?;
        prepared.release().await;
        // What the bucket lacks, nobody else has.
        sqlite_file::opened(path, false)?;
        keys::save(path, &bucket.reads).await?;
        bucket.owned = Some(path.to_owned());
        Ok((bucket, prepared))
    }
}

/// Nobody else has the file, so that no claim of a delivery is valid any more: what a killed process was at is due at once. And no
/// version gets a name that one had before, also where the last commits of this file are lost or a copy of it was used.
pub(crate) async fn settle(writes: &SqlitePool, options: &BucketOptions) -> Result<(), BucketError> {
    const DOING: &str = "put the queue in order";
    let now = micros((options.clock)());
    let mut transaction = writes.begin_with("begin immediate").await.map_err(BucketError::doing(DOING))?;
    sqlx::query("update queue set visible_at_us = ? where visible_at_us > ?")
        .bind(now)
        .bind(now)
        .execute(&mut *transaction)
        .await
        .map_err(BucketError::doing(DOING))?;
    sqlx::query("update bucket set sequence = max(sequence, ?), epoch = ? where id = 1")
        .bind(now.max(0))
        .bind(database::new_epoch()?)
        .execute(&mut *transaction)
        .await
        .map_err(BucketError::doing(DOING))?;
    transaction.commit().await.map_err(BucketError::doing(DOING))?;
    let announced = again::announce_waiting(writes, options).await?;
    if announced > 0 {
        tracing::warn!(versions = announced, "announced versions of the bucket whose event was lost");
    }
    Ok(())
}
