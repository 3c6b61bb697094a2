//! How large and how deep a document may be.

use crate::{Reason, Rejection};

/// Bounds of one document, or of one chunk of a JSONL file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, 4 MiB.
    pub max_bytes: u64,
    /// Brackets inside each other, 64. A genuine file is 6 deep, plus its last health. More than 100 cannot be asked
    /// for: the parser has a limit of its own at 128.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 4 * 1024 * 1024, max_depth: 64 }
    }
}

impl Limits {
    /// Refuses by size alone: ask with the size in the event or of the object, before anything is read.
    ///
    /// # Errors
    /// [`Reason::TooLarge`].
    pub fn check_size(&self, bytes: u64) -> Result<(), Rejection> {
        if bytes > self.max_bytes {
            return Err(Rejection::new(
                Reason::TooLarge,
                format!("{bytes} bytes are over the limit of {}", self.max_bytes),
            ));
        }
        Ok(())
    }

    pub(crate) fn depth(&self) -> usize {
        self.max_depth.min(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_mebibytes_are_the_most() {
        let limits = Limits::default();
        assert_eq!(limits.check_size(4_194_304), Ok(()));
        assert_eq!(limits.check_size(4_194_305).map_err(|rejection| rejection.reason), Err(Reason::TooLarge));
    }
}
