//! `stationkeeper up` survives what happens to processes and files: killed at any moment, stopped for a minute, copied while it runs,
//! its files of two moments, cut or overwritten. Nothing that was accepted is lost, nothing is there twice, nobody repairs anything.
//!
//! `STATIONKEEPER_TEST_HEARTBEATS_PER_SECOND` (50) and `STATIONKEEPER_TEST_KILLS` (100) make it harder.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod disk;
mod ledger;
mod load;
mod rows;

mod copy;
mod damage;
mod kill;
mod power_cut;
mod stop;

use std::time::Duration;

use stationkeeper_tests::programs::variable;

/// "Start within 2 s", of a build as it is shipped; one for debugging is slower by itself.
const STARTS_WITHIN: Duration = if cfg!(debug_assertions) { Duration::from_secs(10) } else { Duration::from_secs(2) };

/// Who measures a start must not share the processor with the others: one at a time, beside the one that mostly stands still.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A start took so long, on this disk.
fn started_in_time(took: Duration, disk: &disk::Disk, begun: std::time::Instant, shows: &str) {
    let still = disk.stood_still_since(begun);
    assert!(took < STARTS_WITHIN + still, "{shows}: the start took {took:?}, while the disk stood still for {still:?}");
}

/// A number that the environment may set.
fn number(name: &str, otherwise: u32) -> u32 {
    variable(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Uploads in a second, over all stations.
fn heartbeats_per_second() -> u32 {
    number("STATIONKEEPER_TEST_HEARTBEATS_PER_SECOND", 50)
}
