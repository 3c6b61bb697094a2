//! Settings, read once in a while instead of with every batch.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stationkeeper_rules::Settings;
use stationkeeper_store::Store;

use crate::IngestError;

/// `config apply` is in force everywhere after this long.
const FRESH: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(crate) struct SettingsCache(Mutex<Option<(Instant, Arc<Settings>)>>);

impl SettingsCache {
    pub(crate) async fn get(&self, store: &Store) -> Result<Arc<Settings>, IngestError> {
        if let Some((read_at, settings)) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && read_at.elapsed() < FRESH
        {
            return Ok(settings.clone());
        }
        let settings = Arc::new(store.settings().await?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), settings.clone()));
        Ok(settings)
    }
}
