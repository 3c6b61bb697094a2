//! `stationkeeper replay`: recorded and simulated labs raise exactly the alerts that their scenario says, on both databases, and
//! disorder among the events changes nothing that it may not change (DESIGN.md section 6).
//!
//! Needs the built binary, and a MariaDB by `STATIONKEEPER_TEST_MYSQL_URL`; `tests/run` sees to both.

mod disorder;
mod recorded;
mod simulated;

use chrono::TimeDelta;
use stationkeeper_tests::lab::{Moved, differences};

/// `interval_s` of every scenario.
const INTERVAL: TimeDelta = TimeDelta::seconds(60);

/// Fails where the moves are not the expected ones, each within `slack`.
fn assert_moves(shows: &str, got: &[Moved], expected: &[Moved], slack: TimeDelta) {
    let found = differences(got, expected, slack);
    assert!(found.is_empty(), "{shows}:\n{}", found.join("\n"));
}
