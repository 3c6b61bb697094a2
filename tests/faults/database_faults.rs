//! A database that is locked, restarted, read-only, full, crowded or fought over: what was accepted arrives in the end, once.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, SqliteConnection};
use stationkeeper_pipeline::ingest::Part;
use stationkeeper_store::Store;
use stationkeeper_tests::mariadb_server::MariaDbServer;
use stationkeeper_tests::tmpfs::Tmpfs;

use crate::outside::{Lab, quick};
use stationkeeper_tests::waiting::{now, until};

/// Long enough for a loaded computer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Within this `/health` names what is wrong.
const NAMED_WITHIN: Duration = Duration::from_secs(5);

/// Heartbeats come in before, during and after a fault of the database.
async fn costs_nothing(lab: Lab, fault: impl AsyncFnOnce(&Lab)) {
    lab.upload("LAB-01", 3).await;
    lab.until_rows("LAB-01", 3, PATIENCE).await;
    fault(&lab).await;
    lab.upload("LAB-03", 3).await;
    lab.until_rows("LAB-03", 3, PATIENCE).await;
    lab.assert_nothing_lost(0).await;
    lab.between.assert_a_second_between_reads();
    lab.until_named(&[], NAMED_WITHIN).await;
    lab.end().await;
}

/// During the fault: it is named, nothing of what is uploaded gets in, and it was tried again.
async fn nothing_gets_in(lab: &Lab) {
    lab.upload("LAB-02", 5).await;
    lab.until_named(&["database"], NAMED_WITHIN).await;
    until("what failed was tried again", PATIENCE, async || (lab.attempts().await >= 2).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_that_another_process_locks_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("lab.sqlite").display());
    costs_nothing(Lab::over_database(&url).await, async |lab| {
        let mut other = SqliteConnection::connect(&url).await.unwrap();
        other.execute("begin exclusive").await.unwrap();
        nothing_gets_in(lab).await;
        assert_eq!(lab.rows("LAB-02").await, 0);
        other.execute("rollback").await.unwrap();
        other.close().await.unwrap();
        lab.until_rows("LAB-02", 5, PATIENCE).await;
        assert!(lab.between.assert_a_second_between_reads() > 0, "the objects were read again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_without_room_costs_nothing() {
    let disk = Tmpfs::of_mib(12);
    let url = format!("sqlite:{}", disk.path().join("lab.sqlite").display());
    costs_nothing(Lab::over_database(&url).await, async |lab| {
        fold_write_ahead_log(&disk.path().join("lab.sqlite")).await;
        disk.fill();
        nothing_gets_in(lab).await;
        disk.empty();
        lab.until_rows("LAB-02", 5, PATIENCE).await;
    })
    .await;
}

/// Until it has no room of its own in the write-ahead log that is there.
async fn fold_write_ahead_log(file: &Path) {
    let mut other = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    until("the write-ahead log is folded into the file", PATIENCE, async || {
        let (busy, _, _): (i64, i64, i64) =
            sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(&mut other).await.ok()?;
        (busy == 0).then_some(())
    })
    .await;
    other.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_on_a_disk_that_is_read_only_costs_nothing() {
    use crate::memory::{Beats, handler};
    let disk = Tmpfs::of_mib(12);
    let file = disk.path().join("lab.sqlite");
    let beats = Beats::of(3, 4);
    let store = Store::sqlite(&file, quick()).await.unwrap();
    store.migrate().await.unwrap();
    let report = handler(&beats, store.clone()).batch(&beats.deliveries()[..4]).await;
    assert!(report.failed.is_empty(), "{report:?}");
    // As a process leaves them that is killed: without the write-ahead log nobody could even read.
    let left = disk.path().join("left");
    std::fs::create_dir(&left).unwrap();
    for name in ["lab.sqlite", "lab.sqlite-wal", "lab.sqlite-shm"] {
        std::fs::copy(disk.path().join(name), left.join(name)).unwrap();
    }
    store.close().await;
    let file = left.join("lab.sqlite");

    disk.set_read_only(true);
    let store = Store::sqlite(&file, quick()).await.unwrap();
    for _ in 0..3 {
        let report = handler(&beats, store.clone()).batch(&beats.deliveries()[4..]).await;
        assert_eq!(report.failed.len(), 8, "all of it comes back: {report:?}");
        for failure in &report.failed {
            assert_eq!(failure.part, Part::Database, "it may pass by itself: {failure:?}");
            assert!(failure.reason.contains("readonly"), "{failure:?}");
        }
    }
    store.close().await;
    disk.set_read_only(false);
    let store = Store::sqlite(&file, quick()).await.unwrap();
    let report = handler(&beats, store.clone()).batch(&beats.deliveries()).await;
    assert!(report.failed.is_empty(), "{report:?}");
    beats.assert_all_there(&format!("sqlite:{}", file.display())).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_another_client_of_mariadb_locks_for_long_cost_nothing() {
    let server = MariaDbServer::start(&[]);
    server.as_root("set global innodb_monitor_enable = 'lock_timeouts'");
    let url = server.url();
    costs_nothing(Lab::over_database(&url).await, async |lab| {
        let mut other = MySqlConnection::connect(&url).await.unwrap();
        other.execute("begin").await.unwrap();
        other.execute("select * from lab_station_state for update").await.unwrap();
        lab.upload_one("LAB-01", now() - TimeDelta::seconds(30)).await.unwrap();
        until("a lock was waited for in vain", PATIENCE, async || (lock_timeouts(&server) >= 2).then_some(())).await;
        assert_eq!(lab.rows("LAB-01").await, 3);
        other.execute("rollback").await.unwrap();
        other.close().await.unwrap();
        lab.until_rows("LAB-01", 4, PATIENCE).await;
    })
    .await;
}

fn lock_timeouts(server: &MariaDbServer) -> i64 {
    server.number_of(
        "select cast(count as signed) from information_schema.innodb_metrics where name = ?",
        "lock_timeouts",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_that_is_restarted_under_load_costs_nothing() {
    let mut server = MariaDbServer::start(&[]);
    let url = server.url();
    costs_nothing(Lab::over_database(&url).await, async |lab| {
        for (round, signal) in ["TERM", "KILL", "KILL"].into_iter().enumerate() {
            let name = format!("LAB-2{round}");
            lab.upload(&name, 20).await;
            server.stop(signal);
            lab.upload_one(&name, now() - TimeDelta::seconds(30)).await.unwrap();
            lab.until_named(&["database", "overdue_check"], NAMED_WITHIN).await;
            server.again();
            lab.until_named(&[], PATIENCE).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_that_only_reads_costs_nothing() {
    let server = MariaDbServer::start(&[]);
    costs_nothing(Lab::over_database(&server.url()).await, async |lab| {
        server.as_root("set global read_only = 1");
        nothing_gets_in(lab).await;
        assert_eq!(lab.rows("LAB-02").await, 0);
        server.as_root("set global read_only = 0");
        lab.until_rows("LAB-02", 5, PATIENCE).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_without_room_costs_nothing() {
    let disk = Tmpfs::of_mib(160);
    let server = MariaDbServer::in_folder(disk.path(), &[]);
    costs_nothing(Lab::over_database(&server.url()).await, async |lab| {
        disk.fill();
        // As long as there is room in the pages that are there, it is taken.
        let mut station = 0;
        until("the server has no room left", PATIENCE, async || {
            lab.upload(&format!("LAB-4{station}"), 50).await;
            station += 1;
            lab.named().await.contains(&"database".to_owned()).then_some(())
        })
        .await;
        until("what failed was tried again", PATIENCE, async || (lab.attempts().await >= 2).then_some(())).await;
        disk.empty();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_that_takes_no_more_connections_costs_nothing() {
    let server = MariaDbServer::start(&["--max-connections=12"]);
    let url = server.url();
    costs_nothing(Lab::over_database(&url).await, async |lab| {
        // Others take every connection but the administrator's, ours among them.
        let mut root = MySqlConnection::connect(&server.root_url()).await.unwrap();
        let mut others = Vec::new();
        until("no connection is left", PATIENCE, async || {
            end_sessions(&mut root, &others).await;
            while let Ok(other) = connection(&url).await {
                others.push(other);
            }
            (others.len() >= 11).then_some(())
        })
        .await;
        lab.upload("LAB-02", 5).await;
        lab.until_named(&["database", "overdue_check"], NAMED_WITHIN).await;
        until("what failed was tried again", PATIENCE, async || (lab.attempts().await >= 2).then_some(())).await;
        let refused = connection(&url).await.err().and_then(|error| number(&error));
        assert_eq!(refused, Some(1040), "there is no connection for anybody");
        root.close().await.unwrap();
        for (other, _) in others {
            other.close().await.unwrap();
        }
        lab.until_rows("LAB-02", 5, PATIENCE).await;
    })
    .await;
}

/// A connection, and its number on the server.
async fn connection(url: &str) -> Result<(MySqlConnection, u64), sqlx::Error> {
    let mut connection = MySqlConnection::connect(url).await?;
    let id = sqlx::query_scalar("select connection_id()").fetch_one(&mut connection).await?;
    Ok((connection, id))
}

/// Ends every session of the lab's user but these.
async fn end_sessions(root: &mut MySqlConnection, but: &[(MySqlConnection, u64)]) {
    let statement = "select cast(id as unsigned) from information_schema.processlist where user = 'sk'";
    let ids: Vec<u64> = sqlx::query_scalar(statement).fetch_all(&mut *root).await.unwrap();
    for id in ids.into_iter().filter(|id| but.iter().all(|(_, known)| known != id)) {
        // It may have gone by itself.
        let _ = root.execute(AssertSqlSafe(format!("kill {id}"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_mariadb_who_may_have_no_second_connection_costs_nothing() {
    let server = MariaDbServer::start(&["--max-user-connections=100"]);
    let url = server.url();
    costs_nothing(Lab::over_database(&url).await, async |lab| {
        server.as_root("set global max_user_connections = 1");
        let mut root = MySqlConnection::connect(&server.root_url()).await.unwrap();
        end_sessions(&mut root, &[]).await;
        root.close().await.unwrap();
        let mut refused = 0;
        for minute in 0..10 {
            lab.upload(&format!("LAB-5{minute}"), 2).await;
            if let Err(error) = connection(&url).await {
                assert_eq!(number(&error), Some(1203), "{error}");
                refused += 1;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(refused > 3, "the user's one connection was taken");
        server.as_root("set global max_user_connections = 100");
    })
    .await;
}

/// The server's number of an error.
pub fn number(error: &sqlx::Error) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}
