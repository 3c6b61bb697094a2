//! Whether a station answers.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::TcpStream;

use crate::networks::CheckedAddress;

/// How a station is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Probe {
    /// WinRM's port takes a connection: commands can be run.
    #[default]
    Tcp,
    /// It answers an echo request: it is on. Not every system lets a program ask without being its administrator.
    Icmp,
    /// Either.
    Any,
}

impl FromStr for Probe {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim().to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "icmp" => Ok(Self::Icmp),
            "any" => Ok(Self::Any),
            _ => Err(()),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub enum ProbeAnswer {
    /// It answered after that time.
    Answered(Duration),
    /// It is on, but nobody listens on that port (yet).
    Refused,
    /// Nothing came back in time.
    Silent,
    /// This computer could not ask: no route, or no right to.
    NotAsked(io::Error),
}

impl ProbeAnswer {
    /// Whether the question was answered with yes.
    pub fn answered(&self) -> bool {
        matches!(self, Self::Answered(_))
    }

    /// What says more of the station.
    fn better(self, other: Self) -> Self {
        let rank = |answer: &Self| match answer {
            Self::Answered(_) => 3,
            Self::Refused => 2,
            Self::Silent => 1,
            Self::NotAsked(_) => 0,
        };
        if rank(&other) > rank(&self) { other } else { self }
    }
}

/// Asks once, `port` being WinRM's. It ends within `limit`.
pub async fn probe(address: &CheckedAddress, port: u16, how: Probe, limit: Duration) -> ProbeAnswer {
    match how {
        Probe::Tcp => tcp(address.port(port), limit).await,
        Probe::Icmp => icmp(address.ip(), limit).await,
        Probe::Any => {
            let (tcp, icmp) = (tcp(address.port(port), limit), icmp(address.ip(), limit));
            tokio::pin!(tcp, icmp);
            tokio::select! {
                answer = &mut tcp => if answer.answered() { answer } else { answer.better(icmp.await) },
                answer = &mut icmp => if answer.answered() { answer } else { answer.better(tcp.await) },
            }
        }
    }
}

/// Asks again, a second apart, until it is answered or `limit` is over. The last answer says what a station that stays silent does instead.
pub async fn probe_until(address: &CheckedAddress, port: u16, how: Probe, limit: Duration) -> ProbeAnswer {
    let begun = Instant::now();
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        let answer = probe(address, port, how, left.min(ONE_PROBE)).await;
        let left = limit.saturating_sub(begun.elapsed());
        match answer {
            ProbeAnswer::Answered(_) => return ProbeAnswer::Answered(begun.elapsed()),
            _ if left <= APART => return answer,
            _ => tokio::time::sleep(APART).await,
        }
    }
}

/// A station that is on answers sooner.
const ONE_PROBE: Duration = Duration::from_secs(3);
const APART: Duration = Duration::from_secs(1);

async fn tcp(to: SocketAddr, limit: Duration) -> ProbeAnswer {
    let begun = Instant::now();
    match tokio::time::timeout(limit, TcpStream::connect(to)).await {
        Ok(Ok(_)) => ProbeAnswer::Answered(begun.elapsed()),
        Ok(Err(error)) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => ProbeAnswer::Refused,
            // The neighbour that should know the station's adapter does not.
            io::ErrorKind::HostUnreachable | io::ErrorKind::TimedOut => ProbeAnswer::Silent,
            _ => ProbeAnswer::NotAsked(error),
        },
        Err(_) => ProbeAnswer::Silent,
    }
}

/// Asks from a thread of its own, since such a socket is none of the runtime's.
async fn icmp(to: IpAddr, limit: Duration) -> ProbeAnswer {
    match tokio::task::spawn_blocking(move || echo(to, limit)).await {
        Ok(Ok(Some(after))) => ProbeAnswer::Answered(after),
        Ok(Ok(None)) => ProbeAnswer::Silent,
        Ok(Err(error)) if error.kind() == io::ErrorKind::HostUnreachable => ProbeAnswer::Silent,
        Ok(Err(error)) => ProbeAnswer::NotAsked(error),
        Err(error) => ProbeAnswer::NotAsked(io::Error::other(error)),
    }
}

/// One echo request on a socket that needs no root where the system allows it. The system fills in the identifier and hands over our replies alone.
fn echo(to: IpAddr, limit: Duration) -> io::Result<Option<Duration>> {
    let (domain, protocol, request, reply) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    let mut socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
    socket.connect(&SockAddr::from(SocketAddr::new(to, 0)))?;
    let begun = Instant::now();
    socket.send(&echo_request(request))?;
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        let mut packet = [0; 512];
        match socket.read(&mut packet) {
            // Some systems hand over the IPv4 header too.
            Ok(length) if length >= 8 && (packet[0] == reply || packet[0] >> 4 == 4) => {
                return Ok(Some(begun.elapsed()));
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Type, code, checksum, identifier, sequence, and a few bytes that come back.
fn echo_request(kind: u8) -> [u8; 16] {
    let mut packet = [kind, 0, 0, 0, 0x53, 0x4b, 0, 1, b's', b't', b'a', b't', b'i', b'o', b'n', b'?'];
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX);
    packet[2..4].copy_from_slice(&checksum.to_be_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{ManagementNetworks, SystemResolver};
    use tokio::net::TcpListener;

    async fn address(host: &str) -> CheckedAddress {
        let networks: ManagementNetworks = "127.0.0.0/8".parse().unwrap();
        networks.check(host, &SystemResolver).await.unwrap()
    }

    #[tokio::test]
    async fn a_port_that_is_open_answers() {
        let listener = TcpListener::bind("127.0.0.9:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let limit = Duration::from_secs(10);
        for how in [Probe::Tcp, Probe::Any] {
            assert!(probe(&address("127.0.0.9").await, port, how, limit).await.answered(), "{how:?}");
        }
        // On loopback a computer refuses at once.
        drop(listener);
        assert!(matches!(probe(&address("127.0.0.9").await, port, Probe::Tcp, limit).await, ProbeAnswer::Refused));
    }

    #[tokio::test]
    async fn a_station_that_comes_up_is_waited_for() {
        let reserved = TcpListener::bind("127.0.0.11:0").await.unwrap();
        let at = reserved.local_addr().unwrap();
        drop(reserved);
        let address = address("127.0.0.11").await;
        let (wait, port) = (Duration::from_secs(30), at.port());
        let comes_up = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let _listener = TcpListener::bind(at).await.unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = probe_until(&address, port, Probe::Tcp, wait) => assert!(answer.answered(), "{answer:?}"),
            () = comes_up => {}
        }
        let stays_down = probe_until(&address, port, Probe::Tcp, Duration::from_millis(500)).await;
        assert!(matches!(stays_down, ProbeAnswer::Refused), "{stays_down:?}");
    }

    #[tokio::test]
    async fn a_station_that_is_on_answers_an_echo_or_cannot_be_asked() {
        match probe(&address("127.0.0.1").await, 1, Probe::Icmp, Duration::from_secs(10)).await {
            ProbeAnswer::Answered(after) => assert!(after < Duration::from_secs(10)),
            ProbeAnswer::NotAsked(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_says_more_of_a_station_counts() {
        let not_asked = || ProbeAnswer::NotAsked(io::ErrorKind::PermissionDenied.into());
        assert!(ProbeAnswer::Silent.better(ProbeAnswer::Answered(Duration::ZERO)).answered());
        assert!(ProbeAnswer::Answered(Duration::ZERO).better(ProbeAnswer::Refused).answered());
        assert!(matches!(not_asked().better(ProbeAnswer::Refused), ProbeAnswer::Refused));
        assert!(matches!(ProbeAnswer::Silent.better(not_asked()), ProbeAnswer::Silent));
    }

    #[test]
    fn a_packet_and_its_checksum_add_up() {
        for kind in [8, 128] {
            let sum: u32 =
                echo_request(kind).chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        }
    }
}
