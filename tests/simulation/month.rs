//! Thirty days of a hundred healthy stations: how often somebody is called for nothing.

use std::collections::HashMap;
use std::thread;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use stationkeeper_rules::{Rule, Transition};
use stationkeeper_simulator::{Document, Lab, LabPlan, Role};
use stationkeeper_telemetry::HostName;
use stationkeeper_tests::conservation::Conservation;
use stationkeeper_tests::conservation::accepted_by_memory;
use stationkeeper_tests::database::{Database, Kind, blocking};

use crate::board::Board;
use crate::moved::{openings, sorted, stored};
use crate::ticks::{Ticks, key, reservations};
use crate::world::World;

const STATIONS: usize = 100;
/// Without optimization a month takes an hour: then it is a day.
const DAYS: u32 = if cfg!(debug_assertions) { 1 } else { 30 };
const SEED: u64 = 20_261_124;

fn lab(roles: Vec<Role>, minutes: u32) -> Lab {
    let start = "2026-11-24T00:00:00Z".parse().unwrap();
    Lab::new(LabPlan { roles: Some(roles), ..LabPlan::new(STATIONS, start, Some(minutes), SEED) }).unwrap()
}

/// Every second station in everyday use, the others with the troubles that a lab has (a file that cannot be read moves no alert).
fn some_with_troubles() -> Vec<Role> {
    let troubles = Role::ALL.into_iter().filter(|role| *role != Role::Hostile);
    troubles.flat_map(|trouble| [Role::EverydayUse, trouble]).collect()
}

/// How heartbeats were spaced, in seconds.
#[derive(Debug, Default)]
struct Spacing {
    last: HashMap<HostName, DateTime<Utc>>,
    /// Closer than the loop writes: somebody else wrote.
    close: u64,
    /// 53 to 71 s: the loop at its own pace.
    usual: u64,
    /// Up to 165 s: the loop was held, or a beat was lost.
    pauses: u64,
    longest_pause: i64,
    /// Longer: held, and a beat was lost beside it.
    beyond: u64,
}

impl Spacing {
    fn beat(&mut self, host: &HostName, at: DateTime<Utc>) {
        let Some(last) = self.last.insert(host.clone(), at) else { return };
        match (at - last).num_seconds() {
            ..53 => self.close += 1,
            53..=71 => self.usual += 1,
            gap @ 72..=165 => {
                self.pauses += 1;
                self.longest_pause = self.longest_pause.max(gap);
            }
            _ => self.beyond += 1,
        }
    }
}

struct Outcome {
    transitions: Vec<Transition>,
    spacing: Spacing,
    heartbeats: u64,
    unready: u64,
}

fn through_the_core(lab: &Lab) -> Outcome {
    let mut board = Board::default();
    let mut spacing = Spacing::default();
    board.book(reservations(lab), lab.plan().start);
    for tick in Ticks::of(lab) {
        for upload in tick.uploads.iter().filter(|upload| upload.document == Document::Heartbeat) {
            spacing.beat(&upload.host, upload.at);
        }
        if !tick.uploads.is_empty() {
            board.take(tick.uploads, tick.now);
        }
        board.check(tick.now);
    }
    assert_eq!(board.down(), openings(&board.transitions, Rule::HeartbeatMissing).len() - resolved(&board.transitions));
    Outcome { spacing, heartbeats: board.heartbeats, unready: board.unready, transitions: board.transitions }
}

fn resolved(transitions: &[Transition]) -> usize {
    let missing = transitions.iter().filter(|moved| moved.key.rule == Rule::HeartbeatMissing);
    missing.filter(|moved| moved.from.is_some()).count()
}

#[test]
fn a_month_of_healthy_stations_raises_at_most_one_false_heartbeat_missing_in_a_thousand_station_days() {
    let lab = lab(vec![Role::EverydayUse], DAYS * 24 * 60);
    let parts = thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let lab = &lab;
        let running: Vec<_> =
            (0..parts).map(|part| scope.spawn(move || through_the_core(&lab.part(part, parts)))).collect();
        running.into_iter().map(|part| part.join().unwrap()).collect()
    });

    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let station_days = STATIONS as u64 * u64::from(DAYS);
    let (heartbeats, unready) = (sum(|one| one.heartbeats), sum(|one| one.unready));
    let (close, usual) = (sum(|one| one.spacing.close), sum(|one| one.spacing.usual));
    let (pauses, beyond) = (sum(|one| one.spacing.pauses), sum(|one| one.spacing.beyond));
    let longest = outcomes.iter().map(|one| one.spacing.longest_pause).max().unwrap();
    let alarms: Vec<_> = outcomes.iter().flat_map(|one| openings(&one.transitions, Rule::HeartbeatMissing)).collect();
    println!(
        "{station_days} station-days, {heartbeats} heartbeats: {usual} at the usual pace, {close} close, {pauses} pauses (longest \
         {longest} s), {beyond} beyond; {unready} unready; {} false heartbeat_missing",
        alarms.len()
    );

    // Enough happened.
    assert!(heartbeats >= station_days * 1_300, "{heartbeats} heartbeats in {station_days} station-days");
    assert!(usual * 10 >= heartbeats * 9, "{usual} of {heartbeats} at the usual pace");
    assert!(pauses >= station_days * 2 && (150..=165).contains(&longest), "{pauses} pauses, the longest {longest} s");
    assert!(close >= station_days * 2, "{close} beats of panels");
    assert!(unready >= station_days * 3, "{unready} beats of a flap");

    assert!(
        alarms.len() as u64 * 1_000 <= station_days.max(1_000),
        "{} in {station_days} station-days: {:#?}",
        alarms.len(),
        sorted(&alarms.into_iter().cloned().collect::<Vec<_>>())
    );
}

#[test]
fn the_core_alone_gives_the_very_transitions_of_the_whole_pipeline() {
    let minutes = if cfg!(debug_assertions) { 90 } else { 6 * 60 };
    let lab = lab(some_with_troubles(), minutes);
    let pure = through_the_core(&lab);
    let database = Database::new(Kind::Sqlite);
    let (transitions, heartbeats) = blocking(async {
        let mut world = World::punctual(&database, lab.plan().start).await;
        world.book(&reservations(&lab)).await;
        let mut heartbeats = 0;
        for tick in Ticks::of(&lab) {
            let mut announced = Vec::new();
            for upload in tick.uploads {
                heartbeats += u64::from(upload.document == Document::Heartbeat);
                announced.push(world.put(&key(&upload), Bytes::from(upload.bytes), upload.at));
            }
            world.clock.advance_to(tick.now);
            world.take(announced).await;
            world.check().await;
        }
        let transitions = stored(world.store()).await;
        let accepted = accepted_by_memory(&world.objects);
        world.close().await;
        Conservation::of(database.url())
            .accepted(accepted)
            .at_least("history", heartbeats)
            .at_least("transitions", 100)
            .holds()
            .await;
        (transitions, heartbeats)
    });
    assert_eq!(heartbeats, pure.heartbeats);
    let rules: std::collections::BTreeSet<_> = transitions.iter().map(|moved| moved.key.rule).collect();
    assert!(rules.len() >= 7, "most rules had something to say: {rules:?}");
    assert_eq!(sorted(&transitions), sorted(&pure.transitions));
}
