//! Sessions of browsers: opaque, in memory, half an hour. A restart logs everybody out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::token::{digest, random};

/// How long a session lasts, from its login.
pub(crate) const LASTS: TimeDelta = TimeDelta::minutes(30);
/// More than that at once are not of a lab; the oldest go first.
const MOST: usize = 1_000;

/// The sessions that are open, by the hash of their cookie.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

#[derive(Clone, Copy)]
struct Session {
    /// Looked up again at each use, so that a revoked token ends its sessions.
    token_sha256: [u8; 32],
    ends_at: DateTime<Utc>,
}

impl Sessions {
    /// Opens one; the value of its cookie.
    ///
    /// # Errors
    /// No random bytes.
    pub fn open(
        &self,
        token_sha256: [u8; 32],
        now: DateTime<Utc>,
        ends_at: DateTime<Utc>,
    ) -> Result<String, getrandom::Error> {
        let cookie = hex::encode(random()?);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| now < session.ends_at);
        if open.len() >= MOST
            && let Some(oldest) = open.iter().min_by_key(|(_, session)| session.ends_at).map(|(key, _)| *key)
        {
            open.remove(&oldest);
        }
        open.insert(digest(cookie.as_bytes()), Session { token_sha256, ends_at });
        Ok(cookie)
    }

    /// The token that a cookie stands for.
    pub fn token_sha256(&self, cookie: &[u8], now: DateTime<Utc>) -> Option<[u8; 32]> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&digest(cookie)).filter(|session| now < session.ends_at).map(|session| session.token_sha256)
    }

    /// Ends one.
    pub fn end(&self, cookie: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(cookie));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lasts_half_an_hour_and_ends_at_logout() {
        let sessions = Sessions::default();
        let start: DateTime<Utc> = "2026-11-24T10:00:00Z".parse().unwrap();
        let cookie = sessions.open([7; 32], start, start + LASTS).unwrap();
        for (minutes, seconds, open) in [(0, 0, true), (29, 59, true), (30, 0, false)] {
            let now = start + TimeDelta::minutes(minutes) + TimeDelta::seconds(seconds);
            assert_eq!(sessions.token_sha256(cookie.as_bytes(), now).is_some(), open, "{minutes} min {seconds} s");
        }
        assert_eq!(sessions.token_sha256(b"guessed", start), None);
        sessions.end(cookie.as_bytes());
        assert_eq!(sessions.token_sha256(cookie.as_bytes(), start), None);
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let sessions = Sessions::default();
        let start: DateTime<Utc> = "2026-11-24T10:00:00Z".parse().unwrap();
        let first = sessions.open([1; 32], start, start + LASTS).unwrap();
        let second = sessions.open([2; 32], start, start + LASTS + TimeDelta::seconds(1)).unwrap();
        for _ in 2..=MOST {
            sessions.open([3; 32], start, start + LASTS + TimeDelta::seconds(2)).unwrap();
        }
        assert_eq!(sessions.token_sha256(first.as_bytes(), start), None);
        assert!(sessions.token_sha256(second.as_bytes(), start).is_some());
    }
}
