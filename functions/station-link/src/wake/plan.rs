//! Which packets go where, decided from what is known of the interfaces.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;

use super::{MacAddress, SecureOn};
use crate::networks::ManagementNetworks;

/// A network interface of this computer, with one of its IPv4 addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// As the system calls it.
    pub name: String,
    /// Its address and mask.
    pub network: Ipv4Net,
}

/// What is known of a station that is to wake.
#[derive(Debug, Clone)]
pub struct WakeRequest {
    /// Its adapter.
    pub mac: MacAddress,
    /// What a SecureOn adapter wants.
    pub password: Option<SecureOn>,
    /// Where it is when it is on.
    pub address: Option<Ipv4Addr>,
    /// An address to broadcast to that somebody gave: a relay, or the network behind a router.
    pub broadcast: Option<Ipv4Addr>,
    /// UDP ports, each of which gets each packet.
    pub ports: Vec<u16>,
    /// How often each packet is sent in one attempt.
    pub repetitions: u32,
}

impl WakeRequest {
    /// The usual ports, discard and echo.
    pub const PORTS: [u16; 2] = [9, 7];

    /// To the usual ports, three times each: a packet that nobody answers may be lost.
    pub fn new(mac: MacAddress) -> Self {
        Self { mac, password: None, address: None, broadcast: None, ports: Self::PORTS.to_vec(), repetitions: 3 }
    }
}

/// One way to reach an adapter that sleeps. Its text is stable (`directed:eth0`, `limited:eth0`, `asked`, `unicast`) and can be kept with the station.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WakeWay {
    /// The broadcast address that was given.
    Asked,
    /// The broadcast address of an interface's network, from that interface.
    Directed(String),
    /// 255.255.255.255 from that interface.
    Limited(String),
    /// The station's own address, for switches and routers that still know it.
    Unicast,
}

impl fmt::Display for WakeWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("asked"),
            Self::Directed(interface) => write!(f, "directed:{interface}"),
            Self::Limited(interface) => write!(f, "limited:{interface}"),
            Self::Unicast => f.write_str("unicast"),
        }
    }
}

/// A text that names no way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no way of Wake-on-LAN")]
pub struct WakeWayError(String);

impl FromStr for WakeWay {
    type Err = WakeWayError;

    fn from_str(text: &str) -> Result<Self, WakeWayError> {
        match text.split_once(':') {
            Some(("directed", interface)) if !interface.is_empty() => Ok(Self::Directed(interface.to_owned())),
            Some(("limited", interface)) if !interface.is_empty() => Ok(Self::Limited(interface.to_owned())),
            None if text == "asked" => Ok(Self::Asked),
            None if text == "unicast" => Ok(Self::Unicast),
            _ => Err(WakeWayError(text.to_owned())),
        }
    }
}

/// Where a way goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub way: WakeWay,
    /// The interface's address; none: the system chooses by its routes.
    pub from: Option<Ipv4Addr>,
    pub to: Ipv4Addr,
}

/// All the ways to a station, and the one that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakePlan {
    destinations: Vec<Destination>,
    remembered: Option<WakeWay>,
}

impl WakePlan {
    /// The ways that an attempt (from 1) takes. The first takes the way that is remembered alone, so that an answer to it says that it still works;
    /// all other attempts take all.
    pub fn ways_of_attempt(&self, attempt: u32) -> Vec<&WakeWay> {
        let mut ways: Vec<&WakeWay> =
            self.of_attempt(attempt).into_iter().map(|destination| &destination.way).collect();
        ways.dedup();
        ways
    }

    pub(crate) fn of_attempt(&self, attempt: u32) -> Vec<&Destination> {
        let alone = self.remembered.as_ref().filter(|_| attempt <= 1);
        self.destinations.iter().filter(|destination| alone.is_none_or(|way| destination.way == *way)).collect()
    }

    /// What is worth remembering after an attempt that was answered: a way that was alone. Of several, the one after that which was remembered and
    /// has failed, so that in the end one is found that works alone.
    pub fn to_remember(&self, attempt: u32) -> Option<&WakeWay> {
        let taken = self.ways_of_attempt(attempt);
        let failed = self.remembered.as_ref().filter(|_| attempt > 1);
        match failed.and_then(|failed| taken.iter().position(|way| *way == failed)) {
            Some(place) => taken.get((place + 1) % taken.len()).copied(),
            None => taken.first().copied(),
        }
    }
}

/// Decides where packets go. Only networks of `networks` are sent to. `remembered`: the way that worked last.
pub fn plan(
    request: &WakeRequest,
    interfaces: &[Interface],
    networks: &ManagementNetworks,
    remembered: Option<&WakeWay>,
) -> WakePlan {
    let inside = |address: &Ipv4Addr| networks.contains((*address).into());
    let address = request.address.filter(inside);
    let ours: Vec<&Interface> = interfaces.iter().filter(|interface| networks.touches(interface.network)).collect();
    // A loopback interface reaches stations on this computer only.
    let local = address.is_some_and(|address| address.is_loopback());
    let usable = |interface: &&&Interface| interface.network.addr().is_loopback() == local;
    let near: Vec<&Interface> = match address {
        Some(address) => ours.iter().filter(usable).filter(|one| one.network.contains(&address)).copied().collect(),
        None => Vec::new(),
    };
    // Nobody here is its neighbour: any of them may be.
    let from = if near.is_empty() { ours.iter().filter(usable).copied().collect() } else { near };

    let mut destinations = Vec::new();
    if let Some(to) = request.broadcast.filter(|to| inside(to) || to.is_broadcast()) {
        if to.is_broadcast() {
            destinations.extend(from.iter().map(|one| Destination {
                way: WakeWay::Asked,
                from: Some(one.network.addr()),
                to,
            }));
        } else {
            let from = from.iter().find(|one| one.network.contains(&to)).map(|one| one.network.addr());
            destinations.push(Destination { way: WakeWay::Asked, from, to });
        }
    }
    for interface in &from {
        // A point-to-point link has no broadcast.
        if interface.network.prefix_len() < 31 {
            let (name, from) = (&interface.name, Some(interface.network.addr()));
            destinations.push(Destination {
                way: WakeWay::Directed(name.clone()),
                from,
                to: interface.network.broadcast(),
            });
            if !local {
                destinations.push(Destination { way: WakeWay::Limited(name.clone()), from, to: Ipv4Addr::BROADCAST });
            }
        }
    }
    destinations.extend(address.map(|to| Destination { way: WakeWay::Unicast, from: None, to }));

    let known = |way: &&WakeWay| destinations.iter().any(|destination| destination.way == **way);
    let remembered = remembered.filter(known).cloned();
    WakePlan { destinations, remembered }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, network: &str) -> Interface {
        Interface { name: name.into(), network: network.parse().unwrap() }
    }

    fn computer() -> Vec<Interface> {
        vec![
            interface("lo", "127.0.0.1/8"),
            interface("office", "192.0.2.10/24"),
            interface("lab", "10.20.0.2/22"),
            interface("lab2", "10.20.8.2/24"),
            interface("link", "10.20.9.2/32"),
        ]
    }

    fn request(address: Option<&str>, broadcast: Option<&str>) -> WakeRequest {
        let parsed = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        WakeRequest {
            address: parsed(address),
            broadcast: parsed(broadcast),
            ..WakeRequest::new("02:00:00:00:00:01".parse().unwrap())
        }
    }

    fn said(destinations: &[Destination]) -> String {
        let from = |from: Option<Ipv4Addr>| from.map_or("-".to_owned(), |from| from.to_string());
        let texts: Vec<String> =
            destinations.iter().map(|one| format!("{} {}>{}", one.way, from(one.from), one.to)).collect();
        texts.join(", ")
    }

    #[test]
    fn packets_go_where_the_station_can_be() {
        let (lab, none) = (&"10.20.0.0/16".parse().unwrap(), &ManagementNetworks::default());
        let both = "directed:lab 10.20.0.2>10.20.3.255, limited:lab 10.20.0.2>255.255.255.255, \
                    directed:lab2 10.20.8.2>10.20.8.255, limited:lab2 10.20.8.2>255.255.255.255";
        for (shows, address, broadcast, networks, sent) in [
            (
                "its neighbours broadcast",
                Some("10.20.1.7"),
                None,
                lab,
                "directed:lab 10.20.0.2>10.20.3.255, limited:lab 10.20.0.2>255.255.255.255, unicast ->10.20.1.7",
            ),
            ("without an address all of the lab's do", None, None, lab, both),
            (
                "behind a router nobody is its neighbour",
                Some("10.20.77.7"),
                None,
                lab,
                &format!("{both}, unicast ->10.20.77.7"),
            ),
            ("an address elsewhere is not sent to", Some("192.0.2.7"), None, lab, both),
            (
                "a broadcast address that was given comes first",
                Some("10.20.8.7"),
                Some("10.20.77.255"),
                lab,
                "asked ->10.20.77.255, directed:lab2 10.20.8.2>10.20.8.255, limited:lab2 10.20.8.2>255.255.255.255, unicast ->10.20.8.7",
            ),
            (
                "255.255.255.255 leaves from the lab's interfaces",
                Some("10.20.8.7"),
                Some("255.255.255.255"),
                lab,
                "asked 10.20.8.2>255.255.255.255, directed:lab2 10.20.8.2>10.20.8.255, limited:lab2 10.20.8.2>255.255.255.255, unicast ->10.20.8.7",
            ),
            ("a broadcast address elsewhere is left out", None, Some("192.0.2.255"), lab, both),
            ("without networks nothing is sent", Some("10.20.1.7"), Some("10.20.3.255"), none, ""),
        ] {
            let plan = plan(&request(address, broadcast), &computer(), networks, None);
            assert_eq!(said(&plan.destinations), sent, "{shows}");
            assert_eq!(plan.of_attempt(1).len(), plan.destinations.len());
        }
    }

    #[test]
    fn a_station_on_this_computer_is_woken_by_loopback_alone() {
        let loopback = &"127.0.0.0/16, 10.20.0.0/16".parse().unwrap();
        let plan = plan(&request(Some("127.0.3.4"), Some("127.0.0.1")), &computer(), loopback, None);
        let sent = "asked 127.0.0.1>127.0.0.1, directed:lo 127.0.0.1>127.255.255.255, unicast ->127.0.3.4";
        assert_eq!(said(&plan.destinations), sent);
    }

    #[test]
    fn what_worked_is_tried_alone_and_then_all() {
        let networks = "10.20.0.0/16".parse().unwrap();
        let with = |remembered: &str| {
            let way: WakeWay = remembered.parse().unwrap();
            plan(&request(Some("10.20.1.7"), None), &computer(), &networks, Some(&way))
        };
        let words = |ways: Vec<&WakeWay>| ways.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let remembered = with("unicast");
        assert_eq!(words(remembered.ways_of_attempt(1)), "unicast");
        assert_eq!(words(remembered.ways_of_attempt(2)), "directed:lab limited:lab unicast");
        let gone = with("directed:eth7");
        assert_eq!(words(gone.ways_of_attempt(1)), "directed:lab limited:lab unicast");
    }

    #[test]
    fn in_the_end_a_way_is_found_that_works_alone() {
        let networks = "10.20.0.0/16".parse().unwrap();
        let request = request(Some("10.20.1.7"), None);
        let works = WakeWay::Unicast;
        let mut remembered: Option<WakeWay> = None;
        let mut wakes = 0;
        loop {
            wakes += 1;
            let plan = plan(&request, &computer(), &networks, remembered.as_ref());
            let attempt = if plan.ways_of_attempt(1).contains(&&works) { 1 } else { 2 };
            let done = attempt == 1 && plan.ways_of_attempt(1).len() == 1;
            remembered = plan.to_remember(attempt).cloned();
            if done || wakes > 9 {
                break;
            }
        }
        assert_eq!((remembered, wakes <= 5), (Some(works), true), "after {wakes} wakes");
    }

    #[test]
    fn a_way_has_a_stable_name() {
        for text in ["asked", "unicast", "directed:eth0", "limited:Ethernet 2"] {
            assert_eq!(text.parse::<WakeWay>().unwrap().to_string(), text);
        }
        for text in ["", "directed:", "limited", "broadcast:eth0", "unicast:x"] {
            assert!(text.parse::<WakeWay>().is_err(), "{text}");
        }
    }
}
