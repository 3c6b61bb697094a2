//! The rows of a store's tables as text, read past the store: what a test compares should not come from the code under test.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySqlConnection, Row as _, SqliteConnection};

/// A row: each column as text (bytes: as hexadecimal digits), or nothing where it is null.
pub type Row = BTreeMap<String, Option<String>>;

/// A connection of its own to the database of a store.
#[derive(Debug)]
pub struct Tables {
    connection: Connected,
    /// Columns of the tables that were read whole, and whether they hold bytes.
    known: HashMap<String, Vec<(String, bool)>>,
}

#[derive(Debug)]
enum Connected {
    Sqlite(SqliteConnection),
    MariaDb(MySqlConnection),
}

/// Some columns of some rows, in the order of [`Tables::columns`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    table: &'static str,
    columns: &'static [&'static str],
    values: Vec<Option<String>>,
}

/// A column that holds bytes is asked for as `hex NAME`.
const BYTES: &str = "hex ";

impl Tables {
    /// Connects by the URL that a store is opened with.
    ///
    /// # Errors
    /// The database does not answer, or the file is not there.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let connection = if url.starts_with("sqlite:") {
            // References are not checked, so that a test can break them.
            let options = SqliteConnectOptions::from_str(url)?.create_if_missing(false).foreign_keys(false);
            Connected::Sqlite(options.connect().await?)
        } else {
            Connected::MariaDb(MySqlConnection::connect(url).await?)
        };
        Ok(Self { connection, known: HashMap::new() })
    }

    /// Closes it in an orderly way.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        match self.connection {
            Connected::Sqlite(connection) => connection.close().await,
            Connected::MariaDb(connection) => connection.close().await,
        }
    }

    /// Runs statements.
    ///
    /// # Errors
    /// The database refuses one.
    pub async fn execute(&mut self, statements: &str) -> Result<(), sqlx::Error> {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        match &mut self.connection {
            Connected::Sqlite(connection) => statements.execute(connection).await.map(|_| ()),
            Connected::MariaDb(connection) => statements.execute(connection).await.map(|_| ()),
        }
    }

    /// These columns of all rows of a table.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn columns(
        &mut self,
        table: &'static str,
        columns: &'static [&'static str],
    ) -> Result<Vec<Picked>, sqlx::Error> {
        let texts: Vec<String> = columns.iter().map(|column| self.as_text(column, column.starts_with(BYTES))).collect();
        let rows = self.texts(&texts, table).await?;
        Ok(rows.into_iter().map(|values| Picked { table, columns, values }).collect())
    }

    /// All columns but some, of all rows of a table.
    ///
    /// # Errors
    /// There is no such table, or it cannot be read.
    pub async fn without(&mut self, table: &str, without: &[&str]) -> Result<Vec<Row>, sqlx::Error> {
        if !self.known.contains_key(table) {
            let columns = self.columns_of(table).await?;
            self.known.insert(table.to_owned(), columns);
        }
        let columns: Vec<_> = self.known[table].iter().filter(|(name, _)| !without.contains(&name.as_str())).collect();
        if columns.is_empty() {
            return Err(sqlx::Error::RowNotFound);
        }
        let texts: Vec<String> = columns.iter().map(|(name, bytes)| self.as_text(name, *bytes)).collect();
        let rows = self.texts(&texts, table).await?;
        let names: Vec<String> = self.known[table]
            .iter()
            .map(|(name, _)| name.clone())
            .filter(|name| !without.contains(&name.as_str()))
            .collect();
        Ok(rows.into_iter().map(|values| names.iter().cloned().zip(values).collect()).collect())
    }

    async fn columns_of(&mut self, table: &str) -> Result<Vec<(String, bool)>, sqlx::Error> {
        match &mut self.connection {
            Connected::Sqlite(connection) => sqlx::query_as(
                "select name, lower(type) = 'blob' from pragma_table_xinfo(?) where hidden <> 2 and hidden <> 3 order by cid",
            )
            .bind(table)
            .fetch_all(connection)
            .await,
            Connected::MariaDb(connection) => {
                sqlx::query_as(
                    "select cast(column_name as char), data_type like '%binary%' or data_type like '%blob%' \
                     from information_schema.columns where table_schema = database() and table_name = ? \
                     and coalesce(generation_expression, '') = '' order by ordinal_position",
                )
                .bind(table)
                .fetch_all(connection)
                .await
            }
        }
    }

    fn as_text(&self, column: &str, bytes: bool) -> String {
        let column = column.strip_prefix(BYTES).unwrap_or(column);
        match (&self.connection, bytes) {
            (_, true) => format!("hex(`{column}`)"),
            // A column without a type holds whatever was put there.
            (Connected::Sqlite(_), false) => {
                format!("case typeof(`{column}`) when 'blob' then hex(`{column}`) else cast(`{column}` as text) end")
            }
            (Connected::MariaDb(_), false) => format!("convert(`{column}` using utf8mb4)"),
        }
    }

    async fn texts(&mut self, texts: &[String], table: &str) -> Result<Vec<Vec<Option<String>>>, sqlx::Error> {
        let statement = AssertSqlSafe(format!("select {} from {table}", texts.join(", ")));
        match &mut self.connection {
            Connected::Sqlite(connection) => {
                let rows = sqlx::query(statement).fetch_all(connection).await?;
                rows.iter().map(|row| (0..texts.len()).map(|place| row.try_get(place)).collect()).collect()
            }
            Connected::MariaDb(connection) => {
                let rows = sqlx::query(statement).fetch_all(connection).await?;
                rows.iter().map(|row| (0..texts.len()).map(|place| row.try_get(place)).collect()).collect()
            }
        }
    }
}

impl Picked {
    /// A column that may be null.
    ///
    /// # Panics
    /// Where it was not asked for.
    pub fn optional(&self, column: &str) -> Option<&str> {
        let place = self.columns.iter().position(|known| known.strip_prefix(BYTES).unwrap_or(known) == column);
        let place = place.unwrap_or_else(|| panic!("{column} of {} was not asked for", self.table));
        self.values[place].as_deref()
    }

    /// A column that is not null.
    ///
    /// # Panics
    /// Where it is.
    pub fn text(&self, column: &str) -> &str {
        self.optional(column).unwrap_or_else(|| panic!("{column} of a row of {} is null", self.table))
    }

    /// A number.
    ///
    /// # Panics
    /// Where it is none.
    pub fn number(&self, column: &str) -> i64 {
        self.text(column).parse().unwrap_or_else(|error| panic!("{column} of {}: {error}", self.table))
    }

    /// Bytes.
    ///
    /// # Panics
    /// Where they were not asked for as such.
    pub fn bytes(&self, column: &str) -> Vec<u8> {
        hex::decode(self.text(column)).unwrap_or_else(|error| panic!("{column} of {}: {error}", self.table))
    }

    /// An instant, as either database keeps it.
    ///
    /// # Panics
    /// Where it is none.
    pub fn instant(&self, column: &str) -> DateTime<Utc> {
        let text = self.text(column);
        let plain = text.trim_end_matches('Z').replacen('T', " ", 1);
        NaiveDateTime::parse_from_str(&plain, "%Y-%m-%d %H:%M:%S%.f")
            .unwrap_or_else(|error| panic!("{column} of {} is {text}: {error}", self.table))
            .and_utc()
    }

    /// An instant that may be null.
    ///
    /// # Panics
    /// Where it is neither.
    pub fn optional_instant(&self, column: &str) -> Option<DateTime<Utc>> {
        self.optional(column).map(|_| self.instant(column))
    }
}
