//! Which stations the gateway may reach: those whose addresses lie in the management networks, all of them.

use stationkeeper_station_link::wake::WakeRequest;
use stationkeeper_station_link::{AddressError, CheckedAddress, ManagementNetworks, SystemResolver};

use crate::command::CommandAccess;

/// Where WinRM listens, which is also what a probe asks for.
const WINRM_PORT: u16 = stationkeeper_station_link::winrm::WINRM_PORT;

/// How far the gateway may reach.
#[derive(Debug, Clone)]
pub struct StationReach {
    /// The networks in which stations stand; none: no station may be reached.
    pub networks: ManagementNetworks,
    /// UDP ports of magic packets.
    pub wake_ports: Vec<u16>,
    /// How commands are run; none: none is.
    pub commands: Option<CommandAccess>,
}

impl Default for StationReach {
    fn default() -> Self {
        Self { networks: ManagementNetworks::default(), wake_ports: WakeRequest::PORTS.to_vec(), commands: None }
    }
}

/// A station that may be reached. There is no other way to wake or command one.
#[derive(Debug, Clone)]
pub struct Reachable {
    pub(crate) address: CheckedAddress,
    pub(crate) port: u16,
}

/// Why a station may not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// No networks were named.
    #[error("no station may be reached: name the networks they stand in by WINRM_MANAGEMENT_CIDRS")]
    NoNetworks,
    /// It is not in them, or nowhere.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl StationReach {
    /// Checks where a station is: a name or an address, with a port where it does not listen where WinRM does.
    ///
    /// # Errors
    /// It may not be reached.
    pub async fn check(&self, target: &str) -> Result<Reachable, ReachError> {
        if self.networks.is_empty() {
            return Err(ReachError::NoNetworks);
        }
        let (host, port) = host_and_port(target);
        Ok(Reachable { address: self.networks.check(host, &SystemResolver).await?, port })
    }
}

/// The parts of a target.
pub(crate) fn host_and_port(target: &str) -> (&str, u16) {
    if let Some((host, port)) = target.rsplit_once(':')
        && (!host.contains(':') || host.ends_with(']'))
        && let Ok(port) = port.parse()
    {
        return (host, port);
    }
    (target, WINRM_PORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_may_name_its_port() {
        for (target, host, port) in [
            ("lab-ws01", "lab-ws01", 5986),
            ("10.0.0.7", "10.0.0.7", 5986),
            ("127.3.0.1:40001", "127.3.0.1", 40_001),
            ("fe80::1", "fe80::1", 5986),
            ("[fe80::1]:443", "[fe80::1]", 443),
            ("lab-ws01:x", "lab-ws01:x", 5986),
        ] {
            assert_eq!(host_and_port(target), (host, port), "{target}");
        }
    }

    #[tokio::test]
    async fn without_networks_or_outside_of_them_nothing_is_reached() {
        let nothing = StationReach::default().check("127.0.0.1").await;
        assert!(matches!(nothing, Err(ReachError::NoNetworks)));
        let reach = StationReach { networks: "10.9.0.0/16".parse().unwrap(), ..StationReach::default() };
        let outside = reach.check("127.0.0.1").await;
        assert!(matches!(outside, Err(ReachError::Address(AddressError::Outside { .. }))), "{outside:?}");
    }
}
