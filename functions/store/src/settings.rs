//! What a verdict depends on (`settings`).

use stationkeeper_rules::Settings;

use crate::{Store, StoreError};

impl Store {
    /// The settings in force; what was never set has its default.
    pub async fn settings(&self) -> Result<Settings, StoreError> {
        unimplemented!()
    }
    /// Replaces the settings as a whole.
    pub async fn apply_settings(&self, settings: &Settings) -> Result<(), StoreError> {
        let _ = settings;
        unimplemented!()
    }
    /// The JSON text under a key of the caller's own (such as the epoch of the update stream).
    pub async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let _ = key;
        unimplemented!()
    }
    /// Sets the JSON text under a key of the caller's own.
    pub async fn set_setting(&self, key: &str, json: &str) -> Result<(), StoreError> {
        let _ = (key, json);
        unimplemented!()
    }
}
