//! Whatever is uploaded: it is put aside with its reason, or understood, and nothing else breaks.

use std::fs;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use stationkeeper_simulator::HeartbeatBuilder;

use crate::harness::boto::{boto3, boto3_puts, put};
use crate::harness::station::{heartbeat, host, newest_key, spool_key, written};
use crate::harness::up::{Up, data_folder};
use crate::harness::{PATIENCE, SOON, corpus, now, until};

/// The corpus was recorded on a day; today it would be too old or to come.
fn of_today(bytes: &[u8], own_time: DateTime<Utc>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_vec() };
    let date = |at: DateTime<Utc>| at.format("%Y-%m-%d").to_string();
    let in_ten_days = format!("{}T09:00:09Z", date(own_time + TimeDelta::days(10)));
    text.replace("2026-12-04T09:00:09Z", &in_ten_days)
        .replace("2026-11-24T09:00:09Z", &own_time.to_rfc3339_opts(SecondsFormat::Secs, true))
        .into_bytes()
}

#[tokio::test]
async fn every_hostile_file_ends_as_its_manifest_says_and_nothing_else_breaks() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let manifest: Vec<Value> =
        serde_json::from_slice(&fs::read(corpus("hostile").join("manifest.json")).unwrap()).unwrap();
    let begun = now() - TimeDelta::hours(2);
    let mut operations = Vec::new();
    let (mut rejected, mut accepted) = (Vec::new(), Vec::new());
    for (place, entry) in manifest.iter().enumerate() {
        let file = entry["file"].as_str().unwrap();
        let at = begun + TimeDelta::seconds(i64::try_from(place).unwrap());
        let bytes = of_today(&fs::read(corpus("hostile").join(file)).unwrap(), at);
        // A key whose host is no name cannot be written, or is nobody's: below, and in the bucket's own tests.
        let name = entry["object_key_host"].as_str().filter(|name| name.starts_with("LAB-WS0") && name.len() == 8);
        let name = name.unwrap_or("LAB-WS01");
        let key = spool_key(name, at);
        operations.push(put(&key, &bytes));
        match entry["expect"].as_str().unwrap().strip_prefix("reject:") {
            Some(reason) => rejected.push((file, key, reason.to_owned(), bytes)),
            None => accepted.push((file, name, at, bytes)),
        }
    }
    assert!(rejected.len() > 30 && accepted.len() > 3, "the corpus is there");
    boto3_puts(&up.access, &operations);
    // After all of them, one that is well.
    let at = now();
    boto3_puts(&up.access, &[put(&newest_key("LAB-WELL"), &heartbeat("LAB-WELL", at))]);
    up.station("LAB-WELL", PATIENCE, |station| station["timestamp_utc"] == written(at)).await;

    let rows = up.all("/api/v1/quarantine?limit=7").await;
    let mut wrong = Vec::new();
    for (file, key, reason, bytes) in &rejected {
        let found: Vec<_> = rows.iter().filter(|row| row["key"] == *key).collect();
        match found.as_slice() {
            [row] if row["reason"] == *reason && row["size_bytes"] == bytes.len() => {
                assert!(!row["quarantine_key"].is_null(), "{file} was copied: {row}");
            }
            other => wrong.push(format!("{file}: {reason} expected, {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows.len(), rejected.len(), "nothing else was put aside");

    let store = up.store().await;
    for (file, name, at, bytes) in &accepted {
        let raw = store.raw(&host(name), *at).await.unwrap();
        assert_eq!(raw.map(|raw| raw.bytes).as_ref(), Some(bytes), "{file} is in history byte for byte");
    }
    // The objects themselves stay where they are, and their copies lie in quarantine/.
    let listed = boto3(
        &up.access,
        &[json!({ "do": "list", "key": "quarantine/" }), json!({ "do": "list", "key": "stations/LAB-WS01/" })],
    );
    assert_eq!(listed[0]["keys"].as_array().unwrap().len(), rejected.len());
    assert!(listed[1]["keys"].as_array().unwrap().len() > 40);
    assert_eq!(up.get_openly("/health").await.status, 200);
}

#[tokio::test]
async fn keys_whose_host_is_no_name_are_refused_or_nobodys() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let manifest: Vec<Value> =
        serde_json::from_slice(&fs::read(corpus("hostile").join("manifest.json")).unwrap()).unwrap();
    let names: Vec<_> = manifest
        .iter()
        .map(|entry| entry["object_key_host"].as_str().unwrap())
        .filter(|name| !name.starts_with("LAB-WS0") || name.len() != 8)
        .collect();
    assert!(names.len() >= 6, "{names:?}");
    let body = heartbeat("LAB-WS01", now());
    let operations: Vec<_> = names.iter().map(|name| put(&format!("stations/{name}/heartbeat.json"), &body)).collect();
    for (name, answer) in names.iter().zip(boto3(&up.access, &operations)) {
        let unsafe_segment = name.split('/').any(|segment| matches!(segment, "" | "." | "..")) || name.contains('\n');
        let status = answer["status"].as_u64().unwrap();
        assert_eq!((400..500).contains(&status), unsafe_segment, "{name:?}: {answer}");
    }
    let at = now();
    boto3_puts(&up.access, &[put(&newest_key("LAB-WELL"), &heartbeat("LAB-WELL", at))]);
    up.station("LAB-WELL", PATIENCE, |station| station["timestamp_utc"] == written(at)).await;
    let hosts: Vec<_> = up.all("/api/v1/stations").await.iter().map(|station| station["host"].clone()).collect();
    assert_eq!(hosts, ["LAB-WELL"]);
    assert!(up.all("/api/v1/quarantine").await.is_empty(), "a key that is nobody's is ignored, not put aside");
    let metrics = up.get("/metrics").await.text();
    let ignored = metrics.lines().find(|line| line.starts_with("stationkeeper_object_events_ignored_total"));
    let count: f64 =
        ignored.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse().ok()).unwrap_or(0.0);
    assert!(count >= 1.0, "ignored ones are counted:\n{metrics}");
}

#[tokio::test]
async fn thirty_megabytes_are_refused_and_the_next_upload_is_not() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let key = newest_key("LAB-BIG");
    let answers = boto3(&up.access, &[json!({ "do": "put", "key": key, "zeros": 30 << 20 })]);
    assert_eq!((&answers[0]["status"], &answers[0]["code"]), (&json!(400), &json!("EntityTooLarge")));
    assert_eq!(up.access.put(&key, vec![b' '; 30 << 20]).await, Err("EntityTooLarge".to_owned()));
    // The largest that is taken is no heartbeat either, and says so.
    boto3_puts(&up.access, &[json!({ "do": "put", "key": key, "zeros": 4 << 20 })]);
    let row = up.quarantined(&key, PATIENCE).await;
    assert_eq!(row["reason"], "all_zero_bytes");
    let at = now();
    boto3_puts(&up.access, &[put(&key, &heartbeat("LAB-BIG", at))]);
    up.station("LAB-BIG", SOON, |station| station["timestamp_utc"] == written(at)).await;
}

#[tokio::test]
async fn the_same_timestamp_with_other_bytes_keeps_both_and_the_later_upload_wins() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let at = now();
    let first = heartbeat("LAB-TWICE", at);
    let second = HeartbeatBuilder::new("LAB-TWICE", at).unready(["Sleep timeout is not disabled"]).bytes();
    let key = newest_key("LAB-TWICE");
    boto3_puts(&up.access, &[put(&key, &first), put(&key, &second)]);
    up.station("LAB-TWICE", PATIENCE, |station| station["ready"] == false).await;
    let store = up.store().await;
    let raw = store.raw(&host("LAB-TWICE"), at).await.unwrap().unwrap();
    assert_eq!(raw.bytes, second);
    let others: Vec<_> =
        store.raw_variants(&host("LAB-TWICE"), at).await.unwrap().into_iter().map(|raw| raw.bytes).collect();
    assert_eq!(others, [first]);
}

#[tokio::test]
async fn a_document_that_names_another_host_is_put_aside() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let own = up.station_access("LAB-02");
    let key = newest_key("LAB-02");
    boto3_puts(&own, &[put(&key, &heartbeat("LAB-01", now()))]);
    let row = up.quarantined(&key, PATIENCE).await;
    assert_eq!((&row["reason"], &row["host"]), (&json!("host_mismatch"), &json!("LAB-02")));
    let stations = up.all("/api/v1/stations").await;
    assert!(stations.iter().all(|station| station["timestamp_utc"].is_null()), "{stations:?}");
    // Letter case is no other host.
    let at = now();
    boto3_puts(&own, &[put(&key, &heartbeat("lab-02", at))]);
    up.station("LAB-02", SOON, |station| station["timestamp_utc"] == written(at)).await;
}

#[tokio::test]
async fn a_heartbeat_from_the_future_never_blocks_the_truth() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let ahead = now() + TimeDelta::hours(23);
    let key = newest_key("LAB-AHEAD");
    boto3_puts(&up.access, &[put(&key, &heartbeat("LAB-AHEAD", ahead))]);
    let station = up.station("LAB-AHEAD", SOON, |station| station["timestamp_utc"] == written(ahead)).await;
    assert!(station["skew_seconds"].as_i64().unwrap() > 22 * 3_600, "{station}");
    let open = up.all("/api/v1/alerts?state=any&rule=clock_skew").await;
    assert_eq!(open.len(), 1, "its clock is wrong: {open:?}");

    // A second of the true clock later than the first upload, so that it ranks higher.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let truth = now();
    boto3_puts(&up.access, &[put(&key, &heartbeat("LAB-AHEAD", truth))]);
    up.station("LAB-AHEAD", SOON, |station| station["timestamp_utc"] == written(truth)).await;
    until("clock_skew resolved", PATIENCE, async || {
        let alerts = up.all("/api/v1/alerts?state=any&rule=clock_skew").await;
        (alerts.len() == 1 && alerts[0]["state"] == "resolved").then_some(())
    })
    .await;

    let too_far = now() + TimeDelta::days(10);
    boto3_puts(&up.access, &[put(&spool_key("LAB-AHEAD", too_far), &heartbeat("LAB-AHEAD", too_far))]);
    let row = up.quarantined(&spool_key("LAB-AHEAD", too_far), PATIENCE).await;
    assert_eq!(row["reason"], "timestamp_out_of_range");
    up.station("LAB-AHEAD", SOON, |station| station["timestamp_utc"] == written(truth)).await;
}
