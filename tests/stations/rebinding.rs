//! A name that stands for an allowed address when it is checked and for another one right after is connected by the address that was checked: a real
//! `up`, the system's own resolver, and a name server that changes its mind. They have a network namespace of their own, since a resolver asks port 53.
//! Where the system makes none (no root, no `ip`), the test says so and leaves it to the resolver of a test beside the check (`networks.rs`).
#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};
use stationkeeper_tests::programs::{Running, binary, command, stationkeeper_says};
use stationkeeper_tests::up::{Up, data_folder};
use stationkeeper_tests::waiting::PATIENCE;

/// Within the management networks, 127.0.0.0/16: one that takes connections, and one that sleeps.
const AWAKE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ASLEEP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// Outside of them.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 9, 0, 1);
const TCP_PORTS: [u16; 3] = [5986, 8765, 8088];
const UDP_PORTS: [u16; 2] = [9, 7];

/// A namespace that ends with the test.
struct Namespace(String);

impl Namespace {
    fn new() -> Result<Self, String> {
        let made = Self(format!("sk-names-{}", std::process::id()));
        ip(&["netns", "add", &made.0])?;
        ip(&["-n", &made.0, "link", "set", "lo", "up"])?;
        // The file of the resolver is replaced for what runs there.
        ip(&["netns", "exec", &made.0, "mount", "--bind", "/dev/null", "/etc/resolv.conf"])?;
        Ok(made)
    }

    /// Runs it on a thread in the namespace; a socket made there stays there.
    fn within<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.0)).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                run()
            });
            thread.join().unwrap()
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.0]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let done = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
}

/// A name server: the first answer about a name is its first address, every later one the second. Asked for IPv6 it has none.
struct NameServer {
    asked: Arc<Mutex<HashMap<String, usize>>>,
    stop: Arc<AtomicBool>,
}

impl NameServer {
    fn start(socket: UdpSocket, names: HashMap<String, [Ipv4Addr; 2]>) -> Self {
        let server = Self { asked: Arc::default(), stop: Arc::default() };
        let (asked, stop) = (Arc::clone(&server.asked), Arc::clone(&server.stop));
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        std::thread::spawn(move || {
            let mut packet = [0; 512];
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, peer)) = socket.recv_from(&mut packet) else { continue };
                let Some((name, is_a, question)) = question(&packet[..length]) else { continue };
                let address = names.get(&name).filter(|_| is_a).map(|addresses| {
                    let mut asked = asked.lock().unwrap();
                    let count = asked.entry(name.clone()).or_default();
                    *count += 1;
                    addresses[usize::from(*count > 1)]
                });
                socket.send_to(&answer(&packet[..2], question, address), peer).unwrap();
            }
        });
        server
    }

    /// How often it was asked for the address of a name.
    fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().get(name).copied().unwrap_or_default()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The name, whether its IPv4 address is wanted, and the bytes of the question (RFC 1035, section 4.1.2).
fn question(packet: &[u8]) -> Option<(String, bool, &[u8])> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).to_lowercase());
        at += length;
    }
    Some((labels.join("."), packet.get(at..at + 2)? == [0, 1], packet.get(12..at + 4)?))
}

fn answer(id: &[u8], question: &[u8], address: Option<Ipv4Addr>) -> Vec<u8> {
    let mut packet = id.to_vec();
    // Authoritative, recursion available; one question, one answer or none.
    packet.extend([0x85, 0x80, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    packet.extend(question);
    if let Some(address) = address {
        // The name of the question, type A, class IN, valid for no time at all.
        packet.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        packet.extend(address.octets());
    }
    packet
}

/// All that listens at an address. Connections are counted and closed.
struct Place {
    connections: Arc<AtomicUsize>,
    udp: Vec<UdpSocket>,
}

impl Place {
    fn open(address: Ipv4Addr, tcp: &[u16]) -> Self {
        let connections = Arc::<AtomicUsize>::default();
        for port in tcp {
            let (listener, connections) = (TcpListener::bind((address, *port)).unwrap(), Arc::clone(&connections));
            std::thread::spawn(move || {
                while listener.accept().is_ok() {
                    connections.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let udp = UDP_PORTS.iter().map(|port| UdpSocket::bind((address, *port)).unwrap()).collect::<Vec<_>>();
        udp.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        Self { connections, udp }
    }

    /// Connections and packets since the last look.
    fn visits(&self) -> (usize, usize) {
        let mut packet = [0; 200];
        let packets = self.udp.iter().map(|socket| std::iter::from_fn(|| socket.recv(&mut packet).ok()).count()).sum();
        (self.connections.swap(0, Ordering::SeqCst), packets)
    }
}

/// A request, as somebody in the namespace sends it.
fn post(namespace: &Namespace, to: &str, token: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let said = namespace.within(|| {
        let mut stream = TcpStream::connect(to.parse::<SocketAddr>().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE * 2)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    });
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {said}")))
}

fn start(namespace: &Namespace, data: &Path, resolver: &Path) -> Up {
    let script = "mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$@\"";
    let mut up = Command::new("ip");
    up.args(["netns", "exec", &namespace.0, "sh", "-c", script, "sh"]).arg(resolver).arg(binary("stationkeeper"));
    up.args(["up", "--json", "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--data"]).arg(data);
    up.args(["--management-networks", "127.0.0.0/16"]);
    // Nothing of the caller's own surroundings.
    for (name, value) in command("stationkeeper").get_envs() {
        if value.is_none() {
            up.env_remove(name);
        }
    }
    up.env("WINRM_USER", "labadmin").env("WINRM_PASSWORD", "secret");
    Up::answering(Running::start(up, "stationkeeper up", &data.with_extension("log")), data, PATIENCE)
}

#[test]
fn a_name_that_changes_between_check_and_connection_is_connected_by_the_address_that_was_checked() {
    let namespace = match Namespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => {
            eprintln!("no namespace here ({reason}): only the check itself is tested");
            return;
        }
    };
    let allowed = [
        ("woken.lab.test", ASLEEP),
        ("commanded.lab.test", AWAKE),
        ("polled.lab.test", AWAKE),
        ("switched.lab.test", AWAKE),
        ("found.lab.test", AWAKE),
    ];
    let mut names: HashMap<String, [Ipv4Addr; 2]> =
        allowed.iter().map(|(name, address)| ((*name).to_owned(), [*address, ELSEWHERE])).collect();
    names.insert("other-way.lab.test".to_owned(), [ELSEWHERE, AWAKE]);
    let (server, [awake, asleep, elsewhere]) = namespace.within(|| {
        let server = NameServer::start(UdpSocket::bind("127.0.0.1:53").unwrap(), names);
        let places = [(AWAKE, &TCP_PORTS[..]), (ASLEEP, &[]), (ELSEWHERE, &TCP_PORTS)];
        (server, places.map(|(address, tcp)| Place::open(address, tcp)))
    });
    let data = data_folder();
    let resolver = data.path().with_extension("resolv.conf");
    std::fs::write(&resolver, "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n").unwrap();
    let up = start(&namespace, data.path(), &resolver);
    let page = up.line["page"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let token = up.line["admin_token"].as_str().unwrap().to_owned();
    let folder = data.path().to_str().unwrap();
    for (host, name) in [
        ("LAB-01", "woken.lab.test"),
        ("LAB-02", "commanded.lab.test"),
        ("LAB-03", "polled.lab.test"),
        ("LAB-04", "switched.lab.test"),
        ("LAB-05", "other-way.lab.test"),
    ] {
        let mac = ["--mac", "02:00:00:00:00:01"];
        stationkeeper_says(&[&["hosts", "add", host, "--address", name, "--data", folder][..], &mac].concat());
    }
    let status_json = json!({ "host": "LAB-02", "command": "status-json" });
    for (name, path, body, at, comes_by) in [
        (
            "woken.lab.test",
            "/api/wol",
            json!({ "host": "LAB-01", "attempts": 1, "ping_timeout": 1 }),
            &asleep,
            "packets",
        ),
        ("commanded.lab.test", "/api/winrm", status_json, &awake, "connections"),
        ("polled.lab.test", "/api/heartbeat/poll", json!({ "host": "LAB-03" }), &awake, "connections"),
        ("found.lab.test", "/api/hosts/discover", json!({ "address": "found.lab.test" }), &awake, "connections"),
    ] {
        let (status, said) = post(&namespace, &page, &token, path, &body);
        let (connections, packets) = at.visits();
        let came = if comes_by == "packets" { packets } else { connections };
        assert!(came > 0, "{name}: nothing came to the address that was checked: {status} {said}");
        assert_eq!(elsewhere.visits(), (0, 0), "{name}: {status} {said}");
        assert_eq!(server.asked(name), 1, "{name} is asked for once: {status} {said}");
    }
    // Local mode asks twice, once to keep the order and once to carry it out: the second answer is refused.
    let body = json!({ "host": "LAB-04", "enabled": true });
    let (status, said) = post(&namespace, &page, &token, "/api/hosts/local-mode", &body);
    assert_eq!(elsewhere.visits(), (0, 0), "{status} {said}");
    awake.visits();
    // The answer would have been another one by then.
    let (status, said) =
        post(&namespace, &page, &token, "/api/winrm", &json!({ "host": "LAB-02", "command": "status-json" }));
    assert_eq!(elsewhere.visits(), (0, 0), "{status} {said}");
    assert!(
        status >= 400 && said.to_string().contains("127.9.0.1"),
        "it is refused by its name of now: {status} {said}"
    );
    let (status, said) =
        post(&namespace, &page, &token, "/api/wol", &json!({ "host": "LAB-05", "attempts": 1, "ping_timeout": 1 }));
    assert_eq!((elsewhere.visits(), awake.visits()), ((0, 0), (0, 0)), "{status} {said}");
    assert!(status >= 400, "{status} {said}");
}
