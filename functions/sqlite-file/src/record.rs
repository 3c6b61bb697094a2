//! What is remembered of a file beside it (`{path}.state`): whether it was closed in order, and which file it was.

use std::fs::Metadata;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::FileError;
use crate::aside::beside;

/// The file as it was when it was opened or closed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Closed in order; false while it is open, and after a kill.
    pub(crate) closed: bool,
    /// Reading it gave damage: the next examination has no limit of time.
    #[serde(default)]
    pub(crate) suspect: bool,
    /// Rows may be missing, and what could bring them back has not been asked yet, or not to the end.
    #[serde(default)]
    pub(crate) unsettled: bool,
    /// The file system's number of the file; a copy has another. 0 where there is none.
    pub(crate) number: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: u64,
}

impl Record {
    pub(crate) fn of(file: &Metadata, closed: bool) -> Self {
        let modified = file.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Self {
            closed,
            suspect: false,
            unsettled: false,
            number: number(file),
            size: file.len(),
            modified: modified.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or_default(),
        }
    }

    /// None: there is none that can be read.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(place(path)).ok()?).ok()
    }

    fn write(self, path: &Path) -> Result<(), FileError> {
        let (place, new) = (place(path), beside(path, ".state.new"));
        let text = serde_json::to_vec(&self).unwrap_or_default();
        let written = std::fs::File::create(&new).and_then(|mut file| {
            file.write_all(&text)?;
            // What a power cut takes of any other record costs an examination, and a start shall not wait for the disk for that.
            if self.suspect || self.unsettled { file.sync_all() } else { Ok(()) }
        });
        // In one step, so that a kill leaves the old or the new one.
        written.and_then(|()| std::fs::rename(&new, &place)).map_err(FileError::file("write", &place))
    }
}

fn place(path: &Path) -> PathBuf {
    beside(path, ".state")
}

#[cfg(unix)]
fn number(file: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(file)
}

#[cfg(not(unix))]
fn number(_file: &Metadata) -> u64 {
    0
}

/// Remembers that the file at `path` is open now: until [`closed`] it counts as killed. An `unsettled` one may lack rows
/// ([`Findings::may_lack_rows`](crate::Findings::may_lack_rows)) until it is [`settled`], over as many openings as that takes.
///
/// # Errors
/// The record cannot be written.
pub fn opened(path: &Path, unsettled: bool) -> Result<(), FileError> {
    Record { unsettled, ..Record::of(&look_at(path)?, false) }.write(path)
}

/// Remembers that whatever was missing from the open file at `path` was brought back, or cannot be.
///
/// # Errors
/// The record cannot be written.
pub fn settled(path: &Path) -> Result<(), FileError> {
    match Record::read(path) {
        Some(record) if record.unsettled => Record { unsettled: false, ..record }.write(path),
        _ => Ok(()),
    }
}

/// Remembers the file as it is now, closed in order: untouched, it is not examined at the next opening.
///
/// # Errors
/// The record cannot be written; the next opening examines the file.
pub fn closed(path: &Path) -> Result<(), FileError> {
    let record = Record::read(path);
    // Damage that was seen stays to be looked into.
    if record.is_some_and(|record| record.suspect) {
        return Ok(());
    }
    let unsettled = record.is_some_and(|record| record.unsettled);
    Record { unsettled, ..Record::of(&look_at(path)?, true) }.write(path)
}

/// Remembers that reading the file gave damage: the next opening examines all of it.
///
/// # Errors
/// The record cannot be written.
pub fn suspect(path: &Path) -> Result<(), FileError> {
    Record { suspect: true, ..Record::of(&look_at(path)?, false) }.write(path)
}

fn look_at(path: &Path) -> Result<Metadata, FileError> {
    std::fs::metadata(path).map_err(FileError::file("look at", path))
}
