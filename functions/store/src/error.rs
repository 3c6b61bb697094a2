//! What can go wrong between here and the database.

use chrono::{DateTime, Utc};

/// An error of the store: what was being done, and why it could not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The URL is not one that a store can be opened with. The text never holds the URL's password.
    #[error("wrong database URL: {problem}; write `sqlite:PATH` or `mysql://USER:PASSWORD@HOST:PORT/DATABASE`")]
    Url {
        /// What is wrong with it.
        problem: String,
    },
    /// The database could not be opened.
    #[error("cannot open the database {database}")]
    Open {
        /// Which, without its password.
        database: String,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The server did not answer in time.
    #[error("cannot open the database {database}: no answer within {seconds} s")]
    NoAnswer {
        /// Which, without its password.
        database: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The file cannot be examined, or no new one can be made in the place of a damaged one.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    File(#[from] stationkeeper_sqlite_file::FileError),
    /// A statement failed.
    #[error("could not {doing}")]
    Statement {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("could not migrate the database")]
    Migration {
        /// Which step, and why.
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// Another process is migrating, and does not come to an end.
    #[error("could not migrate the database: another process has been migrating it for {seconds} s")]
    MigrationLocked {
        /// How long it was waited for.
        seconds: i64,
    },
    /// A stored value is not what its column may hold.
    #[error("inconsistent row {row} of {table}: {column} cannot be read")]
    Inconsistent {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// Its key, for a person.
        row: String,
        /// What is wrong with it.
        source: Inconsistency,
    },
    /// An instant that no database can hold.
    #[error("cannot store the instant {0}: its year is not one of 0001 to 9999")]
    Instant(DateTime<Utc>),
    /// A value could not be written as JSON.
    #[error("could not {doing}: not to be written as JSON")]
    Json {
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Compression or its dictionary failed.
    #[error("could not {doing}")]
    Zstd {
        /// What was being done.
        doing: &'static str,
        /// What zstd said.
        source: std::io::Error,
    },
    /// Two dictionaries whose ids are the same and whose bytes are not.
    #[error("dictionary id {id} is taken by other bytes; train the new dictionary again")]
    DictionaryTaken {
        /// The id.
        id: u32,
    },
}

/// What is wrong with a stored value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Inconsistency {
    /// It has another type, or is null.
    #[error("not of its type")]
    Type(#[source] sqlx::Error),
    /// It is not JSON of its shape.
    #[error("not JSON of its shape")]
    Json(#[source] serde_json::Error),
    /// It is no object of JSON that has fields.
    #[error("not an object with fields")]
    NoObject,
    /// It is none of the words that it may be.
    #[error("`{0}` is not one of its words")]
    Word(String),
    /// It is out of range.
    #[error("{0} is out of range")]
    Range(i64),
    /// It has another length.
    #[error("{0} bytes, which is not its length")]
    Length(usize),
    /// It cannot be decompressed.
    #[error("cannot be decompressed")]
    Zstd(#[source] std::io::Error),
    /// Its dictionary is not there.
    #[error("dictionary {0} is not there")]
    Dictionary(u32),
    /// It does not give its SHA-256.
    #[error("its bytes do not give its SHA-256")]
    Sha256,
}

impl StoreError {
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { doing, source }
    }

    pub(crate) fn json(doing: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Json { doing, source }
    }

    /// The server refuses the user or the password (1045, 1698): somebody changed it. Implies [`is_transient`](Self::is_transient),
    /// since nothing is wrong with what was to be written.
    pub fn is_login_refused(&self) -> bool {
        matches!(self.sqlx().and_then(code), Some(Code::MySql(1045 | 1698)))
    }

    /// It may pass by itself (locked, deadlock, connection lost, no free connection, read-only, disk full, …): try the batch later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::MigrationLocked { .. } => true,
            _ => self.sqlx().is_some_and(transient),
        }
    }

    /// SQLite says that its file is damaged: it is set aside and rebuilt at the next opening by its owner.
    pub fn is_damage(&self) -> bool {
        self.sqlx().is_some_and(|error| match code(error) {
            Some(Code::Sqlite(code)) => matches!(code & 0xff, 11 | 26),
            _ => false,
        })
    }

    /// Two at once (1205, 1213, SQLITE_BUSY): repeat the whole batch now. Implies [`is_transient`](Self::is_transient).
    pub fn is_conflict(&self) -> bool {
        self.sqlx().is_some_and(|error| match code(error) {
            Some(Code::Sqlite(code)) => matches!(code & 0xff, 5 | 6),
            Some(Code::MySql(number)) => matches!(number, 1205 | 1213),
            None => false,
        })
    }

    fn sqlx(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Open { source, .. } | Self::Statement { source, .. } => Some(source),
            Self::Migration { source } => match source.as_ref() {
                sqlx::migrate::MigrateError::Execute(source)
                | sqlx::migrate::MigrateError::ExecuteMigration(source, _) => Some(source),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg_attr(not(all(feature = "sqlite", feature = "mysql")), expect(dead_code, reason = "one database is left out"))]
enum Code {
    Sqlite(u32),
    MySql(u16),
}

fn code(error: &sqlx::Error) -> Option<Code> {
    let sqlx::Error::Database(error) = error else { return None };
    #[cfg(feature = "sqlite")]
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return error.code()?.parse().ok().map(Code::Sqlite);
    }
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return Some(Code::MySql(error.number()));
    }
    None
}

fn transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        _ => match code(error) {
            // https://sqlite.org/rescode.html: busy, locked, read-only, input/output, full, cannot open
            Some(Code::Sqlite(code)) => matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14),
            Some(Code::MySql(number)) => matches!(
                number,
                1021 | 1030 | 1037 | 1038 | 1040 | 1041 | 1045 | 1053 | 1077 | 1078 | 1079 // disk, memory, connections, shutdown
                    | 1114 | 1129 | 1135 | 1152 | 1158
                    ..=1161 | 1184 | 1203 // full, blocked, threads, network, limits
                    | 1205 | 1213 | 1226 | 1290 | 1317 | 1698 | 1792 | 1836 | 1927 // locks, limits, read-only, killed
            ),
            None => false,
        },
    }
}
