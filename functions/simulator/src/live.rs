//! A lab that runs while somebody wakes and commands its PCs.
//!
//! Time is told by [`LiveLab::poll`], which never goes back. Left alone, the lab uploads the bytes that it uploads without anybody.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use rand_chacha::ChaCha8Rng;
use stationkeeper_telemetry::HostName;

use crate::pc::{Change, Course, FilePath, Named, Power, Surroundings, plan};
use crate::service_loop::Run;
use crate::upload::Upload;

/// So many commands of a station are remembered.
const REMEMBERED: usize = 1_000;

/// See the module.
#[derive(Debug, Clone)]
pub struct LiveLab {
    stations: Vec<LiveStation>,
    places: BTreeMap<HostName, usize>,
    last_number: u64,
}

/// A command that a PC was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// When.
    pub at: DateTime<Utc>,
    /// As the shell got it.
    pub line: String,
}

/// There is nobody to give a command to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// The lab has no station of that name.
    Unknown,
    /// Its PC does not run.
    NotOn(Power),
}

#[derive(Debug, Clone)]
struct LiveStation {
    host: HostName,
    run: Run,
    random: ChaCha8Rng,
    /// What commands will do, each with the command's number.
    changes: BTreeMap<(DateTime<Utc>, u64), (u64, Change)>,
    sequence: u64,
    files: BTreeMap<FilePath, Vec<u8>>,
    given: VecDeque<Given>,
}

impl LiveLab {
    pub(crate) fn of(runs: Vec<Run>) -> Self {
        let stations: Vec<LiveStation> = runs
            .into_iter()
            .map(|run| LiveStation {
                host: run.host().clone(),
                random: run.own_randomness(),
                run,
                changes: BTreeMap::new(),
                sequence: 0,
                files: BTreeMap::new(),
                given: VecDeque::new(),
            })
            .collect();
        let places = stations.iter().enumerate().map(|(place, station)| (station.host.clone(), place)).collect();
        Self { stations, places, last_number: 0 }
    }

    /// The same lab whose stations a gateway prepares and releases: nobody else does.
    #[must_use]
    pub fn served(mut self) -> Self {
        self.stations.iter_mut().for_each(|station| station.run.serve());
        self
    }

    /// What is uploaded up to now, by instant and station.
    pub fn poll(&mut self, now: DateTime<Utc>) -> Vec<Upload> {
        let mut due: Vec<Upload> = self.stations.iter_mut().flat_map(|station| station.advance(now)).collect();
        due.sort_by_key(|upload| upload.at);
        due
    }

    /// When something will happen, unless somebody does something before.
    pub fn next_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.stations.iter().map(|station| station.next_at(now)).min()
    }

    /// Names of its stations.
    pub fn hosts(&self) -> impl Iterator<Item = &HostName> {
        self.stations.iter().map(|station| &station.host)
    }

    /// The address of a station's first adapter, `AA-BB-…`.
    pub fn mac(&self, host: &HostName) -> Option<&str> {
        let station = self.stations.get(*self.places.get(host)?)?;
        station.run.view().adapters.first().map(|adapter| adapter.mac_address.as_str())
    }

    /// What a station's PC is doing. `None`: there is no such station.
    pub fn power(&self, host: &HostName, now: DateTime<Utc>) -> Option<Power> {
        Some(self.stations.get(*self.places.get(host)?)?.run.power(now))
    }

    /// A magic packet for that address arrives: the PC that it starts, and when its services will answer. `None`: it starts none, because nobody has that
    /// address, the adapter may not wake the PC, or the PC is not off.
    pub fn wake(&mut self, mac: [u8; 6], now: DateTime<Utc>) -> Option<(HostName, DateTime<Utc>)> {
        let text = mac.map(|byte| format!("{byte:02X}")).join("-");
        let station = self.stations.iter_mut().find(|station| {
            let wakes = |adapter: &&crate::Adapter| adapter.mac_address == text && adapter.magic_packet;
            station.run.view().adapters.iter().find(wakes).is_some()
        })?;
        let up_at = station.run.wake(now, &mut station.random)?;
        Some((station.host.clone(), up_at))
    }

    /// Gives a command to a station's PC. `through_shell`: `cmd.exe` reads the line first. What it changes comes with [`poll`](Self::poll).
    pub fn give(
        &mut self,
        host: &HostName,
        line: &str,
        through_shell: bool,
        now: DateTime<Utc>,
    ) -> Result<Course, Unreachable> {
        let number = self.last_number + 1;
        let station = self.station(host).ok_or(Unreachable::Unknown)?;
        match station.run.power(now) {
            Power::On => {}
            power => return Err(Unreachable::NotOn(power)),
        }
        let course = station.give(line, through_shell, number, now);
        self.last_number = number;
        Ok(course)
    }

    /// Stops a command before its end: what it has not changed yet it changes no more.
    pub fn stop(&mut self, host: &HostName, course: &Course, now: DateTime<Utc>) {
        if let Some(station) = self.station(host)
            && now < course.ends_at
        {
            station.changes.retain(|_, (number, _)| *number != course.number);
        }
    }

    /// The plug is drawn: the PC is off at once, until somebody wakes it.
    pub fn fall(&mut self, host: &HostName, now: DateTime<Utc>) {
        if let Some(station) = self.station(host) {
            station.changes.clear();
            station.run.fall(now);
        }
    }

    /// Windows restarts by itself, in mid-command or not.
    pub fn restart(&mut self, host: &HostName, now: DateTime<Utc>) {
        if let Some(station) = self.station(host) {
            station.goes(Change::GoDown(crate::pc::Down::Reboot), now);
        }
    }

    /// Someone logs on at the station itself.
    pub fn sit_down(&mut self, host: &HostName, user: &str, now: DateTime<Utc>) {
        if let Some(station) = self.station(host) {
            let number = station.run.sitting(now).len();
            station.run.sit_down(user, i64::try_from(number).unwrap_or(0) + 2, now);
        }
    }

    /// Puts a file on a station's disk; the flag of local mode is one.
    pub fn put_file(&mut self, host: &HostName, path: &str, bytes: Vec<u8>) {
        if let Some(station) = self.station(host) {
            station.write(path, bytes);
        }
    }

    /// What the station was told so far, at most the last thousand.
    pub fn given(&self, host: &HostName) -> Vec<Given> {
        let station = self.places.get(host).and_then(|place| self.stations.get(*place));
        station.map(|station| station.given.iter().cloned().collect()).unwrap_or_default()
    }

    fn station(&mut self, host: &HostName) -> Option<&mut LiveStation> {
        self.stations.get_mut(*self.places.get(host)?)
    }
}

impl LiveStation {
    fn advance(&mut self, now: DateTime<Utc>) -> Vec<Upload> {
        let mut uploads = Vec::new();
        loop {
            let change_at = self.changes.keys().next().map(|(at, _)| *at).filter(|at| *at <= now);
            let until = change_at.unwrap_or(now);
            uploads.extend(self.run.due(until).into_iter().map(|emission| emission.upload));
            let Some(at) = change_at else { break };
            if let Some((_, (_, change))) = self.changes.pop_first() {
                self.goes(change, at);
            }
        }
        uploads
    }

    fn goes(&mut self, change: Change, at: DateTime<Utc>) {
        match &change {
            Change::GoDown(_) => {
                // Whatever ran ends with its PC.
                self.changes.clear();
            }
            Change::Write(path, bytes) => self.write(path, bytes.clone()),
            Change::Remove(path) => match FilePath::new(path).named() {
                Named::LocalModeFlag => self.run.set_local_mode(false),
                Named::Other(path) => drop(self.files.remove(&path)),
                Named::Heartbeat | Named::Status | Named::Events | Named::ServiceState => {}
            },
            _ => {}
        }
        self.run.change(change, at, &mut self.random);
    }

    fn write(&mut self, path: &str, bytes: Vec<u8>) {
        match FilePath::new(path).named() {
            Named::LocalModeFlag => self.run.set_local_mode(true),
            Named::Other(path) => drop(self.files.insert(path, bytes)),
            // Lab Station writes these again before long.
            Named::Heartbeat | Named::Status | Named::Events | Named::ServiceState => {}
        }
    }

    fn next_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let change = self.changes.keys().next().map(|(at, _)| *at);
        change.into_iter().fold(self.run.due_at(now), DateTime::min)
    }

    fn give(&mut self, line: &str, through_shell: bool, number: u64, now: DateTime<Utc>) -> Course {
        let view = self.run.view();
        let faulty: Vec<&str> = view
            .adapters
            .iter()
            .filter(|adapter| !adapter.compliance_issues().is_empty())
            .map(|adapter| adapter.name.as_str())
            .collect();
        let around = Surroundings {
            host: self.host.as_str(),
            clock_offset: self.run.clock_offset(),
            sitting: self.run.sitting(now),
            lab_user_is_on: view.lab_user_since.is_some(),
            wake_faults: (!faulty.is_empty()).then(|| format!("NIC not WoL ready: {}", faulty.join(", "))),
            armed_devices: view.armed.len(),
            issues: view.issues.clone(),
            is_going_down: self.changes.values().any(|(_, change)| matches!(change, Change::GoDown(_))),
            file: &|named| self.read(named, now),
            status: &|| self.run.status_by_command(now),
        };
        let mut random = self.random.clone();
        let mut course = plan(line, through_shell, now, &around, &mut random);
        self.random = random;
        course.number = number;
        for (at, change) in std::mem::take(&mut course.changes) {
            self.sequence += 1;
            self.changes.insert((at, self.sequence), (number, change));
        }
        if self.given.len() == REMEMBERED {
            self.given.pop_front();
        }
        self.given.push_back(Given { at: now, line: line.to_owned() });
        course
    }

    fn read(&self, named: &Named, now: DateTime<Utc>) -> Option<Vec<u8>> {
        let filled = |bytes: Vec<u8>| (!bytes.is_empty()).then_some(bytes);
        match named {
            Named::Heartbeat => Some(self.run.heartbeat().map(<[u8]>::to_vec).unwrap_or_else(|| {
                let mut bytes = Vec::new();
                self.run.view().write_heartbeat(&mut bytes);
                bytes
            })),
            Named::Status => Some(self.run.status_by_command(now)),
            Named::Events => filled(self.run.jsonl().to_vec()),
            Named::ServiceState => {
                let operations = &self.run.view().operations;
                (!operations.is_empty()).then(|| operations.ini())
            }
            Named::LocalModeFlag => self.run.local_mode(now).then(Vec::new),
            Named::Other(path) => self.files.get(path).cloned(),
        }
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
