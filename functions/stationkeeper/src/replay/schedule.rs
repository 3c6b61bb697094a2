//! What a queue does to events: late, out of order, more than once. Deterministic by seed.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::ingest::Delivery;

/// What happens to events on their way. The objects themselves stand in the bucket from their PUT on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disorder {
    /// This share of them is delivered again, at once and minutes later.
    pub duplicate_percent: u8,
    /// Each is delayed by up to 20 s, by this seed.
    pub shuffle: Option<u64>,
    /// This share is delayed by up to 10 min.
    pub late_percent: u8,
}

/// Deliveries to come.
#[derive(Debug)]
pub(crate) struct Deliveries {
    disorder: Disorder,
    random: u64,
    pushed: u64,
    waiting: BTreeMap<DateTime<Utc>, Vec<Delivery>>,
}

impl Deliveries {
    pub(crate) fn new(disorder: Disorder) -> Self {
        let random = disorder.shuffle.unwrap_or(0x5EED).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { disorder, random, pushed: 0, waiting: BTreeMap::new() }
    }

    /// A number below `limit` (splitmix64: small, and the same in every version).
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn delay(&mut self, most: TimeDelta) -> TimeDelta {
        let milliseconds = u64::try_from(most.num_milliseconds()).unwrap_or_default();
        TimeDelta::milliseconds(i64::try_from(self.below(milliseconds + 1)).unwrap_or_default())
    }

    /// An event of an object that was put at `at`.
    pub(crate) fn push(&mut self, at: DateTime<Utc>, body: String) {
        self.pushed += 1;
        let mut first = at;
        if self.disorder.shuffle.is_some() {
            first += self.delay(TimeDelta::seconds(20));
        }
        if self.below(100) < u64::from(self.disorder.late_percent) {
            first += self.delay(TimeDelta::minutes(10));
        }
        let mut instants = vec![first];
        if self.below(100) < u64::from(self.disorder.duplicate_percent) {
            instants.push(first);
            instants.push(first + TimeDelta::minutes(1) + self.delay(TimeDelta::minutes(5)));
        }
        for (copy, instant) in instants.into_iter().enumerate() {
            let id = format!("{}-{copy}", self.pushed);
            self.waiting.entry(instant).or_default().push(Delivery { id, body: body.clone() });
        }
    }

    pub(crate) fn next_at(&self) -> Option<DateTime<Utc>> {
        self.waiting.keys().next().copied()
    }

    pub(crate) fn take_at(&mut self, at: DateTime<Utc>) -> Vec<Delivery> {
        self.waiting.remove(&at).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instants(disorder: Disorder) -> Vec<i64> {
        let start = DateTime::from_timestamp(1_795_500_000, 0).expect("in range");
        let mut deliveries = Deliveries::new(disorder);
        for minute in 0..100 {
            deliveries.push(start + TimeDelta::minutes(minute), String::new());
        }
        let spread = deliveries.waiting.iter();
        spread.flat_map(|(at, batch)| batch.iter().map(move |_| (*at - start).num_milliseconds())).collect()
    }

    #[test]
    fn events_come_as_they_are_asked_to() {
        let orderly = instants(Disorder::default());
        assert_eq!(orderly, (0..100).map(|minute| minute * 60_000).collect::<Vec<_>>());
        let twice = instants(Disorder { duplicate_percent: 100, ..Disorder::default() });
        assert_eq!(twice.len(), 300);
        let shuffled = Disorder { shuffle: Some(7), ..Disorder::default() };
        assert_eq!(instants(shuffled), instants(shuffled), "the same seed, the same order");
        assert_ne!(instants(shuffled), instants(Disorder { shuffle: Some(8), ..Disorder::default() }));
        let late = instants(Disorder { late_percent: 100, ..Disorder::default() });
        assert!(late.iter().any(|at| at % 60_000 != 0) && late.iter().all(|at| *at <= 109 * 60_000 + 600_000));
    }
}
