//! At most one try a second for one object, whoever asks again: a queue, a redelivery, or the overdue check beside them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::bucket::ObjectAddress;

/// Between two tries of an object that could not be had.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Objects that could not be had lately, each with the instant from which it may be asked for again.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<HashMap<ObjectAddress, Instant>>);

impl Pace {
    /// Takes the next turn at an object; how long it is until then. Zero for an object that nothing was wrong with.
    pub(crate) fn turn(&self, address: &ObjectAddress, now: Instant) -> Duration {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = turns.get_mut(address) else { return Duration::ZERO };
        let turn = now.max(*next);
        *next = turn + BETWEEN_TRIES;
        turn - now
    }

    /// It could be had: nothing stands in its way any more.
    pub(crate) fn had(&self, address: &ObjectAddress) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
    }

    /// It could not be had.
    pub(crate) fn failed(&self, address: &ObjectAddress, now: Instant) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Who may be asked again at once needs no entry.
        turns.retain(|_, next| *next > now);
        let next = turns.entry(address.clone()).or_insert(now);
        *next = (*next).max(now + BETWEEN_TRIES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(key: &str) -> ObjectAddress {
        ObjectAddress { key: key.to_owned(), version_id: None }
    }

    #[test]
    fn an_object_that_failed_has_its_next_turn_a_second_later_and_the_others_at_once() {
        let (pace, start) = (Pace::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(pace.turn(&address("one"), start), Duration::ZERO);
        pace.failed(&address("one"), start);
        assert_eq!(pace.turn(&address("other"), start), Duration::ZERO);
        assert_eq!(pace.turn(&address("one"), after(400)), Duration::from_millis(600));
        assert_eq!(pace.turn(&address("one"), after(400)), Duration::from_millis(1_600), "two at once take turns");
        pace.had(&address("one"));
        assert_eq!(pace.turn(&address("one"), after(500)), Duration::ZERO);
    }

    #[test]
    fn what_failed_long_ago_is_forgotten() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.failed(&address("one"), start);
        pace.failed(&address("other"), start + Duration::from_secs(2));
        assert_eq!(pace.0.lock().unwrap().len(), 1);
    }
}
