//! One step on a station: a wake or a command.

use std::time::Duration;

use stationkeeper_rules::orchestrator::{Ending, Outcome, WakeOptions, Work};
use stationkeeper_station_link::wake::MacAddress;
use stationkeeper_station_link::{
    CommandOutcome, CommandRefused, Grace, Power, PrepareSession, Probe, RebootTimeout, ReleaseSession, StationCommand,
    probe_until,
};
use stationkeeper_store::{CatalogHost, CommandOutput};
use stationkeeper_telemetry::HostName;

use crate::Gateway;
use crate::wake::{WakeOrder, wake_station};

/// A station that is up answers within this time.
const UP: Duration = Duration::from_secs(3);
/// Rounds of packets, and the wait after each: together longer than a PC takes to start.
const ROUNDS: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a step.
pub(crate) struct Performed {
    /// None: the reply was lost, and nobody knows.
    pub outcome: Option<Outcome>,
    /// Of a command that ended.
    pub output: Option<CommandOutput>,
}

impl From<Outcome> for Performed {
    fn from(outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), output: None }
    }
}

/// Does it.
pub(super) async fn perform(gateway: &Gateway, host: &HostName, work: &Work) -> Performed {
    let catalog_host = match gateway.store().catalog_host(host).await {
        Ok(Some(catalog_host)) => catalog_host,
        Ok(None) => return Outcome::not_sent(format!("{host} is not in the catalog")).into(),
        Err(error) => return Outcome::not_sent(format!("the catalog could not be read: {error}")).into(),
    };
    if let Work::Wake(options) = work {
        return wake(gateway, &catalog_host, options).await.into();
    }
    match command(work) {
        Ok(command) => run(gateway, &catalog_host, &command).await,
        Err(refused) => Outcome::not_sent(refused.to_string()).into(),
    }
}

/// The command of a step.
pub(crate) fn command(work: &Work) -> Result<StationCommand, CommandRefused> {
    Ok(match work {
        Work::Prepare { guard_grace_seconds, arguments } => {
            let grace = Grace::seconds(*guard_grace_seconds).unwrap_or(Grace::PREPARE);
            StationCommand::PrepareSession(PrepareSession::from_arguments(arguments, grace)?)
        }
        Work::Release { reboot_timeout_seconds, arguments } => {
            let mut release = ReleaseSession::from_arguments(arguments)?;
            release.reboot = reboot_timeout_seconds.and_then(RebootTimeout::seconds);
            StationCommand::ReleaseSession(release)
        }
        Work::Power { mode, arguments } => StationCommand::Power(Power::from_arguments(mode.as_str(), arguments)?),
        // A wake is packets.
        Work::Wake(_) => return Err(CommandRefused::NotAllowed("wake".to_owned())),
    })
}

/// Probes, and wakes what does not answer.
pub(crate) async fn wake(gateway: &Gateway, host: &CatalogHost, options: &WakeOptions) -> Outcome {
    let entry = &host.entry;
    let known = host.access.ping_target.as_ref().or(entry.address.as_ref());
    let Some(target) = options.ping_target.as_ref().or(known) else {
        return Outcome::not_sent("Ping target not configured");
    };
    let station = match gateway.shared().options.reach.check(target).await {
        Ok(station) => station,
        Err(error) => return Outcome::not_sent(error.to_string()),
    };
    // No packet and no wait for one that is up.
    if probe_until(&station.address, station.port, Probe::Tcp, UP).await.answered() {
        return Outcome::reachable(0);
    }
    let Some(mac) = options.mac.as_ref().or(entry.mac.as_ref()) else {
        return Outcome::not_sent("MAC address not configured");
    };
    let Ok(mac) = mac.parse::<MacAddress>() else {
        return Outcome::not_sent(format!("the catalog's MAC address of {} is none", entry.host));
    };
    let broadcast = match options.broadcast.as_deref().map(str::parse).transpose() {
        Ok(broadcast) => broadcast,
        Err(_no_address) => return Outcome::not_sent("broadcast is no IPv4 address"),
    };
    let order = WakeOrder {
        mac,
        attempts: options.attempts.unwrap_or(ROUNDS),
        patience: options.ping_timeout_seconds.map_or(PATIENCE, |seconds| Duration::from_secs(seconds.into())),
        broadcast,
        port: options.port,
        remembered: gateway.shared().ways.of(&entry.host),
    };
    let report = wake_station(&gateway.shared().options.reach, &station, &order, |_round| {}).await;
    if let Some(way) = report.way.clone() {
        gateway.shared().ways.remember(entry.host.clone(), way);
    }
    match (report.answers, report.problem) {
        (true, _) => Outcome::reachable(report.attempts),
        (false, None) => Outcome::no_answer(report.attempts),
        (false, Some(problem)) => Outcome::not_sent(problem),
    }
}

/// Runs a command and waits for its end.
pub(crate) async fn run(gateway: &Gateway, host: &CatalogHost, command: &StationCommand) -> Performed {
    let entry = &host.entry;
    let (access, station) = match gateway.way_to(host).await {
        Ok(way) => way,
        Err(error) => return Outcome::not_sent(error.to_string()).into(),
    };
    match gateway.shared().commander.run(&access, &entry.host, &station, command).await {
        Ok(report) => {
            let ending = match report.outcome {
                CommandOutcome::Done => Ending::Done,
                CommandOutcome::DoneWithWarnings => Ending::DoneWithWarnings,
                CommandOutcome::NotDone => Ending::NotDone,
                CommandOutcome::Failed => Ending::Failed,
            };
            let output = CommandOutput {
                exit_code: Some(report.exit_code),
                stdout: report.stdout,
                stderr: report.stderr,
                arguments: command.arguments(),
                duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
            };
            Performed { outcome: Some(Outcome::exited(ending, report.exit_code)), output: Some(output) }
        }
        Err(error) if error.may_have_acted() => {
            tracing::warn!(host = %entry.host, error = &error as &dyn std::error::Error, "a command's reply was lost");
            Performed { outcome: None, output: None }
        }
        Err(error) => Outcome::not_sent(error.to_string()).into(),
    }
}
