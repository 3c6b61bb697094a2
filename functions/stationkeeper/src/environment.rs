//! The one place of the binary that reads the environment beside the command line.

use crate::failure::{Exit, Failure};

/// A variable, if it is set to something.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable that must be set.
pub fn required(name: &str) -> Result<String, Failure> {
    variable(name).ok_or_else(|| Failure::new(Exit::Configuration, format!("{name} is not set")))
}
