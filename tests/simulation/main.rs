//! What only time shows: clocks that are wrong, a month of a laboratory, a night without a database.
//!
//! Deterministic by seed. The month runs through the pure core alone ([`board`]); a slice of it runs through the whole pipeline as
//! well, so that the core is known to be driven as the pipeline drives it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod board;
mod clocks;
mod handlers;
mod month;
mod moved;
mod outage;
mod ticks;
mod world;
