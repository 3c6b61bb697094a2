//! SQLite's own check of a file, within a budget of time.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::FileError;

/// SQLite asks every so many steps whether to go on.
const STEPS: i32 = 2_000;

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// That every page is what it should be (`quick_check`): finds what a disk or a hand overwrote.
    Pages,
    /// Also that indexes and tables say the same (`integrity_check`): finds pages of two moments in one file.
    Everything,
}

/// What a check came to.
#[derive(Debug)]
pub enum CheckOutcome {
    /// Nothing is wrong. The connection that looked: closing it last would move the log into the file, so open yours first.
    Sound(Option<SqliteConnection>),
    /// What SQLite said first.
    Damaged(String),
    /// The time was over; nothing was found until then.
    Unfinished(Option<SqliteConnection>),
}

/// Whether SQLite says with this error that the file is damaged (`SQLITE_CORRUPT`, `SQLITE_NOTADB`).
pub fn is_damage(error: &sqlx::Error) -> bool {
    primary_code(error).is_some_and(|code| matches!(code, 11 | 26))
}

/// The low byte of an extended result code is the primary one (<https://sqlite.org/rescode.html>).
pub(crate) fn primary_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}

/// Checks the file at `path`, which must be there. Without a budget it takes as long as it takes.
///
/// # Errors
/// The file cannot be looked at now, for another reason than damage: somebody holds it, or it may not be read.
pub async fn check(path: &Path, depth: Depth, budget: Option<Duration>) -> Result<CheckOutcome, FileError> {
    const DOING: &str = "check";
    let connect = SqliteConnectOptions::new().filename(path).disable_statement_logging();
    let mut connection = match connect.connect().await {
        Ok(connection) => connection,
        Err(error) if is_damage(&error) => return Ok(CheckOutcome::Damaged(said(&error))),
        Err(error) => return Err(FileError::database(DOING, path)(error)),
    };
    if let Some(budget) = budget {
        let begun = Instant::now();
        let mut handle = connection.lock_handle().await.map_err(FileError::database(DOING, path))?;
        handle.set_progress_handler(STEPS, move || begun.elapsed() < budget);
    }
    let text = match depth {
        Depth::Pages => "pragma quick_check(1)",
        Depth::Everything => "pragma integrity_check(1)",
    };
    let found: Result<String, _> = sqlx::query_scalar(text).fetch_one(&mut connection).await;
    connection.lock_handle().await.map_err(FileError::database(DOING, path))?.remove_progress_handler();
    match found {
        Ok(word) if word == "ok" => Ok(CheckOutcome::Sound(Some(connection))),
        // It can also say so as a line of its report.
        Ok(word) if word.contains("interrupted") => Ok(CheckOutcome::Unfinished(Some(connection))),
        Ok(word) => {
            // What cannot be closed in order is closed all the same.
            let _ = connection.close().await;
            Ok(CheckOutcome::Damaged(word))
        }
        Err(error) if is_damage(&error) => {
            let _ = connection.close().await;
            Ok(CheckOutcome::Damaged(said(&error)))
        }
        Err(error) if primary_code(&error) == Some(9) => Ok(CheckOutcome::Unfinished(Some(connection))),
        Err(error) => Err(FileError::database(DOING, path)(error)),
    }
}

fn said(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
