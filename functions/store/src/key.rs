//! Keys that stand for what may be absent or too long for one.

use sha2::{Digest, Sha256};

/// Most bytes of a user or a version as a key (`varbinary(512)`).
pub(crate) const KEY_BYTES: usize = 512;
/// Most bytes of an object's key (S3 allows no more).
pub(crate) const OBJECT_KEY_BYTES: usize = 1024;
/// Stands for no session number.
const NO_SESSION: i64 = i64::MIN;

/// The text, if it is at most `limit` bytes; else its beginning and its SHA-256.
pub(crate) fn bounded(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let digest = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let end = text.floor_char_boundary(limit.saturating_sub(digest.len() + 1));
    format!("{}#{digest}", &text[..end])
}

/// `''` for none, else `=` and the name.
pub(crate) fn user(user: Option<&str>) -> String {
    user.map_or_else(String::new, |user| bounded(&format!("={user}"), KEY_BYTES))
}

/// The least of all numbers for none.
pub(crate) fn session(session_id: Option<i64>) -> i64 {
    session_id.unwrap_or(NO_SESSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_none_and_an_empty_one_are_three() {
        assert_eq!(user(None), "");
        assert_eq!(user(Some("")), "=");
        assert_eq!(user(Some("ann")), "=ann");
    }

    #[test]
    fn a_long_text_is_cut_and_still_its_own() {
        let (long, other) = ("ñ".repeat(300), "ñ".repeat(301));
        for limit in [100, 101] {
            let (short, short_other) = (bounded(&long, limit), bounded(&other, limit));
            assert!(short.len() <= limit && short.starts_with('ñ'));
            assert_ne!(short, short_other);
        }
        assert_eq!(bounded("as it is", 8), "as it is");
    }
}
