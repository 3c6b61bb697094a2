//! The examination before a file is opened, and what is done with one that is damaged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::SqliteConnection;

use crate::FileError;
use crate::aside::{beside, free_name, rename};
use crate::check::{CheckOutcome, Depth, check};
use crate::log::{LogLoss, inspect_log};
use crate::record::Record;
use crate::salvage::{Salvage, Salvaged, salvage};

/// Where a file comes from, as its record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// There was none, or an empty one that was never opened.
    New,
    /// Closed in order and not touched since.
    Untouched,
    /// Not closed in order: its process was killed, or the power went.
    Killed,
    /// Closed in order and written since, by another program.
    Changed,
    /// A copy of a file that was closed in order.
    CopyOfClosed,
    /// A copy of a file that was open: its parts may be of different moments.
    CopyOfOpen,
    /// Nothing is known of it.
    Unknown,
    /// Reading it gave damage before.
    Suspect,
}

/// What an examination found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Where the file comes from.
    pub origin: Origin,
    /// Commits that its log no longer holds, and where the torn log is kept.
    pub torn_log: Option<(LogLoss, PathBuf)>,
    /// All of it was checked, or nothing had to be.
    pub is_checked: bool,
    /// It lacked rows before, and nobody said since that they were brought back.
    pub is_unsettled: bool,
}

impl Findings {
    /// The rows may be of different moments: what one table says of another need not be true.
    pub fn is_mixed(&self) -> bool {
        self.origin == Origin::CopyOfOpen || self.torn_log.is_some()
    }

    /// Rows may be missing from it though it is sound; a new file lacks all of them.
    pub fn may_lack_rows(&self) -> bool {
        self.is_mixed() || self.is_unsettled || self.origin == Origin::New
    }
}

/// A file that cannot be used as it is. It still lies where it lay.
#[derive(Debug)]
pub struct Damaged {
    path: PathBuf,
    now: DateTime<Utc>,
    /// What is wrong, in the words of SQLite.
    pub why: String,
}

/// What an examination came to.
#[derive(Debug)]
pub enum Examined {
    /// It can be opened. Hold the connection until yours are open.
    Usable(Findings, Option<SqliteConnection>),
    /// It must be rebuilt first.
    Damaged(Findings, Damaged),
}

/// Looks at the file at `path` before its owner opens it, for at most about `budget`: only a file that gave damage before is
/// checked to the end.
///
/// # Errors
/// The file cannot be looked at, for another reason than damage.
pub async fn examine(path: &Path, now: DateTime<Utc>, budget: Duration) -> Result<Examined, FileError> {
    finish_swap(path)?;
    let record = Record::read(path);
    let mut findings = Findings {
        origin: origin(path, record),
        torn_log: None,
        is_checked: true,
        is_unsettled: record.is_some_and(|record| record.unsettled),
    };
    let damaged = |why: String| Damaged { path: path.to_owned(), now, why };
    match findings.origin {
        Origin::New | Origin::Untouched => return Ok(Examined::Usable(findings, None)),
        _ if length(path) == 0 => return Ok(Examined::Damaged(findings, damaged("the file is empty".to_owned()))),
        // The index beside a copied log may be of another moment than the log: it is no witness.
        Origin::CopyOfOpen | Origin::CopyOfClosed => {}
        _ => {
            if let Some(loss) = inspect_log(path)? {
                findings.torn_log = Some((loss, keep_log(path, now)?));
            }
        }
    }
    let (depth, budget) = match findings.origin {
        Origin::Suspect => (Depth::Everything, None),
        _ if findings.is_mixed() => (Depth::Everything, Some(budget)),
        _ => (Depth::Pages, Some(budget)),
    };
    match check(path, depth, budget).await? {
        CheckOutcome::Sound(connection) => Ok(Examined::Usable(findings, connection)),
        CheckOutcome::Unfinished(connection) => {
            Ok(Examined::Usable(Findings { is_checked: false, ..findings }, connection))
        }
        CheckOutcome::Damaged(why) => Ok(Examined::Damaged(findings, damaged(why))),
    }
}

impl Damaged {
    /// Where the new file is to be made, with all its tables, before [`rebuild`](Self::rebuild).
    pub fn rebuilt(&self) -> PathBuf {
        beside(&self.path, REBUILT)
    }

    /// Takes over what is readable into the file at [`rebuilt`](Self::rebuilt), sets the damaged one aside and puts the new one into its
    /// place. A kill at any moment leaves the damaged file in its place, or all of the new one. Says where the damaged one lies now.
    ///
    /// # Errors
    /// The new file cannot be written; the damaged one is where it was.
    pub async fn rebuild(self, plan: &Salvage) -> Result<(PathBuf, Salvaged), FileError> {
        let rebuilt = self.rebuilt();
        let salvaged =
            if length(&self.path) == 0 { Salvaged::default() } else { salvage(&self.path, &rebuilt, plan).await? };
        std::fs::File::open(&rebuilt).and_then(|file| file.sync_all()).map_err(FileError::file("write", &rebuilt))?;
        let aside = free_name(&self.path, self.now);
        rename(&self.path, &aside)?;
        finish_swap(&self.path)?;
        Ok((aside, salvaged))
    }
}

/// What a new file is called while it is being made.
const REBUILT: &str = ".rebuilt";

/// Ends a swap that a kill interrupted: the new file is whole as soon as the damaged one is gone from its place. Before that, it is thrown away.
fn finish_swap(path: &Path) -> Result<(), FileError> {
    let rebuilt = beside(path, REBUILT);
    if !rebuilt.exists() {
        return Ok(());
    }
    if path.exists() { crate::aside::remove(&rebuilt) } else { rename(&rebuilt, path) }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn origin(path: &Path, record: Option<Record>) -> Origin {
    let Ok(file) = std::fs::metadata(path) else { return Origin::New };
    let has_log = length(&beside(path, "-wal")) > 0;
    let Some(record) = record else {
        return if file.len() == 0 && !has_log { Origin::New } else { Origin::Unknown };
    };
    let is_copy = record.number != Record::of(&file, record.closed).number;
    match record {
        Record { suspect: true, .. } => Origin::Suspect,
        Record { closed: true, size, .. } if is_copy && size == file.len() && !has_log => Origin::CopyOfClosed,
        _ if is_copy => Origin::CopyOfOpen,
        Record { closed: true, .. }
            if (Record { unsettled: false, ..record }) == Record::of(&file, true) && !has_log =>
        {
            Origin::Untouched
        }
        Record { closed: true, .. } => Origin::Changed,
        _ => Origin::Killed,
    }
}

/// Keeps a copy of a torn log: SQLite writes over it from here on.
fn keep_log(path: &Path, now: DateTime<Utc>) -> Result<PathBuf, FileError> {
    let (log, kept) = (beside(path, "-wal"), beside(&free_name(path, now), "-wal"));
    match std::fs::copy(&log, &kept) {
        // Gone as a whole: its name shall tell all the same.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::File::create(&kept).map(drop).map_err(FileError::file("set aside", &log))?;
        }
        done => drop(done.map_err(FileError::file("set aside", &log))?),
    }
    Ok(kept)
}
