//! The Lambda binaries, driven over a Runtime API as Lambda drives them, with S3 and MariaDB behind them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use stationkeeper_rules::{Alert, AlertState, Rule};
use stationkeeper_store::{AlertFilter, Store};
use tempfile::TempDir;

use crate::harness::database::Database;
use crate::harness::lambda::{Bucket, Function, Wire, given_back, sqs};
use crate::harness::programs::command;
use crate::harness::station::{heartbeat, host, newest_key, spool_key};
use crate::harness::up::data_folder;
use crate::harness::{PATIENCE, now};

const INGEST: &str = "stationkeeper-ingest";
const MISSING: &str = "stationkeeper-missing-heartbeat";

/// A bucket, a database, and where logs go.
struct Cloud {
    bucket: Bucket,
    database: Database,
    store: Store,
    folder: TempDir,
}

impl Cloud {
    /// Its bucket's clock stands `behind` the real one: what is put arrived so long ago.
    async fn new(behind: TimeDelta) -> Self {
        let (bucket, database) = (Bucket::serve(behind).await, Database::empty().await);
        let store = database.store().await;
        Self { bucket, database, store, folder: data_folder() }
    }

    async fn start(&self, name: &str) -> Function {
        self.start_with(name, &[]).await
    }

    async fn start_with(&self, name: &str, changes: &[(&str, &str)]) -> Function {
        let mut variables = self.bucket.variables();
        variables.push(("STATIONKEEPER_DATABASE_URL", self.database.url.clone()));
        let mut variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend_from_slice(changes);
        let mut function = Function::start(name, self.folder.path(), &variables).await;
        function.polls().await;
        function
    }

    async fn latest(&self, name: &str) -> Option<DateTime<Utc>> {
        let station = self.store.station(&host(name)).await.unwrap()?;
        station.state.latest.map(|latest| latest.snapshot.timestamp_utc)
    }

    async fn alerts(&self, rule: Rule) -> Vec<Alert> {
        let filter = AlertFilter { rules: vec![rule], ..AlertFilter::default() };
        self.store.alerts(&filter, None, 100).await.unwrap()
    }
}

#[tokio::test]
async fn a_good_batch_becomes_rows_and_gives_nothing_back() {
    let cloud = Cloud::new(TimeDelta::zero()).await;
    let function = cloud.start(INGEST).await;
    let at = now();
    let mut messages = Vec::new();
    for (id, name) in [("m1", "LAB-01"), ("m2", "LAB-02"), ("m3", "LAB-Ñ3")] {
        messages.push((id, cloud.bucket.put(&newest_key(name), heartbeat(name, at)).await));
    }
    assert!(given_back(&function.invoke(&sqs(&messages)).await).is_empty());
    for name in ["LAB-01", "LAB-02", "LAB-Ñ3"] {
        assert_eq!(cloud.latest(name).await, Some(at), "{name}");
    }
    // The queue delivers at least once: again, twice in one batch, and by a second container.
    messages.push(("m4", messages[0].1.clone()));
    assert!(given_back(&function.invoke(&sqs(&messages)).await).is_empty());
    let second = cloud.start(INGEST).await;
    assert!(given_back(&second.invoke(&sqs(&messages)).await).is_empty());
    assert_eq!(cloud.store.count_heartbeats(None).await.unwrap(), 3);
    for name in ["LAB-01", "LAB-02", "LAB-Ñ3"] {
        assert!(cloud.store.raw_variants(&host(name), at).await.unwrap().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn only_what_failed_comes_back_and_what_can_never_be_read_does_not() {
    let cloud = Cloud::new(TimeDelta::zero()).await;
    let function = cloud.start_with(INGEST, &[("STATIONKEEPER_METRICS_NAMESPACE", "Stationkeeper/north")]).await;
    let at = now();
    let good = cloud.bucket.put(&newest_key("LAB-01"), heartbeat("LAB-01", at)).await;
    let unreadable = cloud.bucket.put(&newest_key("LAB-02"), b"{\"host\":".to_vec()).await;
    // Announced, but not there (yet).
    let mut absent: Value = serde_json::from_str(&good).unwrap();
    absent["Records"][0]["s3"]["object"]["key"] = json!(newest_key("LAB-03"));
    absent["Records"][0]["s3"]["object"].as_object_mut().unwrap().remove("versionId");
    let batch = sqs(&[
        ("good", good),
        ("unreadable", unreadable),
        ("absent", absent.to_string()),
        ("malformed", "Hello from a test of the queue".to_owned()),
    ]);
    assert_eq!(given_back(&function.invoke(&batch).await), ["absent"]);
    assert_eq!(cloud.latest("LAB-01").await, Some(at));
    let mut reasons: Vec<_> = cloud
        .store
        .quarantined(None, None, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|row| (row.object.key, row.reason))
        .collect();
    reasons.sort();
    assert_eq!(
        reasons,
        [
            ("delivery/malformed".to_owned(), "malformed_json".to_owned()),
            (newest_key("LAB-02"), "truncated_json".to_owned()),
        ]
    );
    function.logs("\"_aws\"").await;
    let counted = function.metrics().remove(0);
    let defined = &counted["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&defined["Namespace"], &defined["Dimensions"]), (&json!("Stationkeeper/north"), &json!([[]])));
    for (metric, value) in [
        ("Deliveries", 4),
        ("DeliveriesFailed", 1),
        ("HeartbeatsAdvanced", 1),
        ("ObjectsQuarantined", 2),
        ("AlertsMoved", 0),
    ] {
        assert_eq!(counted[metric], json!(value), "{metric}: {counted}");
        let definitions = defined["Metrics"].as_array().unwrap();
        assert!(definitions.contains(&json!({ "Name": metric, "Unit": "Count" })), "{metric}: {counted}");
    }
    assert!(counted["IngestDuration"].is_u64(), "{counted}");

    // Once the object is there, the message that came back is done.
    cloud.bucket.put(&newest_key("LAB-03"), heartbeat("LAB-03", at)).await;
    assert!(given_back(&function.invoke(&sqs(&[("absent", absent.to_string())])).await).is_empty());
    assert_eq!(cloud.latest("LAB-03").await, Some(at));
}

#[tokio::test]
async fn every_envelope_of_a_bucket_is_opened() {
    let cloud = Cloud::new(TimeDelta::zero()).await;
    let function = cloud.start(INGEST).await;
    let at = now();
    let plain = cloud.bucket.put(&newest_key("LAB-01"), heartbeat("LAB-01", at)).await;
    let through_sns = json!({
        "Type": "Notification",
        "MessageId": "63a3f6b6-d533-4a47-aef9-fcf5cf758c76",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:objects",
        "Subject": "Amazon S3 Notification",
        "Message": cloud.bucket.put(&newest_key("LAB-02"), heartbeat("LAB-02", at)).await,
        "Timestamp": "2026-11-24T09:00:09.000Z",
    });
    let mut eventbridge: Value =
        serde_json::from_str(&cloud.bucket.put(&newest_key("LAB-03"), heartbeat("LAB-03", at)).await).unwrap();
    let object = eventbridge["Records"][0]["s3"]["object"].take();
    let eventbridge = json!({
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": now().to_rfc3339(),
        "region": "us-east-1",
        "resources": ["arn:aws:s3:::stationkeeper"],
        "detail": {
            "version": "0",
            "bucket": { "name": "stationkeeper" },
            "object": {
                "key": newest_key("LAB-03"),
                "size": object["size"],
                "version-id": object["versionId"],
                "sequencer": object["sequencer"],
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "reason": "PutObject",
        },
    });
    let test_event = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-11-24T09:00:09.000Z",
        "Bucket": "stationkeeper",
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
    });
    let batch = sqs(&[
        ("plain", plain),
        ("sns", through_sns.to_string()),
        ("eventbridge", eventbridge.to_string()),
        ("test", test_event.to_string()),
    ]);
    assert!(given_back(&function.invoke(&batch).await).is_empty());
    for name in ["LAB-01", "LAB-02", "LAB-03"] {
        assert_eq!(cloud.latest(name).await, Some(at), "{name}");
    }
    assert!(cloud.store.quarantined(None, None, 10).await.unwrap().is_empty(), "a test event is nothing bad");
}

#[tokio::test]
async fn a_missing_variable_is_one_sentence_before_the_first_poll() {
    let database = Database::empty().await;
    let folder = data_folder();
    for program in [INGEST, MISSING] {
        for (missing, given) in [
            ("STATIONKEEPER_DATABASE_URL", ("STATIONKEEPER_BUCKET", "stationkeeper")),
            ("STATIONKEEPER_BUCKET", ("STATIONKEEPER_DATABASE_URL", database.url.as_str())),
        ] {
            let mut function = Function::start(program, folder.path(), &[given]).await;
            let (status, _) = function.program.ends_within(PATIENCE);
            let said = function.program.log();
            assert!(!status.success(), "{program} without {missing}: {status}");
            assert!(!function.has_polled(), "{program} polled without {missing}");
            assert!(said.contains(&format!("{missing} is not set: ")), "{program}: {said}");
            assert_eq!(said.trim().lines().count(), 1, "{program}, one sentence: {said}");
            assert!(!said.contains("sk:sk@"), "no password: {said}");
        }
    }
    // Nor does it begin with a database that is not there.
    let mut nowhere = command(INGEST);
    nowhere
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
        .env("STATIONKEEPER_DATABASE_URL", "mysql://sk:sk@127.0.0.1:9/none")
        .env("STATIONKEEPER_BUCKET", "stationkeeper");
    let output = nowhere.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("cannot open the database MySQL"), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "one sentence: {said}");
    assert!(!said.contains("sk:sk@"), "no password: {said}");
}

#[tokio::test]
async fn while_the_database_is_away_every_message_comes_back() {
    let cloud = Cloud::new(TimeDelta::zero()).await;
    let (wire, by_wire) = Wire::to_database(&cloud.database.url).await;
    let function = cloud.start_with(INGEST, &[("STATIONKEEPER_DATABASE_URL", &by_wire)]).await;
    let at = now();
    let first = cloud.bucket.put(&newest_key("LAB-01"), heartbeat("LAB-01", at)).await;
    let second = cloud.bucket.put(&newest_key("LAB-02"), heartbeat("LAB-02", at)).await;
    let batch = sqs(&[("m1", first), ("m2", second), ("m3", "no event".to_owned())]);
    wire.cut();
    assert_eq!(given_back(&function.invoke(&batch).await), ["m1", "m2", "m3"]);
    assert_eq!(cloud.store.count_heartbeats(None).await.unwrap(), 0);

    let recovered = cloud.start(INGEST).await;
    assert!(given_back(&recovered.invoke(&batch).await).is_empty());
    assert_eq!((cloud.latest("LAB-01").await, cloud.latest("LAB-02").await), (Some(at), Some(at)));
}

/// Two stations whose last heartbeats arrived ten minutes ago, ingested.
async fn silent_for_ten_minutes(cloud: &Cloud, names: &[&str]) -> DateTime<Utc> {
    let ingest = cloud.start(INGEST).await;
    let at = now() - TimeDelta::minutes(10);
    for name in names {
        let announced = cloud.bucket.put(&newest_key(name), heartbeat(name, at)).await;
        assert!(given_back(&ingest.invoke(&sqs(&[("m", announced)])).await).is_empty());
    }
    at
}

#[tokio::test]
async fn two_checks_at_once_open_one_alert_a_station() {
    let cloud = Cloud::new(TimeDelta::minutes(10)).await;
    silent_for_ten_minutes(&cloud, &["LAB-01", "LAB-02"]).await;
    let (first, second) = (cloud.start(MISSING).await, cloud.start(MISSING).await);
    let tick = json!({ "detail-type": "Scheduled Event", "source": "aws.events" });
    let (one, other) = tokio::join!(first.invoke(&tick), second.invoke(&tick));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((&one["judged"], &other["judged"]), (&json!(true), &json!(true)));
    let moved = |answer: &Value| answer["transitions"].as_u64().unwrap();
    assert_eq!(moved(&one) + moved(&other), 2, "{one} {other}");
    // And again, later: nothing more.
    assert_eq!(moved(&first.invoke(&tick).await.unwrap()), 0);

    let alerts = cloud.alerts(Rule::HeartbeatMissing).await;
    let mut open: Vec<_> = alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Open)
        .map(|alert| alert.key.host.clone().unwrap().to_string())
        .collect();
    open.sort();
    assert_eq!(open, ["LAB-01", "LAB-02"]);
    assert_eq!(alerts.len(), 2);
    for alert in &alerts {
        let known = cloud.store.alert(&alert.id).await.unwrap().unwrap();
        assert_eq!(known.transitions.len(), 1, "{known:?}");
    }
}

#[tokio::test]
async fn a_heartbeat_that_nobody_announced_is_found_before_its_station_is_declared_missing() {
    let cloud = Cloud::new(TimeDelta::minutes(10)).await;
    silent_for_ten_minutes(&cloud, &["LAB-01", "LAB-02", "LAB-03"]).await;
    // Newer ones are put; their events are lost. One overwrites heartbeat.json, one is from a spool.
    let newer = now() - TimeDelta::minutes(9);
    cloud.bucket.put(&newest_key("LAB-01"), heartbeat("LAB-01", newer)).await;
    cloud.bucket.put(&spool_key("LAB-02", newer), heartbeat("LAB-02", newer)).await;
    let check = cloud.start(MISSING).await;
    let answer = check.invoke(&json!({})).await.unwrap();
    assert!(answer["looked"].as_u64().unwrap() >= 3, "{answer}");
    assert_eq!(cloud.latest("LAB-01").await, Some(newer));
    assert_eq!(cloud.latest("LAB-02").await, Some(newer));
}

#[tokio::test]
async fn a_station_that_was_found_to_be_alive_opens_nothing() {
    // Old by ten minutes in the database, new in the bucket: the second bucket's clock is right.
    let old = Cloud::new(TimeDelta::minutes(10)).await;
    silent_for_ten_minutes(&old, &["LAB-01", "LAB-02"]).await;
    let fresh = Bucket::serve(TimeDelta::zero()).await;
    let at = now();
    fresh.put(&newest_key("LAB-01"), heartbeat("LAB-01", at)).await;
    let variables = fresh.variables();
    let changes: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let check = old.start_with(MISSING, &changes).await;
    let answer = check.invoke(&json!({})).await.unwrap();
    assert_eq!((&answer["judged"], &answer["looked"]), (&json!(true), &json!(2)), "{answer}");
    assert_eq!(old.latest("LAB-01").await, Some(at));
    let missing: Vec<_> =
        old.alerts(Rule::HeartbeatMissing).await.into_iter().filter_map(|alert| alert.key.host).collect();
    assert_eq!(missing, [host("LAB-02")]);
}

#[tokio::test]
async fn a_failed_look_opens_ingest_stalled_and_declares_nobody_down() {
    let cloud = Cloud::new(TimeDelta::minutes(10)).await;
    silent_for_ten_minutes(&cloud, &["LAB-01", "LAB-02"]).await;
    let check = cloud.start_with(MISSING, &[("AWS_SECRET_ACCESS_KEY", "wrong")]).await;
    for _ in 0..2 {
        let answer = check.invoke(&json!({})).await.unwrap();
        assert_eq!(answer["judged"], false, "{answer}");
    }
    assert_eq!(cloud.alerts(Rule::IngestStalled).await.len(), 1, "one alert, however often it fails");
    assert!(cloud.alerts(Rule::HeartbeatMissing).await.is_empty());

    // When the look works again the alert ends, and every station has a full grace.
    let well = cloud.start(MISSING).await;
    assert_eq!(well.invoke(&json!({})).await.unwrap()["judged"], true);
    let stalled = cloud.alerts(Rule::IngestStalled).await;
    assert_eq!(stalled.iter().map(|alert| alert.state).collect::<Vec<_>>(), [AlertState::Resolved]);
    assert!(cloud.alerts(Rule::HeartbeatMissing).await.is_empty());
}
