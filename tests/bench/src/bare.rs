//! Clients that issue recorded statements with recorded values and decide nothing.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, MySql, Pool, Sqlite};
use stationkeeper_store::record::{Bound, Recorded};

/// A database, and connections to it. Clones share them.
#[derive(Clone)]
pub enum Bare {
    /// One writer: SQLite takes no more.
    Sqlite(Pool<Sqlite>),
    /// A connection for each client.
    MySql(Pool<MySql>),
}

/// Plays a unit on one connection.
macro_rules! play {
    ($database:ty, $connection:expr, $begin:expr, $unit:expr) => {{
        let mut open = false;
        for one in $unit {
            match one {
                Recorded::Begin => {
                    // The one before was dropped: it had only read.
                    if std::mem::replace(&mut open, true) {
                        (&mut *$connection).execute("rollback").await?;
                    }
                    (&mut *$connection).execute($begin).await?;
                }
                Recorded::BeginReading { text } => {
                    if std::mem::replace(&mut open, true) {
                        (&mut *$connection).execute("rollback").await?;
                    }
                    (&mut *$connection).fetch_all(AssertSqlSafe(format!("{}; {text}", $begin))).await?;
                }
                Recorded::CommitAfter { text } => {
                    open = false;
                    (&mut *$connection).execute(AssertSqlSafe(format!("{text}; commit"))).await?;
                }
                Recorded::Commit => {
                    open = false;
                    (&mut *$connection).execute("commit").await?;
                }
                Recorded::Statement { text, values, reads } => {
                    let mut query = sqlx::query::<$database>(AssertSqlSafe(text.as_str()));
                    for value in values {
                        query = match value {
                            Bound::Null => query.bind(None::<String>),
                            Bound::Integer(number) => query.bind(number),
                            Bound::Text(text) => query.bind(text),
                            Bound::Blob(bytes) => query.bind(bytes),
                            Bound::Instant(at) => query.bind(at),
                        };
                    }
                    if *reads {
                        query.fetch_all(&mut *$connection).await?;
                    } else {
                        query.execute(&mut *$connection).await?;
                    }
                }
            }
        }
        Ok::<(), sqlx::Error>(())
    }};
}

impl Bare {
    /// Connects `clients` times to `sqlite:FILE` or `mysql://…`, with what the store asks of a session.
    pub async fn connect(url: &str, clients: usize) -> Result<Self, sqlx::Error> {
        if url.starts_with("sqlite:") {
            let options = url
                .parse::<SqliteConnectOptions>()?
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .foreign_keys(true)
                .disable_statement_logging();
            let pool = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false);
            return Ok(Self::Sqlite(pool.connect_with(options).await?));
        }
        let options = url.parse::<MySqlConnectOptions>()?.disable_statement_logging();
        let pool = MySqlPoolOptions::new()
            .max_connections(u32::try_from(clients).unwrap_or(u32::MAX))
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute("set names utf8mb4 collate utf8mb4_bin").await?;
                    connection.execute("set session transaction isolation level read committed").await?;
                    Ok(())
                })
            });
        Ok(Self::MySql(pool.connect_with(options).await?))
    }

    /// Issues the statements of one batch. One that met another at the same rows is issued again, as the handler does.
    pub async fn play(&self, unit: &[Recorded]) -> Result<(), sqlx::Error> {
        let mut attempt = 0;
        loop {
            let played = match self {
                Self::Sqlite(pool) => {
                    let mut connection = pool.acquire().await?;
                    play!(Sqlite, connection, "begin immediate", unit)
                }
                Self::MySql(pool) => {
                    let mut connection = pool.acquire().await?;
                    let played = play!(MySql, connection, "begin", unit);
                    if played.is_err() {
                        (&mut *connection).execute("rollback").await?;
                    }
                    played
                }
            };
            match played {
                Err(error) if is_conflict(&error) && attempt < 8 => {
                    attempt += 1;
                    tokio::time::sleep(Duration::from_millis(5 << attempt.min(6))).await;
                }
                done => return done,
            }
        }
    }

    /// Rows of history.
    pub async fn rows(&self) -> Result<u64, sqlx::Error> {
        let count = "select count(*) from lab_station_heartbeat";
        let rows: i64 = match self {
            Self::Sqlite(pool) => sqlx::query_scalar(count).fetch_one(pool).await?,
            Self::MySql(pool) => sqlx::query_scalar(count).fetch_one(pool).await?,
        };
        Ok(u64::try_from(rows).unwrap_or_default())
    }
}

/// A deadlock (1213) or a lock that was not to be had (1205).
fn is_conflict(error: &sqlx::Error) -> bool {
    let number = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>())
        .map(sqlx::mysql::MySqlDatabaseError::number);
    matches!(number, Some(1205 | 1213))
}
