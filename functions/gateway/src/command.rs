//! Runs Lab Station's commands on stations, by WinRM.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use stationkeeper_station_link::winrm::{
    CertificatePolicy, CodePage, CommandReport, Credential, Login, Timings, WinRm, WinRmError, WinRmTarget,
};
use stationkeeper_station_link::{
    AddressError, AllowedCommands, CommandSlots, ManagementNetworks, StationCommand, SystemResolver,
};
use stationkeeper_telemetry::HostName;

use crate::wake::host_and_port;

/// How the gateway logs in to stations.
#[derive(Debug, Clone)]
pub struct CommandAccess {
    /// Who logs in.
    pub credential: Credential,
    /// How.
    pub login: Login,
    /// Whose certificates are taken, where a station has no pin of its own.
    pub certificate: CertificatePolicy,
    /// Certificates of single stations.
    pub pins: HashMap<HostName, CertificatePolicy>,
    /// What callers may name.
    pub allowed: AllowedCommands,
}

/// Why a command was not run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No networks were named.
    #[error("no station may be reached: name the networks they stand in by WINRM_MANAGEMENT_CIDRS")]
    NoNetworks,
    /// Nobody logs in to stations.
    #[error("no command can be run: say by WINRM_USER and WINRM_PASSWORD who logs in to stations")]
    NoLogin,
    /// The station is not in the networks, or nowhere.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// WinRM.
    #[error(transparent)]
    WinRm(#[from] WinRmError),
}

/// Runs commands, with places for two at once on each station, of which one may change it.
#[derive(Default)]
pub struct Commander {
    winrm: WinRm,
    slots: Mutex<HashMap<HostName, CommandSlots>>,
}

impl Commander {
    /// Runs a command to its end, or to the end of its time.
    ///
    /// # Errors
    /// The station may not be reached, or WinRM says why there is no exit code.
    pub async fn run(
        &self,
        networks: &ManagementNetworks,
        access: Option<&CommandAccess>,
        (host, address): (&HostName, &str),
        command: &StationCommand,
    ) -> Result<CommandReport, RunError> {
        let access = access.ok_or(RunError::NoLogin)?;
        if networks.is_empty() {
            return Err(RunError::NoNetworks);
        }
        let (name, port) = host_and_port(address);
        let target = WinRmTarget {
            address: networks.check(name, &SystemResolver).await?,
            port,
            credential: access.credential.clone(),
            login: access.login,
            certificate: access.pins.get(host).unwrap_or(&access.certificate).clone(),
            code_page: CodePage::default(),
            timings: Timings::default(),
        };
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(host.clone()).or_default().clone();
        let _slot = slots.take(command).await;
        Ok(self.winrm.run(&target, command).await?)
    }

    /// Waits until the shells are closed that nobody waits for: the last thing before a program ends.
    pub async fn close(&self) {
        self.winrm.close().await;
    }
}
