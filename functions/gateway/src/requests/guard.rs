//! The session guard that waits for whoever sits at a station: what leaving and more time move.

use chrono::{DateTime, Utc};
use stationkeeper_store::{StoreError, Transaction};
use stationkeeper_telemetry::HostName;

/// When the guard that waits will begin; none: none waits.
pub(super) async fn planned(
    _work: &mut Transaction,
    _host: &HostName,
    _now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(None)
}

/// The guard that waits, if one does, need not wait any more.
pub(super) async fn hasten(_work: &mut Transaction, _host: &HostName, _now: DateTime<Utc>) -> Result<(), StoreError> {
    Ok(())
}

/// The guard that waits, if one does, begins at this instant at the earliest.
pub(super) async fn delay_to(
    _work: &mut Transaction,
    _host: &HostName,
    _at: DateTime<Utc>,
    _now: DateTime<Utc>,
) -> Result<(), StoreError> {
    Ok(())
}
