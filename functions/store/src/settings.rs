//! What a verdict depends on (`settings`).

use stationkeeper_rules::Settings;

use crate::statement::Statement;
use crate::{Store, StoreError};

/// The key of the settings of verdicts.
const SETTINGS: &str = "settings";

impl Store {
    /// The settings in force; what was never set has its default.
    pub async fn settings(&self) -> Result<Settings, StoreError> {
        match self.setting_row(SETTINGS).await? {
            Some(row) => row.json("value"),
            None => Ok(Settings::default()),
        }
    }

    /// Replaces the settings as a whole.
    pub async fn apply_settings(&self, settings: &Settings) -> Result<(), StoreError> {
        let json = serde_json::to_string(settings).map_err(StoreError::json("apply the settings"))?;
        self.set_setting(SETTINGS, &json).await
    }

    /// The JSON text under a key of the caller's own (such as the epoch of the update stream).
    pub async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.setting_row(key).await?.map(|row| row.text("value")).transpose()
    }

    /// Sets the JSON text under a key of the caller's own.
    pub async fn set_setting(&self, key: &str, json: &str) -> Result<(), StoreError> {
        let mut link = self.writer().await?;
        let row = vec![key.into(), json.into()];
        link.write_rows("write a setting", include_str!("sql/save_setting.sql"), vec![row]).await?;
        link.commit().await
    }

    async fn setting_row(&self, key: &str) -> Result<Option<crate::row::Row>, StoreError> {
        let statement = Statement::new("read the settings", "select `key`, value from settings where `key` = ?")
            .of("settings", &["key"])
            .bind(key);
        self.reader().await?.fetch_optional(statement).await
    }
}
