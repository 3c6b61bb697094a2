//! The tray app as it is used: in a window of its own, driven by WebDriver; in a tray, read over D-Bus; against the real gateway. Each test has
//! a desktop of its own: bus, screen, window manager, home.
//!
//! Statements by their numbers are those of the tray app's acceptance. It runs where `STATIONKEEPER_TEST_TRAY` names the app; `tests/run tray`
//! builds it and installs what it needs.

#![expect(clippy::unwrap_used, reason = "a test that panics has said what is wrong")]

mod bus;
mod connecting;
mod desktop;
mod icon;
mod lab;
mod notifications;
mod offline;
mod older_service;
mod pictures;
mod secrets;
mod stations;
mod window;
