//! Telling the time, and waiting for what must come.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use stationkeeper_pipeline::clock::{Clock, SystemClock};

/// The time of day, in whole seconds as stations write it.
pub fn now() -> DateTime<Utc> {
    SystemClock.now().trunc_subsecs(0)
}

/// Looks again and again until it is there; says `what` was awaited when it never came.
///
/// # Panics
/// When it does not come in time.
pub async fn until<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < within, "{what}: not within {} s", within.as_secs_f64());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is seen within two seconds, as the first lines of `up` promise.
pub const SOON: Duration = Duration::from_secs(2);
/// Long enough for a loaded computer.
pub const PATIENCE: Duration = Duration::from_secs(30);
