//! What this process spent.

use std::ops::Sub;
use std::time::Duration;

use cpu_time::ProcessTime;

/// User and system time of all threads of this process so far.
#[derive(Debug, Clone, Copy)]
pub struct Spent(ProcessTime);

impl Spent {
    /// Up to now.
    pub fn now() -> Self {
        Self(ProcessTime::now())
    }
}

impl Sub for Spent {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.0.duration_since(earlier.0)
    }
}

/// The most memory that this process ever had resident, in MiB, where the system tells it (Linux).
pub fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes: f64 =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen_in_it() {
        let before = Spent::now();
        let mut sum = 0u64;
        while (Spent::now() - before) < Duration::from_millis(2) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        assert!(Spent::now() - before >= Duration::from_millis(2), "{sum}");
    }
}
