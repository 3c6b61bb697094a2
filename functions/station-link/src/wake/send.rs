//! Sends what was planned, from a socket on each interface.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use ipnet::Ipv4Net;
use tokio::net::UdpSocket;

use super::{Interface, WakePlan, WakeRequest, WakeWay, magic_packet};

/// Between the repetitions of a packet: what lost the first may not lose the next.
const APART: Duration = Duration::from_millis(50);

/// What an attempt sent.
#[derive(Debug, Default)]
pub struct WakeSent {
    /// Packets that left, repetitions and ports counted.
    pub packets: u32,
    /// The ways that took at least one.
    pub ways: Vec<WakeWay>,
    /// What could not be sent.
    pub failures: Vec<WakeFailure>,
}

/// A packet that did not leave.
#[derive(Debug, thiserror::Error)]
#[error("cannot send a magic packet to {to} ({way})")]
pub struct WakeFailure {
    /// The way.
    pub way: WakeWay,
    /// Where it would have gone.
    pub to: SocketAddrV4,
    /// Why not.
    pub source: io::Error,
}

/// Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum WakeError {
    /// No interface and no address lies in the networks of stations.
    #[error("no magic packet was sent: no interface and no address of the station lies in the management networks")]
    NoWay,
    /// Every way failed.
    #[error("no magic packet was sent")]
    Nothing(#[source] WakeFailure),
    /// The interfaces cannot be listed.
    #[error("cannot list the network interfaces")]
    Interfaces(#[source] io::Error),
}

/// The IPv4 interfaces of this computer, with each of their addresses.
pub fn interfaces() -> Result<Vec<Interface>, WakeError> {
    let listed = if_addrs::get_if_addrs().map_err(WakeError::Interfaces)?;
    let interface = |one: if_addrs::Interface| match one.addr {
        if_addrs::IfAddr::V4(v4) => {
            let network = Ipv4Net::with_netmask(v4.ip, v4.netmask).ok()?;
            Some(Interface { name: one.name, network })
        }
        if_addrs::IfAddr::V6(_) => None,
    };
    Ok(listed.into_iter().filter_map(interface).collect())
}

/// Sends the packets of an attempt (from 1). An error only if none left.
pub async fn send(request: &WakeRequest, plan: &WakePlan, attempt: u32) -> Result<WakeSent, WakeError> {
    let packet = magic_packet(request.mac, request.password.as_ref());
    let destinations = plan.of_attempt(attempt);
    let mut sockets: BTreeMap<Option<Ipv4Addr>, UdpSocket> = BTreeMap::new();
    let mut sent = WakeSent::default();
    for repetition in 0..request.repetitions.max(1) {
        if repetition > 0 {
            tokio::time::sleep(APART).await;
        }
        for destination in &destinations {
            for &port in &request.ports {
                let to = SocketAddrV4::new(destination.to, port);
                match send_one(&mut sockets, destination.from, to, &packet).await {
                    Ok(()) => {
                        sent.packets += 1;
                        if !sent.ways.contains(&destination.way) {
                            sent.ways.push(destination.way.clone());
                        }
                    }
                    // Said once, not with every repetition.
                    Err(source) if repetition == 0 => {
                        sent.failures.push(WakeFailure { way: destination.way.clone(), to, source });
                    }
                    Err(_) => {}
                }
            }
        }
    }
    match (sent.packets, sent.failures.pop()) {
        (0, None) => Err(WakeError::NoWay),
        (0, Some(failure)) => Err(WakeError::Nothing(failure)),
        (_, failure) => {
            sent.failures.extend(failure);
            Ok(sent)
        }
    }
}

async fn send_one(
    sockets: &mut BTreeMap<Option<Ipv4Addr>, UdpSocket>,
    from: Option<Ipv4Addr>,
    to: SocketAddrV4,
    packet: &[u8],
) -> io::Result<()> {
    use std::collections::btree_map::Entry;
    let socket = match sockets.entry(from) {
        Entry::Occupied(socket) => socket.into_mut(),
        Entry::Vacant(place) => {
            // Bound to the interface's address, a broadcast leaves by that interface.
            let socket = UdpSocket::bind((from.unwrap_or(Ipv4Addr::UNSPECIFIED), 0)).await?;
            socket.set_broadcast(true)?;
            place.insert(socket)
        }
    };
    match socket.send_to(packet, to).await {
        // The refusal of an earlier packet, which a connectionless socket reports late.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => socket.send_to(packet, to).await.map(drop),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::plan;

    async fn caught(socket: &UdpSocket, count: usize) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while packets.len() < count {
            let mut packet = [0; 200];
            let waited = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut packet)).await;
            packets.push(packet[..waited.expect("a packet within ten seconds").unwrap()].to_vec());
        }
        packets
    }

    #[tokio::test]
    async fn packets_arrive_on_a_real_socket() {
        let one = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let other = UdpSocket::bind(("127.0.3.4", 0)).await.unwrap();
        let ports = vec![one.local_addr().unwrap().port(), other.local_addr().unwrap().port()];
        let request = WakeRequest {
            password: Some("1.2.3.4".parse().unwrap()),
            address: Some(Ipv4Addr::new(127, 0, 3, 4)),
            broadcast: Some(Ipv4Addr::LOCALHOST),
            ports,
            repetitions: 2,
            ..WakeRequest::new("02:00:00:00:00:07".parse().unwrap())
        };
        let plan = plan(&request, &[], &"127.0.0.0/16".parse().unwrap(), None);
        let sent = send(&request, &plan, 1).await.unwrap();
        assert_eq!((sent.packets, sent.ways, sent.failures.len()), (8, vec![WakeWay::Asked, WakeWay::Unicast], 0));
        let packet = magic_packet(request.mac, request.password.as_ref());
        assert_eq!(caught(&one, 2).await, [packet.clone(), packet.clone()]);
        assert_eq!(caught(&other, 2).await, [packet.clone(), packet]);
    }

    #[tokio::test]
    async fn without_a_way_nothing_is_sent() {
        let request = WakeRequest::new("02:00:00:00:00:07".parse().unwrap());
        let plan = plan(&request, &[], &"127.0.0.0/16".parse().unwrap(), None);
        assert!(matches!(send(&request, &plan, 1).await, Err(WakeError::NoWay)));
    }

    #[tokio::test]
    async fn a_way_that_fails_is_named() {
        // 192.0.2.0/24 is of no computer: a socket cannot be bound there.
        let nowhere = Interface { name: "gone".into(), network: "192.0.2.1/24".parse().unwrap() };
        let networks = "192.0.2.0/24".parse().unwrap();
        let request = WakeRequest::new("02:00:00:00:00:07".parse().unwrap());
        let plan = plan(&request, &[nowhere], &networks, None);
        let error = send(&request, &plan, 1).await.unwrap_err();
        assert!(
            matches!(&error, WakeError::Nothing(failure) if failure.way.to_string().ends_with(":gone")),
            "{error:?}"
        );
    }

    #[test]
    fn the_loopback_interface_is_listed() {
        let listed = interfaces().unwrap();
        assert!(listed.iter().any(|one| one.network.addr() == Ipv4Addr::LOCALHOST), "{listed:?}");
    }
}
