//! The queue, retention, and a file that fails.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{BUCKET, Lab, get, options, put};
use sqlx::{Connection, SqliteConnection};
use stationkeeper_embedded_bucket::{
    Attributes, BucketError, BucketOptions, Credential, EmbeddedBucket, ObjectKey, Refusal, Scope, Swept,
    WriteCondition,
};

const KEY: &str = "stations/LAB-01/heartbeat.json";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn beside(lab: &Lab) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", lab.file().display())).await.unwrap()
}

async fn open(path: &Path) -> Result<EmbeddedBucket, BucketError> {
    EmbeddedBucket::open(path, options()).await
}

#[tokio::test]
async fn each_put_of_a_station_is_one_event() {
    let lab = Lab::new().await;
    let station = lab.station("LAB-01").await;
    let version = put(&station, "stations/LAB-01/a b.json", "hello").await.unwrap();
    put(&lab.root().await, "quarantine/x", "x").await.unwrap();
    lab.bucket.wait().await.unwrap();
    let deliveries = lab.bucket.receive(10, MINUTE).await.unwrap();
    assert_eq!((deliveries.len(), deliveries[0].attempts), (1, 1));
    assert_eq!(deliveries[0].enqueued_at.to_rfc3339(), "2027-01-15T08:00:00.123+00:00");
    let event: serde_json::Value = serde_json::from_str(&deliveries[0].body).unwrap();
    let record = &event["Records"][0];
    assert_eq!(
        (&record["eventName"], &record["eventTime"]),
        (&"ObjectCreated:Put".into(), &"2027-01-15T08:00:00.123Z".into())
    );
    assert_eq!(record["s3"]["bucket"]["name"], BUCKET);
    let object = &record["s3"]["object"];
    assert_eq!((&object["key"], &object["size"]), (&"stations/LAB-01/a+b.json".into(), &5.into()));
    assert_eq!((&object["versionId"], &object["eTag"]), (&version.into(), &"5d41402abc4b2a76b9719d911017c592".into()));
    assert_eq!(object["sequencer"].as_str().unwrap().len(), 16);
    lab.root().await.delete_object().bucket(BUCKET).key("stations/LAB-01/a b.json").send().await.unwrap();
    let removed = lab.bucket.receive(10, MINUTE).await.unwrap();
    assert!(removed[0].body.contains("ObjectRemoved:DeleteMarkerCreated"), "{}", removed[0].body);
}

#[tokio::test]
async fn a_delivery_comes_back_until_it_is_deleted() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    for body in ["1", "2", "3"] {
        put(&client, KEY, body).await.unwrap();
    }
    let first = lab.bucket.receive(2, MINUTE).await.unwrap();
    let rest = lab.bucket.receive(9, MINUTE).await.unwrap();
    assert_eq!((first.len(), rest.len(), lab.bucket.receive(9, MINUTE).await.unwrap().len()), (2, 1, 0));
    assert_eq!(lab.bucket.queue_depth().await.unwrap(), 3);
    lab.bucket.delete(&[first[0].id]).await.unwrap();
    lab.bucket.retry(rest[0].id, Duration::from_secs(10)).await.unwrap();
    lab.pass(Duration::from_secs(10));
    let again = lab.bucket.receive(9, MINUTE).await.unwrap();
    assert_eq!(again.iter().map(|d| (d.id, d.attempts)).collect::<Vec<_>>(), [(rest[0].id, 2)]);
    lab.pass(MINUTE);
    let expired = lab.bucket.receive(9, MINUTE).await.unwrap();
    assert_eq!(expired.iter().map(|d| (d.id, d.attempts)).collect::<Vec<_>>(), [(first[1].id, 2), (rest[0].id, 3)]);
    lab.bucket.delete(&[first[0].id, first[1].id, rest[0].id]).await.unwrap();
    assert_eq!((lab.bucket.queue_depth().await.unwrap(), lab.bucket.oldest_enqueued_at().await.unwrap()), (0, None));
}

#[tokio::test]
async fn the_consumer_wakes_with_the_commit() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    let bucket = Arc::clone(&lab.bucket);
    let consumer = tokio::spawn(async move {
        loop {
            bucket.wait().await.unwrap();
            if let Some(delivery) = bucket.receive(1, MINUTE).await.unwrap().pop() {
                return delivery;
            }
        }
    });
    tokio::task::yield_now().await;
    put(&client, KEY, "1").await.unwrap();
    let delivery = tokio::time::timeout(Duration::from_secs(5), consumer).await.unwrap().unwrap();
    assert_eq!(delivery.attempts, 1);
}

#[tokio::test]
async fn objects_keys_and_claims_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/bucket.sqlite");
    let bucket = open(&path).await.unwrap();
    let key = ObjectKey::parse(KEY).unwrap();
    let stored = bucket.put(&key, "one".into(), Attributes::default(), WriteCondition::Absent).await.unwrap().unwrap();
    let refused = bucket.put(&key, "two".into(), Attributes::default(), WriteCondition::Absent).await.unwrap();
    assert_eq!(refused, Err(Refusal::Present));
    let claimed = bucket.receive(1, Duration::ZERO).await.unwrap();
    let root = bucket.root_credential().await.unwrap();
    // Dropped without `close`, as a crash would.
    drop(bucket);
    let bucket = open(&path).await.unwrap();
    assert_eq!(bucket.root_credential().await.unwrap(), root);
    let object = bucket.get(KEY, Some(&stored.version_id)).await.unwrap().unwrap();
    assert_eq!((object.body.as_ref(), object.meta.ingested_at), (b"one".as_slice(), None));
    let again = bucket.receive(1, MINUTE).await.unwrap();
    assert_eq!((again[0].id, again[0].attempts), (claimed[0].id, 2));
    let next = bucket.put(&key, "two".into(), Attributes::default(), WriteCondition::Always).await.unwrap().unwrap();
    assert!(next.sequencer > stored.sequencer && next.version_id > stored.version_id);
    bucket.close().await;
    assert!(matches!(bucket.queue_depth().await, Err(BucketError::Closed)));
}

#[tokio::test]
async fn old_versions_go_once_ingested_and_the_newest_stays() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    let one = put(&client, KEY, "one").await.unwrap();
    let two = put(&client, KEY, "twoo").await.unwrap();
    let newest = put(&client, KEY, "three").await.unwrap();
    let first = lab.bucket.receive(1, MINUTE).await.unwrap();
    lab.bucket.delete(&[first[0].id]).await.unwrap();
    let kept = async |version: &str| lab.bucket.head(KEY, Some(version)).await.unwrap().is_some();
    lab.pass(7 * DAY);
    assert_eq!(
        lab.bucket.sweep(now(&lab, 7 * DAY)).await.unwrap(),
        Swept::default(),
        "7 days are not more than 7 days"
    );
    let swept = lab.bucket.sweep(now(&lab, 7 * DAY + Duration::from_secs(1))).await.unwrap();
    assert_eq!(swept, Swept { versions: 1, bytes: 3 });
    assert_eq!((kept(&one).await, kept(&two).await, kept(&newest).await), (false, true, true));
    for delivery in lab.bucket.receive(9, MINUTE).await.unwrap() {
        lab.bucket.delete(&[delivery.id]).await.unwrap();
    }
    assert_eq!(lab.bucket.sweep(now(&lab, 8 * DAY)).await.unwrap(), Swept { versions: 1, bytes: 4 });
    assert_eq!(get(&client, KEY).await.unwrap(), b"three");
    lab.bucket.check().await.unwrap();
}

/// The lab's start and a while.
fn now(lab: &Lab, later: Duration) -> chrono::DateTime<chrono::Utc> {
    assert!(lab.file().exists());
    chrono::DateTime::from_timestamp(1_800_000_000, 123_000_000).unwrap() + later
}

#[tokio::test]
async fn a_put_whose_event_cannot_be_stored_replaces_nothing() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    put(&client, KEY, "old").await.unwrap();
    let mut other = beside(&lab).await;
    sqlx::raw_sql("create trigger full before insert on queue begin select raise(abort, 'no room'); end")
        .execute(&mut other)
        .await
        .unwrap();
    let refused = put(&client, KEY, "new").await.unwrap_err();
    assert_eq!(refused.0, 500);
    assert_eq!(get(&client, KEY).await.unwrap(), b"old");
    assert_eq!(lab.bucket.sizes().await.unwrap().versions, 1);
    put(&client, "quarantine/x", "needs no event").await.unwrap();
    sqlx::raw_sql("drop trigger full").execute(&mut other).await.unwrap();
    put(&client, KEY, "new").await.unwrap();
    assert_eq!((get(&client, KEY).await.unwrap(), lab.bucket.queue_depth().await.unwrap()), (b"new".to_vec(), 2));
}

#[tokio::test]
async fn one_bad_change_costs_the_others_of_its_batch_nothing() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    let mut other = beside(&lab).await;
    let trigger = "create trigger bad before insert on versions when new.object_key like '%bad%' begin select raise(abort, 'bad'); end";
    sqlx::raw_sql(trigger).execute(&mut other).await.unwrap();
    let puts: Vec<_> = (0..40)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                (n, put(&client, &format!("stations/LAB-01/{}{n}", if n % 5 == 0 { "bad" } else { "good" }), "x").await)
            })
        })
        .collect();
    for done in puts {
        let (n, done) = done.await.unwrap();
        assert_eq!(done.is_ok(), n % 5 != 0, "{n}: {done:?}");
    }
    assert_eq!((lab.bucket.sizes().await.unwrap().objects, lab.bucket.queue_depth().await.unwrap()), (32, 32));
}

#[tokio::test]
async fn a_locked_file_asks_clients_to_come_again() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    put(&client, KEY, "old").await.unwrap();
    let mut other = beside(&lab).await;
    sqlx::raw_sql("begin immediate").execute(&mut other).await.unwrap();
    assert_eq!(put(&client, KEY, "new").await, Err(common::no(503, "SlowDown")));
    assert!(lab.bucket.check().await.is_err());
    assert_eq!(get(&client, KEY).await.unwrap(), b"old");
    sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
    put(&client, KEY, "new").await.unwrap();
    lab.bucket.check().await.unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let said = async |path: &Path| match open(path).await {
        Ok(_) => "opened".to_owned(),
        Err(error) => error.to_string(),
    };
    let path = folder.path().join("bucket.sqlite");
    let bucket = open(&path).await.unwrap();
    assert!(said(&path).await.contains("another process uses it"));
    drop(bucket);

    let text = folder.path().join("text");
    std::fs::write(
        &text,
        "no database, but long enough to have a header of its own, which SQLite reads as 100 bytes at the least"
            .repeat(9),
    )
    .unwrap();
    assert!(said(&text).await.contains("damaged or not a bucket"), "{}", said(&text).await);
    assert!(
        said(&text.join("bucket.sqlite")).await.contains("cannot write"),
        "{}",
        said(&text.join("bucket.sqlite")).await
    );
    assert!(said(folder.path()).await.contains("cannot write"));

    let foreign = folder.path().join("foreign.sqlite");
    let mut other = SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", foreign.display())).await.unwrap();
    sqlx::raw_sql("create table accounts (id integer)").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert!(said(&foreign).await.contains("damaged or not a bucket"));

    let mut other = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::raw_sql("update bucket set layout = 9").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert!(said(&path).await.contains("newer than this release knows (1)"));
    let name =
        EmbeddedBucket::open(&path, BucketOptions { name: "No Bucket".to_owned(), ..options() }).await.unwrap_err();
    assert!(name.to_string().contains("cannot be a bucket's name"));
}

#[tokio::test]
async fn secrets_are_readable_by_the_owner_alone() {
    let lab = Lab::new().await;
    let credential = Credential::generate(Scope::All).unwrap();
    lab.bucket.add_credential(credential.clone()).await.unwrap();
    put(&lab.client(&credential), "x", "x").await.unwrap();
    assert!(!format!("{:?}", lab.bucket).contains(credential.secret.expose()));
    #[cfg(unix)]
    for name in ["bucket.sqlite", "bucket.sqlite-wal", "bucket.sqlite-shm"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(lab.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}
