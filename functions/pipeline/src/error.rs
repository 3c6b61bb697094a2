//! What can go wrong with a batch or a check.

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

    pub(crate) fn is_stale_trail(&self) -> bool {
        matches!(self, Self::StaleTrail)
    }

    /// The error and its sources, as one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}
