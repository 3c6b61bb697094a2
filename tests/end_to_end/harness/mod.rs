//! What the tests of the real programs share: starting them, asking them, and what stands around them.
//!
//! Nothing is skipped: what is missing is said in a sentence, and the test fails.

pub mod boto;
pub mod cloud;
pub mod database;
pub mod lambda;
pub mod secret;

pub use stationkeeper_tests::programs::{self, variable};
pub use stationkeeper_tests::waiting::{PATIENCE, SOON, now, until};
pub use stationkeeper_tests::{station, up};

use std::path::PathBuf;

/// A folder of tests/corpus.
pub fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}
