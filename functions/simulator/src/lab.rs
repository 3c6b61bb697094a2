//! A lab: stations with roles, their uploads in time order, reservations, truth and the scenario that sums it up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use stationkeeper_telemetry::{BadHost, HostName};

use crate::live::LiveLab;
use crate::oracle::{Beat, Case, expected_alerts};
use crate::role::Role;
use crate::scenario::{ExpectedSilence, Policy, Scenario, ScenarioHost, ScenarioReservation};
use crate::script::{Slot, Trouble};
use crate::service_loop::Run;
use crate::station::Station;
use crate::upload::{Emission, TruthBeat, TruthEvent, Upload};

/// What of an endless lab is summed up.
const ENDLESS_SUMMARY: TimeDelta = TimeDelta::hours(24);

/// What a lab is to be like.
#[derive(Debug, Clone)]
pub struct LabPlan {
    /// The lab's name; goes into nothing but reservations of the caller.
    pub lab: String,
    /// Names of stations are this and a number from 01.
    pub host_prefix: String,
    /// How many.
    pub stations: usize,
    /// First instant, cut to whole seconds.
    pub start: DateTime<Utc>,
    /// How long; `None`: for ever. Up to 90 minutes each role's script runs once, else in cycles of 60 to 90 minutes.
    pub minutes: Option<u32>,
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// Dealt out in turn; `None`: [`Role::ALL`].
    pub roles: Option<Vec<Role>>,
}

impl LabPlan {
    /// A lab named `Lab` with stations `LAB-WS01` and so on, and all roles in turn.
    pub fn new(stations: usize, start: DateTime<Utc>, minutes: Option<u32>, seed: u64) -> Self {
        let (lab, host_prefix) = ("Lab".to_owned(), "LAB-WS".to_owned());
        Self { lab, host_prefix, stations, start, minutes, seed, roles: None }
    }
}

/// A lab that can be run any number of times, each time with the same outcome.
#[derive(Debug, Clone)]
pub struct Lab {
    plan: LabPlan,
    stations: Vec<Station>,
}

impl Lab {
    /// Fails when prefix and number are no name of a station.
    pub fn new(mut plan: LabPlan) -> Result<Self, BadHost> {
        plan.start = plan.start.trunc_subsecs(0);
        let length = plan.minutes.map(|minutes| TimeDelta::minutes(i64::from(minutes)));
        let roles = plan.roles.as_deref().filter(|roles| !roles.is_empty()).unwrap_or(&Role::ALL);
        let stations = (0..plan.stations)
            .map(|index| {
                let host = HostName::parse(&format!("{}{:02}", plan.host_prefix, index + 1))?;
                let role = roles[index % roles.len()];
                Ok(Station::new(host, role, plan.seed, index as u64, plan.start, length))
            })
            .collect::<Result<_, BadHost>>()?;
        Ok(Self { plan, stations })
    }

    /// What it was made from.
    pub fn plan(&self) -> &LabPlan {
        &self.plan
    }

    /// Stations and their roles.
    pub fn hosts(&self) -> impl Iterator<Item = (&HostName, Role)> {
        self.stations.iter().map(|station| (&station.host, station.role))
    }

    /// The same lab with every `parts`-th of its stations, from number `part` on: each does what it does in the whole.
    pub fn part(&self, part: usize, parts: usize) -> Self {
        let stations = self.stations.iter().skip(part).step_by(parts.max(1)).cloned().collect();
        Self { plan: self.plan.clone(), stations }
    }

    /// First instant after the lab; of an endless one, after its first 24 hours.
    pub fn end(&self) -> DateTime<Utc> {
        self.plan.start + self.length().unwrap_or(ENDLESS_SUMMARY)
    }

    fn length(&self) -> Option<TimeDelta> {
        self.plan.minutes.map(|minutes| TimeDelta::minutes(i64::from(minutes)))
    }

    /// Everything that is put, in order of [`Upload::at`], made as it is asked for; without end in an endless lab. Memory grows with stations, not with time (an append-only JSONL apart).
    pub fn uploads(&self) -> impl Iterator<Item = Upload> + Send + use<> {
        self.emissions().map(|emission| emission.upload)
    }

    /// The same with the truth of each readable heartbeat.
    pub fn emissions(&self) -> Emissions {
        Emissions::new(&self.stations, self.length().map(|length| self.plan.start + length))
    }

    /// What the normalizer must make of each readable heartbeat, in order of upload.
    pub fn truth(&self) -> impl Iterator<Item = TruthBeat> + Send + use<> {
        self.emissions_until(self.end()).filter_map(|emission| emission.truth)
    }

    /// The lines of all `session-guard-events.jsonl`, by host and line.
    pub fn truth_events(&self) -> Vec<TruthEvent> {
        let mut emissions = self.emissions_until(self.end());
        while emissions.next().is_some() {}
        emissions.events()
    }

    pub(crate) fn emissions_until(&self, end: DateTime<Utc>) -> Emissions {
        Emissions::new(&self.stations, Some(end))
    }

    /// Reservations that meet the lab, by host and start; of an endless one, those of the first 24 hours.
    pub fn reservations(&self) -> Vec<ScenarioReservation> {
        self.reservations_between(self.plan.start, self.end())
    }

    /// Reservations that overlap [from, to), by host and start. Ids are the same whatever the window.
    pub fn reservations_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<ScenarioReservation> {
        let mut all = Vec::new();
        for station in &self.stations {
            all.extend(slots(station, from.max(self.plan.start), to).into_iter().map(|(id, slot)| {
                ScenarioReservation { id, host: station.host.to_string(), start_utc: slot.start, end_utc: slot.end }
            }));
        }
        all
    }

    /// Roles, reservations and the alerts that must come of it; of an endless lab, in its first 24 hours.
    pub fn scenario(&self) -> Scenario {
        let mut beats: BTreeMap<HostName, Vec<Beat>> = BTreeMap::new();
        for beat in self.truth() {
            beats.entry(beat.snapshot.host.clone()).or_default().push(Beat::from(&beat));
        }
        self.scenario_of(beats)
    }

    pub(crate) fn scenario_of(&self, mut beats: BTreeMap<HostName, Vec<Beat>>) -> Scenario {
        let (start, end) = (self.plan.start, self.end());
        let policy = policy();
        let mut scenario = Scenario {
            seed: self.plan.seed,
            stations: self.stations.len(),
            minutes: u32::try_from((end - start).num_minutes()).unwrap_or(u32::MAX),
            start_utc: start,
            end_utc: end,
            hosts: Vec::new(),
            reservations: self.reservations(),
            expected_alerts: Vec::new(),
            expected_silence: Vec::new(),
            policy: policy.clone(),
        };
        for station in &self.stations {
            let beats = beats.remove(&station.host).unwrap_or_default();
            let (mut down, mut silent) = (Vec::new(), Vec::new());
            for (_, script) in station.scripts_until(end) {
                for span in script.spans.iter().filter(|span| start < span.to && span.from < end) {
                    let (from, to) = (span.from.max(start), span.to.min(end));
                    match span.trouble {
                        Trouble::Down if station.role == Role::OrderedShutdown => {
                            down.push((from, to));
                            silent.push((from, to, "shut down by order"));
                        }
                        Trouble::Down => {
                            down.push((from, to));
                            silent.push((from, to, "host down"));
                        }
                        Trouble::Stuck => silent.push((from, to, "service loop stopped")),
                        _ => {}
                    }
                }
                let inside = script.silences.into_iter().filter(|(at, _)| start <= *at && *at < end);
                scenario.expected_silence.extend(inside.map(|(at_utc, what)| ExpectedSilence {
                    host: station.host.to_string(),
                    what: what.to_owned(),
                    at_utc,
                }));
            }
            let case = Case {
                host: station.host.as_str(),
                beats: &beats,
                reservations: &slots(station, start, end),
                silent: &silent,
                start,
                end,
            };
            scenario.expected_alerts.extend(expected_alerts(&case, &policy));
            scenario.hosts.push(ScenarioHost {
                host: station.host.to_string(),
                role: station.role.as_str().to_owned(),
                profile: station.role.profile().as_str().to_owned(),
                down,
                heartbeats: beats.len(),
            });
        }
        scenario.expected_alerts.sort_by(|a, b| (a.opens_at, &a.host, &a.rule).cmp(&(b.opens_at, &b.host, &b.rule)));
        scenario
    }
}

impl From<&TruthBeat> for Beat {
    fn from(beat: &TruthBeat) -> Self {
        let snapshot = &beat.snapshot;
        Self {
            at: snapshot.timestamp_utc,
            issues: snapshot.issues.clone(),
            local_session: snapshot.local_session_active == Some(true),
            local_mode: snapshot.local_mode_enabled == Some(true),
            last_logoff: snapshot.last_forced_logoff.as_ref().and_then(|logoff| logoff.timestamp),
            after_guard: beat.after_guard,
        }
    }
}

/// Reservations of a station that overlap [from, to), with their ids.
fn slots(station: &Station, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<(String, Slot)> {
    let mut slots = Vec::new();
    for (cycle, script) in station.scripts_until(to) {
        let id = format!("R-{}-{}", station.host, cycle.index + 1);
        let inside = script.reservations.into_iter().filter(|slot| from < slot.end && slot.start < to);
        slots.extend(inside.map(|slot| (id.clone(), slot)));
    }
    slots
}

fn policy() -> Policy {
    let notes = [
        "heartbeat_missing is a timer: last timestamp + 3 intervals + 1 s, until the next heartbeat; every other rule is judged when a heartbeat arrives, with its timestamp as the clock",
        "not_ready opens on the first unready heartbeat more than not_ready_after_s after the first of its run; a gap of more than gap_resets_not_ready_s restarts the run",
        "local_session and stale_forced_logoff hold while start - lead <= now < start; a forced logoff that never was raises nothing",
        "local_mode_pending names the earliest reservation of the station that has not ended",
    ];
    Policy { notes: notes.map(str::to_owned).to_vec(), ..Policy::default() }
}

/// Emissions of all stations, merged by time; ties go by station.
#[derive(Debug, Clone)]
pub struct Emissions {
    runs: Vec<Run>,
    order: BinaryHeap<Reverse<(DateTime<Utc>, usize)>>,
}

impl Emissions {
    fn new(stations: &[Station], end: Option<DateTime<Utc>>) -> Self {
        let mut runs: Vec<Run> = stations.iter().map(|station| Run::new(station.clone(), end)).collect();
        let firsts = runs.iter_mut().enumerate();
        let order = firsts.filter_map(|(index, run)| run.next_at().map(|at| Reverse((at, index)))).collect();
        Self { runs, order }
    }

    /// The next emission, if it comes before that instant.
    pub fn next_before(&mut self, at: DateTime<Utc>) -> Option<Emission> {
        let Reverse((first, _)) = self.order.peek()?;
        if *first < at { self.next() } else { None }
    }

    /// The same lab from here on, open to commands.
    pub fn live(self) -> LiveLab {
        LiveLab::of(self.runs)
    }

    /// Lines written so far, by host and line.
    pub fn events(&self) -> Vec<TruthEvent> {
        self.runs.iter().flat_map(|run| run.events.iter().cloned()).collect()
    }
}

impl Iterator for Emissions {
    type Item = Emission;

    fn next(&mut self) -> Option<Emission> {
        let Reverse((_, index)) = self.order.pop()?;
        let run = &mut self.runs[index];
        let emission = run.next();
        if let Some(at) = run.next_at() {
            self.order.push(Reverse((at, index)));
        }
        emission
    }
}
