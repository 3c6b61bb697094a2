//! Wakes a station: magic packets, then probes until it answers.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use stationkeeper_station_link::wake::{MacAddress, WakeError, WakeRequest, WakeWay, interfaces, plan, send};
use stationkeeper_station_link::{AddressError, ManagementNetworks, Probe, SystemResolver, probe_until};

use crate::command::CommandAccess;

/// Where WinRM listens, which is what a probe asks for.
const WINRM_PORT: u16 = 5986;

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

/// Whom to wake, and how patiently.
#[derive(Debug, Clone)]
pub struct WakeOrder {
    /// Its adapter.
    pub mac: MacAddress,
    /// What answers when it is on: a name or an address, with a port where it is not WinRM's own.
    pub target: String,
    /// How often packets are sent.
    pub attempts: u32,
    /// How long an answer is waited for after each attempt.
    pub patience: Duration,
    /// An address to broadcast to beside those of the interfaces.
    pub broadcast: Option<Ipv4Addr>,
    /// A UDP port in place of the usual ones.
    pub port: Option<u16>,
    /// The way that worked last.
    pub remembered: Option<WakeWay>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct WakeReport {
    /// It answers.
    pub answers: bool,
    /// Attempts that were made.
    pub attempts: u32,
    /// From the order to the answer, or to the end of patience.
    pub took: Duration,
    /// The way that is worth beginning with the next time.
    pub way: Option<WakeWay>,
    /// Why no packet left, where none did.
    pub problem: Option<String>,
}

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub enum WakeRefused {
    /// No networks were named.
    #[error("no station may be reached: name the networks they stand in by WINRM_MANAGEMENT_CIDRS")]
    NoNetworks,
    /// The target is not in them, or nowhere.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Sends packets and waits, attempt by attempt. `tell` is called before each attempt with its number.
///
/// # Errors
/// The target may not be reached: nothing was sent.
pub async fn wake_station(
    reach: &StationReach,
    order: &WakeOrder,
    mut tell: impl FnMut(u32),
) -> Result<WakeReport, WakeRefused> {
    if reach.networks.is_empty() {
        return Err(WakeRefused::NoNetworks);
    }
    let (host, port) = host_and_port(&order.target);
    let address = reach.networks.check(host, &SystemResolver).await?;
    let begun = Instant::now();
    let request = WakeRequest {
        address: address.ipv4(),
        broadcast: order.broadcast,
        ports: order.port.map_or_else(|| reach.wake_ports.clone(), |port| vec![port]),
        ..WakeRequest::new(order.mac)
    };
    let mut problem = None;
    for attempt in 1..=order.attempts.max(1) {
        tell(attempt);
        // Interfaces come and go with cables.
        let sent = match interfaces() {
            Ok(interfaces) => {
                let plan = plan(&request, &interfaces, &reach.networks, order.remembered.as_ref());
                send(&request, &plan, attempt).await.map(|sent| (plan, sent))
            }
            Err(error) => Err(error),
        };
        let way = match &sent {
            Ok((plan, _)) => plan.to_remember(attempt).cloned(),
            Err(error) => {
                problem = Some(said(error));
                None
            }
        };
        if probe_until(&address, port, Probe::Tcp, order.patience).await.answered() {
            return Ok(WakeReport { answers: true, attempts: attempt, took: begun.elapsed(), way, problem: None });
        }
    }
    Ok(WakeReport { answers: false, attempts: order.attempts.max(1), took: begun.elapsed(), way: None, problem })
}

fn said(error: &WakeError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// A catalog may hold `ADDRESS:PORT` where a station does not listen where WinRM does.
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

    fn order(target: &str) -> WakeOrder {
        WakeOrder {
            mac: "02:00:00:00:00:01".parse().unwrap(),
            target: target.to_owned(),
            attempts: 2,
            patience: Duration::from_millis(200),
            broadcast: None,
            port: None,
            remembered: None,
        }
    }

    #[tokio::test]
    async fn without_networks_or_outside_of_them_nothing_is_sent() {
        let nothing = wake_station(&StationReach::default(), &order("127.0.0.1"), |_| {}).await;
        assert!(matches!(nothing, Err(WakeRefused::NoNetworks)));
        let reach = StationReach { networks: "10.9.0.0/16".parse().unwrap(), ..StationReach::default() };
        let outside = wake_station(&reach, &order("127.0.0.1"), |_| {}).await;
        assert!(matches!(outside, Err(WakeRefused::Address(AddressError::Outside { .. }))), "{outside:?}");
    }

    #[tokio::test]
    async fn packets_are_sent_until_it_answers_or_patience_ends() {
        let adapter = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = adapter.local_addr().unwrap().port();
        let reach = StationReach { networks: "127.0.0.0/8".parse().unwrap(), wake_ports: vec![port], commands: None };
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = closed.local_addr().unwrap();
        drop(closed);
        let mut told = Vec::new();
        let silent = wake_station(&reach, &order(&target.to_string()), |attempt| told.push(attempt)).await.unwrap();
        assert_eq!((silent.answers, silent.attempts, told), (false, 2, vec![1, 2]));
        let mut packet = [0; 200];
        let length = adapter.recv(&mut packet).await.unwrap();
        assert_eq!((length, &packet[..8]), (102, &[255, 255, 255, 255, 255, 255, 2, 0][..]));
        let listener = tokio::net::TcpListener::bind(target).await.unwrap();
        let up = wake_station(&reach, &order(&target.to_string()), |_| {}).await.unwrap();
        assert_eq!((up.answers, up.attempts), (true, 1));
        drop(listener);
    }
}
