//! The session guard that waits for whoever sits at a station: what leaving and more time move, in a unit of work that has locked the station.

use chrono::{DateTime, Utc};
use stationkeeper_pipeline::orchestrate::LEASE;
use stationkeeper_rules::orchestrator::{ActionState, StationAction};
use stationkeeper_rules::requests::InstructorRequest;
use stationkeeper_store::{StoreError, Transaction};
use stationkeeper_telemetry::HostName;

/// When the guard that waits will begin; none: none waits, or an operator has to approve it first.
pub(super) async fn planned(
    work: &mut Transaction,
    host: &HostName,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let waiting = waiting(work, host, now).await?;
    let pending = waiting.iter().filter(|guard| guard.state == ActionState::Pending);
    Ok(pending.map(|guard| guard.not_before).min())
}

/// A guard that waits need not wait any more.
pub(super) async fn hasten(work: &mut Transaction, host: &HostName, now: DateTime<Utc>) -> Result<(), StoreError> {
    for guard in waiting(work, host, now).await? {
        work.actions().save(&guard.hastened(now), LEASE).await?;
    }
    Ok(())
}

/// A guard that waits for the reservation of which more time was granted begins when that is over.
pub(super) async fn delay(
    work: &mut Transaction,
    granted: &InstructorRequest,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for guard in waiting(work, &granted.host, now).await? {
        work.actions().save(&guard.after_grants(std::slice::from_ref(granted)), LEASE).await?;
    }
    Ok(())
}

async fn waiting(
    work: &mut Transaction,
    host: &HostName,
    now: DateTime<Utc>,
) -> Result<Vec<StationAction>, StoreError> {
    let mut open = work.actions().open_of(host, now).await?;
    open.retain(StationAction::is_guard_that_waits);
    Ok(open)
}
