//! Listings: keys in the order of their UTF-8 bytes, folded at a delimiter, a page at a time.

use sqlx::AssertSqlSafe;

use crate::bucket::EmbeddedBucket;
use crate::error::BucketError;
use crate::object::VersionMeta;
use crate::reading::{COLUMNS, meta};

/// The most that one page holds, as in S3.
pub(crate) const PAGE: usize = 1000;

/// Keys read at a time where they may fold.
const FOLDING: usize = 50;

/// What to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// Only keys that begin so.
    pub prefix: String,
    /// Folds keys that have this after the prefix into one line each; empty: folds nothing.
    pub delimiter: String,
    /// Only keys after this one, whether it exists or not; empty: from the start.
    pub start_after: String,
    /// Where the last page ended ([`Listing::next`]); counts more than `start_after`.
    pub continuation: Option<String>,
    /// Lines on the page; at most 1000 are given.
    pub max_keys: usize,
}

/// A line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// An object.
    Object(Box<VersionMeta>),
    /// Keys that share this prefix, which ends with the delimiter.
    Prefix(String),
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Lines in the order of their keys.
    pub lines: Vec<Listed>,
    /// The [`continuation`](ListRequest::continuation) of the next page, if there is one.
    pub next: Option<String>,
}

/// The least text that is greater than `key`.
fn after(key: &str) -> String {
    format!("{key}\0")
}

/// The least text that is greater than every text beginning with `prefix`; none: there is none.
fn beyond(prefix: &str) -> Option<String> {
    let mut text: Vec<char> = prefix.chars().collect();
    while let Some(last) = text.pop() {
        // The surrogates are no characters; the next one after them follows in UTF-8 order too.
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text.into_iter().collect());
        }
    }
    None
}

/// The prefix that a key folds into.
fn folded<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(prefix)?;
    let end = prefix.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..end)
}

/// Tokens are the place to go on from, in hex: opaque to clients, and safe in a URL.
fn token(from: &str) -> String {
    hex::encode(from)
}

fn place(token: &str) -> Option<String> {
    hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok())
}

impl EmbeddedBucket {
    /// One page of objects. A continuation that no page gave lists from `start_after`.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn list(&self, request: &ListRequest) -> Result<Listing, BucketError> {
        let max = request.max_keys.min(PAGE);
        let mut listing = Listing::default();
        if max == 0 {
            return Ok(listing);
        }
        let start = match request.continuation.as_deref().and_then(place) {
            Some(place) => place,
            None if request.start_after.is_empty() => String::new(),
            None => after(&request.start_after),
        };
        let mut from = start.max(request.prefix.clone());
        let end = beyond(&request.prefix);
        'pages: loop {
            // A fold skips the rest of what was read, so little is read at a time where keys may fold.
            let missing = max - listing.lines.len() + 1;
            let wanted = if request.delimiter.is_empty() { missing } else { missing.min(FOLDING) };
            let rows = self.objects(&from, end.as_deref(), wanted).await?;
            let last_page = rows.len() < wanted;
            for row in rows {
                if listing.lines.len() == max {
                    listing.next = Some(token(&from));
                    break 'pages;
                }
                if let Some(prefix) = folded(&row.key, &request.prefix, &request.delimiter) {
                    listing.lines.push(Listed::Prefix(prefix.to_owned()));
                    match beyond(prefix) {
                        Some(beyond) => from = beyond,
                        None => break 'pages,
                    }
                    continue 'pages;
                }
                from = after(&row.key);
                listing.lines.push(Listed::Object(Box::new(row)));
            }
            if last_page {
                break;
            }
        }
        Ok(listing)
    }

    async fn objects(&self, from: &str, end: Option<&str>, limit: usize) -> Result<Vec<VersionMeta>, BucketError> {
        let doing = || BucketError::doing("list the objects");
        let sql = format!(
            "select {COLUMNS} from versions where is_latest = 1 and delete_marker = 0 and object_key >= ? and (? is null or object_key < ?)
            order by object_key limit ?"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(from)
            .bind(end)
            .bind(end)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.reads)
            .await
            .map_err(doing())?;
        rows.iter().map(meta).collect::<Result<_, _>>().map_err(doing())
    }

    /// Versions of the keys that begin with `prefix`, by key, newest first, after the marker (a key; with a version id, that
    /// version of it), at most `limit`.
    ///
    /// # Errors
    /// The file could not be read.
    pub async fn list_versions(
        &self,
        prefix: &str,
        marker: (&str, Option<&str>),
        limit: usize,
    ) -> Result<Vec<VersionMeta>, BucketError> {
        let doing = || BucketError::doing("list the versions");
        let (key, version_id) = marker;
        let end = beyond(prefix);
        let sql = format!(
            "select {COLUMNS} from versions where object_key >= ? and (? is null or object_key < ?)
            and (object_key > ? or (object_key = ? and sequence < (select v.sequence from versions v where v.version_id = ?)))
            order by object_key, sequence desc limit ?"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(prefix.max(key))
            .bind(&end)
            .bind(&end)
            .bind(key)
            .bind(key)
            .bind(version_id)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.reads)
            .await
            .map_err(doing())?;
        rows.iter().map(meta).collect::<Result<_, _>>().map_err(doing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_enclose_exactly_what_begins_with_a_prefix() {
        for (prefix, bound) in [
            ("", None),
            ("a", Some("b")),
            ("stations/", Some("stations0")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("\u{d7ff}", Some("\u{e000}")),
            ("\u{7f}", Some("\u{80}")),
        ] {
            assert_eq!(beyond(prefix).as_deref(), bound, "{prefix:?}");
        }
        assert!(after("a").as_str() > "a" && after("a").as_str() < "a\u{1}");
    }

    #[test]
    fn keys_fold_at_the_first_delimiter_after_the_prefix() {
        for (key, prefix, delimiter, into) in [
            ("stations/A/x", "", "/", Some("stations/")),
            ("stations/A/x", "stations/", "/", Some("stations/A/")),
            ("stations/A/x", "stations/A", "/", Some("stations/A/")),
            ("stations/A/x", "stations/A/", "/", None),
            ("stations/A/x", "", "", None),
            ("a--b--c", "", "--", Some("a--")),
        ] {
            assert_eq!(folded(key, prefix, delimiter), into, "{key} {prefix} {delimiter}");
        }
    }

    #[test]
    fn a_token_leads_back_to_its_place() {
        assert_eq!(place(&token("stations/É\0")).as_deref(), Some("stations/É\0"));
        assert_eq!(place("no hex"), None);
    }
}
