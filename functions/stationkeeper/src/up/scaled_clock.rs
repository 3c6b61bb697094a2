//! The demo's clock: it can run faster than the day.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_pipeline::clock::{Clock, SystemClock};

/// A clock that runs `speed` times as fast as the system's, from the instant it was made.
#[derive(Debug, Clone, Copy)]
pub struct ScaledClock {
    origin: DateTime<Utc>,
    speed: f64,
}

impl ScaledClock {
    /// Starts now.
    pub fn starting_now(speed: f64) -> Self {
        Self { origin: SystemClock.now(), speed }
    }

    /// How long to wait for `at`, in real time; zero if it has passed.
    pub fn until(&self, at: DateTime<Utc>) -> std::time::Duration {
        let simulated = (at - self.now()).to_std().unwrap_or_default();
        simulated.div_f64(self.speed)
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> DateTime<Utc> {
        let now = SystemClock.now();
        #[expect(clippy::float_cmp, reason = "1.0 is what the command line gives, not what is computed")]
        if self.speed == 1.0 {
            return now;
        }
        let passed = (now - self.origin).to_std().unwrap_or_default().mul_f64(self.speed);
        self.origin + TimeDelta::from_std(passed).unwrap_or_default()
    }
}
