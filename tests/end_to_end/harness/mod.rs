//! What the tests of the real programs share: starting them, asking them, and what stands around them.
//!
//! Nothing is skipped: what is missing is said in a sentence, and the test fails.

pub mod boto;
pub mod database;
pub mod http;
pub mod lambda;
pub mod programs;
pub mod secret;
pub mod station;
pub mod up;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use stationkeeper_pipeline::clock::{Clock, SystemClock};

/// The time of day, in whole seconds as stations write it.
pub fn now() -> DateTime<Utc> {
    SystemClock.now().trunc_subsecs(0)
}

/// A variable that tests/run sets.
#[expect(clippy::disallowed_methods, reason = "where tests read their surroundings")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A folder of tests/corpus.
pub fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// Looks again and again until it is there; says `what` was awaited when it never came.
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
