//! Heartbeats at the addresses of the older service: read from the station now, or told as they come.

pub(crate) mod poll;
mod round;
pub(crate) mod stream;
