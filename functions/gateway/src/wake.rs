//! Wakes a station: magic packets, then probes until it answers.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use stationkeeper_station_link::wake::{MacAddress, WakeError, WakeRequest, WakeWay, interfaces, plan, send};
use stationkeeper_station_link::{Probe, probe_until};

use crate::reach::{Reachable, StationReach};

/// Whom to wake, and how patiently.
#[derive(Debug, Clone)]
pub struct WakeOrder {
    /// Its adapter.
    pub mac: MacAddress,
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

/// Sends packets and waits, attempt by attempt. `tell` is called before each attempt with its number.
pub async fn wake_station(
    reach: &StationReach,
    station: &Reachable,
    order: &WakeOrder,
    mut tell: impl FnMut(u32),
) -> WakeReport {
    let begun = Instant::now();
    let request = WakeRequest {
        address: station.address.ipv4(),
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
        if probe_until(&station.address, station.port, Probe::Tcp, order.patience).await.answered() {
            return WakeReport { answers: true, attempts: attempt, took: begun.elapsed(), way, problem: None };
        }
    }
    WakeReport { answers: false, attempts: order.attempts.max(1), took: begun.elapsed(), way: None, problem }
}

fn said(error: &WakeError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> WakeOrder {
        WakeOrder {
            mac: "02:00:00:00:00:01".parse().unwrap(),
            attempts: 2,
            patience: Duration::from_millis(200),
            broadcast: None,
            port: None,
            remembered: None,
        }
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
        let station = reach.check(&target.to_string()).await.unwrap();
        let silent = wake_station(&reach, &station, &order(), |attempt| told.push(attempt)).await;
        assert_eq!((silent.answers, silent.attempts, told), (false, 2, vec![1, 2]));
        let mut packet = [0; 200];
        let length = adapter.recv(&mut packet).await.unwrap();
        assert_eq!((length, &packet[..8]), (102, &[255, 255, 255, 255, 255, 255, 2, 0][..]));
        let listener = tokio::net::TcpListener::bind(target).await.unwrap();
        let up = wake_station(&reach, &station, &order(), |_| {}).await;
        assert_eq!((up.answers, up.attempts), (true, 1));
        drop(listener);
    }
}
