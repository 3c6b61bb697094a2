//! The schedule is stopped between any two of its steps, and begun again with what is recorded.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use stationkeeper_telemetry::{PowerAction, SessionOperation};

use super::testing::Lab;
use super::*;
use crate::testing::{instant, station};

/// A lease that is not renewed is over after this.
const LEASE: TimeDelta = TimeDelta::seconds(60);
const BOOT: TimeDelta = TimeDelta::seconds(50);

/// A station that does what it is told, and the schedule over it.
struct World {
    lab: Lab,
    now: DateTime<Utc>,
    /// Down until then.
    up_from: Option<DateTime<Utc>>,
    last_beat: DateTime<Utc>,
    /// Whether anything is heard of it once a crash has happened.
    heard_after_crash: bool,
    crashed: bool,
    prepared: Option<SessionOperation>,
    released: Option<SessionOperation>,
    powered: Option<PowerAction>,
    /// The command that runs on it, and when it ends; no heartbeat is sent before that.
    running: Option<(Work, DateTime<Utc>)>,
    /// Commands that reached it.
    sent: BTreeMap<(String, Action), u32>,
    /// Places passed at which a crash can happen, and those at which one does, with the time until somebody takes over.
    places: usize,
    crashes: BTreeMap<usize, i64>,
    gave_up: Vec<(Side, Option<Action>)>,
}

/// The schedule stops here.
struct Crash;

impl World {
    fn of(reservations: &[&str], after_end: AfterEnd, up: bool, heard: bool, crashes: BTreeMap<usize, i64>) -> Self {
        let mut lab = Lab::with(reservations).beats("09:00:00", |_| {});
        lab.after_end = after_end;
        Self {
            lab,
            now: instant("09:00:00"),
            up_from: up.then(|| instant("09:00:00")),
            last_beat: instant("09:00:00"),
            heard_after_crash: heard,
            crashed: false,
            prepared: None,
            released: None,
            powered: None,
            running: None,
            sent: BTreeMap::new(),
            places: 0,
            crashes,
            gave_up: Vec::new(),
        }
    }

    fn is_up(&self) -> bool {
        self.up_from.is_some_and(|from| from <= self.now)
    }

    fn beat(&mut self) {
        self.last_beat = self.now;
        if self.crashed && !self.heard_after_crash {
            return;
        }
        let (prepared, released, powered) = (self.prepared.clone(), self.released.clone(), self.powered.clone());
        self.lab.state = station(&self.now.format("%H:%M:%S").to_string(), |said| {
            (said.last_prepare, said.last_release, said.last_power_action) = (prepared, released, powered);
        });
        self.lab.state.skew = Some(TimeDelta::zero());
    }

    /// Lets time pass: a command ends, and a station that is up sends a heartbeat every minute and one when it has booted.
    fn until(&mut self, then: DateTime<Utc>) {
        while self.now < then {
            self.now = (self.now + TimeDelta::seconds(1)).min(then);
            if let Some((work, _)) = self.running.take_if(|(_, ends_at)| *ends_at <= self.now) {
                self.end(&work);
            }
            let due = self.up_from == Some(self.now) || self.now - self.last_beat >= TimeDelta::seconds(60);
            if self.is_up() && due && self.running.is_none() {
                self.beat();
            }
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.until(self.now + TimeDelta::seconds(seconds));
    }

    fn place(&mut self) -> Result<(), Crash> {
        self.places += 1;
        match self.crashes.remove(&(self.places - 1)) {
            None => Ok(()),
            Some(away) => {
                self.crashed = true;
                self.pass(LEASE.num_seconds() + away);
                Err(Crash)
            }
        }
    }

    /// Does the work on the station, which goes on with it whether anybody waits for the reply or not.
    fn carry_out(&mut self, work: &Work, reservation: &str) -> Result<Outcome, Crash> {
        if let Work::Wake(_) = work {
            if self.is_up() {
                return Ok(Outcome::reachable(0));
            }
            self.up_from = Some(self.up_from.map_or(self.now + BOOT, |from| from.max(self.now)));
            self.place()?;
            self.pass(60);
            return Ok(Outcome::reachable(2));
        }
        if !self.is_up() {
            return Ok(Outcome::not_sent("no route to host"));
        }
        assert!(self.running.is_none(), "two commands at once");
        *self.sent.entry((reservation.to_owned(), work.action())).or_default() += 1;
        // A prepare warns whoever is there.
        let takes = if work.action() == Action::Prepare { 100 } else { 5 };
        let ends_at = self.now + TimeDelta::seconds(takes);
        self.running = Some((work.clone(), ends_at));
        self.place()?;
        self.until(ends_at);
        Ok(Outcome::exited(Ending::Done, 0))
    }

    fn end(&mut self, work: &Work) {
        let session =
            |at| Some(SessionOperation { timestamp: Some(at), success: Some(true), duration_ms: None, user: None });
        match work {
            Work::Wake(_) => {}
            Work::Prepare { .. } => self.prepared = session(self.now),
            Work::Release { reboot_timeout_seconds, .. } => {
                self.released = session(self.now);
                if reboot_timeout_seconds.is_some() {
                    self.up_from = Some(self.now + BOOT);
                }
            }
            Work::Power { mode, .. } => {
                self.powered = Some(PowerAction {
                    timestamp: Some(self.now),
                    mode: Some(mode.as_str().to_owned()),
                    forced: None,
                    wake_ready: Some(true),
                    success: Some(true),
                    delay: None,
                    reason: None,
                    wake_issues: None,
                });
                self.beat(); // its last words
                self.up_from = None;
            }
        }
    }

    /// One waking of the schedule, as its executor goes about it: what is decided is committed before it is done.
    fn scan(&mut self, end: DateTime<Utc>) -> Result<(), Crash> {
        let run = match self.lab.decide(self.now) {
            Decision::Nothing { look_again_at } => {
                self.until(look_again_at.unwrap_or(end).min(end));
                return Ok(());
            }
            Decision::Blocked(blocked) => panic!("nothing blocks: {blocked:?}"),
            Decision::GaveUp(gave_up) => {
                self.place()?;
                self.gave_up.push((gave_up.side, gave_up.failed));
                self.lab.operations.push(gave_up.record);
                return self.place();
            }
            Decision::Resume(run) => run,
            Decision::Run(run) => {
                self.place()?;
                run
            }
        };
        self.lab.open = Some(OpenRun { run: run.clone(), leased_until: self.now + LEASE });
        self.place()?;
        loop {
            let known = Known { state: &self.lab.state, held: false };
            match next(&run, &self.lab.operations, &known, &[], &self.lab.timing, self.now) {
                Next::Issue { operation, work } => {
                    assert!(
                        self.lab.operations.iter().all(|other| other.id != operation.id),
                        "opened twice: {operation:?}"
                    );
                    let (id, reservation) = (operation.id.clone(), operation.reservation_id.0.clone());
                    self.lab.operations.push(*operation);
                    self.place()?;
                    let outcome = self.carry_out(&work, &reservation)?;
                    self.place()?;
                    self.settle(&id, outcome);
                    self.place()?;
                }
                Next::Settle { operation_id, outcome } => {
                    self.settle(&operation_id, outcome);
                    self.place()?;
                }
                Next::WaitForHeartbeat { until, .. } => {
                    assert!(until > self.now, "a wait that is over");
                    self.until(until.min(self.now + TimeDelta::seconds(30)));
                    self.place()?;
                }
                Next::Finished(finished) => {
                    self.lab.operations.extend(finished.closings);
                    self.lab.open = None;
                    return self.place();
                }
            }
        }
    }

    fn settle(&mut self, id: &OperationId, outcome: Outcome) {
        for operation in self.lab.operations.iter_mut().filter(|operation| &operation.id == id) {
            *operation = operation.clone().settled(outcome.clone(), self.now);
        }
    }

    fn live_until(&mut self, end: DateTime<Utc>) {
        for _ in 0..10_000 {
            if self.now >= end {
                return;
            }
            let before = (self.now, self.lab.operations.len());
            let crashed = self.scan(end).is_err();
            assert!(
                crashed || before != (self.now, self.lab.operations.len()),
                "it goes round in circles at {}",
                self.now
            );
        }
        panic!("it never comes to an end");
    }

    fn sent(&self, reservation: &str, action: Action) -> u32 {
        self.sent.get(&(reservation.to_owned(), action)).copied().unwrap_or(0)
    }
}

fn crashes() -> impl Strategy<Value = BTreeMap<usize, i64>> {
    proptest::collection::btree_map(0_usize..40, 0_i64..240, 0..4)
}

fn after_ends() -> impl Strategy<Value = AfterEnd> {
    let modes = [None, Some(PowerMode::Shutdown), Some(PowerMode::Hibernate)];
    (any::<bool>(), proptest::sample::select(modes.to_vec())).prop_map(|(reboot, power)| AfterEnd {
        reboot,
        power,
        ..AfterEnd::default()
    })
}

/// What was sent, each command once at most.
fn once_at_most(world: &World) {
    for (command, times) in &world.sent {
        assert!(*times <= 1, "{command:?} was sent {times} times: {:#?}", world.lab.operations);
    }
}

#[test]
fn a_crash_at_any_single_place_changes_nothing_of_what_is_sent() {
    for (after_end, up) in [
        (AfterEnd::default(), true),
        (AfterEnd::default(), false),
        (AfterEnd { power: Some(PowerMode::Shutdown), ..AfterEnd::default() }, false),
    ] {
        let live = |crashes: BTreeMap<usize, i64>| {
            let mut world = World::of(&["R 10:00:00 13:00:00"], after_end, up, true, crashes);
            world.live_until(instant("18:00:00"));
            world
        };
        let undisturbed = live(BTreeMap::new());
        assert_eq!(undisturbed.sent("R", Action::Prepare), 1);
        assert_eq!(undisturbed.sent("R", Action::Release), 1);
        for place in 0..undisturbed.places {
            for away in [0, 45, 200] {
                let world = live(BTreeMap::from([(place, away)]));
                assert_eq!(world.sent, undisturbed.sent, "place {place}, {away} s: {:#?}", world.lab.operations);
                assert_eq!(world.gave_up, [], "place {place}, {away} s");
                assert_eq!(world.is_up(), undisturbed.is_up(), "place {place}, {away} s");
            }
        }
    }
}

fn a_turnover_with_crashes(crashes: BTreeMap<usize, i64>, after_end: AfterEnd, up: bool, gap: i64) {
    let begins = (instant("13:00:00") + TimeDelta::seconds(gap)).format("%H:%M:%S");
    let next = format!("S {begins} 16:00:00");
    let mut world = World::of(&["R 10:00:00 13:00:00", &next], after_end, up, true, crashes);
    world.live_until(instant("20:00:00"));
    once_at_most(&world);
    for reservation in ["R", "S"] {
        assert_eq!(world.sent(reservation, Action::Prepare), 1, "{reservation}");
    }
    assert_eq!(world.sent("S", Action::Release), 1);
    let early = |one: &&Operation| one.reservation_id.0 == "S" && one.started_at < instant("13:00:00");
    assert_eq!(world.lab.operations.iter().find(early), None);
    // Nothing is done for the first once the second has the station. A prepare that never got there gave it to nobody.
    let prepares = |one: &&Operation| {
        one.reservation_id.0 == "S" && one.action == Action::Prepare && one.may_have_reached_station()
    };
    let prepared_at = world.lab.operations.iter().find(prepares).map(|one| one.started_at);
    let late = |one: &&Operation| {
        one.reservation_id.0 == "R" && Some(one.started_at) > prepared_at && one.action.changes_station()
    };
    assert_eq!(world.lab.operations.iter().find(late), None);
}

#[test]
fn a_turnover_whose_commands_never_left_is_made_again_as_a_whole() {
    let crashes = BTreeMap::from([(0, 0), (13, 44), (19, 0)]);
    a_turnover_with_crashes(crashes, AfterEnd { reboot: false, ..AfterEnd::default() }, true, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn crashes_at_any_places_send_each_command_once_and_the_reservation_ends_the_same(
        crashes in crashes(), after_end in after_ends(), up in any::<bool>(),
    ) {
        let mut world = World::of(&["R 10:00:00 13:00:00"], after_end, up, true, crashes);
        world.live_until(instant("18:00:00"));
        once_at_most(&world);
        prop_assert_eq!(&world.gave_up, &[]);
        prop_assert_eq!(world.sent("R", Action::Prepare), 1);
        prop_assert_eq!(world.sent("R", Action::Release), 1);
        if let Some(mode) = after_end.power {
            prop_assert_eq!(world.sent("R", Action::Power(mode)), 1);
        }
        prop_assert_eq!(world.is_up(), after_end.power.is_none());
    }

    #[test]
    fn crashes_at_a_turnover_never_prepare_too_early_nor_twice(
        crashes in crashes(), after_end in after_ends(), up in any::<bool>(), gap in 0_i64..180,
    ) {
        a_turnover_with_crashes(crashes, after_end, up, gap);
    }

    #[test]
    fn a_station_that_is_not_heard_after_a_crash_is_told_nothing_twice(
        crashes in crashes(), after_end in after_ends(), up in any::<bool>(),
    ) {
        let mut world = World::of(&["R 10:00:00 13:00:00"], after_end, up, false, crashes);
        world.live_until(instant("18:00:00"));
        once_at_most(&world);
        prop_assert!(world.gave_up.len() <= 2, "one word for each side: {:?}", world.gave_up);
    }
}
