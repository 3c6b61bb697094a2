//! Announcing versions again: those that wait without an event, and those that a database turns out not to know.

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection, SqlitePool};

use crate::bucket::EmbeddedBucket;
use crate::database::{instant, micros};
use crate::error::BucketError;
use crate::notification::{Cause, Happening, Speaker, Subject, notification};
use crate::object::VersionMeta;
use crate::options::BucketOptions;
use crate::reading::{COLUMNS, meta};

/// Versions announced in one transaction at most.
const STEP: usize = 500;

/// A version whose delivery was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestedVersion {
    /// Its place in the order of the commits.
    pub sequence: i64,
    /// Of the object.
    pub key: String,
    /// Of the version.
    pub version_id: String,
    /// When its delivery was deleted.
    pub ingested_at: DateTime<Utc>,
}

impl EmbeddedBucket {
    /// Objects of stations whose delivery was deleted, the last deleted first, from after a place in this order on; at most `limit`.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn ingested_versions(
        &self,
        after: Option<&IngestedVersion>,
        limit: usize,
    ) -> Result<Vec<IngestedVersion>, BucketError> {
        const DOING: &str = "list what was ingested";
        let (ingested_at, sequence) =
            after.map_or((i64::MAX, i64::MAX), |version| (micros(version.ingested_at), version.sequence));
        let sql = "select sequence, object_key, version_id, ingested_at_us from versions
            where ingested_at_us is not null and (ingested_at_us, sequence) < (?, ?)
                and delete_marker = 0 and object_key >= 'stations/' and object_key < 'stations0'
            order by ingested_at_us desc, sequence desc limit ?";
        let rows: Vec<(i64, String, String, i64)> = sqlx::query_as(sql)
            .bind(ingested_at)
            .bind(sequence)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.reads)
            .await
            .map_err(BucketError::doing(DOING))?;
        Ok(rows
            .into_iter()
            .map(|(sequence, key, version_id, ingested_at)| IngestedVersion {
                sequence,
                key,
                version_id,
                ingested_at: instant(ingested_at),
            })
            .collect())
    }

    /// Announces versions again, each as it was put, unless it is in the queue already. They count as not ingested until their delivery is
    /// deleted. How many are announced; those that are gone are passed over.
    ///
    /// # Errors
    /// The file could not be written; what was announced so far stays announced.
    pub async fn announce_again(&self, sequences: &[i64]) -> Result<u64, BucketError> {
        let mut announced = 0;
        for sequences in sequences.chunks(STEP) {
            announced += announce(&self.writes, &self.options, sequences).await?;
        }
        self.arrived.notify_waiters();
        Ok(announced)
    }
}

/// Announces what waits for its ingest without an event in the queue: of a bucket that was damaged, the event may be what was lost.
pub(crate) async fn announce_waiting(writes: &SqlitePool, options: &BucketOptions) -> Result<u64, BucketError> {
    let sql = "select sequence from versions where ingested_at_us is null
        and version_id not in (select version_id from queue) order by sequence";
    let waiting: Vec<i64> =
        sqlx::query_scalar(sql).fetch_all(writes).await.map_err(BucketError::doing("look for what waits"))?;
    let mut announced = 0;
    for sequences in waiting.chunks(STEP) {
        announced += announce(writes, options, sequences).await?;
    }
    Ok(announced)
}

async fn announce(writes: &SqlitePool, options: &BucketOptions, sequences: &[i64]) -> Result<u64, BucketError> {
    const DOING: &str = "announce versions again";
    let doing = || BucketError::doing(DOING);
    let mut connection = writes.acquire().await.map_err(doing())?;
    let mut transaction = connection.begin_with("begin immediate").await.map_err(doing())?;
    let mut announced = 0;
    for version in versions(&mut transaction, sequences).await.map_err(doing())? {
        announced += u64::from(enqueue(&mut transaction, options, &version).await.map_err(doing())?);
    }
    transaction.commit().await.map_err(doing())?;
    Ok(announced)
}

async fn versions(connection: &mut SqliteConnection, sequences: &[i64]) -> Result<Vec<VersionMeta>, sqlx::Error> {
    let places = crate::queue::places(sequences.len());
    // Only question marks and our own names are put into the text.
    let sql = format!("select {COLUMNS} from versions where sequence in ({places}) order by sequence");
    let mut statement = sqlx::query(AssertSqlSafe(sql));
    for sequence in sequences {
        statement = statement.bind(sequence);
    }
    let rows: Vec<SqliteRow> = statement.fetch_all(connection).await?;
    rows.iter().map(meta).collect()
}

async fn enqueue(
    connection: &mut SqliteConnection,
    options: &BucketOptions,
    version: &VersionMeta,
) -> Result<bool, sqlx::Error> {
    let is_queued: bool = sqlx::query_scalar("select exists (select 1 from queue where version_id = ?)")
        .bind(&version.version_id)
        .fetch_one(&mut *connection)
        .await?;
    if is_queued {
        return Ok(false);
    }
    let speaker = Speaker { bucket: options.name.clone(), region: options.region.clone() };
    let cause = if version.delete_marker { Cause::DeleteMarkerCreated } else { Cause::Put };
    let subject = Subject {
        key: &version.key,
        version_id: &version.version_id,
        sequencer: &version.sequencer(),
        content: (!version.delete_marker)
            .then(|| (usize::try_from(version.size).unwrap_or(usize::MAX), version.etag.as_str())),
        // When it was put, not now: what was late is judged by its arrival.
        at: version.last_modified,
    };
    let now = micros((options.clock)());
    sqlx::query("update versions set ingested_at_us = null where sequence = ?")
        .bind(version.sequence)
        .execute(&mut *connection)
        .await?;
    sqlx::query("insert into queue (version_id, body, visible_at_us, enqueued_at_us) values (?, ?, ?, ?)")
        .bind(&version.version_id)
        .bind(notification(&speaker, &Happening::internal(cause), &subject))
        .bind(now)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(true)
}
