//! The SQLite file: opening it, and the checks that say what is wrong with it in a sentence.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeZone, Utc};
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Row, SqliteConnection, SqlitePool};

use crate::credential::{Credential, Scope, SecretAccessKey};
use crate::error::{BucketError, Fault};
use crate::options::{BucketOptions, Durability};

/// The layout that this release writes.
const LAYOUT: i64 = 1;

/// Marks the file as a bucket ("SKBK"; `pragma application_id`).
const APPLICATION: i64 = 0x534b_424b;

/// Indexes that came after the first release of the layout: an older release neither needs nor minds them.
const INDEXES: &str = include_str!("indexes.sql");

/// Connections that read, besides the one that writes.
const READERS: u32 = 4;

/// Pages that the log may have before it is moved into the file: 64 MiB. Whoever copies the folder of a running bucket gets a file and
/// a log of two moments only when the log was moved in between, so that shall be seldom; a start reads the log in a tenth of a second.
const LOG_PAGES: &str = "16384";

pub(crate) struct Pools {
    pub(crate) reads: SqlitePool,
    pub(crate) writes: SqlitePool,
}

/// Microseconds since 1970, as instants are stored.
pub(crate) fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// Back from [`micros`]. Only numbers that it gave are stored; one that no calendar holds reads as 1970.
pub(crate) fn instant(micros: i64) -> DateTime<Utc> {
    Utc.timestamp_micros(micros).single().unwrap_or_default()
}

/// Makes the folder and the file, readable by the owner alone since it holds secrets, and takes `{path}.lock`.
pub(crate) fn lock(path: &Path) -> Result<File, BucketError> {
    let lock = lock_alone(path)?;
    make_file(path)?;
    Ok(lock)
}

/// An empty file where there is none.
pub(crate) fn make_file(path: &Path) -> Result<(), BucketError> {
    writing()
        .open(path)
        .map(drop)
        .map_err(|source| BucketError::Unwritable { path: path.to_owned(), source: Fault::File(source) })
}

fn writing() -> OpenOptions {
    let mut writing = OpenOptions::new();
    writing.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut writing, 0o600);
    writing
}

/// Takes `{path}.lock`, in a folder that is made, without looking at the file.
pub(crate) fn lock_alone(path: &Path) -> Result<File, BucketError> {
    let unwritable =
        |source: std::io::Error| BucketError::Unwritable { path: path.to_owned(), source: Fault::File(source) };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = writing().open(PathBuf::from(name)).map_err(unwritable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(BucketError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(unwritable(source)),
    }
    Ok(lock)
}

/// Opens the file and makes its tables if it is new.
pub(crate) async fn open(path: &Path, options: &BucketOptions) -> Result<Pools, BucketError> {
    make_file(path)?;
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match options.durability {
            Durability::Full => SqliteSynchronous::Full,
            Durability::Normal => SqliteSynchronous::Normal,
        })
        .busy_timeout(options.busy)
        .pragma("wal_autocheckpoint", LOG_PAGES)
        .foreign_keys(false);
    // The pool would try again and again; a first connection of our own says at once what is wrong. It alone says how a new file is
    // made: saying so is a write, for which a reader would wait.
    let making = connect.clone().auto_vacuum(SqliteAutoVacuum::Incremental);
    let mut first = SqliteConnection::connect_with(&making).await.map_err(BucketError::opening(path))?;
    prepare(&mut first, path, options).await?;

    let wait = options.busy + std::time::Duration::from_secs(1);
    // After some errors (no room, no access) SQLite has ended the transaction itself, and the driver, whose rollback found none,
    // believes that it is still in one: such a connection never begins another.
    let writes = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(wait)
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }));
    let reads = SqlitePoolOptions::new().max_connections(READERS).acquire_timeout(wait);
    let pools = Pools {
        writes: writes.connect_with(connect.clone()).await.map_err(BucketError::opening(path))?,
        reads: reads.connect_with(connect.pragma("query_only", "1")).await.map_err(BucketError::opening(path))?,
    };
    // Not the last one, which would move the whole log into the file.
    first.close().await.map_err(BucketError::opening(path))?;
    Ok(pools)
}

/// Judges what is there: nothing yet, a bucket of this layout, or something else.
async fn prepare(connection: &mut SqliteConnection, path: &Path, options: &BucketOptions) -> Result<(), BucketError> {
    let mut transaction = connection.begin_with("begin immediate").await.map_err(BucketError::opening(path))?;
    let application: i64 = sqlx::query_scalar("pragma application_id")
        .fetch_one(&mut *transaction)
        .await
        .map_err(BucketError::opening(path))?;
    let tables: i64 = sqlx::query_scalar("select count(*) from sqlite_schema")
        .fetch_one(&mut *transaction)
        .await
        .map_err(BucketError::opening(path))?;
    match (application, tables) {
        (APPLICATION, _) => {
            let found: i64 = sqlx::query_scalar("select layout from bucket where id = 1")
                .fetch_one(&mut *transaction)
                .await
                .map_err(|source| BucketError::Damaged { path: path.to_owned(), source: Some(source) })?;
            if found > LAYOUT {
                return Err(BucketError::Newer { path: path.to_owned(), found, known: LAYOUT });
            }
            sqlx::raw_sql(INDEXES).execute(&mut *transaction).await.map_err(BucketError::opening(path))?;
        }
        (0, 0) => make(&mut transaction, options).await.map_err(|error| match error {
            MakeError::Database(source) => BucketError::opening(path)(source),
            MakeError::NoRandomBytes => BucketError::NoRandomBytes,
        })?,
        _ => return Err(BucketError::Damaged { path: path.to_owned(), source: None }),
    }
    transaction.commit().await.map_err(BucketError::opening(path))
}

/// What keeps the version ids of two openings apart.
pub(crate) fn new_epoch() -> Result<String, BucketError> {
    let mut epoch = [0_u8; 4];
    getrandom::fill(&mut epoch).map_err(|_| BucketError::NoRandomBytes)?;
    Ok(hex::encode(epoch))
}

enum MakeError {
    Database(sqlx::Error),
    NoRandomBytes,
}

impl From<sqlx::Error> for MakeError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}

async fn make(connection: &mut SqliteConnection, options: &BucketOptions) -> Result<(), MakeError> {
    let epoch = new_epoch().map_err(|_| MakeError::NoRandomBytes)?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *connection).await?;
    sqlx::raw_sql(INDEXES).execute(&mut *connection).await?;
    // Pragmas take no bound values; this is `APPLICATION` in decimal.
    sqlx::raw_sql("pragma application_id = 1397441099").execute(&mut *connection).await?;
    sqlx::query("insert into bucket (id, layout, sequence, epoch) values (1, ?, ?, ?)")
        .bind(LAYOUT)
        .bind(micros((options.clock)()).max(0))
        .bind(epoch)
        .execute(connection)
        .await?;
    Ok(())
}

/// All credentials by access key.
pub(crate) async fn load_credentials(writes: &SqlitePool) -> Result<HashMap<String, Credential>, BucketError> {
    let rows = sqlx::query("select access_key_id, secret, host from credentials")
        .fetch_all(writes)
        .await
        .map_err(BucketError::doing("read the access keys"))?;
    let credentials = rows.iter().map(credential).collect::<Result<Vec<_>, _>>();
    let credentials = credentials.map_err(BucketError::doing("read the access keys"))?;
    Ok(credentials.into_iter().flatten().map(|credential| (credential.access_key_id.clone(), credential)).collect())
}

/// One credential by its access key.
pub(crate) async fn load_credential(
    reads: &SqlitePool,
    access_key_id: &str,
) -> Result<Option<Credential>, BucketError> {
    let row = sqlx::query("select access_key_id, secret, host from credentials where access_key_id = ?")
        .bind(access_key_id)
        .fetch_optional(reads)
        .await
        .map_err(BucketError::doing("read an access key"))?;
    row.as_ref().map_or(Ok(None), credential).map_err(BucketError::doing("read an access key"))
}

/// A host that no longer reads as one reaches nothing, rather than everything.
fn credential(row: &sqlx::sqlite::SqliteRow) -> Result<Option<Credential>, sqlx::Error> {
    let (access_key_id, secret) = (row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?);
    let scope = Scope::from_host(row.try_get::<&str, _>(2)?);
    Ok(scope.map(|scope| Credential { access_key_id, secret: SecretAccessKey::new(secret), scope }))
}

/// Reads a row, and takes the write lock for a moment; with `commit` it also leaves out a sequence number, a change that nobody sees.
pub(crate) async fn check(reads: &SqlitePool, writes: &SqlitePool, commit: bool) -> Result<(), BucketError> {
    sqlx::query("select sequence from bucket where id = 1")
        .fetch_one(reads)
        .await
        .map_err(BucketError::doing("read"))?;
    let mut transaction =
        writes.begin_with("begin immediate").await.map_err(BucketError::doing("take the write lock"))?;
    if commit {
        sqlx::query("update bucket set sequence = sequence + 1 where id = 1")
            .execute(&mut *transaction)
            .await
            .map_err(BucketError::doing("write"))?;
        return transaction.commit().await.map_err(BucketError::doing("write"));
    }
    transaction.rollback().await.map_err(BucketError::doing("give back the write lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_in_the_pragma_is_the_constant() {
        assert_eq!(APPLICATION, 1_397_441_099);
    }
}
