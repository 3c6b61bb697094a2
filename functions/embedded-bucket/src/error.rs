//! What can go wrong with the file under the bucket.

use std::io;
use std::path::{Path, PathBuf};

/// The bucket's file does not do what it must. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The file, its folder or its lock cannot be made or written.
    #[error("cannot write the bucket's file {path}: check that the folder exists, may be written and has room")]
    Unwritable {
        /// The bucket's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Fault,
    },
    /// Another process has it.
    #[error("cannot open the bucket's file {path}: another process uses it; stop that one or choose another folder")]
    Locked {
        /// The bucket's file.
        path: PathBuf,
    },
    /// Not a bucket, or no longer a sound one.
    #[error(
        "cannot read the bucket's file {path}: it is damaged or not a bucket; restore it from a backup or move it away"
    )]
    Damaged {
        /// The bucket's file.
        path: PathBuf,
        /// What SQLite said, where it said something.
        #[source]
        source: Option<sqlx::Error>,
    },
    /// Written by a later release.
    #[error(
        "cannot use the bucket's file {path}: its layout {found} is newer than this release knows ({known}); upgrade"
    )]
    Newer {
        /// The bucket's file.
        path: PathBuf,
        /// The layout of the file.
        found: i64,
        /// The newest layout that this release knows.
        known: i64,
    },
    /// The name is not one that S3 allows.
    #[error("`{0}` cannot be a bucket's name: use 3 to 63 of a-z, 0-9, `-` and `.`")]
    BadName(String),
    /// A statement failed.
    #[error("cannot {doing} in the bucket's file")]
    Database {
        /// What was being done, to be read after "cannot".
        doing: &'static str,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// The body of a version is not the one that was put.
    #[error("cannot read a version of {key} from the bucket's file: its body is damaged")]
    BodyDamaged {
        /// Of the object.
        key: String,
    },
    /// The file cannot be examined, or no new one can be made in the place of a damaged one.
    #[error(transparent)]
    File(#[from] stationkeeper_sqlite_file::FileError),
    /// The system gives no random bytes for a new credential.
    #[error("cannot make an access key: the system gives no random bytes")]
    NoRandomBytes,
    /// The bucket was closed.
    #[error("the bucket is closed")]
    Closed,
}

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file system said so.
    #[error(transparent)]
    File(#[from] io::Error),
    /// SQLite said so.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// SQLite's primary result codes that mean something to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Busy,
    Unwritable,
    Damaged,
    Other,
}

/// The low byte of an extended result code is the primary one (<https://sqlite.org/rescode.html>).
fn condition(error: &sqlx::Error) -> Condition {
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse::<i64>().ok());
    match (error, code.map(|code| code & 0xff)) {
        (_, Some(5 | 6)) | (sqlx::Error::PoolTimedOut, _) => Condition::Busy,
        // READONLY, IOERR, FULL, CANTOPEN, PERM
        (_, Some(3 | 8 | 10 | 13 | 14)) | (sqlx::Error::Io(_), _) => Condition::Unwritable,
        (_, Some(11 | 26)) => Condition::Damaged,
        _ => Condition::Other,
    }
}

impl BucketError {
    /// Whether the same request may succeed a moment later.
    pub fn passes(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::Unwritable { .. } => true,
            Self::Database { source, .. } => matches!(condition(source), Condition::Busy | Condition::Unwritable),
            Self::Damaged { .. }
            | Self::BodyDamaged { .. }
            | Self::File(_)
            | Self::Newer { .. }
            | Self::BadName(_)
            | Self::NoRandomBytes
            | Self::Closed => false,
        }
    }

    /// Whether SQLite says that the file is damaged: it is set aside and rebuilt at the next opening.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Database { source, .. } => condition(source) == Condition::Damaged,
            _ => false,
        }
    }

    /// For `map_err`: what was being done.
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| match source {
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            source => Self::Database { doing, source },
        }
    }

    /// For `map_err` while the file is opened: the sentence an operator can act on.
    pub(crate) fn opening(path: &Path) -> impl FnOnce(sqlx::Error) -> Self {
        let path = path.to_owned();
        move |source| match condition(&source) {
            Condition::Busy => Self::Locked { path },
            Condition::Unwritable => Self::Unwritable { path, source: source.into() },
            Condition::Damaged => Self::Damaged { path, source: Some(source) },
            Condition::Other => Self::Database { doing: "make the tables", source },
        }
    }
}
