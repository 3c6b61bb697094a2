//! A simulated lab that can be reached: its stations answer WS-Management on loopback while their PCs are on, and magic packets while they are off.
//!
//! What a PC does is the simulator's to say; here are sockets, TLS, logins and envelopes.

mod account;
mod answer;
mod certificate;
mod envelope;
mod fault;
mod listener;
mod login;
mod ntlm;
mod service;
mod shells;
mod wake;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as BlockingListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustls::ServerConfig;
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_simulator::{LiveLab, Power, Upload};
use stationkeeper_telemetry::HostName;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::up::scaled_clock::ScaledClock;
pub use account::Account;
pub use certificate::{Certificate, CertificateError};
pub use fault::Fault;
use shells::Shells;

/// With nothing ahead, the lab is looked at again after so long.
const IDLE_LOOK: Duration = Duration::from_secs(1);
/// So many ports are tried before there is none that is free on every address.
const TRIES: usize = 20;

/// How stations are reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may command them, by NTLM.
    pub account: Account,
    /// And by HTTP's Basic scheme.
    pub basic: bool,
    /// Where magic packets arrive; 0 takes a free one.
    pub wake_port: u16,
}

/// Stations cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum StationsError {
    /// No address or port.
    #[error("cannot listen for simulated stations on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No certificate.
    #[error("a simulated station has no certificate")]
    Certificate(#[from] CertificateError),
}

/// See the module.
#[derive(Clone)]
pub struct Stations(Arc<Reach>);

struct Reach {
    lab: Mutex<LiveLab>,
    /// Made while somebody was answered, and not yet fetched.
    pending: Mutex<Vec<Upload>>,
    changed: Notify,
    clock: ScaledClock,
    options: Options,
    stations: Vec<Station>,
    wake: UdpSocket,
}

struct Station {
    host: HostName,
    address: SocketAddr,
    certificate: Certificate,
    tls: Arc<ServerConfig>,
    on: watch::Sender<bool>,
    shells: Mutex<Shells>,
    fault: Mutex<Option<Fault>>,
    /// Bound before the lab opened, so that nobody else takes the port.
    first: Mutex<Option<BlockingListener>>,
}

impl Stations {
    /// Takes addresses and ports. Nothing answers before [`serve`](Self::serve).
    pub async fn open(lab: LiveLab, clock: ScaledClock, options: Options) -> Result<Self, StationsError> {
        let hosts: Vec<HostName> = lab.hosts().cloned().collect();
        let listeners = bind(hosts.len())?;
        let wake_address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, options.wake_port));
        let failed = |source| StationsError::Listen { address: wake_address, source };
        let wake = UdpSocket::bind(wake_address).await.map_err(failed)?;
        let mut stations = Vec::with_capacity(hosts.len());
        for (host, listener) in hosts.into_iter().zip(listeners) {
            let address = listener.local_addr().map_err(failed)?;
            let (certificate, tls) = certificate::make(host.as_str(), address.ip())?;
            stations.push(Station {
                address,
                certificate,
                tls,
                on: watch::Sender::new(false),
                shells: Mutex::default(),
                fault: Mutex::default(),
                first: Mutex::new(Some(listener)),
                host,
            });
        }
        let (lab, pending) = (Mutex::new(lab), Mutex::default());
        Ok(Self(Arc::new(Reach { lab, pending, changed: Notify::new(), clock, options, stations, wake })))
    }

    /// Answers until told to stop.
    pub fn serve(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        drop(self.settle());
        for place in 0..self.0.stations.len() {
            let (stations, stop) = (self.clone(), stop.clone());
            tasks.spawn(async move { listener::serve(&stations, place, &stop).await });
        }
        let (stations, stop) = (self.clone(), stop.clone());
        tasks.spawn(async move { wake::listen(&stations.0.wake, &stations, &stop).await });
    }

    /// What stations upload next; waits for it.
    pub async fn uploads(&self) -> Vec<Upload> {
        loop {
            let changed = self.0.changed.notified();
            let next = {
                let (lab, now) = self.settle();
                lab.next_at(now)
            };
            let uploads = std::mem::take(&mut *locked(&self.0.pending));
            if !uploads.is_empty() {
                return uploads;
            }
            let wait = next.map_or(IDLE_LOOK, |at| self.0.clock.until(at));
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Names of stations and where they answer.
    pub fn addresses(&self) -> impl Iterator<Item = (&HostName, SocketAddr)> {
        self.0.stations.iter().map(|station| (&station.host, station.address))
    }

    /// The certificate that a station shows.
    pub fn certificate(&self, host: &HostName) -> Option<&Certificate> {
        self.station(host).map(|station| &station.certificate)
    }

    /// Who may command them.
    pub fn account(&self) -> &Account {
        &self.0.options.account
    }

    /// The port of any loopback address at which magic packets arrive.
    pub fn wake_port(&self) -> u16 {
        self.0.wake.local_addr().map_or(self.0.options.wake_port, |address| address.port())
    }

    /// Lets something go wrong with a station, or nothing any more.
    pub fn set_fault(&self, host: &HostName, fault: Option<Fault>) {
        if let Some(station) = self.station(host) {
            *locked(&station.fault) = fault;
        }
    }

    /// How many remote shells are open on a station.
    pub fn open_shells(&self, host: &HostName) -> usize {
        self.station(host).map_or(0, |station| locked(&station.shells).count())
    }

    /// Does something to the lab at this instant.
    pub fn with_lab<T>(&self, act: impl FnOnce(&mut LiveLab, DateTime<Utc>) -> T) -> T {
        let (mut lab, now) = self.settle();
        let done = act(&mut lab, now);
        drop(lab);
        // A PC may have gone down or come up by it, and what comes next may come sooner.
        drop(self.settle());
        self.0.changed.notify_one();
        done
    }

    fn wake(&self, mac: [u8; 6]) {
        if let Some((host, up_at)) = self.with_lab(|lab, now| lab.wake(mac, now)) {
            tracing::info!(station.host = host.as_str(), up_at = %up_at, "a magic packet starts {host}");
        }
    }

    fn station(&self, host: &HostName) -> Option<&Station> {
        self.0.stations.iter().find(|station| station.host == *host)
    }

    /// Brings the lab to this instant.
    fn settle(&self) -> (MutexGuard<'_, LiveLab>, DateTime<Utc>) {
        let mut lab = locked(&self.0.lab);
        let now = self.0.clock.now();
        let uploads = lab.poll(now);
        if !uploads.is_empty() {
            locked(&self.0.pending).extend(uploads);
            self.0.changed.notify_one();
        }
        for station in &self.0.stations {
            let is_on = lab.power(&station.host, now) == Some(Power::On);
            station.on.send_if_modified(|on| std::mem::replace(on, is_on) != is_on);
        }
        (lab, now)
    }
}

/// What a panic elsewhere left half-done is a simulated lab's, and no reason to stop.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Addresses of loopback, one a station and all with the same port, as stations of a lab have; where only one address is to be had, a port a station.
fn bind(count: usize) -> Result<Vec<BlockingListener>, StationsError> {
    let listen = |address: SocketAddr| {
        let failed = |source| StationsError::Listen { address, source };
        let listener = BlockingListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(listener)
    };
    let first = address(0);
    'tries: for _ in 0..TRIES {
        let Ok(listener) = listen(SocketAddr::from((first, 0))) else { break };
        let Ok(bound) = listener.local_addr() else { break };
        let mut listeners = vec![listener];
        for place in 1..count {
            match listen(SocketAddr::from((address(place), bound.port()))) {
                Ok(listener) => listeners.push(listener),
                Err(_) => continue 'tries,
            }
        }
        listeners.truncate(count);
        return Ok(listeners);
    }
    (0..count).map(|_| listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).collect()
}

/// 127.0.1.1 and on.
fn address(place: usize) -> IpAddr {
    let octet = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    IpAddr::V4(Ipv4Addr::new(127, 0, octet(1 + place / 250), octet(1 + place % 250)))
}
