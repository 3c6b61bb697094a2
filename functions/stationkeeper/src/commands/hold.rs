//! `hold` and `release`: stations that are held for a while, by whoever has the database. A gateway tells the station.

use stationkeeper_api::HoldView;
use stationkeeper_gateway::{AskedHold, HoldError, end_hold, set_hold};
use stationkeeper_rules::ReservationId;
use stationkeeper_rules::requests::{HoldStage, LocalModeOrder};
use stationkeeper_store::{Author, Store};
use stationkeeper_telemetry::format_instant;

use crate::cli::{Hold, Place, Release};
use crate::failure::{Exit, Failure, print_json, print_line};
use crate::place;

/// Runs `hold`.
pub async fn hold(arguments: &Hold) -> Result<Option<Exit>, Failure> {
    if arguments.end {
        return end(&arguments.place, &arguments.host, arguments.by.as_deref(), arguments.json).await;
    }
    let now = place::now();
    let asked = AskedHold {
        host: place::host(&arguments.host)?,
        until: arguments.until.or_else(|| arguments.lasts.map(|lasts| now + lasts)),
        reason: arguments.reason.clone(),
        confirmed: arguments.confirm.iter().cloned().map(ReservationId).collect(),
    };
    let store = place::existing_store(&arguments.place).await?;
    let author = Author::of_command_line(arguments.by.as_deref());
    let order =
        set_hold(&store, &asked, &author, now).await.map_err(|error| failure("hold", &arguments.host, &error))?;
    show(&store, &order, arguments.json).await
}

/// Runs `release`.
pub async fn release(arguments: &Release) -> Result<Option<Exit>, Failure> {
    end(&arguments.place, &arguments.host, arguments.by.as_deref(), arguments.json).await
}

async fn end(at: &Place, host: &str, by: Option<&str>, json: bool) -> Result<Option<Exit>, Failure> {
    let name = place::host(host)?;
    let store = place::existing_store(at).await?;
    let author = Author::of_command_line(by);
    let order =
        end_hold(&store, &name, &author, place::now()).await.map_err(|error| failure("release", host, &error))?;
    show(&store, &order, json).await
}

fn failure(what: &str, host: &str, error: &HoldError) -> Failure {
    let exit = match error {
        HoldError::Refused(_) | HoldError::OfAnother { .. } => Exit::Rejected,
        HoldError::UnknownStation(_) | HoldError::NotHeld(_) => Exit::NoInput,
        HoldError::Store(_) => Exit::Unavailable,
    };
    Failure::because(exit, format_args!("cannot {what} {host}"), error)
}

async fn show(store: &Store, order: &LocalModeOrder, json: bool) -> Result<Option<Exit>, Failure> {
    let station = store
        .station(&order.host)
        .await
        .map_err(|error| Failure::because(Exit::Unavailable, "cannot read the station", &error))?;
    if json {
        print_json(&HoldView::new(order, station.as_ref().map(|station| &station.state)))?;
        return Ok(None);
    }
    let until = order.expires_at.map(|at| format!(" until {}", format_instant(at))).unwrap_or_default();
    let host = &order.host;
    match order.stage() {
        HoldStage::Ordered => print_line(format_args!("Held: {host}{until}. A gateway tells the station."))?,
        HoldStage::Held => print_line(format_args!("Held: {host}{until}."))?,
        HoldStage::Releasing => print_line(format_args!("Released: {host}. A gateway tells the station."))?,
        HoldStage::Released => print_line(format_args!("Released: {host}."))?,
    }
    Ok(None)
}
