//! Names beside a file: its log, its record, and what was set aside of it.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::FileError;

/// What stands between the name of a file and the time at which it was set aside.
const DAMAGED: &str = ".damaged-";

/// Files that SQLite keeps beside its own.
pub(crate) const SIDES: [&str; 2] = ["-wal", "-shm"];

/// `{path}{suffix}`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A name that is free: `{path}.damaged-20261124T100000Z`, with a number where two were set aside within a second.
pub(crate) fn free_name(path: &Path, now: DateTime<Utc>) -> PathBuf {
    let first = beside(path, &format!("{DAMAGED}{}", now.format("%Y%m%dT%H%M%SZ")));
    let taken = |name: &Path| name.exists() || SIDES.iter().any(|side| beside(name, side).exists());
    (1..)
        .map(|number| if number == 1 { first.clone() } else { beside(&first, &format!("-{number}")) })
        .find(|name| !taken(name))
        .unwrap_or(first)
}

/// Gives a file and its log another name, so that SQLite can still open the two together.
pub(crate) fn rename(path: &Path, to: &Path) -> Result<(), FileError> {
    // The log first: a kill in between leaves a file without its log, which is examined again, never a log without its file.
    for side in SIDES {
        match std::fs::rename(beside(path, side), beside(to, side)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::file("set aside", path)(error));
            }
            _ => {}
        }
    }
    std::fs::rename(path, to).map_err(FileError::file("set aside", path))
}

/// Names (without their folder) of what was set aside of `path` and still lies beside it, oldest first.
pub fn kept_aside(path: &Path) -> Vec<String> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let prefix = format!("{name}{DAMAGED}");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        // With its file, a log is not named a second time.
        .filter(|name| !SIDES.iter().any(|side| name.strip_suffix(side).is_some_and(|file| folder.join(file).exists())))
        .collect();
    names.sort();
    names
}

/// Removes a file, what SQLite keeps beside it, and its record; what was set aside stays.
///
/// # Errors
/// One of them cannot be removed.
pub fn remove(path: &Path) -> Result<(), FileError> {
    for suffix in ["", SIDES[0], SIDES[1], ".state", ".rebuilt", ".rebuilt-wal", ".rebuilt-shm"] {
        let name = beside(path, suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::file("remove", &name)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
