//! The command line as a user types it: what a file means, one sentence for each failure, and help that helps.
//!
//! Needs the built binary; `tests/run` sees to it.

mod alerting;
mod bench;
mod configuration;
mod documents;
mod failures;
mod help;
mod holds;
mod hosts;
mod lab;
mod notifications;
mod people;

use std::ffi::OsString;

/// Words and paths as arguments.
fn words(words: &[&dyn AsRef<std::ffi::OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}
