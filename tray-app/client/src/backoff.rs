//! How long to wait before the gateway is tried again.

use std::time::Duration;

/// Longest wait.
const MOST: Duration = Duration::from_secs(30);

/// 1, 2, 4 … 30 s, each less up to a half by chance: laptops of a lab do not all come back in one instant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff(u32);

impl Backoff {
    /// The next wait; `chance` is any number.
    pub fn next(&mut self, chance: u64) -> Duration {
        let whole = Duration::from_secs(1 << self.0.min(5)).min(MOST);
        self.0 = self.0.saturating_add(1);
        let part = chance % 1_000;
        let less = whole.as_millis() as u64 * part / 2_000;
        whole - Duration::from_millis(less)
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Any number.
pub(crate) fn chance() -> u64 {
    let mut bytes = [0; 8];
    // Without it all come at once, which is no more than a pity.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_thirty_seconds_and_chance_takes_at_most_a_half() {
        for (chance, seconds) in [
            (0, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]),
            (999, [501, 1_001, 2_002, 4_004, 8_008, 15_015, 15_015]),
        ] {
            let mut backoff = Backoff::default();
            let waits = seconds.map(|_| backoff.next(chance).as_millis() as u64);
            assert_eq!(waits, seconds, "{chance}");
            backoff.reset();
            assert!(backoff.next(0) == Duration::from_secs(1));
        }
        let mut long = Backoff(u32::MAX);
        assert_eq!(long.next(0), MOST);
    }
}
