//! Raw heartbeats, byte-exact.

use crate::{Store, StoreError};

/// Trains a dictionary of at most `size` bytes on samples (whole raw heartbeats; a few hundred do).
pub fn train_dictionary(samples: &[Vec<u8>], size: usize) -> Result<Vec<u8>, StoreError> {
    let _ = (samples, size);
    unimplemented!()
}

impl Store {
    /// Adds a dictionary (or finds it there): new heartbeats are compressed with the newest. Its id is derived from its SHA-256.
    pub async fn add_dictionary(&self, bytes: &[u8]) -> Result<u32, StoreError> {
        let _ = bytes;
        unimplemented!()
    }
}
