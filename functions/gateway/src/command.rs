//! Runs Lab Station's commands on stations, by WinRM.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use stationkeeper_station_link::winrm::{
    CertificatePolicy, CodePage, CommandReport, Credential, Login, Timings, WinRm, WinRmError, WinRmTarget,
};
use stationkeeper_station_link::{AllowedCommands, CommandSlot, CommandSlots, StationCommand, StationPath};
use stationkeeper_telemetry::HostName;

use crate::credentials::CredentialStore;
use crate::reach::Reachable;

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

/// How the gateway logs in to stations whose logins are stored.
#[derive(Debug, Clone)]
pub struct CommandPolicy {
    /// How a login is proven.
    pub login: Login,
    /// Whose certificates are taken, where a station has no pin of its own.
    pub certificate: CertificatePolicy,
    /// What callers may name.
    pub allowed: AllowedCommands,
}

/// Logins of single stations, or of several that share one.
#[derive(Debug, Clone)]
pub struct StoredLogins {
    /// Where they are.
    pub store: CredentialStore,
    /// What holds for stations to which nobody else logs in.
    pub policy: CommandPolicy,
}

impl StoredLogins {
    /// With a login of theirs.
    pub(crate) fn access(&self, credential: Credential) -> CommandAccess {
        let CommandPolicy { login, certificate, allowed } = self.policy.clone();
        CommandAccess { credential, login, certificate, pins: HashMap::new(), allowed }
    }
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
    /// WinRM says why there is no exit code.
    pub async fn run(
        &self,
        access: &CommandAccess,
        host: &HostName,
        station: &Reachable,
        command: &StationCommand,
    ) -> Result<CommandReport, WinRmError> {
        let _slot = self.slot(host, command).await;
        self.winrm.run(&target(access, host, station), command).await
    }

    /// The bytes of a file of a station.
    ///
    /// # Errors
    /// WinRM says why there are none.
    pub async fn read_file(
        &self,
        access: &CommandAccess,
        host: &HostName,
        station: &Reachable,
        path: &StationPath,
    ) -> Result<Vec<u8>, WinRmError> {
        let _slot = self.slot(host, &StationCommand::ReadFile(path.clone())).await;
        self.winrm.read_file(&target(access, host, station), path).await
    }

    async fn slot(&self, host: &HostName, command: &StationCommand) -> CommandSlot {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(host.clone()).or_default().clone();
        slots.take(command).await
    }

    /// Waits until the shells are closed that nobody waits for: the last thing before a program ends.
    pub async fn close(&self) {
        self.winrm.close().await;
    }
}

fn target(access: &CommandAccess, host: &HostName, station: &Reachable) -> WinRmTarget {
    WinRmTarget {
        address: station.address.clone(),
        port: station.port,
        credential: access.credential.clone(),
        login: access.login,
        certificate: access.pins.get(host).unwrap_or(&access.certificate).clone(),
        code_page: CodePage::default(),
        timings: Timings::default(),
    }
}
