//! Handlers whose own clocks are wrong, or that are late: no verdict depends on it.

use bytes::Bytes;
use chrono::TimeDelta;
use stationkeeper_rules::{Rule, Transition};
use stationkeeper_simulator::{Lab, LabPlan};
use stationkeeper_tests::conservation::{Conservation, accepted_by_memory};
use stationkeeper_tests::database::{Database, Kind, blocking};

use crate::clocks::{cases, half_an_hour};
use crate::moved::{Moved, openings, sorted, stored};
use crate::ticks::{Ticks, key, reservations};
use crate::world::World;

const MINUTES: u32 = 90;

/// Ninety minutes in which every kind of station does what it does.
fn lab() -> Lab {
    Lab::new(LabPlan::new(14, "2026-11-24T08:00:00Z".parse().unwrap(), Some(MINUTES), 11)).unwrap()
}

/// The lab, taken and checked every five seconds by handlers whose clocks are off by so much.
async fn watched(database: &Database, lab: &Lab, off: &[TimeDelta]) -> Vec<Transition> {
    let mut world = World::of(database, lab.plan().start, off).await;
    world.book(&reservations(lab)).await;
    for tick in Ticks::of(lab) {
        world.clock.advance_to(tick.now);
        let put = tick.uploads.into_iter().map(|upload| world.put(&key(&upload), Bytes::from(upload.bytes), upload.at));
        let announced = put.collect();
        world.take(announced).await;
        world.check().await;
    }
    finished(world, database).await
}

async fn finished(world: World, database: &Database) -> Vec<Transition> {
    let transitions = stored(world.store()).await;
    let accepted = accepted_by_memory(&world.objects);
    world.close().await;
    Conservation::of(database.url())
        .accepted(accepted)
        .at_least("history", 900)
        .at_least("transitions", 15)
        .holds()
        .await;
    transitions
}

fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

fn clocks_change_nothing(kind: Kind, tried: &[(&str, Vec<TimeDelta>)]) {
    let lab = lab();
    let database = Database::new(kind);
    let expected = sorted(&blocking(watched(&database, &lab, &[TimeDelta::zero()])));
    let rules: std::collections::BTreeSet<_> = expected.iter().map(|moved| moved.rule).collect();
    assert!(rules.len() >= 6 && rules.contains("heartbeat_missing"), "every kind of trouble is there: {rules:?}");
    for (shows, off) in tried {
        let database = Database::new(kind);
        assert_eq!(sorted(&blocking(watched(&database, &lab, off))), expected, "{shows}");
    }
}

#[test]
fn handlers_whose_clocks_are_wrong_give_the_alerts_of_punctual_ones_on_sqlite() {
    clocks_change_nothing(
        Kind::Sqlite,
        &[
            ("five minutes ahead", vec![minutes(5)]),
            ("five minutes behind", vec![minutes(-5)]),
            ("two that differ by ten minutes", vec![minutes(-5), minutes(5)]),
            ("an hour late", vec![minutes(60)]),
            ("an hour early, beside one that is right", vec![minutes(-60), minutes(0)]),
        ],
    );
}

#[test]
fn handlers_whose_clocks_are_wrong_give_the_alerts_of_punctual_ones_on_mariadb() {
    clocks_change_nothing(Kind::MariaDb, &[("two that differ by ten minutes", vec![minutes(-5), minutes(5)])]);
}

#[test]
fn wrong_clocks_of_stations_and_of_handlers_together_change_nothing_either() {
    let (right, wrong) = (Database::new(Kind::Sqlite), Database::new(Kind::Sqlite));
    let cases = cases();
    blocking(async {
        let expected = half_an_hour(&right, &cases, &[TimeDelta::zero()]).await;
        let got = half_an_hour(&wrong, &cases, &[minutes(-5), minutes(5)]).await;
        assert_eq!(sorted(&got.transitions), sorted(&expected.transitions));
        Conservation::of(wrong.url())
            .accepted(accepted_by_memory(&got.objects))
            .at_least("history", 1_000)
            .at_least("transitions", 40)
            .holds()
            .await;
    });
}

/// The queue of the whole lab, drained by handlers that are an hour late; the check runs when it is empty. For the bucket the lab has
/// just ended then, as it would have if stations had gone on.
async fn an_hour_late(database: &Database, lab: &Lab, batch: usize) -> Vec<Transition> {
    let mut world = World::of(database, lab.plan().start, &[minutes(60)]).await;
    world.book(&reservations(lab)).await;
    let uploads: Vec<_> = lab.uploads().collect();
    for some in uploads.chunks(batch) {
        let put = some.iter().map(|upload| world.put(&key(upload), Bytes::from(upload.bytes.clone()), upload.at));
        let announced = put.collect();
        world.clock.advance_to(some.last().unwrap().at);
        world.take(announced).await;
    }
    world.clock.advance_to(lab.end());
    world.check().await;
    finished(world, database).await
}

#[test]
fn a_queue_that_is_drained_an_hour_late_gives_the_alerts_of_punctual_handlers() {
    let lab = lab();
    let database = Database::new(Kind::Sqlite);
    let punctual = blocking(watched(&database, &lab, &[TimeDelta::zero()]));
    for (kind, batch) in [(Kind::Sqlite, 1), (Kind::Sqlite, 50), (Kind::MariaDb, 50)] {
        let database = Database::new(kind);
        let late = blocking(an_hour_late(&database, &lab, batch));
        // Silence is judged by the check alone, and there was none: nobody was called for what was over when it was known.
        let of_heartbeats = |transitions: &[Transition]| -> Vec<Moved> {
            let mut moved = sorted(transitions);
            moved.retain(|moved| moved.rule != Rule::HeartbeatMissing.as_str());
            moved
        };
        let (got, expected) = (of_heartbeats(&late), of_heartbeats(&punctual));
        let odd: Vec<_> = got.iter().filter(|moved| !expected.contains(moved)).collect();
        let lacking: Vec<_> = expected.iter().filter(|moved| !got.contains(moved)).collect();
        assert!(odd.is_empty() && lacking.is_empty(), "{kind:?}, batches of {batch}: {odd:#?}\nlacking: {lacking:#?}");
        let justified: Vec<_> = openings(&punctual, Rule::HeartbeatMissing);
        for opened in openings(&late, Rule::HeartbeatMissing) {
            assert!(justified.iter().any(|one| one.key == opened.key), "{kind:?}: {opened:?} was not silent");
        }
    }
}
