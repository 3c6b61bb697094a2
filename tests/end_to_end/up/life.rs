//! How `up` starts, ends, and comes back.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;

use crate::harness::boto::{boto3_puts, put};
use crate::harness::database::Database;
use crate::harness::programs::{command, stationkeeper, stationkeeper_says};
use crate::harness::station::{heartbeat, host, newest_key, spool_key, written};
use crate::harness::up::{Up, data_folder};
use crate::harness::{PATIENCE, SOON, now, until};

#[tokio::test]
async fn up_says_where_everything_is_and_all_of_it_answers() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let page = up.line["page"].as_str().unwrap();
    assert_eq!(up.line["api"], format!("{page}/api/v1"));
    assert!(up.line["database"].as_str().unwrap().contains("stationkeeper.sqlite"), "{}", up.line);
    for path in ["/livez", "/readyz", "/health", "/metrics"] {
        let answer = up.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let health = up.get_openly("/health").await.json();
    assert_eq!(health["status"], "ok", "{health}");
    let stations = up.get("/api/v1/stations").await;
    assert_eq!(stations.json(), serde_json::json!({ "items": [], "next": null }));
    let by_other_header = up.get_with("/api/v1/stations", &[("X-Lab-Manager-Token", up.token())]).await;
    assert_eq!(by_other_header.status, 200);
    for headers in [&[][..], &[("Authorization", "Bearer wrong")], &[("X-Lab-Manager-Token", "")]] {
        assert_eq!(up.get_with("/api/v1/stations", headers).await.status, 401, "{headers:?}");
    }
    // The page is a login form for whoever is not known.
    let (form, page) = (up.get_openly("/").await, up.get("/").await);
    assert_eq!((form.status, page.status), (401, 200));
    assert!(form.text().contains("<form") && page.text().contains("<html"), "{}\n{}", form.text(), page.text());
}

#[tokio::test]
async fn sigterm_ends_it_within_seconds_and_a_restart_has_everything() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let token = up.token().to_owned();
    let at = now();
    boto3_puts(
        &up.access,
        &[put(&newest_key("LAB-01"), &heartbeat("LAB-01", at)), put(&newest_key("LAB-02"), b"not JSON")],
    );
    up.station("LAB-01", SOON, |station| station["timestamp_utc"] == written(at)).await;
    up.quarantined(&newest_key("LAB-02"), PATIENCE).await;
    let access = up.access.clone();
    let took = up.terminate();
    assert!(took < Duration::from_secs(10), "{took:?}");

    let again = Up::start(folder.path());
    again.station("LAB-01", SOON, |station| station["timestamp_utc"] == written(at)).await;
    again.quarantined(&newest_key("LAB-02"), SOON).await;
    assert_eq!(again.access.access_key_id, access.access_key_id, "keys stay valid");
    assert_eq!(again.access.secret_access_key, access.secret_access_key);
    let by_first_token = again.get_with("/api/v1/stations", &[("X-Lab-Manager-Token", &token)]).await;
    assert_eq!(by_first_token.status, 200, "the first start's token is valid until revoked");
    let later = now() + TimeDelta::seconds(1);
    boto3_puts(&again.access, &[put(&newest_key("LAB-01"), &heartbeat("LAB-01", later))]);
    again.station("LAB-01", SOON, |station| station["timestamp_utc"] == written(later)).await;
}

#[tokio::test]
async fn what_was_accepted_before_a_kill_is_there_exactly_once_after_it() {
    const HEARTBEATS: i64 = 60;
    let folder = data_folder();
    let up = Up::start(folder.path());
    let begun = now() - TimeDelta::hours(2);
    let instants: Vec<_> = (0..HEARTBEATS).map(|minute| begun + TimeDelta::minutes(minute)).collect();
    let operations: Vec<_> =
        instants.iter().map(|at| put(&spool_key("LAB-01", *at), &heartbeat("LAB-01", *at))).collect();
    boto3_puts(&up.access, &operations);
    up.program.kill();

    let again = Up::start(folder.path());
    let store = again.store().await;
    until("all heartbeats", PATIENCE, async || {
        (store.count_heartbeats(None).await.unwrap() >= HEARTBEATS as u64).then_some(())
    })
    .await;
    again.station("LAB-01", PATIENCE, |station| station["timestamp_utc"] == written(*instants.last().unwrap())).await;
    let rows = store.heartbeats(&host("LAB-01"), begun, now(), 1_000).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.timestamp_utc).collect::<Vec<_>>(), instants);
    for at in &instants {
        assert!(store.raw_variants(&host("LAB-01"), *at).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn one_folder_is_for_one_up_and_the_second_says_so() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let data = folder.path().to_str().unwrap();
    for demo in [&[][..], &["--demo", "2"]] {
        let mut second = command("stationkeeper");
        second
            .args(["up", "--json", "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--data", data])
            .args(demo);
        let output = second.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(69), "{demo:?}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "one sentence: {said}");
        assert!(said.contains("another process"), "{said}");
    }
    // And nothing of the first was touched.
    let at = now();
    boto3_puts(&up.access, &[put(&newest_key("LAB-01"), &heartbeat("LAB-01", at))]);
    up.station("LAB-01", SOON, |station| station["timestamp_utc"] == written(at)).await;
}

#[tokio::test]
async fn up_works_on_mariadb_and_keeps_everything_there() {
    let folder = data_folder();
    let database = Database::empty().await;
    let arguments = ["--database", database.url.as_str()];
    let up = Up::start_with(folder.path(), &arguments, Duration::from_secs(60));
    let shown = up.line["database"].as_str().unwrap();
    assert!(shown.starts_with("MySQL") && !shown.contains(":sk@"), "no password in it: {shown}");
    let at = now();
    let bytes = heartbeat("LAB-ÑU", at);
    boto3_puts(&up.access, &[put(&newest_key("LAB-ÑU"), &bytes), put(&newest_key("LAB-NU"), &heartbeat("LAB-NU", at))]);
    for name in ["LAB-ÑU", "LAB-NU"] {
        up.station(name, SOON, |station| station["timestamp_utc"] == written(at)).await;
    }
    boto3_puts(&up.access, &[put(&newest_key("LAB-BAD"), b"{")]);
    assert_eq!(up.quarantined(&newest_key("LAB-BAD"), PATIENCE).await["reason"], "truncated_json");
    assert!(!folder.path().join("stationkeeper.sqlite").exists(), "no second database beside it");
    up.terminate();

    let lines: Vec<Value> =
        serde_json::from_str(&stationkeeper_says(&["status", "--json", "--database", &database.url])).unwrap();
    let hosts: Vec<_> = lines.iter().map(|line| line["host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["LAB-NU", "LAB-ÑU"]);
    let raw = stationkeeper(&["raw", "LAB-ÑU", &written(at), "--database", &database.url]);
    assert_eq!(raw.stdout, bytes);
    let again = Up::start_with(folder.path(), &arguments, Duration::from_secs(60));
    again.station("LAB-ÑU", SOON, |station| station["timestamp_utc"] == written(at)).await;
}
