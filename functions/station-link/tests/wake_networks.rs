//! Magic packets on networks of their own: a computer with two labs, each a network namespace behind a pair of veth interfaces. Where the system makes no
//! namespaces (no root, no `ip`), the test says so and leaves it to the sockets on loopback, which are tested beside the sender.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use stationkeeper_station_link::wake::{WakeRequest, interfaces, magic_packet, plan, send};

/// Namespaces that end with the test. The names are this process's own.
struct Namespaces(Vec<String>);

impl Namespaces {
    /// The computer, and the station of each lab.
    fn new() -> Result<Self, String> {
        let name = |part: &str| format!("sk-{part}-{}", std::process::id());
        let made = Self(["here", "lab1", "lab2"].map(name).to_vec());
        for namespace in &made.0 {
            ip(&["netns", "add", namespace])?;
        }
        let here = &made.0[0];
        for (number, lab) in made.0[1..].iter().enumerate() {
            let number = number + 1;
            let (ours, theirs) = (format!("lab{number}"), "eth0");
            ip(&["-n", here, "link", "add", &ours, "type", "veth", "peer", "name", theirs, "netns", lab])?;
            ip(&["-n", here, "addr", "add", &format!("10.91.{number}.1/24"), "broadcast", "+", "dev", &ours])?;
            ip(&["-n", lab, "addr", "add", &format!("10.91.{number}.7/24"), "broadcast", "+", "dev", theirs])?;
            ip(&["-n", here, "link", "set", &ours, "up"])?;
            ip(&["-n", lab, "link", "set", theirs, "up"])?;
        }
        Ok(made)
    }

    /// Runs it on a thread in that namespace; a socket made there stays there.
    fn within<T: Send>(&self, place: usize, run: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.0[place])).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                run()
            });
            thread.join().unwrap()
        })
    }

    fn listener(&self, place: usize, port: u16) -> UdpSocket {
        self.within(place, || {
            let socket = UdpSocket::bind(("0.0.0.0", port)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            socket
        })
    }

    fn sends(&self, request: &WakeRequest) -> u32 {
        self.within(0, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let plan = plan(request, &interfaces().unwrap(), &"10.91.0.0/16".parse().unwrap(), None);
            let sent = runtime.block_on(send(request, &plan, 1)).unwrap();
            assert_eq!(sent.failures.len(), 0, "{:?}", sent.failures);
            sent.packets
        })
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for namespace in &self.0 {
            let _ = ip(&["netns", "del", namespace]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let done = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
}

/// What arrives until it is quiet.
fn caught(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut packet = [0; 200];
    while let Ok(length) = socket.recv(&mut packet) {
        packets.push(packet[..length].to_vec());
        socket.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    }
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    packets
}

#[test]
fn a_station_is_woken_from_the_interface_of_its_lab() {
    let networks = match Namespaces::new() {
        Ok(networks) => networks,
        Err(reason) => {
            eprintln!("no network namespaces here ({reason}): only the sockets on loopback are tested");
            return;
        }
    };
    let [lab1, other_port, lab2] = [networks.listener(1, 9), networks.listener(1, 7), networks.listener(2, 9)];
    let mut request = WakeRequest { repetitions: 2, ..WakeRequest::new("02:00:00:00:00:07".parse().unwrap()) };
    let packet = magic_packet(request.mac, None);

    request.address = Some("10.91.1.7".parse().unwrap());
    // Directed, limited and unicast, to two ports, twice.
    assert_eq!(networks.sends(&request), 12);
    assert_eq!(caught(&lab1), vec![packet.clone(); 6]);
    assert_eq!(caught(&other_port), vec![packet.clone(); 6]);
    assert_eq!(caught(&lab2), Vec::<Vec<u8>>::new(), "the other lab hears nothing of it");

    // Where it is unknown, every lab hears it.
    request.address = None;
    assert_eq!(networks.sends(&request), 16);
    assert_eq!(caught(&lab1), vec![packet.clone(); 4]);
    assert_eq!(caught(&other_port), vec![packet.clone(); 4]);
    assert_eq!(caught(&lab2), vec![packet; 4]);
}
