//! Eight handlers and a foreign client at the same rows of one MariaDB: deadlocks and waits in vain change nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};
use stationkeeper_store::Store;
use stationkeeper_tests::database::{Database, Row};
use stationkeeper_tests::mariadb_server::MariaDbServer;
use tokio::task::JoinSet;

use crate::database_faults::number;
use crate::memory::{Beats, handler};
use crate::outside::quick;

/// Handlers at once.
const HANDLERS: usize = 8;
const STATIONS: usize = 6;
const BEATS: usize = 40;
/// Deliveries of a batch.
const BATCH: usize = 12;
/// What a run writes.
const TABLES: [&str; 8] = [
    "lab_hosts",
    "lab_station_heartbeat",
    "lab_station_heartbeat_variants",
    "lab_station_state",
    "station_state_runs",
    "alerts",
    "alert_transitions",
    "quarantined_objects",
];

#[tokio::test(flavor = "multi_thread")]
async fn eight_handlers_at_the_same_stations_end_as_one_does_whatever_deadlocks_and_lock_waits_come_between() {
    let server = MariaDbServer::start(&[]);
    server.as_root("set global innodb_monitor_enable = 'lock_timeouts'");
    let beats = Arc::new(Beats::of(STATIONS, BEATS));
    let store = Store::open(&server.url(), quick()).await.unwrap();
    store.migrate().await.unwrap();
    // The stations are there from the start, so that the foreign client has rows to lock.
    let report = handler(&beats, store.clone()).batch(&beats.deliveries()[..STATIONS]).await;
    assert!(report.failed.is_empty(), "{report:?}");

    let stop = Arc::new(AtomicBool::new(false));
    let mut foreign = JoinSet::new();
    foreign.spawn(foreign_client(server.url(), stop.clone()));
    let mut handlers = JoinSet::new();
    for number in 0..HANDLERS {
        let (beats, url) = (beats.clone(), server.url());
        handlers.spawn(async move {
            let handler = handler(&beats, Store::open(&url, quick()).await.unwrap());
            // Each has all of it, begins elsewhere, and every second goes backwards.
            let mut deliveries = if number % 4 < 2 { beats.deliveries() } else { beats.deliveries_without_version() };
            let from = number * 31 % deliveries.len();
            deliveries.rotate_left(from);
            if number % 2 == 1 {
                deliveries.reverse();
            }
            for batch in deliveries.chunks(BATCH) {
                // What a lock held back for longer than a batch is repeated comes again, as a queue brings it.
                while !handler.batch(batch).await.failed.is_empty() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
    }
    while let Some(ended) = handlers.join_next().await {
        ended.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    let foreign_victims = foreign.join_next().await.unwrap().unwrap();

    let deadlocks = metric(&server, "lock_deadlocks") - foreign_victims;
    let timeouts = metric(&server, "lock_timeouts");
    assert!(deadlocks >= 3, "deadlocks that a handler was the victim of: {deadlocks}");
    assert!(timeouts >= 2, "waits in vain: {timeouts}");
    beats.assert_all_there(&server.url()).await;

    let expected = Beats::of(STATIONS, BEATS);
    let server_alone = MariaDbServer::start(&[]);
    let alone = Store::open(&server_alone.url(), quick()).await.unwrap();
    alone.migrate().await.unwrap();
    for batch in expected.deliveries().chunks(BATCH) {
        assert!(handler(&expected, alone.clone()).batch(batch).await.failed.is_empty());
    }
    for table in TABLES {
        let (got, expected) = (rows(&server, table), rows(&server_alone, table));
        assert_eq!(got.len(), expected.len(), "rows of {table}");
        for (got, expected) in got.iter().zip(&expected) {
            assert_eq!(got, expected, "a row of {table}");
        }
    }
}

/// Locks the rows of stations in the order opposite to the handlers', now and then for longer than anybody waits. How often it was
/// the victim of a deadlock.
async fn foreign_client(url: String, stop: Arc<AtomicBool>) -> i64 {
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    connection
        .execute("create table foreign_rows (id int auto_increment primary key, text varchar(20))")
        .await
        .unwrap();
    let mut victim = 0;
    let mut round = 0;
    while !stop.load(Ordering::SeqCst) {
        round += 1;
        connection.execute("begin").await.unwrap();
        // The server gives up the transaction that has changed less: not this one.
        connection
            .execute("insert into foreign_rows (text) select host from lab_station_heartbeat limit 200")
            .await
            .unwrap();
        for host in (0..STATIONS).rev() {
            let lock = format!("select host from lab_station_state where host = 'LAB-{host:02}' for update");
            match connection.execute(AssertSqlSafe(lock)).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => {
                    assert!(matches!(number(&error), Some(1205 | 1213)), "{error}");
                    victim += i64::from(number(&error) == Some(1213));
                    break;
                }
            }
        }
        if round % 8 == 0 {
            tokio::time::sleep(Duration::from_millis(2_500)).await;
        }
        connection.execute("rollback").await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    connection.execute("drop table foreign_rows").await.unwrap();
    victim
}

fn metric(server: &MariaDbServer, name: &str) -> i64 {
    server.number_of("select cast(count as signed) from information_schema.innodb_metrics where name = ?", name)
}

/// All rows of a table, on a thread where one may wait.
fn rows(server: &MariaDbServer, table: &'static str) -> Vec<Row> {
    let url = server.url();
    let reading = std::thread::spawn(move || {
        let name = "stationkeeper".to_owned();
        // It goes with its server, and not before.
        let database = std::mem::ManuallyDrop::new(Database::MariaDb { server: url, name });
        database.rows(table, &[])
    });
    reading.join().unwrap()
}
