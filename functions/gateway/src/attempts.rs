//! How often somebody does something within a window: wrong tokens and codes of an address, changes by a token. Pure bookkeeping.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// How long a window is, in a person's time.
pub(crate) const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// Wrong tokens at the login, and pairing codes, that one address may try in a window. A code is short, a person types a token seldom.
const LOGINS: u32 = 10;
/// Wrong tokens that one address may send to the API in a window without a right one between them: a program with an old token stands behind the same
/// proxy as others. Right ones are taken whatever came before.
const TOKENS: u32 = 120;
/// Changes that may be asked for by one token in a window; more is no person and no lab.
const CHANGES: u32 = 3_000;
/// How many are remembered; beyond it the ones whose window has begun first are forgotten.
const MOST: usize = 10_000;

/// Where somebody comes from; requests whose address is not known share one.
pub(crate) type Origin = Option<IpAddr>;

/// What is counted.
pub(crate) struct Attempts {
    /// Wrong tokens at the login, and wrong pairing codes.
    pub logins: Windows<Origin>,
    /// Wrong tokens in headers.
    pub tokens: Windows<Origin>,
    /// Changes, by the id of a token.
    pub changes: Windows<String>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { logins: Windows::of(LOGINS), tokens: Windows::of(TOKENS), changes: Windows::of(CHANGES) }
    }
}

/// One of them: what each has done in its window.
pub(crate) struct Windows<K> {
    allowed: u32,
    seen: Mutex<HashMap<K, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    ends_at: DateTime<Utc>,
    count: u32,
}

impl<K: Hash + Eq + Clone> Windows<K> {
    fn of(allowed: u32) -> Self {
        Self { allowed, seen: Mutex::default() }
    }

    /// How long to wait before the next; none: now is fine.
    pub fn wait(&self, key: &K, now: DateTime<Utc>) -> Option<TimeDelta> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let window = *seen.get(key)?;
        (window.count >= self.allowed && now < window.ends_at).then(|| window.ends_at - now)
    }

    /// One more; the first opens a window that ends at `ends_at`.
    pub fn count(&self, key: &K, now: DateTime<Utc>, ends_at: DateTime<Utc>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !seen.contains_key(key);
        if is_new && seen.len() >= MOST {
            seen.retain(|_, window| now < window.ends_at);
        }
        if is_new
            && seen.len() >= MOST
            && let Some(oldest) = seen.iter().min_by_key(|(_, window)| window.ends_at).map(|(key, _)| key.clone())
        {
            seen.remove(&oldest);
        }
        let window = seen.entry(key.clone()).or_insert(Window { ends_at, count: 0 });
        if now >= window.ends_at {
            *window = Window { ends_at, count: 0 };
        }
        window.count = window.count.saturating_add(1);
    }

    /// Forgets one that has not reached what is allowed: who has, waits.
    pub fn forgive(&self, key: &K) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get(key).is_some_and(|window| window.count < self.allowed) {
            seen.remove(key);
        }
    }

    /// Forgets one.
    pub fn forget(&self, key: &K) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// As whom an address counts: whoever has one of IPv6 has the 2^64 of its network.
pub(crate) fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_eleventh_attempt_of_a_minute_waits() {
        let attempts = Attempts::default().logins;
        let start = start();
        let address = Some(IpAddr::from([10, 0, 0, 1]));
        for _ in 0..LOGINS {
            assert_eq!(attempts.wait(&address, start), None);
            attempts.count(&address, start, start + WINDOW);
        }
        for (seconds, wait) in [(0, Some(60)), (59, Some(1)), (60, None::<i64>)] {
            assert_eq!(
                attempts.wait(&address, start + TimeDelta::seconds(seconds)),
                wait.map(TimeDelta::seconds),
                "{seconds}"
            );
        }
        assert_eq!(attempts.wait(&Some(IpAddr::from([10, 0, 0, 2])), start), None);
        attempts.forget(&address);
        assert_eq!(attempts.wait(&address, start), None);
    }

    #[test]
    fn a_window_begins_with_its_first_and_the_next_begins_anew() {
        let windows = Windows::of(2);
        for (second, waits) in
            [(0, None), (30, None), (40, Some(20)), (59, Some(1)), (60, None), (61, None), (62, Some(58))]
        {
            let now = start() + TimeDelta::seconds(second);
            assert_eq!(windows.wait(&"a", now), waits.map(TimeDelta::seconds), "{second} s");
            if waits.is_none() {
                windows.count(&"a", now, now + WINDOW);
            }
        }
    }

    #[test]
    fn what_is_below_the_limit_can_be_forgiven_and_what_reached_it_not() {
        let windows = Windows::of(2);
        let (now, end) = (start(), start() + WINDOW);
        for _ in 0..5 {
            windows.count(&"a", now, end);
            assert!(windows.wait(&"a", now).is_none());
            windows.forgive(&"a");
        }
        windows.count(&"a", now, end);
        windows.count(&"a", now, end);
        windows.forgive(&"a");
        assert_eq!(windows.wait(&"a", now), Some(WINDOW));
        assert!(windows.wait(&"a", end).is_none());
    }

    #[test]
    fn who_comes_with_ever_new_names_is_forgotten_before_the_table_grows() {
        let windows = Windows::of(1);
        for number in 0..MOST + 5 {
            let now = start() + TimeDelta::milliseconds(i64::try_from(number).unwrap());
            windows.count(&number, now, now + WINDOW);
        }
        let now = start() + TimeDelta::seconds(11);
        assert_eq!(windows.seen.lock().unwrap().len(), MOST);
        assert!(windows.wait(&4, now).is_none() && windows.wait(&5, now).is_some(), "the first are forgotten first");
        windows.count(&(MOST + 4), now, now + WINDOW);
        assert!(windows.wait(&5, now).is_some(), "one that is known takes nobody's place");
        windows.count(&0, now + WINDOW, now + WINDOW * 2);
        assert_eq!(windows.seen.lock().unwrap().len(), 1, "what is over goes as well");
    }

    #[test]
    fn an_address_counts_with_all_that_its_owner_has() {
        for (one, other, same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ] {
            let as_whom = |text: &str| counted_as(text.parse().unwrap());
            assert_eq!(as_whom(one) == as_whom(other), same, "{one} {other}");
        }
    }
}
