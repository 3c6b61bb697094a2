//! Statements as they were issued, so that a bench can issue them again without deciding anything. Only with the feature `record`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::NaiveDateTime;

use crate::StoreError;
use crate::statement::{Dialect, Value};

/// What a unit of work did, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// A transaction began.
    Begin,
    /// A transaction began with a statement, in one command (MySQL).
    BeginReading {
        /// The statement, its values in it.
        text: String,
    },
    /// A statement was issued.
    Statement {
        /// As the database got it.
        text: String,
        /// What was bound to it.
        values: Vec<Bound>,
        /// Whether its rows were read.
        reads: bool,
    },
    /// The transaction was committed.
    Commit,
    /// The transaction was committed after a statement, in one command (MySQL).
    CommitAfter {
        /// The statement, its values in it.
        text: String,
    },
}

/// A bound value as it goes to the driver.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A text; SQLite's instants too.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
    /// An instant of MySQL.
    Instant(NaiveDateTime),
}

static RECORD: Mutex<Option<Vec<Recorded>>> = Mutex::new(None);

/// Records all statements of this process from now on.
pub fn start() {
    *lock() = Some(Vec::new());
}

/// Gives out what was recorded since [`start`], and stops recording.
pub fn take() -> Vec<Recorded> {
    lock().take().unwrap_or_default()
}

pub(crate) fn statement(dialect: Dialect, text: &str, values: &[Value], reads: bool) -> Result<(), StoreError> {
    if let Some(record) = lock().as_mut() {
        let values = values.iter().map(|value| bound(dialect, value)).collect::<Result<_, _>>()?;
        record.push(Recorded::Statement { text: text.to_owned(), values, reads });
    }
    Ok(())
}

pub(crate) fn mark(happened: Recorded) {
    if let Some(record) = lock().as_mut() {
        record.push(happened);
    }
}

fn bound(dialect: Dialect, value: &Value) -> Result<Bound, StoreError> {
    Ok(match value {
        Value::Null => Bound::Null,
        Value::Integer(number) => Bound::Integer(*number),
        Value::Text(text) => Bound::Text(text.clone()),
        Value::Blob(bytes) => Bound::Blob(bytes.clone()),
        Value::Instant(at) => {
            let at = crate::instant::stored(*at)?;
            match dialect {
                Dialect::Sqlite => Bound::Text(crate::instant::to_text(at)),
                Dialect::MySql => Bound::Instant(at.naive_utc()),
            }
        }
    })
}

fn lock() -> MutexGuard<'static, Option<Vec<Recorded>>> {
    RECORD.lock().unwrap_or_else(PoisonError::into_inner)
}
