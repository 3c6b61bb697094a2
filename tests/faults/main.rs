//! Faults that must cost nothing: whatever fails, for now or for good, afterwards nothing is lost and nothing is double.
//!
//! Each test ends with `stationkeeper_tests::conservation`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod conservation;
mod nth_call;
mod refused;
mod run;
mod scenario;
