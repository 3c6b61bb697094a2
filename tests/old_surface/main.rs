//! What clients of the older service find at its addresses, request by request: `stationkeeper gateway`, started by its environment, in
//! front of simulated stations that answer for real.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod gate;
mod hosts;
mod keys;
mod requests;
mod reservations;
mod row;
mod service;
mod shapes;
mod stations;
mod stream;
mod variables;
