//! `/health` of a running `stationkeeper up` names the part within five seconds of its fault, and is well again after it.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use sqlx::{Connection, Executor, SqliteConnection};
use stationkeeper_tests::conservation::{Conservation, accepted_by_embedded, waiting_in_embedded};
use stationkeeper_tests::tmpfs::Tmpfs;

use crate::outside::named;
use stationkeeper_tests::station::{heartbeat, host, newest_key, spool_key};
use stationkeeper_tests::up::{Up, data_folder};
use stationkeeper_tests::waiting::{PATIENCE, now, until};

/// Within this the part is named.
const NAMED_WITHIN: Duration = Duration::from_secs(5);

async fn until_named(up: &Up, parts: &[&str], within: Duration) {
    let mut seen = Vec::new();
    let begun = std::time::Instant::now();
    while begun.elapsed() < within {
        seen = named(&up.get_openly("/health").await.json());
        if seen == parts {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("/health names {seen:?} and not {parts:?} within {} s", within.as_secs());
}

/// As another process would lock it: until the connection is closed.
async fn locked(file: &Path) -> SqliteConnection {
    let mut other = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    other.execute("begin exclusive").await.unwrap();
    other
}

async fn rows(up: &Up, name: &str) -> u64 {
    let store = up.store().await;
    let rows = store.count_heartbeats(Some(&host(name))).await.unwrap();
    store.close().await;
    rows
}

/// Everything that the bucket accepted is there, so many heartbeats among it.
async fn nothing_is_lost(up: &Up, heartbeats: u64) {
    let bucket = up.data.join("bucket.sqlite");
    let store = format!("sqlite:{}", up.data.join("stationkeeper.sqlite").display());
    let counts = Conservation::of(store)
        .accepted(accepted_by_embedded(&bucket).await)
        .waiting(waiting_in_embedded(&bucket).await)
        .at_least("history", heartbeats)
        .holds()
        .await;
    assert_eq!((counts["history"], counts["quarantined"]), (heartbeats, 0));
}

async fn until_rows(up: &Up, name: &str, count: u64) {
    until(&format!("{count} heartbeats of {name}"), PATIENCE, async || (rows(up, name).await == count).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_another_process_locks_is_named() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    until_named(&up, &[], NAMED_WITHIN).await;
    let other = locked(&folder.path().join("stationkeeper.sqlite")).await;
    until_named(&up, &["database"], NAMED_WITHIN).await;
    let at = now();
    up.access.put(&newest_key("LAB-01"), heartbeat("LAB-01", at)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(named(&up.get_openly("/health").await.json()), ["database"], "it is locked all the while");
    assert_eq!(rows(&up, "LAB-01").await, 0);
    other.close().await.unwrap();
    until_named(&up, &[], NAMED_WITHIN).await;
    until_rows(&up, "LAB-01", 1).await;
    nothing_is_lost(&up, 1).await;
    up.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_answers_with_errors_is_named() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    until_named(&up, &[], NAMED_WITHIN).await;
    let other = locked(&folder.path().join("bucket.sqlite")).await;
    until_named(&up, &["bucket"], NAMED_WITHIN).await;
    let at = now();
    let bytes = heartbeat("LAB-01", at);
    let refused = up.access.put(&newest_key("LAB-01"), bytes.clone()).await;
    assert_eq!(refused.unwrap_err(), "SlowDown", "a station is told to come again");
    other.close().await.unwrap();
    until_named(&up, &[], NAMED_WITHIN).await;
    up.access.put(&newest_key("LAB-01"), bytes).await.unwrap();
    until_rows(&up, "LAB-01", 1).await;
    nothing_is_lost(&up, 1).await;
    up.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_without_room_is_named_and_what_was_accepted_is_there_in_the_end() {
    let disk = Tmpfs::of_mib(32);
    let data = disk.path().join("data");
    let up = Up::start(&data);
    until_named(&up, &[], NAMED_WITHIN).await;
    let begun = now() - TimeDelta::hours(1);
    let mut accepted = 0;
    let mut refused = 0;
    let mut put = async |up: &Up, minute: i64| {
        let at = begun + TimeDelta::seconds(minute);
        match up.access.put(&spool_key("LAB-01", at), heartbeat("LAB-01", at)).await {
            Ok(()) => accepted += 1,
            Err(word) => {
                assert_eq!(word, "SlowDown", "a station is told to come again");
                refused += 1;
            }
        }
        (accepted, refused)
    };
    for minute in 0..10 {
        put(&up, minute).await;
    }
    until_rows(&up, "LAB-01", 10).await;
    disk.fill();
    until_named(&up, &["bucket", "database"], NAMED_WITHIN).await;
    // What room the files have of their own is used up; then nothing is accepted any more.
    let mut minute = 10;
    let (accepted, _) = loop {
        let counted = put(&up, minute).await;
        minute += 1;
        assert!(minute < 5_000, "there is no room for all of this");
        if counted.1 >= 3 {
            break counted;
        }
    };
    tokio::time::sleep(Duration::from_secs(3)).await;
    let named = named(&up.get_openly("/health").await.json());
    assert!(named.contains(&"bucket".to_owned()) && named.contains(&"database".to_owned()), "{named:?}");
    disk.empty();
    until_named(&up, &[], Duration::from_secs(10)).await;
    until_rows(&up, "LAB-01", accepted).await;
    nothing_is_lost(&up, accepted).await;
    up.terminate();
}
