//! Databases of a test's own, and what stands in their tables.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, SqliteConnection};
use tempfile::TempDir;

use crate::tables::Tables;

/// Which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    Sqlite,
    /// A database on the server of `STATIONKEEPER_TEST_MYSQL_URL`.
    MariaDb,
}

/// An empty database; it is gone when this is dropped.
#[derive(Debug)]
pub enum Database {
    /// The file lies in this folder.
    Sqlite(TempDir),
    /// A database of this name on this server.
    MariaDb {
        /// With a database that exists.
        server: String,
        /// Its name.
        name: String,
    },
}

/// What the rows of these tables are known by, as far as a table has it.
const KEYS: [&str; 6] = ["host", "timestamp_utc", "timestamp", "user_key", "session_key", "occurrence"];

pub use crate::tables::Row;

impl Database {
    /// Makes one.
    ///
    /// # Panics
    /// Where it cannot, and where `STATIONKEEPER_TEST_MYSQL_URL` is missing for a MariaDB.
    #[expect(clippy::disallowed_methods, reason = "tests/run says by the environment where its server is")]
    pub fn new(kind: Kind) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        match kind {
            Kind::Sqlite => Self::Sqlite(tempfile::tempdir().expect("a folder of its own")),
            Kind::MariaDb => {
                let server = std::env::var("STATIONKEEPER_TEST_MYSQL_URL").unwrap_or_else(|_| {
                    panic!(
                        "STATIONKEEPER_TEST_MYSQL_URL is not set: it gives mysql://USER:PASSWORD@HOST:PORT/NAME of a server \
                         whose user may create databases (tests/run starts one)"
                    )
                });
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let name = format!("stationkeeper_replay_{}_{number}", std::process::id());
                blocking(execute(&server, format!("drop database if exists {name}")));
                blocking(execute(&server, format!("create database {name} character set utf8mb4")));
                Self::MariaDb { server, name }
            }
        }
    }

    /// How to say it to `--database`.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("lab.sqlite").display()),
            Self::MariaDb { server, name } => match server.rsplit_once('/') {
                Some((before, _)) => format!("{before}/{name}"),
                None => server.clone(),
            },
        }
    }

    /// Does something to it that no program of ours does.
    ///
    /// # Panics
    /// Where it cannot be done.
    pub async fn execute(&self, statement: &'static str) {
        match self {
            Self::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url()).await.expect("the file is there");
                sqlx::raw_sql(statement).execute(&mut connection).await.expect("a statement");
            }
            Self::MariaDb { .. } => execute(&self.url(), statement.to_owned()).await,
        }
    }

    /// All rows of a table without some of its columns, in the order of their keys.
    ///
    /// # Panics
    /// Where the table cannot be read.
    pub fn rows(&self, table: &str, without: &[&str]) -> Vec<Row> {
        let mut rows = blocking(async {
            let mut tables = Tables::open(&self.url()).await.expect("the database is there");
            tables.without(table, without).await.expect("readable")
        });
        rows.sort_by_cached_key(|row| KEYS.map(|column| row.get(column).cloned().flatten()));
        rows
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::MariaDb { server, name } = self {
            let (server, statement) = (server.clone(), format!("drop database if exists {name}"));
            // A thread of its own: the test may be within a runtime, and may be failing.
            let dropping = std::thread::spawn(move || blocking(execute(&server, statement)));
            let _ = dropping.join();
        }
    }
}

/// Runs a future to its end from a test that is not asynchronous.
///
/// # Panics
/// Where no runtime can be made.
pub fn blocking<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

async fn execute(url: &str, statement: String) {
    let mut connection =
        MySqlConnection::connect(url).await.expect("the server of STATIONKEEPER_TEST_MYSQL_URL answers");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("its user may create databases");
}
