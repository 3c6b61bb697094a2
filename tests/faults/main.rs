//! Faults that must cost nothing: whatever fails, for now or for good, afterwards nothing is lost and nothing is double.
//!
//! Each test ends with `stationkeeper_tests::conservation`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "shared with the end-to-end tests, which use the rest of it")]
#[path = "../end_to_end/harness/mod.rs"]
mod harness;

mod bucket_faults;
mod conflicts;
mod conservation;
mod database_faults;
mod health_faults;
mod memory;
mod outside;
mod run;
mod scenario;
