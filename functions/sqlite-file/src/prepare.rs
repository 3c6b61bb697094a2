//! Examining a file and rebuilding it where it must be: what an owner calls before it opens its file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection, SqliteConnection};

use crate::examine::{Examined, Findings, examine};
use crate::salvage::{Salvage, Salvaged};
use crate::{FileError, aside};

/// A file that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where it lies now.
    pub file: PathBuf,
    /// What is wrong with it, in the words of SQLite.
    pub why: String,
    /// How much of it was taken over.
    pub salvaged: Salvaged,
}

/// A file that can be opened now.
#[derive(Debug)]
pub struct Prepared {
    /// What the examination found.
    pub findings: Findings,
    /// The damaged file, where there was one.
    pub set_aside: Option<SetAside>,
    held: Option<SqliteConnection>,
}

impl Prepared {
    /// Once the owner's own connections are open. Any sooner, SQLite would move the whole log into the file here.
    pub async fn release(&mut self) {
        if let Some(connection) = self.held.take() {
            // It only read.
            let _ = connection.close().await;
        }
    }

    /// Rows may be missing: what can bring them back has to be asked.
    pub fn may_lack_rows(&self) -> bool {
        self.set_aside.is_some() || self.findings.may_lack_rows()
    }

    /// What was found, in a sentence for each, for whoever has to look; empty where all is well.
    pub fn sentences(&self, what: &str) -> Vec<String> {
        let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut sentences = Vec::new();
        if let Some((loss, kept)) = &self.findings.torn_log {
            sentences.push(format!(
                "the log of {what} was torn: {} of {} pages can be read; a copy of it is kept as {}",
                loss.readable,
                loss.written,
                name(kept)
            ));
        }
        if let Some(aside) = &self.set_aside {
            let Salvaged { rows, cut, incomplete } = &aside.salvaged;
            let mut sentence = format!(
                "{what} was damaged ({}): set aside as {}; {rows} rows were taken over",
                aside.why.replace('\n', " "),
                name(&aside.file)
            );
            if *cut > 0 {
                sentence.push_str(&format!(", {cut} of them without their body"));
            }
            if !incomplete.is_empty() {
                sentence.push_str(&format!("; not all of {} could be read", incomplete.join(", ")));
            }
            sentences.push(sentence);
        }
        sentences
    }
}

/// Examines the file at `path` for at most about `budget`; a damaged one is set aside, after `make` has made a new one with all its tables
/// at the path it is given, and what is readable was taken over.
///
/// # Errors
/// The file cannot be looked at, or no new one can be made: the damaged one is where it was.
pub async fn prepare<E: From<FileError>>(
    path: &Path,
    now: DateTime<Utc>,
    budget: Duration,
    plan: &Salvage,
    make: impl AsyncFnOnce(&Path) -> Result<(), E>,
) -> Result<Prepared, E> {
    match examine(path, now, budget).await? {
        Examined::Usable(findings, held) => Ok(Prepared { findings, set_aside: None, held }),
        Examined::Damaged(findings, damaged) => {
            let rebuilt = damaged.rebuilt();
            // A try that was interrupted left it.
            aside::remove(&rebuilt)?;
            make(&rebuilt).await?;
            let why = damaged.why.clone();
            let (file, salvaged) = damaged.rebuild(plan).await?;
            Ok(Prepared { findings, set_aside: Some(SetAside { file, why, salvaged }), held: None })
        }
    }
}
