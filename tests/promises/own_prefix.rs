//! DESIGN.md section 4.3: a station speaks only for itself.

use std::sync::Arc;

use stationkeeper_embedded_bucket::{BucketOptions, EmbeddedBucket};
use stationkeeper_pipeline::s3::{Endpoint, S3Bucket};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::lab::{Lab, altered, at, host, newest, ready, spooled};

// Promise 3.1
#[tokio::test]
async fn each_kind_of_key_is_its_hosts_and_letter_case_is_no_other_host() {
    let lab = Lab::starting_at("10:00:00").await;
    let announced = [
        lab.put("stations/LAB-01/heartbeat.json", ready("LAB-01", at("10:00:00")), at("10:00:01")),
        lab.put(&spooled("LAB-01", at("09:59:00")), ready("LAB-01", at("09:59:00")), at("10:00:02")),
        lab.put("stations/lab-01/heartbeat.json", ready("Lab-01", at("09:58:00")), at("10:00:03")),
    ];
    let report = lab.take(&announced).await;
    assert_eq!((report.ignored, report.quarantined), (0, 0));
    assert_eq!(lab.history("LAB-01").await.len(), 3);
    assert_eq!(spooled("LAB-01", at("09:59:00")), "stations/LAB-01/heartbeat/20261124T095900Z.json");
}

// Promise 3.2
#[tokio::test]
async fn an_access_key_of_a_station_opens_its_own_prefix_alone() {
    let folder = tempfile::tempdir().unwrap();
    let opened = EmbeddedBucket::open(&folder.path().join("bucket.sqlite"), BucketOptions::default()).await;
    let bucket = Arc::new(opened.unwrap());
    let credential = bucket.credential_for_station(&host("LAB-01")).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint {
        url: format!("http://{}", listener.local_addr().unwrap()),
        region: "us-east-1".to_owned(),
        access_key_id: credential.access_key_id,
        secret_access_key: credential.secret.expose().to_owned(),
    };
    let (stop, mut serving) = (CancellationToken::new(), JoinSet::new());
    serving.spawn(bucket.clone().serve(listener, stop.clone()));
    let client = S3Bucket::at(&endpoint, bucket.name().to_owned());
    for (key, allowed) in [
        (newest("LAB-01"), true),
        (spooled("LAB-01", at("10:00:00")), true),
        (newest("LAB-02"), false),
        ("stations/LAB-01x/heartbeat.json".to_owned(), false),
        ("stations/heartbeat.json".to_owned(), false),
        ("quarantine/LAB-01/heartbeat.json".to_owned(), false),
    ] {
        let body = ready("LAB-01", at("10:00:00"));
        let sent = client.client().put_object().bucket(bucket.name()).key(&key).body(body.into()).send().await;
        assert_eq!(sent.is_ok(), allowed, "{key}: {sent:?}");
    }
    stop.cancel();
}

// Promise 3.3
#[tokio::test]
async fn a_document_that_names_another_host_is_put_aside_and_touches_neither_station() {
    let lab = Lab::starting_at("10:00:00").await;
    lab.beat("LAB-01", "10:00:00").await;
    let before = lab.state("LAB-01").await;
    let lying = lab.put_newest("LAB-02", ready("LAB-01", at("10:01:00")), at("10:01:01"));
    lab.take(&[lying]).await;
    let rows = lab.quarantined().await;
    assert_eq!((rows.len(), rows[0].reason.as_str(), rows[0].host.clone()), (1, "host_mismatch", Some(host("LAB-02"))));
    assert_eq!(lab.state("LAB-01").await, before);
    assert!(lab.history("LAB-02").await.is_empty());
}

// Promise 3.4
#[tokio::test]
async fn keys_are_decoded_once_and_strictly() {
    let lab = Lab::starting_at("10:00:00").await;
    let announced = lab.put_newest("LAB-Ñ1", ready("LAB-Ñ1", at("10:00:00")), at("10:00:01"));
    assert!(announced.contains("LAB-%C3%911"), "the bucket encodes: {announced}");
    lab.take(std::slice::from_ref(&announced)).await;
    assert_eq!(lab.latest("LAB-Ñ1").await, at("10:00:00"));
    for (shows, key) in [
        ("encoded twice", "stations/LAB-%25C3%25911/heartbeat.json"),
        ("no hexadecimal digits", "stations/LAB-%G1/heartbeat.json"),
        ("no UTF-8", "stations/LAB-%FF/heartbeat.json"),
        ("a segment that walks", "stations/LAB-01/%2E%2E/LAB-02/heartbeat.json"),
        ("a plus is a blank", "stations/LAB+01/heartbeat.json"),
    ] {
        let report = lab.take(&[altered(&announced, "key", key.into())]).await;
        assert_eq!((report.ignored, report.quarantined, report.tally.advanced), (1, 0, 0), "{shows}: {report:?}");
    }
}

// Promise 3.5
#[tokio::test]
async fn other_keys_are_ignored_and_counted() {
    let lab = Lab::starting_at("10:00:00").await;
    let keys = [
        "heartbeat.json",
        "stations/LAB-01/notes.txt",
        "stations/LAB-01/heartbeat/yesterday.json",
        "quarantine/LAB-01/20261124T100001Z-0123456789abcdef",
        "other/LAB-01/heartbeat.json",
    ];
    let announced = keys.map(|key| lab.put(key, b"whatever".to_vec(), at("10:00:01")));
    let report = lab.take(&announced).await;
    assert_eq!((report.ignored, report.quarantined), (5, 0));
    assert!(lab.store.station(&host("LAB-01")).await.unwrap().is_none());
}
