//! A bucket that lost something: its last commits, pages, rows, bodies, or the process that had claimed its deliveries.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::options;
use sqlx::{Connection, SqliteConnection};
use stationkeeper_embedded_bucket::{Attributes, Condition, EmbeddedBucket, ObjectKey, Stored, WriteCondition};
use stationkeeper_telemetry::HostName;

const MINUTE: Duration = Duration::from_secs(60);

async fn open(path: &Path) -> EmbeddedBucket {
    EmbeddedBucket::open_or_rebuild(path, options(), MINUTE).await.unwrap().0
}

/// In order; and another may have it.
async fn close(bucket: EmbeddedBucket) {
    bucket.close().await;
}

async fn put(bucket: &EmbeddedBucket, key: &str, body: &str) -> Stored {
    let key = ObjectKey::parse(key).unwrap();
    let body = body.to_owned().into_bytes().into();
    bucket.put(&key, body, Attributes::default(), WriteCondition::Always).await.unwrap().unwrap()
}

async fn beside(path: &Path, statement: &'static str) {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_a_killed_process_had_claimed_is_due_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bucket.sqlite");
    let bucket = open(&path).await;
    put(&bucket, "stations/LAB-01/heartbeat.json", "one").await;
    assert_eq!(bucket.receive(9, 100 * MINUTE).await.unwrap().len(), 1);
    drop(bucket);
    let again = open(&path).await.receive(9, MINUTE).await.unwrap();
    assert_eq!(again.iter().map(|delivery| delivery.attempts).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_bucket_that_lost_its_last_commits_gives_no_version_id_a_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bucket.sqlite");
    close(open(&path).await).await;
    let before = std::fs::read(&path).unwrap();
    let bucket = open(&path).await;
    let lost = put(&bucket, "stations/LAB-01/heartbeat.json", "one").await;
    close(bucket).await;
    std::fs::write(&path, before).unwrap();
    let bucket = open(&path).await;
    let next = put(&bucket, "stations/LAB-01/heartbeat.json", "two").await;
    assert_ne!(next.version_id, lost.version_id);
}

#[tokio::test]
async fn an_emptied_file_keeps_the_keys_of_its_stations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bucket.sqlite");
    let bucket = open(&path).await;
    let root = bucket.root_credential().await.unwrap();
    let kept = bucket.credential_for_station(&HostName::parse("LAB-01").unwrap()).await.unwrap();
    let revoked = bucket.credential_for_station(&HostName::parse("LAB-02").unwrap()).await.unwrap();
    assert!(bucket.revoke(&revoked.access_key_id).await.unwrap());
    close(bucket).await;
    std::fs::write(&path, "").unwrap();
    let (bucket, prepared) = EmbeddedBucket::open_or_rebuild(&path, options(), MINUTE).await.unwrap();
    assert!(prepared.set_aside.is_some());
    assert_eq!(bucket.root_credential().await.unwrap(), root);
    assert_eq!(bucket.credential_for_station(&HostName::parse("LAB-01").unwrap()).await.unwrap(), kept);
    let anew = bucket.credential_for_station(&HostName::parse("LAB-02").unwrap()).await.unwrap();
    assert_ne!(anew, revoked, "what was revoked does not come back");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join("bucket.sqlite.keys")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}

#[tokio::test]
async fn a_version_says_whether_its_body_is_the_one_that_was_put() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bucket.sqlite");
    let bucket = open(&path).await;
    let names = ["whole", "cut", "altered", "missing"].map(|name| format!("stations/LAB-01/{name}"));
    let mut versions = Vec::new();
    for name in &names {
        versions.push(put(&bucket, name, "a body of some bytes").await.version_id);
    }
    beside(
        &path,
        "update versions set body = substr(body, 1, 5) where object_key like '%cut';
        update versions set body = cast(replace(cast(body as text), 'some', 'same') as blob) where object_key like '%altered';
        delete from versions where object_key like '%missing'",
    )
    .await;
    let expected = [Condition::Whole, Condition::Damaged, Condition::Damaged, Condition::Missing];
    for ((name, version), expected) in names.iter().zip(&versions).zip(expected) {
        assert_eq!(bucket.condition(name, version).await.unwrap(), expected, "{name}");
        let got = bucket.get(name, Some(version)).await;
        assert_eq!(got.is_err(), expected == Condition::Damaged, "{name}: no wrong byte is ever given: {got:?}");
    }
}

#[tokio::test]
async fn a_version_is_announced_again_as_it_was_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bucket.sqlite");
    let bucket = open(&path).await;
    put(&bucket, "stations/LAB-01/heartbeat.json", "one").await;
    put(&bucket, "quarantine/x", "no station's").await;
    let first = bucket.receive(9, MINUTE).await.unwrap();
    assert_eq!(bucket.ingested_versions(None, 9).await.unwrap(), [], "it waits");
    bucket.delete(&[first[0].id]).await.unwrap();
    let ingested = bucket.ingested_versions(None, 9).await.unwrap();
    assert_eq!(ingested.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["stations/LAB-01/heartbeat.json"]);
    assert_eq!(bucket.ingested_versions(ingested.last(), 9).await.unwrap(), []);
    let sequences = [ingested[0].sequence];
    assert_eq!(bucket.announce_again(&sequences).await.unwrap(), 1);
    assert_eq!(bucket.announce_again(&sequences).await.unwrap(), 0, "it is in the queue");
    let again = bucket.receive(9, MINUTE).await.unwrap();
    let told = |body: &str| {
        let event: serde_json::Value = serde_json::from_str(body).unwrap();
        let record = &event["Records"][0];
        (record["eventName"].clone(), record["eventTime"].clone(), record["s3"].clone())
    };
    assert_eq!(told(&again[0].body), told(&first[0].body));
    // And what lost its event finds one at the next opening.
    close(bucket).await;
    beside(&path, "delete from queue").await;
    let bucket = open(&path).await;
    assert_eq!(bucket.queue_depth().await.unwrap(), 1);
    assert_eq!(told(&bucket.receive(9, MINUTE).await.unwrap()[0].body), told(&first[0].body));
}
