//! A station that runs: its service loop, the panel beside it, and the files they write, in time order.

mod commanded;
mod trail;

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::hardware::Timeouts;
use crate::heartbeat_builder::disconnected;
use crate::hostile::Breakage;
use crate::operation::{Logoff, Operation, PowerRun, SessionRun, WakeCheck};
use crate::role::Role;
use crate::script::{Act, Cycle, Doing, Guard, Script, Trouble};
use crate::station::{Station, local_time};
use crate::station_view::{FmuExecutor, SessionRow, StationView};
use crate::upload::{Document, Emission, TruthBeat, TruthEvent, Upload, Waiting};
use commanded::Unforeseen;

/// A PC has booted and its first collection starts so long after it was off.
const BOOT: TimeDelta = TimeDelta::seconds(25);
/// The loop goes on so long after a queued command.
const AFTER_COMMAND: TimeDelta = TimeDelta::seconds(6);
/// A `status.json` is uploaded with every so many heartbeats.
const STATUS_EVERY: u64 = 5;
/// A station that runs. An iterator over what it uploads, in order of [`Upload::at`].
#[derive(Debug, Clone)]
pub(crate) struct Run {
    station: Station,
    end: Option<DateTime<Utc>>,
    random: ChaCha8Rng,
    view: StationView,
    cycle: Cycle,
    script: Script,
    next_act: usize,
    /// The loop is busy until then.
    free_at: DateTime<Utc>,
    next_collection: DateTime<Utc>,
    last_publish: DateTime<Utc>,
    beats: u64,
    after_guard: bool,
    torn: Option<Guard>,
    broken: Option<Breakage>,
    lost: bool,
    jsonl: Vec<u8>,
    lines: u64,
    /// Every line so far.
    pub events: Vec<TruthEvent>,
    jsonl_upload: Pending,
    ini_upload: Pending,
    /// Made, and not yet overtaken by anything that could come before.
    made: BTreeMap<(DateTime<Utc>, u64), Waiting>,
    sequence: u64,
    ready: VecDeque<Waiting>,
    /// `heartbeat.json` as it stands since somebody may ask for it.
    heartbeat: Option<Vec<u8>>,
    finished: bool,
    /// Somebody prepares and releases it from here on: the script does not.
    served: bool,
    unforeseen: Unforeseen,
}

/// When a changed file goes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Nothing,
    At(DateTime<Utc>),
    WithNextBeat,
}

impl Run {
    /// From here on a gateway prepares and releases it.
    pub(crate) fn serve(&mut self) {
        self.served = true;
    }

    /// From the start of the lab, to `end` or for ever.
    pub fn new(station: Station, end: Option<DateTime<Utc>>) -> Self {
        let mut random = station.randomness();
        let start = station.lab_start;
        let cycle = station.cycle(0);
        let script = station.script(&cycle);
        let next_act = script.acts.partition_point(|act| act.at < start);
        let next_collection = start + TimeDelta::seconds(random.random_range(0..20));
        let mut run = Self {
            view: station.view(),
            cycle,
            script,
            next_act,
            free_at: start,
            next_collection,
            last_publish: start,
            beats: 0,
            after_guard: false,
            torn: None,
            broken: None,
            lost: false,
            jsonl: Vec::new(),
            lines: 0,
            events: Vec::new(),
            jsonl_upload: Pending::Nothing,
            ini_upload: Pending::Nothing,
            made: BTreeMap::new(),
            sequence: 0,
            ready: VecDeque::new(),
            heartbeat: None,
            finished: false,
            served: false,
            unforeseen: Unforeseen::default(),
            station,
            end,
            random,
        };
        if run.station.role == Role::StaleLogoff {
            // Somebody was logged off before the lab began.
            let at = start - TimeDelta::seconds(1468);
            let old = Logoff { message: "Old session".to_owned(), grace: 30.0, ..Logoff::new(at, "early.bird", 5) };
            run.view.operations.record(&Operation::ForcedLogoff(old.clone()));
            run.append_line(&old);
            run.jsonl_upload = Pending::WithNextBeat;
            run.ini_upload = Pending::WithNextBeat;
        }
        run
    }

    /// The station's clock at that true time.
    fn stamp(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at + self.station.clock_offset
    }

    /// When a changed file goes up.
    fn upload_due(&self) -> Option<DateTime<Utc>> {
        let at = |pending| if let Pending::At(at) = pending { Some(at) } else { None };
        [self.jsonl_upload, self.ini_upload].into_iter().filter_map(at).min()
    }

    /// When the next thing happens.
    fn next_instant(&self) -> DateTime<Utc> {
        let act = self.script.acts.get(self.next_act).map(|act| act.at);
        let always = self.next_collection.min(self.cycle.end());
        [self.upload_due(), act].into_iter().flatten().fold(always, DateTime::min)
    }

    /// One thing more happens.
    fn step(&mut self) {
        let (due, act) = (self.upload_due(), self.script.acts.get(self.next_act).map(|act| act.at));
        let next = self.next_instant();
        if let Some(end) = self.end
            && next >= end
        {
            return self.finish(end);
        }
        while let Some(entry) = self.made.first_entry()
            && entry.key().0 < next
        {
            self.ready.push_back(entry.remove());
        }
        if due == Some(next) {
            self.upload_changed(next);
        } else if act == Some(next) {
            if let Some(act) = self.script.acts.get(self.next_act).cloned() {
                self.next_act += 1;
                self.perform(act);
            }
        } else if self.next_collection == next {
            self.collect(next);
        } else {
            self.cycle = self.station.cycle(self.cycle.index + 1);
            self.script = self.station.script(&self.cycle);
            self.next_act = 0;
        }
    }

    /// When the next upload is put. `None`: there is none.
    pub fn next_at(&mut self) -> Option<DateTime<Utc>> {
        while self.ready.is_empty() && !self.finished {
            self.step();
        }
        self.ready.front().map(Waiting::at)
    }

    /// The last changes go up, so that the folder is whole.
    fn finish(&mut self, end: DateTime<Utc>) {
        if self.jsonl_upload != Pending::Nothing {
            self.push(end, Document::Events, self.jsonl.clone());
        }
        if self.ini_upload != Pending::Nothing {
            self.push(end, Document::ServiceState, self.view.operations.ini());
        }
        if self.beats > 0 {
            let bytes = self.status_bytes();
            self.push(end, Document::Status, bytes);
        }
        for (_, mut waiting) in std::mem::take(&mut self.made) {
            if waiting.at() <= end {
                self.ready.push_back(waiting);
            } else if waiting.emission.upload.document != Document::Heartbeat {
                waiting.emission.upload.at = end;
                self.ready.push_back(waiting);
            }
        }
        self.finished = true;
    }

    /// Files that wait for this instant. A PC that is off uploads after it is back.
    fn upload_changed(&mut self, at: DateTime<Utc>) {
        let off = self.down_until(at);
        for document in [Document::ServiceState, Document::Events] {
            let pending = match document {
                Document::Events => &mut self.jsonl_upload,
                Document::ServiceState | Document::Heartbeat | Document::Status => &mut self.ini_upload,
            };
            if !matches!(*pending, Pending::At(due) if due <= at) {
                continue;
            }
            if let Some(back) = off {
                *pending = Pending::At(back + BOOT);
                continue;
            }
            *pending = Pending::Nothing;
            let bytes = if document == Document::Events { self.jsonl.clone() } else { self.view.operations.ini() };
            self.push(at, document, bytes);
        }
    }

    fn push(&mut self, at: DateTime<Utc>, document: Document, bytes: Vec<u8>) {
        let timestamp = self.stamp(at);
        let host = self.station.host.clone();
        let upload = Upload { at, host, document, bytes, timestamp, rejected: None };
        self.emit(Waiting { emission: Emission { upload, truth: None }, broken: None });
    }

    fn emit(&mut self, waiting: Waiting) {
        self.sequence += 1;
        self.made.insert((waiting.at(), self.sequence), waiting);
    }

    /// The loop collects, and publishes 5 to 12 s later.
    fn collect(&mut self, at: DateTime<Utc>) {
        if let Some(back) = self.silent_until(at) {
            self.next_collection = back + BOOT;
            return;
        }
        let publish = at + TimeDelta::seconds(self.random.random_range(5..=12));
        let spacing = TimeDelta::seconds(self.random.random_range(60..=64));
        if let Some(back) = self.silent_until(publish) {
            self.next_collection = back + BOOT;
            return;
        }
        self.next_collection = at + spacing;
        if self.end.is_some_and(|end| publish >= end) {
            return;
        }
        self.free_at = publish;
        let torn = self.torn.take();
        if let Some(guard) = &torn {
            self.script.log_off(guard, at);
        }
        self.look(at, publish, true);
        if let Some(guard) = torn {
            self.log_off(&guard, at, true);
            self.publish(publish);
            self.log_off(&guard, at, false);
        } else {
            self.publish(publish);
        }
        self.beats += 1;
        if self.ini_upload == Pending::WithNextBeat {
            self.ini_upload = Pending::At(publish + TimeDelta::seconds(1));
        }
        if self.jsonl_upload == Pending::WithNextBeat {
            self.jsonl_upload = Pending::At(publish + TimeDelta::seconds(2));
        }
    }

    /// Fills the view with what is so at the start of collection.
    fn look(&mut self, at: DateTime<Utc>, publish: DateTime<Utc>, by_service: bool) {
        let (collected_at, timestamp) = (self.stamp(at), self.stamp(publish));
        let view = &mut self.view;
        view.collected_at = collected_at;
        view.timestamp = timestamp;
        (view.remote_app, view.winrm, view.autostart, view.local_mode) = (true, true, true, false);
        view.rdp_members.clear();
        view.other_sessions.clear();
        view.sleep = Timeouts::default();
        if let Some(first) = view.adapters.first_mut() {
            (first.magic_packet, first.pattern, first.allow_turn_off) = (true, false, false);
        }
        for span in self.script.spans.iter().filter(|span| span.from <= at && at < span.to) {
            match &span.trouble {
                Trouble::Down | Trouble::Stuck => {}
                Trouble::RemoteApp => view.remote_app = false,
                Trouble::WinRm => view.winrm = false,
                Trouble::Autostart => view.autostart = false,
                Trouble::RdpMember => view.rdp_members.push("LAB\\temp".to_owned()),
                Trouble::Session { user, session, id } => view.other_sessions.push(SessionRow {
                    user: user.clone(),
                    session: (*session).to_owned(),
                    id: id.to_string(),
                    state: "Active".to_owned(),
                    idle: ".".to_owned(),
                    logon_time: local_time(span.from),
                }),
                Trouble::Disconnected { user, id } => {
                    view.other_sessions.push(disconnected(user, &id.to_string(), &local_time(span.from)));
                }
                Trouble::LocalMode => view.local_mode = true,
                Trouble::Adapter(number) => {
                    if let Some(first) = view.adapters.first_mut() {
                        match number % 3 {
                            0 => first.pattern = true,
                            1 => first.allow_turn_off = true,
                            _ => first.magic_packet = false,
                        }
                    }
                }
                Trouble::Sleep(seconds) => view.sleep.ac_seconds = *seconds,
            }
        }
        view.fmu = self.station.fmu_pid.map(|pid| FmuExecutor {
            pid,
            // The probe answers in steps of the system clock, a 64th of a second.
            answered_at: by_service
                .then(|| at.timestamp() as f64 - 1.0 + f64::from(at.timestamp().rem_euclid(64) as u8) / 64.0),
        });
        self.unforeseen.show(view, at);
        view.judge();
    }

    /// Writes and uploads the heartbeat of the view, and now and then `status.json` just before it.
    fn publish(&mut self, at: DateTime<Utc>) {
        if std::mem::take(&mut self.lost) {
            return;
        }
        if self.beats.is_multiple_of(STATUS_EVERY) {
            let bytes = self.status_bytes();
            self.push(at, Document::Status, bytes);
        }
        let mut bytes = Vec::with_capacity(8 * 1024);
        self.view.write_heartbeat(&mut bytes);
        let broken = self.broken.take();
        let truth = broken.is_none().then(|| TruthBeat {
            at,
            snapshot: self.view.snapshot(self.station.host.clone()),
            real_local_session: !self.view.other_sessions.is_empty(),
            real_sleep_ac_seconds: u64::from(self.view.sleep.ac_seconds),
            after_guard: std::mem::take(&mut self.after_guard),
        });
        self.last_publish = at;
        let upload = Upload {
            at,
            host: self.station.host.clone(),
            document: Document::Heartbeat,
            bytes,
            timestamp: self.view.timestamp,
            rejected: None,
        };
        self.emit(Waiting { emission: Emission { upload, truth }, broken });
    }

    fn status_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(6 * 1024);
        self.view.write_status(&mut bytes);
        bytes
    }

    /// What a person, the loop or a collector does.
    fn perform(&mut self, act: Act) {
        let by_loop = act.at.max(self.free_at + TimeDelta::seconds(1));
        match act.what {
            Doing::PanelHeartbeat => {
                if self.silent_until(act.at).is_none() {
                    // Two heartbeats of one second would be one object.
                    let at = act.at.max(self.last_publish + TimeDelta::seconds(1));
                    self.look(at - TimeDelta::seconds(2), at, false);
                    if self.end.is_none_or(|end| at < end) {
                        self.publish(at);
                    }
                }
                return;
            }
            Doing::PanelStatus => {
                self.look(act.at, act.at, false);
                let bytes = self.status_bytes();
                return self.push(act.at + TimeDelta::seconds(3), Document::Status, bytes);
            }
            Doing::Break(kind) => {
                self.broken = Some(kind);
                return;
            }
            Doing::LoseBeat => return self.lost = true,
            Doing::TornGuard(guard) => {
                self.torn = Some(guard);
                return;
            }
            _ if self.silent_until(act.at).is_some() => return,
            Doing::Guard(guard) => {
                let grace = TimeDelta::milliseconds((guard.grace * 1000.0) as i64);
                // The emitter's instants have whole seconds.
                let ends = by_loop + TimeDelta::seconds(grace.num_seconds());
                self.after_guard = true;
                self.hold_loop(ends);
                if self.end.is_none_or(|end| ends < end) {
                    self.script.log_off(&guard, ends);
                    self.log_off(&guard, ends, false);
                }
                return;
            }
            Doing::Prepare { .. } | Doing::Release if self.served => return,
            Doing::Prepare { user } => {
                let duration_ms = self.random.random_range(2000..5000);
                let success = self.random.random_bool(0.9);
                let user = user.to_owned();
                let run = SessionRun { at: self.stamp(by_loop), success, duration_ms, user };
                self.view.operations.record(&Operation::Prepare(run));
            }
            Doing::Release => {
                let duration_ms = self.random.random_range(2000..5000);
                let user = "LABUSER".to_owned();
                let run = SessionRun { at: self.stamp(by_loop), success: true, duration_ms, user };
                self.view.operations.record(&Operation::Release(run, Some(0)));
            }
            Doing::Power { mode, delay, planned } => {
                let run = PowerRun {
                    at: self.stamp(by_loop),
                    success: true,
                    mode: mode.to_owned(),
                    delay,
                    force: planned,
                    reason: planned.then(|| "end of day".to_owned()),
                    wake: if planned { WakeCheck::Ready(3) } else { WakeCheck::Skipped },
                };
                self.view.operations.record(&Operation::Power(run));
            }
            Doing::Safeguard => {
                self.view.operations.record(&Operation::SafeguardReboot {
                    at: self.stamp(by_loop),
                    rebooted: false,
                    success: true,
                    reason: "healthy".to_owned(),
                    message: "skipped".to_owned(),
                    issues: None,
                });
            }
        }
        self.hold_loop(by_loop);
        self.ini_upload = Pending::WithNextBeat;
    }

    /// The loop runs a command until then, and collects after it.
    fn hold_loop(&mut self, until: DateTime<Utc>) {
        self.free_at = until;
        self.next_collection = self.next_collection.max(until + AFTER_COMMAND);
    }
}

impl Iterator for Run {
    type Item = Emission;

    fn next(&mut self) -> Option<Emission> {
        self.next_at()?;
        self.ready.pop_front().map(Waiting::leave)
    }
}

#[cfg(test)]
mod tests {
    use stationkeeper_telemetry::HostName;

    use super::*;

    #[test]
    fn no_megabytes_wait_in_a_station_that_uploads_them() {
        let host = HostName::parse("LAB-01").unwrap();
        let start = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_795_507_200);
        let mut run = Run::new(Station::new(host, Role::Hostile, 5, 0, start, None), None);
        let (mut largest, mut waiting) = (0, 0);
        for _ in 0..3000 {
            largest = largest.max(run.next().unwrap().upload.bytes.len());
            run.next_at();
            let made = run.made.values().chain(&run.ready);
            waiting = waiting.max(made.map(|waiting| waiting.emission.upload.bytes.len()).sum::<usize>());
        }
        assert!(largest > 5 << 20, "{largest}");
        assert!(waiting < 64 << 10, "{waiting}");
    }
}
