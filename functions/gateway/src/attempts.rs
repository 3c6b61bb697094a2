//! Slows down whoever guesses tokens at the login.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Wrong tokens that one address may try in [`WINDOW`].
const ALLOWED: u32 = 10;
const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// Addresses that are remembered; beyond it the ones whose window has begun first are forgotten.
const MOST: usize = 10_000;

/// Wrong tokens by address. Requests whose address is not known share one entry.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<Option<IpAddr>, (DateTime<Utc>, u32)>>);

impl Attempts {
    /// Seconds to wait before the next attempt; none: it may be made now.
    pub fn wait_seconds(&self, address: Option<IpAddr>, now: DateTime<Utc>) -> Option<u64> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, wrong) = *seen.get(&address)?;
        let left = since + WINDOW - now;
        (wrong >= ALLOWED && left > TimeDelta::zero()).then(|| left.num_seconds().max(1).unsigned_abs())
    }

    /// Remembers a wrong token.
    pub fn wrong(&self, address: Option<IpAddr>, now: DateTime<Utc>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST {
            seen.retain(|_, (since, _)| now < *since + WINDOW);
        }
        if seen.len() >= MOST
            && let Some(oldest) = seen.iter().min_by_key(|(_, (since, _))| *since).map(|(key, _)| *key)
        {
            seen.remove(&oldest);
        }
        let entry = seen.entry(address).or_insert((now, 0));
        if now >= entry.0 + WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }

    /// Forgets an address that has shown a valid token.
    pub fn right(&self, address: Option<IpAddr>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_attempt_of_a_minute_waits() {
        let attempts = Attempts::default();
        let start: DateTime<Utc> = "2026-11-24T10:00:00Z".parse().unwrap();
        let address = Some(IpAddr::from([10, 0, 0, 1]));
        for _ in 0..ALLOWED {
            assert_eq!(attempts.wait_seconds(address, start), None);
            attempts.wrong(address, start);
        }
        for (seconds, wait) in [(0, Some(60)), (59, Some(1)), (60, None)] {
            assert_eq!(attempts.wait_seconds(address, start + TimeDelta::seconds(seconds)), wait, "{seconds}");
        }
        assert_eq!(attempts.wait_seconds(Some(IpAddr::from([10, 0, 0, 2])), start), None);
        attempts.right(address);
        assert_eq!(attempts.wait_seconds(address, start), None);
    }
}
