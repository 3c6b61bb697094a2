//! The tray app's client at a real gateway, over cut connections, restarts and withdrawn access; and at a stand-in for the older service.

#![expect(clippy::unwrap_used, reason = "a test that panics has said what is wrong")]

mod certificates;
mod following;
mod older_service;
mod pairing;
mod tray;
