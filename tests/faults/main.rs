//! Faults that must cost nothing: whatever fails, for now or for good, afterwards nothing is lost and nothing is double.
//!
//! Each test ends with `stationkeeper_tests::conservation`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bucket_faults;
mod conflicts;
mod conservation;
mod database_faults;
mod health_faults;
mod memory;
mod nth_call;
mod outside;
mod queue_faults;
mod reconcile_faults;
mod refused;
mod run;
mod scenario;
