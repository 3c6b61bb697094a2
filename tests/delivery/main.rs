//! What is owed to people reaches them: over a real mail server, real HTTP and a real queue behind a topic, whatever fails on the way.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod crashes;
mod mail;
mod topic;
mod webhook;
mod world;
