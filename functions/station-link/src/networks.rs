//! The networks in which stations are managed. Nothing is sent elsewhere: a name is resolved once, all of its addresses are checked, and the
//! connection goes to the address that was checked.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

/// Networks in CIDR notation, by commas or spaces (`WINRM_MANAGEMENT_CIDRS`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagementNetworks(Vec<IpNet>);

/// A list of networks that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no network: write it like 10.20.0.0/16")]
pub struct NetworksError(String);

impl FromStr for ManagementNetworks {
    type Err = NetworksError;

    fn from_str(text: &str) -> Result<Self, NetworksError> {
        let network = |word: &str| {
            let single = || word.parse::<IpAddr>().map(IpNet::from);
            let network = word.parse::<IpNet>().or_else(|_| single()).map_err(|_| NetworksError(word.to_owned()))?;
            Ok(network.trunc())
        };
        text.split([',', ';']).flat_map(str::split_whitespace).map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for ManagementNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(IpNet::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

impl ManagementNetworks {
    /// Whether there is none: then no station may be reached.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address lies in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether a network shares an address with one of them.
    pub(crate) fn touches(&self, network: Ipv4Net) -> bool {
        let network = IpNet::V4(network);
        self.0.iter().any(|ours| ours.contains(&network) || network.contains(ours))
    }

    /// The address of a host, if all that its name stands for lie in these networks. A name that answers otherwise later changes nothing: it is not
    /// asked again.
    pub async fn check(&self, host: &str, resolver: &impl Resolve) -> Result<CheckedAddress, AddressError> {
        self.check_within(RESOLUTION, host, resolver).await
    }

    async fn check_within(
        &self,
        limit: Duration,
        host: &str,
        resolver: &impl Resolve,
    ) -> Result<CheckedAddress, AddressError> {
        let host = host.trim().trim_start_matches('[').trim_end_matches(']');
        if !is_host(host) {
            return Err(AddressError::NoHost(host.chars().filter(|c| !c.is_control()).take(80).collect()));
        }
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let asked = tokio::time::timeout(limit, resolver.resolve(host)).await;
                let unresolved = |source| AddressError::Unresolved { host: host.to_owned(), source };
                asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(unresolved)?
            }
        };
        let addresses: Vec<IpAddr> = addresses.iter().map(IpAddr::to_canonical).collect();
        if let Some(&address) = addresses.iter().find(|address| !self.contains(**address)) {
            return Err(AddressError::Outside { host: host.to_owned(), address });
        }
        let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
        match first {
            Some(&address) => Ok(CheckedAddress { host: host.to_owned(), address }),
            None => Err(AddressError::Unresolved { host: host.to_owned(), source: io::ErrorKind::NotFound.into() }),
        }
    }
}

/// A name server that does not answer costs no more.
const RESOLUTION: Duration = Duration::from_secs(5);

/// A name as DNS and NetBIOS know it, or an address.
fn is_host(host: &str) -> bool {
    let letters = |c: char| c.is_alphanumeric() || "-_.:".contains(c);
    !host.is_empty() && host.len() <= 253 && !host.starts_with('-') && host.chars().all(letters)
}

/// Turns a name into addresses.
pub trait Resolve {
    /// All of them.
    fn resolve(&self, host: &str) -> impl Future<Output = io::Result<Vec<IpAddr>>> + Send;
}

/// What the system's resolver says.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A station's address after the check. There is no other way to get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedAddress {
    host: String,
    address: IpAddr,
}

impl CheckedAddress {
    /// The name that was asked for, or the address: what a certificate must name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where connections go.
    pub fn ip(&self) -> IpAddr {
        self.address
    }

    /// With a port.
    pub fn port(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// The IPv4 address: Wake-on-LAN has no other.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }
}

/// Why a host is not connected to.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Neither a name nor an address.
    #[error("'{0}' is neither a host name nor an address")]
    NoHost(String),
    /// Nobody knows the name.
    #[error("cannot resolve {host}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// One address at least is elsewhere.
    #[error(
        "{host} is not reached: its address {address} lies outside the management networks (WINRM_MANAGEMENT_CIDRS)"
    )]
    Outside {
        /// The name.
        host: String,
        /// The address.
        address: IpAddr,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A name server whose answers change with every question.
    struct Changing(Vec<&'static [&'static str]>, AtomicUsize);

    impl Resolve for Changing {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            let turn = self.1.fetch_add(1, Ordering::Relaxed);
            Ok(self.0[turn.min(self.0.len() - 1)].iter().map(|text| text.parse().unwrap()).collect())
        }
    }

    struct Silent;

    impl Resolve for Silent {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            std::future::pending().await
        }
    }

    fn networks(text: &str) -> ManagementNetworks {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_a_list() {
        assert_eq!(
            networks("10.20.3.4/16, 127.0.0.0/16;fd00::/8 10.0.0.9").to_string(),
            "10.20.0.0/16, 127.0.0.0/16, fd00::/8, 10.0.0.9/32"
        );
        assert!(networks(" ").is_empty());
        for bad in ["10.0.0.0/33", "lab", "10.0.0.0/16 x"] {
            assert!(bad.parse::<ManagementNetworks>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn every_address_of_a_name_must_lie_in_them() {
        let ours = networks("10.20.0.0/16, fd00::/8");
        for (answer, checked) in [
            (&["10.20.0.7"][..], Some("10.20.0.7")),
            (&["fd00::7", "10.20.0.7"], Some("10.20.0.7")),
            (&["fd00::7"], Some("fd00::7")),
            (&["::ffff:10.20.0.7"], Some("10.20.0.7")),
            (&["10.20.0.7", "192.0.2.1"], None),
            (&["10.20.0.7", "2001:db8::1"], None),
            (&["::ffff:192.0.2.1"], None),
            (&["10.21.0.0"], None),
            (&["169.254.169.254"], None),
            (&[], None),
        ] {
            let resolver = Changing(vec![answer], AtomicUsize::new(0));
            let address = ours.check("lab-ws01", &resolver).await.ok().map(|checked| checked.ip().to_string());
            assert_eq!(address.as_deref(), checked, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_changes_after_the_check_changes_nothing() {
        let resolver = Changing(vec![&["10.20.0.7"], &["192.0.2.1"]], AtomicUsize::new(0));
        let ours = networks("10.20.0.0/16");
        let checked = ours.check("lab-ws01", &resolver).await.unwrap();
        assert_eq!(checked.port(5986).to_string(), "10.20.0.7:5986");
        assert_eq!(resolver.1.load(Ordering::Relaxed), 1, "asked once");
        assert!(matches!(ours.check("lab-ws01", &resolver).await, Err(AddressError::Outside { .. })));
    }

    #[tokio::test]
    async fn an_address_is_checked_like_a_name() {
        let never = Changing(vec![&["10.20.0.1"]], AtomicUsize::new(0));
        let ours = networks("127.0.0.0/16, ::1/128");
        for (host, reached) in [
            ("127.0.3.4", true),
            ("[::1]", true),
            ("127.1.0.1", false),
            ("8.8.8.8", false),
            ("", false),
            ("a b", false),
            ("-x", false),
            ("a/b", false),
            ("a@b", false),
        ] {
            assert_eq!(ours.check(host, &never).await.is_ok(), reached, "{host}");
        }
        assert_eq!(never.1.load(Ordering::Relaxed), 0, "no name was asked for");
        assert!(matches!(
            ManagementNetworks::default().check("127.0.0.1", &never).await,
            Err(AddressError::Outside { .. })
        ));
    }

    #[tokio::test]
    async fn a_name_server_that_does_not_answer_is_not_waited_for() {
        let ours = networks("10.0.0.0/8");
        let error = ours.check_within(Duration::from_millis(20), "lab-ws01", &Silent).await.unwrap_err();
        assert!(matches!(error, AddressError::Unresolved { source, .. } if source.kind() == io::ErrorKind::TimedOut));
    }
}
