//! The real programs, as their users have them: `up` under real S3 clients, the demo, the Lambda binaries over a Runtime API.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

mod browser;
mod database_secret;
mod demo;
mod gateway_alone;
mod hosts;
mod lab_server;
mod lambda;
mod notifications;
mod notify_lambda;
mod reservations;
mod up;
