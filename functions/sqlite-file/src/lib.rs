//! SQLite files that outlive what happens to files: a kill, a copy taken while they were written, a torn write-ahead log, pages
//! overwritten from outside.
//!
//! Whoever owns a file calls [`prepare`] before opening it. A file that was closed in order and not touched since is not read at all;
//! any other is checked within a budget of time. One that is damaged is rebuilt: every row that can still be read is taken over
//! into a new file, the old one is kept beside it under another name, and what was lost is said. Nothing is deleted.

mod aside;
mod check;
mod examine;
mod log;
mod prepare;
mod record;
mod salvage;

pub use aside::{kept_aside, remove};
pub use check::{CheckOutcome, Depth, check, is_damage};
pub use examine::{Damaged, Examined, Findings, Origin, examine};
pub use log::{LogLoss, inspect_log};
pub use prepare::{Prepared, SetAside, prepare};
pub use record::{closed, opened, settled, suspect};
pub use salvage::{Salvage, Salvaged};

use std::path::PathBuf;

/// A file could not be examined or rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refused.
    #[error("cannot {doing} {path}")]
    File {
        /// What was being done, to be read after "cannot".
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("cannot {doing} {path}")]
    Database {
        /// What was being done, to be read after "cannot".
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

impl FileError {
    pub(crate) fn file(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    pub(crate) fn database(doing: &'static str, path: &std::path::Path) -> impl FnOnce(sqlx::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Database { doing, path, source }
    }
}
