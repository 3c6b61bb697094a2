//! `run`: a command of Lab Station on a station, by WinRM from this computer.

use serde::Serialize;
use stationkeeper_gateway::{CommandAccess, Commander, StationReach};
use stationkeeper_station_link::winrm::{CertificatePolicy, WinRmError};
use stationkeeper_station_link::{CommandOutcome, StationCommand};
use stationkeeper_store::{AuditAction, AuditEntry, AuditOutcome, Author, Store, StoreError};
use stationkeeper_telemetry::HostName;

use crate::cli::Run;
use crate::commands::summary::harmless;
use crate::environment;
use crate::failure::{Exit, Failure, print_json, print_line};
use crate::place;
use crate::station_access;

#[derive(Serialize)]
struct Ran<'a> {
    host: &'a HostName,
    exit_code: i32,
    stdout: &'a str,
    stderr: &'a str,
    duration_ms: u64,
}

/// Runs `run`.
pub async fn run(arguments: &Run) -> Result<Option<Exit>, Failure> {
    let host = place::host(&arguments.host)?;
    let networks = arguments.networks.management_networks.as_deref();
    let networks = networks.map(station_access::networks).transpose()?.unwrap_or_default();
    let mut access = station_access::of_environment()?;
    if let Some(access) = &mut access {
        pin(access, &host, arguments.pin.as_deref())?;
    }
    let command = StationCommand::parse(&arguments.command, &arguments.arguments, &station_access::allowed()?)
        .map_err(|error| Failure::of(Exit::Rejected, &error))?;
    let store = place::existing_store(&arguments.place).await?;
    let failed = |error: StoreError| Failure::because(Exit::Unavailable, "cannot run the command", &error);
    let Some(station) = store.station(&host).await.map_err(failed)? else {
        let said = format!("there is no station {host}: `stationkeeper status` lists them");
        return Err(Failure::new(Exit::NoInput, said));
    };
    let Some(address) = station.entry.address else {
        return Err(Failure::new(Exit::Rejected, format!("the catalog has no address of {host}")));
    };
    let Some(access) = access else {
        let said = "no command can be run: say by WINRM_USER and WINRM_PASSWORD who logs in to stations";
        return Err(Failure::new(Exit::Configuration, said));
    };
    let reach = StationReach { networks, ..StationReach::default() };
    let target = station_access::check(&reach, &host, &address).await?;
    if command.changes_station() {
        audit(&store, &host, &command, AuditOutcome::Done).await.map_err(failed)?;
    }
    let commander = Commander::default();
    let ran = commander.run(&access, &host, &target, &command).await;
    commander.close().await;
    let report = match ran {
        Ok(report) => report,
        Err(error) => {
            if command.changes_station() {
                audit(&store, &host, &command, AuditOutcome::Failed).await.map_err(failed)?;
            }
            let exit = match &error {
                WinRmError::Command(_) => Exit::Rejected,
                _ => Exit::Unavailable,
            };
            return Err(Failure::because(exit, format_args!("cannot run {} on {host}", command.word()), &error));
        }
    };
    if arguments.json {
        print_json(&Ran {
            host: &host,
            exit_code: report.exit_code,
            stdout: &report.stdout,
            stderr: &report.stderr,
            duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
        })?;
    } else {
        for line in report.stdout.lines().chain(report.stderr.lines()) {
            print_line(harmless(line))?;
        }
        let meaning = match report.outcome {
            CommandOutcome::Done => "done",
            CommandOutcome::DoneWithWarnings => "done, with warnings",
            CommandOutcome::NotDone => "not done",
            CommandOutcome::Failed => "failed",
        };
        let seconds = report.duration.as_secs();
        print_line(format_args!("Exit code {}: {meaning}, after {seconds} s", report.exit_code))?;
    }
    let is_done = matches!(report.outcome, CommandOutcome::Done | CommandOutcome::DoneWithWarnings);
    Ok((!is_done).then_some(Exit::Failed))
}

fn pin(access: &mut CommandAccess, host: &HostName, pin: Option<&str>) -> Result<(), Failure> {
    if let Some(pin) = pin {
        let policy = CertificatePolicy::pin(pin).map_err(|error| Failure::of(Exit::Rejected, &error))?;
        access.pins.insert(host.clone(), policy);
    }
    Ok(())
}

async fn audit(
    store: &Store,
    host: &HostName,
    command: &StationCommand,
    outcome: AuditOutcome,
) -> Result<(), StoreError> {
    let author = Author::of_command_line(environment::variable("USER").as_deref());
    let detail = serde_json::json!({ "command": command.word(), "arguments": command.arguments() });
    let mut entry =
        AuditEntry::done(&author, AuditAction::StationCommand, host.as_str(), place::now()).of(Some(host)).with(detail);
    entry.outcome = outcome;
    store.append_audit(&entry).await
}
