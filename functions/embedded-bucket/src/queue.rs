//! The queue of events, in the same file as the objects. At least once: a delivery that was received and not deleted comes back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Row};

use crate::bucket::EmbeddedBucket;
use crate::database::{instant, micros};
use crate::error::BucketError;

/// Names a delivery until it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(i64);

/// One arrival of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// To [`delete`](EmbeddedBucket::delete) or [`retry`](EmbeddedBucket::retry) it.
    pub id: DeliveryId,
    /// An S3 notification as JSON, one record.
    pub body: String,
    /// How often it was received, this time included.
    pub attempts: u32,
    /// When its change was committed.
    pub enqueued_at: DateTime<Utc>,
}

/// `?, ?, …`: as many as there are ids. SQLite takes 32 766; callers receive far fewer at once.
pub(crate) fn places(count: usize) -> String {
    let mut places = "?, ".repeat(count);
    places.truncate(places.len().saturating_sub(2));
    places
}

impl EmbeddedBucket {
    /// Takes up to `max` deliveries that are due, oldest first. No other call receives them for `visibility`; after that they are
    /// due again, unless deleted, also after a crash.
    ///
    /// # Errors
    /// The file could not be written; nothing was taken.
    pub async fn receive(&self, max: usize, visibility: Duration) -> Result<Vec<Delivery>, BucketError> {
        let now = self.now();
        // In the order of the commits, also what was put back meanwhile: the plus keeps SQLite from walking by `visible_at_us`.
        let sql = "update queue set attempts = attempts + 1, visible_at_us = ?
            where id in (select id from queue where +visible_at_us <= ? order by id limit ?)
            returning id, body, attempts, enqueued_at_us";
        let rows = sqlx::query(sql)
            .bind(micros(now + visibility))
            .bind(micros(now))
            .bind(i64::try_from(max).unwrap_or(i64::MAX))
            .fetch_all(&self.writes)
            .await
            .map_err(BucketError::doing("receive events"))?;
        let mut deliveries = rows
            .iter()
            .map(|row| {
                Ok(Delivery {
                    id: DeliveryId(row.try_get(0)?),
                    body: row.try_get(1)?,
                    attempts: row.try_get(2)?,
                    enqueued_at: instant(row.try_get(3)?),
                })
            })
            .collect::<Result<Vec<_>, sqlx::Error>>()
            .map_err(BucketError::doing("receive events"))?;
        deliveries.sort_unstable_by_key(|delivery| delivery.id);
        Ok(deliveries)
    }

    /// Waits until a delivery may be due: at once when one is, else after the next commit that makes one or when a claim or a
    /// retry falls due (by the bucket's clock). May return early; cancel it freely.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn wait(&self) -> Result<(), BucketError> {
        // Asked for before looking, so that an arrival in between is not missed.
        let arrived = self.arrived.notified();
        let next: Option<i64> = sqlx::query_scalar("select min(visible_at_us) from queue")
            .fetch_one(&self.reads)
            .await
            .map_err(BucketError::doing("look for events"))?;
        match next.map(|next| (instant(next) - self.now()).to_std().unwrap_or_default()) {
            None => arrived.await,
            Some(due) => {
                tokio::select! {
                    () = arrived => {}
                    () = tokio::time::sleep(due) => {}
                }
            }
        }
        Ok(())
    }

    /// Deletes deliveries for good, and marks the versions that they announced as ingested. Unknown ids are passed over.
    ///
    /// # Errors
    /// The file could not be written; all of them stay.
    pub async fn delete(&self, ids: &[DeliveryId]) -> Result<(), BucketError> {
        const DOING: &str = "delete events";
        if ids.is_empty() {
            return Ok(());
        }
        let places = places(ids.len());
        let mut transaction = self.writes.begin_with("begin immediate").await.map_err(BucketError::doing(DOING))?;
        // Only question marks are put into the text.
        let mark = format!(
            "update versions set ingested_at_us = ?
            where ingested_at_us is null and version_id in (select version_id from queue where id in ({places}))"
        );
        let mut statement = sqlx::query(AssertSqlSafe(mark)).bind(micros(self.now()));
        for id in ids {
            statement = statement.bind(id.0);
        }
        statement.execute(&mut *transaction).await.map_err(BucketError::doing(DOING))?;
        let mut statement = sqlx::query(AssertSqlSafe(format!("delete from queue where id in ({places})")));
        for id in ids {
            statement = statement.bind(id.0);
        }
        statement.execute(&mut *transaction).await.map_err(BucketError::doing(DOING))?;
        transaction.commit().await.map_err(BucketError::doing(DOING))
    }

    /// Lets a delivery be due again after `after`, however long it was claimed for.
    ///
    /// # Errors
    /// The file could not be written; it is due when its claim ends.
    pub async fn retry(&self, id: DeliveryId, after: Duration) -> Result<(), BucketError> {
        sqlx::query("update queue set visible_at_us = ? where id = ?")
            .bind(micros(self.now() + after))
            .bind(id.0)
            .execute(&self.writes)
            .await
            .map_err(BucketError::doing("put an event back"))?;
        self.arrived.notify_waiters();
        Ok(())
    }

    /// Deliveries not yet deleted, claimed ones included.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn queue_depth(&self) -> Result<u64, BucketError> {
        let depth: i64 = sqlx::query_scalar("select count(*) from queue")
            .fetch_one(&self.reads)
            .await
            .map_err(BucketError::doing("count the events"))?;
        Ok(depth.unsigned_abs())
    }

    /// When the oldest delivery that is not yet deleted was enqueued.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn oldest_enqueued_at(&self) -> Result<Option<DateTime<Utc>>, BucketError> {
        let oldest: Option<i64> = sqlx::query_scalar("select enqueued_at_us from queue order by id limit 1")
            .fetch_optional(&self.reads)
            .await
            .map_err(BucketError::doing("look for the oldest event"))?;
        Ok(oldest.map(instant))
    }
}
