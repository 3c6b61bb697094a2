//! Reservations on simulated stations that answer magic packets and WS-Management for real: woken, prepared, released, switched off by
//! gateways that share a database.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod actions;
mod asked;
mod faults;
mod holds;
mod lab;
mod life;
mod requests;
mod several;
mod table;
