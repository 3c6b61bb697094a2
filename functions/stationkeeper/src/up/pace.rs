//! How fast the queue is worked off: small batches in quiet times, large ones while a backlog lasts.

use chrono::TimeDelta;

/// Deliveries of one batch while the queue is short: each is visible as soon as it came.
const BATCH: usize = 50;
/// And while a backlog lasts: a commit costs the same, however much is in it.
const BACKLOG_BATCH: usize = 400;
/// A queue that gives a full batch whose oldest delivery waits for longer than this has a backlog. Shorter ones are gone sooner than a
/// look at every station takes, and leave every verdict to the order in which things came.
const BACKLOG_AFTER: TimeDelta = TimeDelta::seconds(60);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pace {
    batch: usize,
    has_looked: bool,
}

/// What to do with the deliveries that were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Take them.
    Take,
    /// A backlog begins: look for the newest of every station first.
    LookThenTake,
}

impl Default for Pace {
    fn default() -> Self {
        Self { batch: BATCH, has_looked: false }
    }
}

impl Pace {
    /// How many deliveries to ask for.
    pub(super) const fn batch(&self) -> usize {
        self.batch
    }

    /// So many were received, and the oldest of them waits for so long.
    pub(super) fn received(&mut self, count: usize, waits: TimeDelta) -> Step {
        let full = count >= self.batch;
        self.batch = if full { BACKLOG_BATCH } else { BATCH };
        if full && waits > BACKLOG_AFTER && !self.has_looked { Step::LookThenTake } else { Step::Take }
    }

    /// The look is done, or has to be repeated.
    pub(super) fn looked(&mut self, done: bool) {
        self.has_looked = done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_is_looked_at_once_and_taken_in_large_batches() {
        let (hours, moment) = (TimeDelta::hours(8), TimeDelta::milliseconds(20));
        let mut pace = Pace::default();
        let mut told = Vec::new();
        for (received, waits, look_works) in [
            (3, moment, true),
            (50, moment, true),
            (400, hours, false),
            (400, hours, true),
            (400, hours, true),
            (120, hours, true),
            (7, moment, true),
        ] {
            let asked = pace.batch();
            let step = pace.received(received, waits);
            if step == Step::LookThenTake {
                pace.looked(look_works);
            }
            told.push((asked, step));
        }
        use Step::{LookThenTake, Take};
        let expected =
            [(50, Take), (50, Take), (400, LookThenTake), (400, LookThenTake), (400, Take), (400, Take), (50, Take)];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_few_old_deliveries_are_no_backlog() {
        let mut pace = Pace::default();
        assert_eq!(pace.received(49, TimeDelta::hours(8)), Step::Take);
        assert_eq!(pace.received(50, TimeDelta::seconds(60)), Step::Take);
        assert_eq!(pace.received(400, TimeDelta::seconds(61)), Step::LookThenTake);
    }
}
