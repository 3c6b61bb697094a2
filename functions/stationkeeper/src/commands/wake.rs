//! `wake`: magic packets from this computer, and whether the station answers.

use std::time::Duration;

use serde::Serialize;
use stationkeeper_gateway::{StationReach, WakeOrder, wake_station};
use stationkeeper_store::{AuditAction, AuditEntry, Author, StoreError};
use stationkeeper_telemetry::HostName;

use crate::cli::Wake;
use crate::environment;
use crate::failure::{Exit, Failure, print_json, print_line};
use crate::place;
use crate::station_access;

#[derive(Serialize)]
struct Woken<'a> {
    host: &'a HostName,
    success: bool,
    attempts_used: u32,
    duration_ms: u64,
    way: Option<String>,
    problem: Option<&'a str>,
}

/// Runs `wake`.
pub async fn run(arguments: &Wake) -> Result<Option<Exit>, Failure> {
    let host = place::host(&arguments.host)?;
    let networks = arguments
        .networks
        .management_networks
        .as_deref()
        .map(station_access::networks)
        .transpose()?
        .unwrap_or_default();
    let store = place::existing_store(&arguments.place).await?;
    let failed = |error: StoreError| Failure::because(Exit::Unavailable, "cannot wake the station", &error);
    let Some(station) = store.station(&host).await.map_err(failed)? else {
        let said = format!("there is no station {host}: `stationkeeper status` lists them");
        return Err(Failure::new(Exit::NoInput, said));
    };
    let missing = |what: &str| Failure::new(Exit::Rejected, format!("the catalog has no {what} of {host}"));
    let mac = station.entry.mac.as_deref().ok_or_else(|| missing("MAC address"))?;
    let mac = mac.parse().map_err(|error| {
        Failure::because(Exit::Rejected, format_args!("the catalog has a wrong MAC address of {host}"), &error)
    })?;
    let order = WakeOrder {
        mac,
        attempts: arguments.attempts,
        patience: Duration::from_secs(arguments.wait_seconds.into()),
        broadcast: None,
        port: arguments.port,
        remembered: None,
    };
    let reach = StationReach { networks, ..StationReach::default() };
    let address = station.entry.address.ok_or_else(|| missing("address"))?;
    let target = station_access::check(&reach, &host, &address).await?;
    let author = Author::of_command_line(environment::variable("USER").as_deref());
    let entry = AuditEntry::done(&author, AuditAction::StationWake, host.as_str(), place::now()).of(Some(&host));
    store.append_audit(&entry).await.map_err(failed)?;
    let told = |attempt: u32| {
        if !arguments.json {
            let _ =
                print_line(format_args!("Attempt {attempt} of {}: packets to {mac}, waiting …", arguments.attempts));
        }
    };
    let report = wake_station(&reach, &target, &order, told).await;
    if arguments.json {
        print_json(&Woken {
            host: &host,
            success: report.answers,
            attempts_used: report.attempts,
            duration_ms: u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
            way: report.way.as_ref().map(ToString::to_string),
            problem: report.problem.as_deref(),
        })?;
    } else if report.answers {
        print_line(format_args!("{host} answers, after {} s", report.took.as_secs()))?;
    } else {
        let why = report.problem.map(|problem| format!(" ({problem})")).unwrap_or_default();
        print_line(format_args!("{host} does not answer, after {} s{why}", report.took.as_secs()))?;
    }
    Ok((!report.answers).then_some(Exit::Unavailable))
}
