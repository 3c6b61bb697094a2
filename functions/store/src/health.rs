//! Is the database there, what time is it there, how large is it.

use chrono::{DateTime, Utc};

use crate::statement::{Dialect, Statement};
use crate::{Store, StoreError};

/// What a table takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSize {
    /// Its name.
    pub table: String,
    /// Bytes of the table and its indexes.
    pub bytes: u64,
}

impl Store {
    /// The database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.now().await.map(|_| ())
    }

    /// The database takes what is written, tried with a row that is taken away again. Whoever locks it, an end of its room or of the
    /// right to write shows here, and not in [`ping`](Self::ping). Waits as long as any writer does.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        let mut link = self.writer().await?;
        let row = vec!["trial".into(), "0".into()];
        link.write_rows("write on trial", include_str!("sql/save_setting.sql"), vec![row]).await?;
        link.execute(Statement::new("write on trial", "delete from settings where `key` = ?").bind("trial")).await?;
        match link.dialect() {
            // Only a commit comes to the file.
            Dialect::Sqlite => link.commit().await,
            // The server has judged it already, and its replicas need not hear of it: dropped, nothing of it happened.
            Dialect::MySql => Ok(()),
        }
    }

    /// The database's clock (SQLite: milliseconds): leases use it.
    pub async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let mut link = self.reader().await?;
        let text = match link.dialect() {
            Dialect::Sqlite => "select strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' as now",
            Dialect::MySql => "select utc_timestamp(6) as now",
        };
        let row = link.fetch_optional(Statement::new("ask the database for the time", text)).await?;
        row.ok_or(StoreError::Statement { doing: "ask the database for the time", source: sqlx::Error::RowNotFound })?
            .instant("now")
    }

    /// What every table takes (MySQL: the server's own estimate), largest first.
    pub async fn sizes(&self) -> Result<Vec<TableSize>, StoreError> {
        let mut link = self.reader().await?;
        let text = match link.dialect() {
            Dialect::Sqlite => include_str!("sql/sizes_sqlite.sql"),
            Dialect::MySql => include_str!("sql/sizes_mysql.sql"),
        };
        let rows = link.fetch(Statement::new("measure the tables", text)).await?;
        rows.iter().map(|row| Ok(TableSize { table: row.text("name")?, bytes: row.unsigned("size_bytes")? })).collect()
    }
}
