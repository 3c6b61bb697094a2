//! Lists in pages: `limit` and an opaque `cursor`.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stationkeeper_api::Page;

use crate::error::ApiError;

const DEFAULT_LIMIT: u32 = 100;
const LARGEST_LIMIT: u32 = 500;
/// Longest cursor of ours: two digits a byte of a few short fields.
const LONGEST: usize = 4_096;

/// The key of a row by its instant, in microseconds, since that is what is kept, and its id.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InstantAndId(i64, String);

impl InstantAndId {
    /// Of a row.
    pub(crate) fn of(at: DateTime<Utc>, id: &str) -> Self {
        Self(at.timestamp_micros(), id.to_owned())
    }

    /// Of the last row of the page before.
    ///
    /// # Errors
    /// As [`decode`].
    pub(crate) fn decode(text: Option<&str>) -> Result<Option<(DateTime<Utc>, String)>, ApiError> {
        Ok(decode::<Self>(text)?.and_then(|Self(micros, id)| Some((DateTime::from_timestamp_micros(micros)?, id))))
    }
}

/// How many, or the default.
///
/// # Errors
/// Outside 1 to 500, or no number.
pub(crate) fn limit(text: Option<&str>) -> Result<u32, ApiError> {
    let Some(text) = text else { return Ok(DEFAULT_LIMIT) };
    text.parse()
        .ok()
        .filter(|number| (1..=LARGEST_LIMIT).contains(number))
        .ok_or_else(|| ApiError::BadRequest(format!("limit is a number from 1 to {LARGEST_LIMIT}")))
}

/// What [`page`] made of a key.
///
/// # Errors
/// Not one of ours.
pub(crate) fn decode<T: DeserializeOwned>(text: Option<&str>) -> Result<Option<T>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    Some(text)
        .filter(|text| text.len() <= LONGEST)
        .and_then(|text| hex::decode(text).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .map(Some)
        .ok_or_else(|| ApiError::BadRequest("cursor is not one that this list gave".to_owned()))
}

/// A page of `rows`, of which one more than `limit` was asked for.
pub(crate) fn page<Row, Key: Serialize, View>(
    mut rows: Vec<Row>,
    limit: u32,
    key: impl Fn(&Row) -> Key,
    view: impl FnMut(&Row) -> View,
) -> Page<View> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).and_then(|last| serde_json::to_vec(&key(last)).ok()).map(hex::encode);
    Page { items: rows.iter().map(view).collect(), next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_cursor_only_when_more_follows() {
        for (rows, limit, items, more) in [(0, 2, 0, false), (2, 2, 2, false), (3, 2, 2, true)] {
            let rows: Vec<u32> = (0..rows).collect();
            let page = page(rows, limit, |row| *row, |row| *row);
            assert_eq!((page.items.len(), page.next.is_some()), (items, more));
            if let Some(next) = page.next {
                assert_eq!(decode::<u32>(Some(&next)).unwrap(), Some(1));
            }
        }
    }

    #[test]
    fn limits_and_cursors_of_others_are_refused() {
        for (text, fine) in [("1", true), ("500", true), ("0", false), ("501", false), ("-1", false), ("x", false)] {
            assert_eq!(limit(Some(text)).is_ok(), fine, "{text}");
        }
        for text in ["", "x", "7b", &"00".repeat(4_000)] {
            assert!(decode::<u32>(Some(text)).is_err(), "{text}");
        }
    }
}
