//! When a message that could not be delivered is tried again, and when it is given up.

use chrono::TimeDelta;

/// The wait after the first failure.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(10);
/// No wait of our own is longer: a receiver that is back hears within the hour.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);
/// No wait that a receiver asks for is longer.
const LONGEST_ASKED: TimeDelta = TimeDelta::hours(24);

/// What a failed attempt says of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It may pass.
    Passing,
    /// It may pass, and the receiver said after how long.
    PassingAfter(TimeDelta),
    /// The receiver will never take this message.
    Permanent,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    /// It is tried again after this long.
    After(TimeDelta),
    /// It is given up, and seen to be.
    Never,
}

/// What follows the failed attempt number `attempt` (from 1) of at most `most`. Waits double, each shortened by up to a half as
/// `random` (0 to 1) says, so that messages that failed together do not come back together.
pub fn next_attempt(attempt: u32, most: u32, refusal: Refusal, random: f64) -> NextAttempt {
    if attempt >= most || refusal == Refusal::Permanent {
        return NextAttempt::Never;
    }
    let doubled = FIRST_WAIT * (1 << attempt.saturating_sub(1).min(16));
    let whole = doubled.min(LONGEST_WAIT).num_milliseconds() as f64;
    let share = 0.5 + random.clamp(0.0, 1.0) / 2.0;
    let own = TimeDelta::milliseconds((whole * share) as i64);
    NextAttempt::After(match refusal {
        Refusal::PassingAfter(asked) => own.max(asked.min(LONGEST_ASKED)),
        Refusal::Passing | Refusal::Permanent => own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_are_shortened_by_half_at_most() {
        for (attempt, shortest, longest) in
            [(1, 5, 10), (2, 10, 20), (5, 80, 160), (9, 1_280, 2_560), (10, 1_800, 3_600), (4_000_000, 1_800, 3_600)]
        {
            for (random, expected) in [(0.0, shortest), (1.0, longest), (-7.0, shortest), (f64::INFINITY, longest)] {
                let next = next_attempt(attempt, u32::MAX, Refusal::Passing, random);
                assert_eq!(next, NextAttempt::After(TimeDelta::seconds(expected)), "{attempt} {random}");
            }
        }
        assert!(matches!(next_attempt(1, 2, Refusal::Passing, f64::NAN), NextAttempt::After(_)));
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_wait_and_never_for_a_shorter_one() {
        for (asked, expected) in [(0, 10), (9, 10), (120, 120), (86_400, 86_400), (10_000_000, 86_400)] {
            let refusal = Refusal::PassingAfter(TimeDelta::seconds(asked));
            assert_eq!(next_attempt(1, 12, refusal, 1.0), NextAttempt::After(TimeDelta::seconds(expected)), "{asked}");
        }
    }

    #[test]
    fn it_is_given_up_after_the_last_attempt_and_when_the_receiver_says_never() {
        assert_eq!(next_attempt(12, 12, Refusal::Passing, 0.5), NextAttempt::Never);
        assert_eq!(next_attempt(12, 12, Refusal::PassingAfter(TimeDelta::seconds(1)), 0.5), NextAttempt::Never);
        assert_eq!(next_attempt(1, 12, Refusal::Permanent, 0.5), NextAttempt::Never);
        assert!(matches!(next_attempt(11, 12, Refusal::Passing, 0.5), NextAttempt::After(_)));
    }

    #[test]
    fn a_receiver_that_is_down_for_an_hour_loses_nothing() {
        let waited: TimeDelta = (1..12)
            .map(|attempt| match next_attempt(attempt, 12, Refusal::Passing, 0.0) {
                NextAttempt::After(wait) => wait,
                NextAttempt::Never => TimeDelta::zero(),
            })
            .fold(TimeDelta::zero(), |sum, wait| sum + wait);
        assert!(waited > TimeDelta::minutes(80), "{waited}");
    }
}
