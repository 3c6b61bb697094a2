//! Telling a station what is wanted of its local mode.

use std::time::Duration;

use stationkeeper_station_link::{CommandOutcome, StationCommand};
use stationkeeper_store::CatalogHost;
use stationkeeper_telemetry::HostName;

use super::claim;
use crate::Gateway;
use crate::error::ApiError;

/// Whoever tells a station at the same time is waited for this long: longer than a claim lasts.
const PATIENCE: Duration = Duration::from_secs(150);
/// The station is told within this time: well within a claim.
const TELL: Duration = Duration::from_secs(100);
/// And is looked for this often.
const LOOK: Duration = Duration::from_millis(200);

/// Sets the flag on the station, or takes it away.
///
/// # Errors
/// The station was not reached, or did not do it.
pub(crate) async fn tell_station(gateway: &Gateway, host: &CatalogHost, enabled: bool) -> Result<(), ApiError> {
    let (access, station) = gateway.way_to(host).await?;
    let host = &host.entry.host;
    let command = StationCommand::SetLocalMode { enabled };
    let run = gateway.shared().commander.run(&access, host, &station, &command);
    // It may wait behind a longer command; a claim that is over would let another tell the station something else meanwhile.
    let busy = |_elapsed| ApiError::StationBusy { host: host.clone(), reservation_id: None };
    let report = tokio::time::timeout(TELL, run).await.map_err(busy)?.map_err(ApiError::Station)?;
    match report.outcome {
        CommandOutcome::Done => Ok(()),
        CommandOutcome::DoneWithWarnings | CommandOutcome::NotDone | CommandOutcome::Failed => {
            Err(ApiError::LocalModeNotSet { host: host.clone(), exit_code: report.exit_code })
        }
    }
}

/// It is `claimant` who tells the station, once nobody else does.
///
/// # Errors
/// Somebody else does for too long, the gateway stops, or the store failed.
pub(crate) async fn claim_patiently(gateway: &Gateway, host: &HostName, claimant: &str) -> Result<(), ApiError> {
    let began = tokio::time::Instant::now();
    while !claim(gateway.store(), host, claimant).await? {
        if began.elapsed() > PATIENCE {
            return Err(ApiError::StationBusy { host: host.clone(), reservation_id: None });
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = gateway.closing() => return Err(ApiError::Closing),
        }
    }
    Ok(())
}
