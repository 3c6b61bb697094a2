//! What can go wrong with a batch or a check.

use std::error::Error;

use stationkeeper_store::StoreError;

use crate::Violation;

/// Why a batch or a check did not happen.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The trail was read from a place where another handler has read on meanwhile.
    #[error("another handler read the same trail meanwhile")]
    StaleTrail,
    /// It would have broken what must always hold: nothing of it was written.
    #[error("refused, since it would break what always holds: {0}")]
    Refused(Violation),
    /// Part of it could not be read.
    #[error("not all could be read: {reason}")]
    Unfinished {
        /// The first thing that was in the way.
        reason: String,
    },
}

impl From<Violation> for IngestError {
    fn from(violation: Violation) -> Self {
        Self::Refused(violation)
    }
}

impl IngestError {
    /// It may pass by itself: try again later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::StaleTrail | Self::Unfinished { .. } => true,
            Self::Refused(_) => false,
        }
    }

    /// Two at once: repeat now.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Store(error) => error.is_conflict(),
            Self::StaleTrail => true,
            Self::Unfinished { .. } | Self::Refused(_) => false,
        }
    }

    /// The database refuses the user or the password.
    pub fn is_login_refused(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_login_refused())
    }

    pub(crate) fn is_stale_trail(&self) -> bool {
        matches!(self, Self::StaleTrail)
    }
}

/// An error and its sources in one line, for a log or a person.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        // Some libraries repeat their source's text in their own.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{said}")]
    struct Said {
        said: &'static str,
        source: Option<Box<Said>>,
    }

    #[test]
    fn an_error_and_its_sources_are_one_line_and_nothing_is_said_twice() {
        for (texts, line) in [
            (vec!["cannot upload"], "cannot upload"),
            (vec!["cannot upload", "no route to host"], "cannot upload: no route to host"),
            (vec!["cannot upload: no route to host", "no route to host"], "cannot upload: no route to host"),
            (vec!["a", "b", "c"], "a: b: c"),
        ] {
            let nested = texts.into_iter().rev().fold(None, |source, said| Some(Box::new(Said { said, source })));
            assert_eq!(chain(&nested.unwrap()), line);
        }
    }
}
