//! The n-th call of the database fails under the planner, for n = 1, 2, 3 … and in each way in which a call can fail: afterwards every
//! row about notifications is that of the run in which nothing did.

use std::collections::BTreeMap;
use std::sync::Arc;

use stationkeeper_gateway::{AskedSilence, set_silence};
use stationkeeper_pipeline::planner::plan_notifications;
use stationkeeper_rules::{
    Actor, AlertId, AlertKey, AlertState, Cause, QuietHours, Rule, Settings, TimeOfDay, Transition,
};
use stationkeeper_store::faults::{Fault, FaultPlan};
use stationkeeper_store::{Author, Store};
use stationkeeper_tests::database::{Database, Kind, blocking};
use stationkeeper_tests::tables::{Row, Tables};

use crate::world::{at, host, open, settings};

const TABLES: [&str; 6] = [
    "notifications",
    "notifications_owed",
    "notification_decisions",
    "notification_hearings",
    "notification_planner",
    "silences",
];

const EMPTY: &str = "begin; delete from notification_hearings; delete from notification_decisions; \
    delete from notifications_owed; delete from notifications; delete from silences; delete from alert_transitions; \
    delete from alerts; update notification_planner set last_run_at = null; commit";

/// So often nothing may fail.
const ATTEMPTS: u32 = 4;

type Rows = BTreeMap<&'static str, Vec<Row>>;

fn moved(rule: Rule, name: &str, opened: &str, from: Option<AlertState>, to: AlertState, time: &str) -> Transition {
    let key = AlertKey { rule, host: Some(host(name)), reservation_id: None };
    Transition {
        alert_id: AlertId::derive(&key, at(opened)),
        key,
        from,
        to,
        at: at(time),
        actor: Actor::Rule,
        cause: Cause::NothingNewer { since: at(opened) },
        note: None,
        acknowledged_until: None,
    }
}

fn opens(rule: Rule, name: &str, time: &str) -> Transition {
    moved(rule, name, time, None, AlertState::Open, time)
}

fn ends(rule: Rule, name: &str, opened: &str, time: &str) -> Transition {
    moved(rule, name, opened, Some(AlertState::Open), AlertState::Resolved, time)
}

/// What happens, and when it is planned afterwards.
fn timeline() -> Vec<(&'static str, Vec<Transition>)> {
    let (missing, unready) = (Rule::HeartbeatMissing, Rule::NotReady);
    vec![
        ("10:00:00", vec![opens(missing, "LAB-01", "10:00:00"), opens(missing, "LAB-02", "10:00:00")]),
        ("10:00:10", vec![opens(unready, "LAB-02", "10:00:10"), opens(unready, "LAB-09", "10:00:10")]),
        ("10:02:00", vec![]),
        ("10:03:00", vec![ends(missing, "LAB-01", "10:00:00", "10:03:00"), opens(unready, "LAB-03", "10:03:00")]),
        ("10:05:00", vec![ends(unready, "LAB-03", "10:03:00", "10:04:59")]),
        ("11:10:00", vec![]),
        ("11:20:00", vec![ends(missing, "LAB-02", "10:00:00", "11:20:00")]),
        ("13:00:00", vec![]),
        ("13:10:00", vec![ends(unready, "LAB-09", "10:00:10", "13:10:00")]),
        ("13:20:00", vec![]),
    ]
}

fn noisy() -> Settings {
    let mut settings = settings();
    let time = |text: &str| TimeOfDay::parse(text).unwrap();
    let dean = settings.notifications.receivers.get_mut("dean").unwrap();
    dean.quiet_hours = Some(QuietHours { from: time("10:00"), to: time("13:00"), time_zone: None });
    settings.notifications.routes[1].severity = None;
    settings
}

async fn run(store: &Store, tables: &mut Tables, plan: Arc<FaultPlan>) -> Rows {
    tables.execute(EMPTY).await.unwrap();
    let (failing, settings) = (store.with_faults(plan.clone()), noisy());
    let (mut failures, mut attempts) = (0, 0);
    for (time, transitions) in timeline() {
        if !transitions.is_empty() {
            let mut work = store.begin().await.unwrap();
            work.alerts().apply(&transitions).await.unwrap();
            work.owed().append(&transitions, at(time)).await.unwrap();
            work.commit().await.unwrap();
        }
        if time == "10:00:10" {
            let asked =
                AskedSilence { host: Some(host("LAB-09")), reason: "cleaning".to_owned(), ..AskedSilence::default() };
            set_silence(store, asked, &Author::of_command_line(Some("ana")), at(time)).await.unwrap();
        }
        while plan_notifications(&failing, &settings, at(time)).await.is_err() {
            (failures, attempts) = (failures + 1, attempts + 1);
            assert!(attempts < ATTEMPTS, "it fails again and again: {plan:?}");
            plan.heal();
        }
        attempts = 0;
    }
    assert!(failures <= 1, "what was healed stays healed: {plan:?}");
    let mut rows = Rows::new();
    for table in TABLES {
        let mut of_table = tables.without(table, &[]).await.unwrap();
        of_table.sort();
        rows.insert(table, of_table);
    }
    rows
}

async fn each_call_fails_in_each_way(kind: Kind) {
    let database = tokio::task::spawn_blocking(move || Database::new(kind)).await.unwrap();
    let store = open(&database.url()).await;
    store.migrate().await.unwrap();
    let mut tables = Tables::open(&database.url()).await.unwrap();
    let undisturbed = Arc::new(FaultPlan::counting());
    let expected = run(&store, &mut tables, undisturbed.clone()).await;
    assert_eq!(expected["notifications"].len(), 8, "{:?}", expected["notifications"]);
    assert!(expected["notification_decisions"].len() > 15, "{:?}", expected["notification_decisions"]);
    let calls = undisturbed.calls();
    assert!(calls > 80, "{calls}");
    let faults: &[Fault] = match kind {
        Kind::Sqlite => &Fault::ALL,
        Kind::MariaDb => &[Fault::Once, Fault::Broken, Fault::ReplyLost],
    };
    for nth in 1..=calls {
        for fault in faults {
            let plan = Arc::new(FaultPlan::at(nth, *fault));
            let rows = run(&store, &mut tables, plan.clone()).await;
            assert!(plan.struck().is_some(), "call {nth} of {calls}");
            for table in TABLES {
                assert_eq!(rows[table], expected[table], "{table} after {fault:?} at call {nth}, {:?}", plan.struck());
            }
        }
    }
    tables.close().await.unwrap();
    store.close().await;
    tokio::task::spawn_blocking(move || drop(database)).await.unwrap();
}

#[test]
fn whichever_call_of_the_planner_fails_the_same_is_told_on_sqlite() {
    blocking(each_call_fails_in_each_way(Kind::Sqlite));
}

#[test]
fn whichever_call_of_the_planner_fails_the_same_is_told_on_mariadb() {
    blocking(each_call_fails_in_each_way(Kind::MariaDb));
}
