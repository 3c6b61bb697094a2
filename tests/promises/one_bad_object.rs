//! DESIGN.md section 4.2: one bad object costs nothing else.

use std::sync::Arc;

use stationkeeper_pipeline::bucket::{Bucket, ObjectAddress};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_tests::faults::FaultyBucket;

use crate::lab::{Lab, at, given_back, host, newest, ready};

async fn faulty() -> Lab<FaultyBucket> {
    let objects = Arc::new(MemoryBucket::default());
    let bucket = Arc::new(FaultyBucket { objects: objects.clone(), ..FaultyBucket::default() });
    Lab::over(objects, bucket, "10:00:00").await
}

// Promise 2.1
#[tokio::test]
async fn only_the_delivery_whose_object_cannot_be_reached_comes_back() {
    let lab = faulty().await;
    let names = ["LAB-01", "LAB-02", "LAB-03"];
    let announced = names.map(|name| lab.put_newest(name, ready(name, at("10:00:00")), at("10:00:01")));
    lab.bucket.away.lock().unwrap().insert(newest("LAB-02"));
    let report = lab.deliver(&announced).await;
    assert_eq!(given_back(&report), ["1"]);
    assert!(report.failed[0].reason.contains("503"), "{:?}", report.failed[0]);
    assert_eq!(report.tally.advanced, 2);
    for name in ["LAB-01", "LAB-03"] {
        assert_eq!(lab.latest(name).await, at("10:00:00"));
    }
    lab.bucket.away.lock().unwrap().clear();
    let again = lab.deliver(&announced[1..2]).await;
    assert!(again.failed.is_empty());
    assert_eq!(lab.latest("LAB-02").await, at("10:00:00"));
}

// Promise 2.1
#[tokio::test]
async fn a_delivery_of_two_objects_comes_back_as_a_whole_and_does_nothing_twice() {
    let lab = faulty().await;
    let records = ["LAB-01", "LAB-02"].map(|name| {
        let announced = lab.put_newest(name, ready(name, at("10:00:00")), at("10:00:01"));
        serde_json::from_str::<serde_json::Value>(&announced).unwrap()["Records"][0].clone()
    });
    let both = serde_json::json!({ "Records": records }).to_string();
    lab.bucket.away.lock().unwrap().insert(newest("LAB-02"));
    assert_eq!(given_back(&lab.deliver(std::slice::from_ref(&both)).await), ["0"]);
    lab.bucket.away.lock().unwrap().clear();
    lab.take(&[both]).await;
    assert_eq!((lab.history("LAB-01").await.len(), lab.history("LAB-02").await.len()), (1, 1));
}

// Promise 2.1
#[tokio::test]
async fn an_object_that_is_not_there_yet_comes_back() {
    let lab = faulty().await;
    let announced = lab.put_newest("LAB-01", ready("LAB-01", at("10:00:00")), at("10:00:01"));
    let absent = announced.replace("LAB-01", "LAB-09");
    assert_eq!(given_back(&lab.deliver(&[absent, announced]).await), ["0"]);
    assert_eq!(lab.latest("LAB-01").await, at("10:00:00"));
}

// Promise 2.3, 2.4, 2.5
#[tokio::test]
async fn what_can_never_be_read_is_put_aside_with_its_reason_and_does_not_come_back() {
    let lab = faulty().await;
    let key = newest("LAB-01");
    let bad = lab.put(&key, b"{\"host\":\"LAB-01\",".to_vec(), at("10:00:01"));
    let good = lab.put_newest("LAB-02", ready("LAB-02", at("10:00:00")), at("10:00:01"));
    let report = lab.deliver(&[bad.clone(), good]).await;
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!((report.quarantined, report.tally.advanced), (1, 1));

    let rows = lab.quarantined().await;
    let [row] = rows.as_slice() else { panic!("one row: {rows:?}") };
    assert_eq!((row.object.key.as_str(), row.reason.as_str()), (key.as_str(), "truncated_json"));
    assert_eq!((row.host.clone(), row.size), (Some(host("LAB-01")), 17));
    assert_eq!(row.first_bytes, b"{\"host\":\"LAB-01\",");
    assert_eq!(row.arrived_at, at("10:00:01"));
    assert!(!row.detail.is_empty());

    // Copied, and still where it was.
    let copy = row.quarantine_key.clone().unwrap();
    assert!(copy.starts_with("quarantine/LAB-01/"), "{copy}");
    for key in [copy, key] {
        let found = lab.objects.get(&ObjectAddress { key, version_id: None }, 0, 1_000).await.unwrap();
        assert_eq!(&found.body[..], b"{\"host\":\"LAB-01\",");
    }

    // Announced again: done, and nothing more of it.
    lab.take(std::slice::from_ref(&bad)).await;
    assert_eq!(lab.quarantined().await.len(), 1);
    assert_eq!(lab.objects.list("quarantine/", None).await.unwrap().len(), 1);
}

// Promise 2.3, 2.4
#[tokio::test]
async fn a_message_that_is_no_event_is_put_aside_and_not_given_back() {
    let lab = faulty().await;
    let good = lab.put_newest("LAB-02", ready("LAB-02", at("10:00:00")), at("10:00:01"));
    let report = lab.deliver(&["no JSON at all".to_owned(), "{\"some\":\"thing\"}".to_owned(), good]).await;
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(lab.latest("LAB-02").await, at("10:00:00"));
    let mut reasons: Vec<_> = lab.quarantined().await.into_iter().map(|row| (row.object.key, row.reason)).collect();
    reasons.sort();
    let expected = [("delivery/0", "malformed_json"), ("delivery/1", "unknown_envelope")];
    assert_eq!(reasons, expected.map(|(key, reason)| (key.to_owned(), reason.to_owned())));
}

// Promise 2.5
#[tokio::test]
async fn ingesting_takes_nothing_out_of_the_bucket() {
    let lab = faulty().await;
    let keys: Vec<_> = ["LAB-01", "LAB-02"].map(newest).to_vec();
    let good = lab.put(&keys[0], ready("LAB-01", at("10:00:00")), at("10:00:01"));
    let bad = lab.put(&keys[1], b"[]".to_vec(), at("10:00:01"));
    lab.take(&[good, bad]).await;
    lab.ingest.check_overdue().await.unwrap();
    let listed: Vec<_> = lab.objects.list("stations/", None).await.unwrap().into_iter().map(|one| one.key).collect();
    assert_eq!(listed, keys);
}
