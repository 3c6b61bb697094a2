//! A table of reservations that another system keeps (`lab_reservations`), in a database of its own: read, and never written. Every
//! session is read only, whatever the user may do.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use stationkeeper_rules::ReservationId;
use stationkeeper_rules::reservation_table::{TableRead, TableRow};
use tokio::sync::Mutex;

use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement};
use crate::{Store, StoreError, StoreOptions};

/// Most rows of a window that are read.
pub const MOST_ROWS: u32 = 5_000;
/// Longest wait for the server.
const PATIENCE: Duration = Duration::from_secs(5);

/// The table. It is connected to when it is read for the first time, and again after its server was away.
pub struct LabReservations {
    url: String,
    description: String,
    opened: Mutex<Option<Store>>,
}

/// Only what [`LabReservations::describe`] says: no secret.
impl fmt::Debug for LabReservations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LabReservations").field(&self.description).finish()
    }
}

impl LabReservations {
    /// The table in the database of `url`, `mysql://USER:PASSWORD@HOST[:PORT]/DATABASE[?…]`. Does not connect.
    ///
    /// # Errors
    /// The URL is none of MySQL.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let description = Store::describe_mysql(url)?;
        Ok(Self { url: url.to_owned(), description, opened: Mutex::default() })
    }

    /// Which database, for a person: `MySQL USER@HOST:PORT/DATABASE`; no secret in it.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// The rows that end at or after `from` and start at or before `to`, and whatever rows have the ids that `others` names: asked with
    /// the ids of the first ones.
    ///
    /// # Errors
    /// The table, or its server, cannot be read.
    pub async fn read(
        &self,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        others: impl FnOnce(&[TableRow]) -> Vec<ReservationId>,
    ) -> Result<TableRead, StoreError> {
        let store = self.store().await?;
        let mut link = store.reader().await?;
        let columns = Statement::new("look at the table of reservations", WALLET).of("lab_reservations", &[]);
        let has_wallets = !link.fetch(columns).await?.is_empty();
        let text = match has_wallets {
            true => include_str!("sql/lab_reservations.sql"),
            false => include_str!("sql/lab_reservations_without_wallets.sql"),
        };
        let statement = || Statement::new("read the table of reservations", text).of("lab_reservations", &["id"]);
        let window = statement().filter("end_time >= ?", [from]).filter("start_time <= ?", [to]);
        let mut rows = Vec::new();
        for row in link.fetch(window.bind(MOST_ROWS + 1)).await? {
            rows.push(table_row(&row)?);
        }
        let is_whole = rows.len() <= MOST_ROWS as usize;
        if is_whole {
            for ids in others(&rows).chunks(MOST_ITEMS) {
                let named = statement().filter_in("transaction_hash", ids.iter().map(|id| id.0.as_str()));
                for row in link.fetch(named.bind(MOST_ROWS)).await? {
                    rows.push(table_row(&row)?);
                }
            }
        }
        Ok(TableRead { rows, is_whole })
    }

    /// Closes its connections.
    pub async fn close(&self) {
        if let Some(store) = self.opened.lock().await.take() {
            store.close().await;
        }
    }

    async fn store(&self) -> Result<Store, StoreError> {
        let mut opened = self.opened.lock().await;
        if let Some(store) = opened.as_ref() {
            return Ok(store.clone());
        }
        let options = StoreOptions { connections: 2, acquire_timeout: PATIENCE, ..StoreOptions::default() };
        Ok(opened.insert(Store::mysql_read_only(&self.url, &options).await?).clone())
    }
}

/// Columns that the user may not see are not there.
const WALLET: &str = "select column_name as name from information_schema.columns
    where table_schema = database() and table_name = 'lab_reservations' and column_name = 'wallet_address'";

fn table_row(row: &Row) -> Result<TableRow, StoreError> {
    Ok(TableRow {
        id: row.optional_text("id")?,
        lab: row.optional_text("lab")?,
        start_at: row.optional_text("start_at")?,
        end_at: row.optional_text("end_at")?,
        status: row.optional_text("status")?,
        who: row.optional_text("who")?,
    })
}
