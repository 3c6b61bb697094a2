//! `raw`: a heartbeat byte for byte.

use stationkeeper_telemetry::format_instant;

use crate::cli;
use crate::failure::{Exit, Failure, print_bytes};
use crate::place;

/// Runs `raw`. The store checks the bytes against their SHA-256 before it gives them out.
pub async fn run(arguments: &cli::Raw) -> Result<Option<Exit>, Failure> {
    let host = place::host(&arguments.host)?;
    let store = place::existing_store(&arguments.place).await?;
    let at = format_instant(arguments.timestamp);
    let raw = store
        .raw(&host, arguments.timestamp)
        .await
        .map_err(|error| {
            Failure::because(Exit::Failed, format_args!("cannot give back the heartbeat of {host} at {at}"), &error)
        })?
        .ok_or_else(|| Failure::new(Exit::NoInput, format!("there is no heartbeat of {host} at {at}")))?;
    print_bytes(&raw.bytes)?;
    let hex: String = raw.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    eprintln!("{} bytes, SHA-256 {hex}, arrived {}", raw.bytes.len(), format_instant(raw.arrived_at));
    Ok(None)
}
