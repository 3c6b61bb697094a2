//! How the gateway serves real connections: what a client that is slow, hostile or gone wild may take, and that it hurts no other.

#![expect(clippy::unwrap_used, reason = "a test that panics has said what is wrong")]

mod clients;
mod encrypted;
mod guessing;
mod slow;
mod streams;
mod world;
