//! What changed, a row with each commit (`updates`); kept for an hour.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use stationkeeper_telemetry::HostName;

use crate::database::Link;
use crate::statement::Statement;
use crate::{Store, StoreError};

/// Something that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct NewUpdate {
    /// When.
    pub at: DateTime<Utc>,
    /// What kind of change, such as `station` or `alert`.
    pub kind: String,
    /// Of which station, if of one.
    pub host: Option<HostName>,
    /// What whoever listens is told.
    pub payload: serde_json::Value,
}

/// Something that changed, as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Counted up; commits may appear out of order, so read with an overlap.
    pub sequence: u64,
    /// What.
    pub update: NewUpdate,
}

/// Updates in a unit of work.
pub struct Updates<'t>(pub(crate) &'t mut Link);

impl Updates<'_> {
    /// Appends.
    pub async fn append(&mut self, updates: &[NewUpdate]) -> Result<(), StoreError> {
        let rows = updates
            .iter()
            .map(|update| {
                vec![
                    update.at.into(),
                    (&update.kind).into(),
                    update.host.as_ref().into(),
                    update.payload.to_string().into(),
                ]
            })
            .collect();
        self.0.write_rows("append updates", "insert into updates (at, kind, host, payload) values {rows}", rows).await
    }
}

impl Store {
    /// Updates after a sequence, in order.
    pub async fn updates_after(&self, sequence: u64, limit: u32) -> Result<Vec<Update>, StoreError> {
        let statement = Statement::new("read updates", include_str!("sql/updates_after.sql"))
            .of("updates", &["sequence"])
            .bind(sequence)
            .bind(limit);
        let rows = self.reader().await?.fetch(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(Update {
                    sequence: row.unsigned("sequence")?,
                    update: NewUpdate {
                        at: row.instant("at")?,
                        kind: row.text("kind")?,
                        host: row.optional_host("host")?,
                        payload: row.json("payload")?,
                    },
                })
            })
            .collect()
    }

    /// Names the database that sequences belong to: one that was made anew has another.
    pub async fn epoch(&self) -> Result<String, StoreError> {
        let text = "select cast(min(installed_on) as char(64)) as epoch from _sqlx_migrations";
        let statement = Statement::new("read when the database was made", text).of("_sqlx_migrations", &[]);
        let made = self.reader().await?.fetch_optional(statement).await?;
        let made = made.map_or(Ok(None), |row| row.optional_text("epoch"))?.unwrap_or_default();
        Ok(hex::encode(&Sha256::digest(made.as_bytes())[..6]))
    }

    /// The greatest sequence so far; 0 when there is none.
    pub async fn last_update(&self) -> Result<u64, StoreError> {
        let statement =
            Statement::new("read the last update", "select coalesce(max(sequence), 0) as sequence from updates")
                .of("updates", &[]);
        self.reader().await?.fetch_optional(statement).await?.map_or(Ok(0), |row| row.unsigned("sequence"))
    }
}
