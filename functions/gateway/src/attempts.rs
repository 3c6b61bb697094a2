//! Slows down whoever guesses tokens at the login.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Wrong tokens that one address may try in a window.
const ALLOWED: u32 = 10;
/// How long the window is, in a person's time.
pub(crate) const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// Addresses that are remembered; beyond it the ones whose window has begun first are forgotten.
const MOST: usize = 10_000;

/// Wrong tokens by address. Requests whose address is not known share one entry.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<Option<IpAddr>, Window>>);

#[derive(Clone, Copy)]
struct Window {
    ends_at: DateTime<Utc>,
    wrong: u32,
}

impl Attempts {
    /// How long to wait before the next attempt; none: it may be made now.
    pub fn wait(&self, address: Option<IpAddr>, now: DateTime<Utc>) -> Option<TimeDelta> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = *seen.get(&address)?;
        (window.wrong >= ALLOWED && now < window.ends_at).then(|| window.ends_at - now)
    }

    /// Remembers a wrong token; the first of an address opens a window that ends at `ends_at`.
    pub fn wrong(&self, address: Option<IpAddr>, now: DateTime<Utc>, ends_at: DateTime<Utc>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST {
            seen.retain(|_, window| now < window.ends_at);
        }
        if seen.len() >= MOST
            && let Some(oldest) = seen.iter().min_by_key(|(_, window)| window.ends_at).map(|(key, _)| *key)
        {
            seen.remove(&oldest);
        }
        let window = seen.entry(address).or_insert(Window { ends_at, wrong: 0 });
        if now >= window.ends_at {
            *window = Window { ends_at, wrong: 0 };
        }
        window.wrong += 1;
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
            assert_eq!(attempts.wait(address, start), None);
            attempts.wrong(address, start, start + WINDOW);
        }
        for (seconds, wait) in [(0, Some(60)), (59, Some(1)), (60, None::<i64>)] {
            assert_eq!(
                attempts.wait(address, start + TimeDelta::seconds(seconds)),
                wait.map(TimeDelta::seconds),
                "{seconds}"
            );
        }
        assert_eq!(attempts.wait(Some(IpAddr::from([10, 0, 0, 2])), start), None);
        attempts.right(address);
        assert_eq!(attempts.wait(address, start), None);
    }
}
