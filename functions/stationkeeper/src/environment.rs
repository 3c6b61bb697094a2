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

/// A secret: the variable itself, else the file that `NAME_FILE` names, without the end of its line.
pub fn secret(name: &str) -> Result<Option<String>, Failure> {
    let in_file = format!("{name}_FILE");
    match (variable(name), variable(&in_file)) {
        (Some(secret), file) => {
            if file.is_some() {
                tracing::warn!("{name} and {in_file} are both set: {name} holds");
            }
            Ok(Some(secret))
        }
        (None, Some(path)) => {
            std::fs::read_to_string(&path).map(|text| Some(text.trim_end_matches(['\r', '\n']).to_owned())).map_err(
                |error| Failure::because(Exit::Configuration, format_args!("cannot read {path} ({in_file})"), &error),
            )
        }
        (None, None) => Ok(None),
    }
}

/// A variable that must be set.
pub fn required(name: &str) -> Result<String, Failure> {
    variable(name).ok_or_else(|| Failure::new(Exit::Configuration, format!("{name} is not set")))
}
