//! Simulated stations as others find them: pywinrm, a client of WS-Management that is not ours, and magic packets on real sockets.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod commands;
mod faults;
mod link;
mod logins;
mod rebinding;
mod wake;
