//! Opening a store.

use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::database::{Database, Link, Session};
use crate::raw::Codec;
use crate::row::Row;
use crate::statement::Statement;
use crate::{StoreError, Transaction};

/// Texts that a connection keeps prepared: batches of any usual length need no more (a MySQL server takes 16,382 of all clients).
const STATEMENTS: usize = 256;

/// When SQLite waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// At checkpoints: a power cut may lose the last commits, never more, and never breaks the file.
    #[default]
    Normal,
    /// At every commit.
    Full,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Most connections at once (SQLite: readers; there is one writer besides). Default 8.
    pub connections: u32,
    /// How long a unit of work waits for a connection, and opening for the server. Default 10 s.
    pub acquire_timeout: Duration,
    /// How long a statement waits for a lock. Default 5 s.
    pub lock_timeout: Duration,
    /// SQLite only. Default [`Synchronous::Normal`].
    pub synchronous: Synchronous,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            connections: 8,
            acquire_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            synchronous: Synchronous::Normal,
        }
    }
}

/// The database. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) codec: Arc<Codec>,
    description: Arc<str>,
    #[cfg(feature = "faults")]
    faults: Option<Arc<crate::faults::FaultPlan>>,
}

/// Only what [`Store::describe`] says: no secret.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.description).finish()
    }
}

impl Store {
    /// Opens the database of `url`: `sqlite:PATH[?…]` or `mysql://USER:PASSWORD@HOST[:PORT]/DATABASE[?…]`. Connects at once, so
    /// that what is wrong is said here, in one sentence and without the password. Does not migrate.
    pub async fn open(url: &str, options: StoreOptions) -> Result<Self, StoreError> {
        // With its slashes: without them a password could pass for the name of a database.
        let is_mysql = url.starts_with("mysql://") || url.starts_with("mariadb://");
        match () {
            #[cfg(feature = "sqlite")]
            () if url.starts_with("sqlite:") => sqlite::open_url(url, &options).await,
            #[cfg(feature = "mysql")]
            () if is_mysql => mysql::open(url, &options, mysql::Sessions::ReadAndWrite).await,
            #[cfg(not(feature = "sqlite"))]
            () if url.starts_with("sqlite:") => {
                Err(StoreError::Url { problem: "this program was built without SQLite".to_owned() })
            }
            #[cfg(not(feature = "mysql"))]
            () if is_mysql => Err(StoreError::Url { problem: "this program was built without MySQL".to_owned() }),
            () => Err(StoreError::Url { problem: "it begins with neither `sqlite:` nor `mysql://`".to_owned() }),
        }
    }

    /// Opens (or makes) the SQLite file at `path`. Its folder must exist.
    #[cfg(feature = "sqlite")]
    pub async fn sqlite(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        sqlite::open(sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true), &options).await
    }

    /// Opens (or makes) the SQLite file at `path` as its owner, schema up to date: a file that is damaged is set aside and rebuilt from what
    /// can be read of it. Looks for damage for at most about `budget`. What it knows of objects seen is not to be trusted where
    /// [`Prepared::may_lack_rows`](stationkeeper_sqlite_file::Prepared::may_lack_rows): [`forget_objects`](Self::forget_objects) and ingest
    /// them again. Pair it with [`close_owned`](Self::close_owned).
    #[cfg(feature = "sqlite")]
    pub async fn sqlite_owned(
        path: &Path,
        options: StoreOptions,
        now: chrono::DateTime<chrono::Utc>,
        budget: Duration,
    ) -> Result<(Self, stationkeeper_sqlite_file::Prepared), StoreError> {
        sqlite::owned(path, options, now, budget).await
    }

    /// Closes all connections to the file at `path`, and remembers that it was closed in order.
    #[cfg(feature = "sqlite")]
    pub async fn close_owned(&self, path: &Path) -> Result<(), StoreError> {
        self.close().await;
        Ok(stationkeeper_sqlite_file::closed(path)?)
    }

    /// What this store is, for a person: `SQLite PATH` or `MySQL USER@HOST:PORT/DATABASE`; no secret in it.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// Begins a unit of work. SQLite: `begin immediate`, the only writer of this process. MySQL: read committed.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        self.load_dictionaries_once().await?;
        Ok(Transaction { link: self.writer().await?, codec: Arc::clone(&self.codec) })
    }

    /// The same, and the rows of its first statement.
    pub(crate) async fn begin_reading(&self, first: Statement) -> Result<(Transaction, Vec<Row>), StoreError> {
        self.load_dictionaries_once().await?;
        #[cfg(feature = "faults")]
        let begun = crate::faults::call(self.faults.as_deref(), first.doing, self.database.writer_reading(first)).await;
        #[cfg(not(feature = "faults"))]
        let begun = self.database.writer_reading(first).await;
        let (session, rows) = begun?;
        Ok((Transaction { link: self.link(session), codec: Arc::clone(&self.codec) }, rows))
    }

    /// What [`describe`](Self::describe) would say of this URL of MySQL, without connecting.
    #[cfg(feature = "mysql")]
    pub(crate) fn describe_mysql(url: &str) -> Result<String, StoreError> {
        if url.starts_with("mysql://") || url.starts_with("mariadb://") {
            return mysql::address(url).map(|(_, described)| described);
        }
        Err(StoreError::Url { problem: "it does not begin with `mysql://`".to_owned() })
    }

    /// A database of others: the server refuses whatever would change it.
    #[cfg(feature = "mysql")]
    pub(crate) async fn mysql_read_only(url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        mysql::open(url, options, mysql::Sessions::ReadOnly).await
    }

    /// Logs in as `url` says from now on, once it has seen that the server takes it: what is to be done after
    /// [`StoreError::is_login_refused`]. Connections that are open stay as they are.
    #[cfg(feature = "mysql")]
    pub async fn log_in_with(&self, url: &str) -> Result<(), StoreError> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite { .. } => Err(StoreError::Url { problem: "nobody logs in to a SQLite file".to_owned() }),
            Database::MySql(connections) => mysql::log_in_with(connections.pool(), url).await,
        }
    }

    /// Closes all connections; waits until those in use are back.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// The same store, whose calls fail as `plan` wants.
    #[cfg(feature = "faults")]
    #[must_use]
    pub fn with_faults(&self, plan: Arc<crate::faults::FaultPlan>) -> Self {
        Self { faults: Some(plan), ..self.clone() }
    }

    pub(crate) async fn reader(&self) -> Result<Link, StoreError> {
        #[cfg(feature = "faults")]
        return crate::faults::call(self.faults.as_deref(), "get a connection to the database", self.database.reader())
            .await
            .map(|session| self.link(session));
        #[cfg(not(feature = "faults"))]
        self.database.reader().await.map(|session| self.link(session))
    }

    pub(crate) async fn writer(&self) -> Result<Link, StoreError> {
        #[cfg(feature = "faults")]
        return crate::faults::call(self.faults.as_deref(), "begin a transaction", self.database.writer())
            .await
            .map(|session| self.link(session));
        #[cfg(not(feature = "faults"))]
        self.database.writer().await.map(|session| self.link(session))
    }

    fn link(&self, session: Session) -> Link {
        Link {
            session,
            #[cfg(feature = "faults")]
            faults: self.faults.clone(),
        }
    }

    fn new(database: Database, description: String) -> Self {
        Self {
            database,
            codec: Arc::default(),
            description: description.into(),
            #[cfg(feature = "faults")]
            faults: None,
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::path::Path;
    use std::str::FromStr;
    use std::time::Duration;

    use chrono::{DateTime, Utc};

    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
    use sqlx::{ConnectOptions, Connection};

    use stationkeeper_sqlite_file as sqlite_file;
    use stationkeeper_sqlite_file::{Prepared, Salvage};

    use super::{Database, STATEMENTS, Store, StoreError, StoreOptions, Synchronous};

    /// Pages that the log may have before it is moved into the file: 64 MiB, as the embedded bucket has it, for copies of a running folder.
    const LOG_PAGES: &str = "8192";

    /// 16 MiB of pages, in SQLite's notation.
    const WRITER_CACHE: &str = "-16384";

    const SALVAGE: Salvage = Salvage {
        without: &["_sqlx_migrations"],
        cut: None,
        // Rows whose other half was lost.
        afterwards: "insert into lab_hosts (name, status, created_at)
                select host, 'active', min(word_since) from lab_station_state
                where host not in (select name from lab_hosts) group by host;
            delete from alert_transitions where alert_id not in (select id from alerts)",
    };

    pub(super) async fn owned(
        path: &Path,
        options: StoreOptions,
        now: DateTime<Utc>,
        budget: Duration,
    ) -> Result<(Store, Prepared), StoreError> {
        let make = async |rebuilt: &Path| {
            let store = Store::sqlite(rebuilt, options.clone()).await?;
            store.migrate().await?;
            store.close().await;
            Ok::<_, StoreError>(())
        };
        let mut prepared = sqlite_file::prepare(path, now, budget, &SALVAGE, make).await?;
        let store = Store::sqlite(path, options.clone()).await?;
        store.migrate().await?;
        prepared.release().await;
        sqlite_file::opened(path, prepared.may_lack_rows())?;
        Ok((store, prepared))
    }

    pub(super) async fn open_url(url: &str, options: &StoreOptions) -> Result<Store, StoreError> {
        let connect = SqliteConnectOptions::from_str(url).map_err(|error| StoreError::Url {
            problem: format!("not a SQLite path with known parameters ({error})"),
        })?;
        let path = connect.get_filename().to_string_lossy().into_owned();
        // Every connection to `:memory:` would be a database of its own.
        if path.is_empty() || path.contains(":memory:") || path.contains("sqlx-in-memory") {
            return Err(StoreError::Url { problem: "a database in memory is not supported".to_owned() });
        }
        let connect = if url.contains("mode=") { connect } else { connect.create_if_missing(true) };
        open(connect, options).await
    }

    pub(super) async fn open(connect: SqliteConnectOptions, options: &StoreOptions) -> Result<Store, StoreError> {
        let database = format!("SQLite {}", connect.get_filename().display());
        let connect = connect
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match options.synchronous {
                Synchronous::Normal => SqliteSynchronous::Normal,
                Synchronous::Full => SqliteSynchronous::Full,
            })
            .busy_timeout(options.lock_timeout)
            .foreign_keys(true)
            .pragma("wal_autocheckpoint", LOG_PAGES)
            // A statement of many rows keeps what it changed until it is done, and would make a file for it each time.
            .pragma("temp_store", "memory")
            // Rows of history are some 450 bytes: larger pages leave less of them empty.
            .page_size(8192)
            .statement_cache_capacity(STATEMENTS)
            .disable_statement_logging();
        let failed = |source| StoreError::Open { database: database.clone(), source };
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(options.acquire_timeout)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        // The writer first: it makes the file and turns on the write-ahead log. Each station has a page of history that it writes to.
        let writer = pool()
            .max_connections(1)
            // After some errors (no room, no access) SQLite has ended the transaction itself, and the driver, whose rollback found
            // none, believes that it is still in one: such a connection never begins another.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_with(connect.clone().pragma("cache_size", WRITER_CACHE))
            .await
            .map_err(failed)?;
        let readers = pool()
            .max_connections(options.connections.max(1))
            .connect_with(connect.create_if_missing(false).pragma("query_only", "on"))
            .await
            .map_err(failed)?;
        Ok(Store::new(Database::Sqlite { writer, readers }, database))
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use std::str::FromStr;
    use std::time::Duration;

    use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions};
    use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

    use super::{Database, STATEMENTS, Store, StoreError, StoreOptions};
    use crate::mysql_connections::{ASK_AFTER, MySqlConnections};

    /// What its sessions may do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Sessions {
        ReadAndWrite,
        ReadOnly,
    }

    pub(super) async fn open(url: &str, options: &StoreOptions, sessions: Sessions) -> Result<Store, StoreError> {
        let (connect, database) = address(url)?;
        probe(&connect, &database, options.acquire_timeout).await?;
        let lock_seconds = options.lock_timeout.as_secs().max(1);
        let pool = MySqlPoolOptions::new()
            .max_connections(options.connections.max(1))
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move { Ok(meta.idle_for < ASK_AFTER || connection.ping().await.is_ok()) })
            })
            .after_connect(move |connection, _| Box::pin(set_session(connection, lock_seconds, sessions)))
            .connect_lazy_with(connect);
        Ok(Store::new(Database::MySql(MySqlConnections::of(pool)), database))
    }

    pub(super) async fn log_in_with(pool: &MySqlPool, url: &str) -> Result<(), StoreError> {
        let (connect, database) = address(url)?;
        probe(&connect, &database, pool.options().get_acquire_timeout()).await?;
        pool.set_connect_options(connect);
        Ok(())
    }

    /// How to connect, and what it is called before a person.
    pub(super) fn address(url: &str) -> Result<(MySqlConnectOptions, String), StoreError> {
        let connect =
            MySqlConnectOptions::from_str(url).map_err(|error| StoreError::Url { problem: what_is_wrong(&error) })?;
        let Some(name) = connect.get_database().filter(|name| !name.is_empty()) else {
            return Err(StoreError::Url { problem: "it names no database".to_owned() });
        };
        let database = format!("MySQL {}@{}:{}/{name}", connect.get_username(), connect.get_host(), connect.get_port());
        // Set once in `set_session`, in one place for both servers.
        let connect = connect
            .set_names(false)
            .timezone(None)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .statement_cache_capacity(STATEMENTS)
            .disable_statement_logging();
        Ok((connect, database))
    }

    /// What may be said of a wrong URL: the parser's word, never the text around it.
    fn what_is_wrong(error: &sqlx::Error) -> String {
        match error {
            sqlx::Error::Configuration(cause) => format!("not a MySQL URL ({cause})"),
            _ => "not a MySQL URL".to_owned(),
        }
    }

    /// Connects once. A pool would try again until its time is up, and then say nothing but that.
    async fn probe(connect: &MySqlConnectOptions, database: &str, within: Duration) -> Result<(), StoreError> {
        let once = async { MySqlConnection::connect_with(connect).await?.close().await };
        tokio::time::timeout(within, once)
            .await
            .map_err(|_| StoreError::NoAnswer { database: database.to_owned(), seconds: within.as_secs() })?
            .map_err(|source| StoreError::Open { database: database.to_owned(), source })
    }

    /// The same session on MySQL and MariaDB, whatever the server's own settings.
    async fn set_session(
        connection: &mut MySqlConnection,
        lock_seconds: u64,
        sessions: Sessions,
    ) -> Result<(), sqlx::Error> {
        connection.execute("set names utf8mb4 collate utf8mb4_bin").await?;
        connection.execute("set session transaction isolation level read committed").await?;
        connection
            .execute(AssertSqlSafe(format!(
                "set time_zone = '+00:00', innodb_lock_wait_timeout = {lock_seconds}, sql_mode = \
                 'ONLY_FULL_GROUP_BY,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
                 ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
            )))
            .await?;
        if sessions == Sessions::ReadOnly {
            connection.execute("set session transaction read only").await?;
        }
        Ok(())
    }
}
