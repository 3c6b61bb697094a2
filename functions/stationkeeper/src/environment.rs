//! The one place of the binary that reads the environment beside the command line.

use crate::failure::{Exit, Failure};

/// A variable, if it is set to something.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// All variables whose names are wanted. One that is no text is none of ours.
pub fn variables_that(is_wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| is_wanted(name))
        .collect()
}

/// A variable that must be set.
pub fn required(name: &str) -> Result<String, Failure> {
    variable(name).ok_or_else(|| Failure::new(Exit::Configuration, format!("{name} is not set")))
}
