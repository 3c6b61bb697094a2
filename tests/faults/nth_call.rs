//! The n-th call of the database or of the bucket fails, for n = 1, 2, 3 … until a run passes without it, in each way in which a
//! call can fail: afterwards rows and alerts are those of the run in which nothing did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stationkeeper_store::Store;
use stationkeeper_store::faults::{Fault, FaultPlan};
use stationkeeper_tests::database::{Database, Kind, blocking};
use stationkeeper_tests::tables::{Row, Tables};

use crate::run::{Plans, Run, Seen, open};
use crate::scenario::{Step, steps};

/// Databases that runs share, each with one run at a time.
const LANES: usize = 4;

/// What is compared, each without what two runs may number differently: a copy that is made twice moves the bucket's counter of
/// versions. (That each version is in its place, conservation looks at.)
const TABLES: [(&str, &[&str]); 16] = [
    ("lab_hosts", &[]),
    ("lab_station_state", &[]),
    ("lab_station_heartbeat", &[]),
    ("lab_station_heartbeat_variants", &[]),
    ("station_state_runs", &[]),
    ("overdue_checks", &[]),
    ("reservations", &[]),
    ("lab_host_events", &[]),
    ("host_event_cursors", &[]),
    ("forced_logoff_sightings", &[]),
    ("reservation_forced_logoffs", &[]),
    ("alerts", &[]),
    ("alert_transitions", &[]),
    ("notifications_owed", &[]),
    ("quarantined_objects", &["object_version", "quarantine_key"]),
    ("ingested_objects", &["object_hash"]),
];

/// Tables that an outage of the bucket during a check leaves its trace in: it is an alert of its own, and a grace for everybody.
const JUDGED: [&str; 6] =
    ["lab_station_state", "station_state_runs", "overdue_checks", "alerts", "alert_transitions", "notifications_owed"];

const EMPTY: &str = "begin; delete from notifications_owed; delete from alert_transitions; delete from alerts; delete from updates; delete from lab_station_state; \
    delete from lab_hosts; delete from lab_station_heartbeat; delete from lab_station_heartbeat_variants; \
    delete from station_state_runs; delete from reservations; delete from lab_host_events; delete from host_event_cursors; \
    delete from forced_logoff_sightings; delete from reservation_forced_logoffs; delete from quarantined_objects; \
    delete from ingested_objects; \
    update overdue_checks set last_run_at = null, stalled_since = null, grace_from = null; commit";

type Rows = BTreeMap<&'static str, Vec<Row>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Store,
    Bucket,
}

#[derive(Debug, Clone, Copy)]
struct Job {
    part: Part,
    nth: u64,
    fault: Fault,
}

/// What a run left.
struct Left {
    rows: Rows,
    seen: Seen,
    plans: Plans,
    /// What conservation says against it.
    violations: Option<String>,
}

/// A database with the schema, emptied before each run.
struct Lane {
    kind: Kind,
    database: Option<Database>,
    url: String,
    tables: Tables,
    store: Store,
}

impl Lane {
    async fn open(kind: Kind) -> Self {
        let database = tokio::task::spawn_blocking(move || Database::new(kind)).await.unwrap();
        let url = database.url();
        let store = open(&url).await;
        store.migrate().await.unwrap();
        // It has its dictionary: otherwise the first run would make calls that the others do not.
        drop(store.begin().await.unwrap());
        let tables = Tables::open(&url).await.unwrap();
        Self { kind, database: Some(database), url, tables, store }
    }

    async fn run(&mut self, steps: &[Step], plans: Plans, restarts: bool) -> Left {
        self.tables.execute(EMPTY).await.unwrap();
        // A server prepares every statement anew for a new connection; a file is opened in no time.
        let mut run = match self.kind {
            Kind::Sqlite => Run::over(&self.url, plans, restarts).await,
            Kind::MariaDb => Run::with(&self.store, &self.url, plans, restarts),
        };
        run.all(steps).await;
        let conservation = run
            .conservation()
            .at_least("stations", 5)
            .at_least("history", 22)
            .at_least("variants", 1)
            .at_least("state_documents", 4)
            .at_least("quarantined", 2)
            .at_least("events", 2)
            .at_least("alerts", 4);
        let violations = conservation.check_in(&mut self.tables).await.err().map(|violations| violations.to_string());
        let mut rows = Rows::new();
        for (table, without) in TABLES {
            let mut of_table = self.tables.without(table, without).await.unwrap();
            of_table.sort();
            rows.insert(table, of_table);
        }
        Left { rows, seen: run.seen, plans: run.plans, violations }
    }

    async fn close(mut self) {
        self.tables.close().await.unwrap();
        self.store.close().await;
        let database = self.database.take();
        tokio::task::spawn_blocking(move || drop(database)).await.unwrap();
    }
}

/// Rows that differ, the first few of each table.
fn differences(got: &Rows, expected: &Rows, tables: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (table, expected) in expected.iter().filter(|(table, _)| tables(table)) {
        let got = &got[table];
        let missing = expected.iter().filter(|row| !got.contains(row)).map(|row| (row, "missing"));
        let surplus = got.iter().filter(|row| !expected.contains(row)).map(|row| (row, "surplus"));
        for (row, what) in missing.chain(surplus).take(4) {
            let short = row.iter().filter(|(name, _)| !matches!(name.as_str(), "raw" | "snapshot" | "memory"));
            let shown: Vec<_> = short.filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?))).collect();
            found.push(format!("{table}: {what}: {}", shown.join(" ")));
        }
        if got.len() != expected.len() {
            found.push(format!("{table}: {} rows, expected {}", got.len(), expected.len()));
        }
    }
    found
}

/// What an outage of the bucket during a check may leave beside everything else: the alert that says so, over.
fn says_that_the_look_failed(rows: &Rows) -> bool {
    let stalled = |row: &&Row| row["rule"].as_deref() == Some("ingest_stalled");
    let alerts: Vec<_> = rows["alerts"].iter().filter(stalled).collect();
    !alerts.is_empty() && alerts.iter().all(|alert| alert["state"].as_deref() == Some("resolved"))
}

fn each_call_fails_in_each_way(kind: Kind) {
    let expected = blocking(async {
        let mut lane = Lane::open(kind).await;
        let expected = lane.run(&steps(), Plans::default(), false).await;
        lane.close().await;
        expected
    });
    assert_eq!(expected.violations, None);
    let calls = [(Part::Store, expected.plans.store.calls()), (Part::Bucket, expected.plans.bucket.calls())];
    let mut jobs = Vec::new();
    for (part, calls) in calls {
        for nth in 1..=calls + 1 {
            jobs.extend(ways(kind, nth).iter().map(|fault| Job { part, nth, fault: *fault }));
        }
    }
    let next = AtomicUsize::new(0);
    let runs: Vec<(Job, Left)> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(|| blocking(work_off(kind, &jobs, &next)))).collect();
        lanes.into_iter().flat_map(|lane| lane.join().expect("no lane panics")).collect()
    });
    assert_eq!(runs.len(), jobs.len());
    judge(&runs, &expected, &calls);
}

/// For now, for good, and done with the reply lost. An error that does not look as if it would pass takes turns with one that does
/// where each statement is a journey to a server.
fn ways(kind: Kind, nth: u64) -> &'static [Fault] {
    match kind {
        Kind::Sqlite => &Fault::ALL,
        Kind::MariaDb if nth.is_multiple_of(2) => &[Fault::Once, Fault::Broken, Fault::ReplyLost],
        Kind::MariaDb => &[Fault::OnceRefused, Fault::Away, Fault::ReplyLost],
    }
}

/// Takes jobs that nobody else takes.
async fn work_off(kind: Kind, jobs: &[Job], next: &AtomicUsize) -> Vec<(Job, Left)> {
    let mut lane = Lane::open(kind).await;
    let (steps, mut done) = (steps(), Vec::new());
    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
        let mut plans = Plans::default();
        let plan = Arc::new(FaultPlan::at(job.nth, job.fault));
        match job.part {
            Part::Store => plans.store = plan,
            Part::Bucket => plans.bucket = plan,
        }
        done.push((*job, lane.run(&steps, plans, job.nth % 4 < 2).await));
    }
    lane.close().await;
    done
}

fn judge(runs: &[(Job, Left)], expected: &Left, calls: &[(Part, u64)]) {
    let mut problems: Vec<String> = Vec::new();
    // Of an outage during the same check all runs must say the same, wherever in the check it began.
    let mut outages: BTreeMap<(Vec<usize>, bool), &Rows> = BTreeMap::new();
    let (mut struck, mut redeliveries, mut failed_checks, mut restarts) = (0, 0, 0, 0);
    let mut hit: BTreeSet<String> = BTreeSet::new();
    for (job, left) in runs {
        let plan = if job.part == Part::Store { &left.plans.store } else { &left.plans.bucket };
        let mut found: Vec<String> = left.violations.iter().cloned().collect();
        let reached = calls.iter().any(|(part, calls)| *part == job.part && job.nth <= *calls);
        if plan.struck().is_some() != reached {
            found.push(format!("it struck {:?}", plan.struck()));
        }
        if left.seen.failed_looks.is_empty() {
            found.extend(differences(&left.rows, &expected.rows, |_| true));
        } else {
            found.extend(differences(&left.rows, &expected.rows, |table| !JUDGED.contains(&table)));
            let outage = (left.seen.failed_looks.clone(), matches!(job.fault, Fault::OnceRefused | Fault::Broken));
            match outages.get(&outage) {
                Some(rows) => found.extend(differences(&left.rows, rows, |_| true)),
                None => drop(outages.insert(outage, &left.rows)),
            }
            if job.part == Part::Store || !says_that_the_look_failed(&left.rows) {
                found.push("a look failed, and no alert says so".to_owned());
            }
            if matches!(job.fault, Fault::Once | Fault::ReplyLost) {
                found.push("one failure of a look is no outage".to_owned());
            }
        }
        struck += u64::from(plan.struck().is_some());
        redeliveries += left.seen.redeliveries;
        failed_checks += left.seen.failed_checks;
        restarts += left.seen.restarts;
        hit.extend(plan.struck());
        if !found.is_empty() {
            let what = plan.struck().unwrap_or_default();
            problems.push(format!("{job:?} ({what}):\n    {}", found.join("\n    ")));
        }
    }
    assert!(problems.is_empty(), "{} of {} runs differ:\n{}", problems.len(), runs.len(), {
        problems.truncate(12);
        problems.join("\n")
    });
    let planned =
        runs.iter().filter(|(job, _)| calls.iter().any(|(part, calls)| *part == job.part && job.nth <= *calls));
    assert_eq!(struck, planned.count() as u64, "every planned failure happened");
    assert!(redeliveries >= struck / 2, "{redeliveries} deliveries came back after {struck} failures");
    assert!(failed_checks >= struck / 10, "{failed_checks} checks were repeated after {struck} failures");
    assert!(restarts >= struck / 4, "{restarts} restarts after {struck} failures");
    assert!(outages.len() >= 4, "outages of the bucket during a check: {:?}", outages.keys());
    for call in
        ["begin a transaction", "commit", "insert heartbeats", "insert host events", "get an object", "copy an object"]
    {
        assert!(hit.contains(call), "{call} never failed: {hit:?}");
    }
}

// Promise 4.3
#[test]
fn whichever_call_fails_rows_and_alerts_are_the_same_on_sqlite() {
    each_call_fails_in_each_way(Kind::Sqlite);
}

#[test]
fn whichever_call_fails_rows_and_alerts_are_the_same_on_mariadb() {
    each_call_fails_in_each_way(Kind::MariaDb);
}
