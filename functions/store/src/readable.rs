//! Rows of which one that cannot be read does not take the others with it.

use stationkeeper_rules::AlertId;

use crate::StoreError;
use crate::row::Row;

/// What could be read, and what could not.
#[derive(Debug)]
pub struct Readable<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The others.
    pub unreadable: Vec<Unreadable>,
}

/// A row that cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The alert that it is about, where that can be read.
    pub alert_id: Option<AlertId>,
    /// Which row, and what is wrong with it.
    pub error: StoreError,
}

impl<T> Default for Readable<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), unreadable: Vec::new() }
    }
}

impl<T> Readable<T> {
    /// `id`: the column of the alert's id, if the rows have one.
    pub(crate) fn of(rows: &[Row], id: Option<&'static str>, read: impl Fn(&Row) -> Result<T, StoreError>) -> Self {
        let mut found = Self::default();
        for row in rows {
            match read(row) {
                Ok(one) => found.rows.push(one),
                Err(error) => {
                    let alert_id = id.and_then(|column| row.text(column).ok()).map(AlertId);
                    found.unreadable.push(Unreadable { alert_id, error });
                }
            }
        }
        found
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.unreadable.extend(other.unreadable);
    }
}
