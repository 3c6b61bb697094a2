//! How it starts, what it says, and how it refuses.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use stationkeeper_tests::binary;
use stationkeeper_tests::conservation::Conservation;

use crate::harness::cloud::{Cloud, event};
use crate::harness::database::Database;
use crate::harness::station::{heartbeat, newest_key, written};
use crate::harness::up::data_folder;
use crate::harness::{PATIENCE, now};

#[tokio::test]
async fn it_says_where_everything_is_and_a_station_is_seen_through_queue_bucket_and_database() {
    let (folder, database) = (data_folder(), Database::empty().await);
    let cloud = Cloud::serve(folder.path(), 5);
    let up = cloud.up(folder.path(), &database.url, &[]);
    for (name, said) in [("s3", cloud.endpoint.as_str()), ("bucket", "lab")] {
        assert_eq!(up.line[name], said, "{}", up.line);
    }
    for name in ["access_key_id", "secret_access_key"] {
        assert_eq!(up.line.get(name), Some(&Value::Null), "the key is there and says nothing: {}", up.line);
    }
    assert!(!folder.path().join("bucket.sqlite").exists(), "no bucket of our own");
    let health = up.get_openly("/health").await;
    assert_eq!(
        (health.status, &health.json()["parts"]["bucket"]["ok"]),
        (200, &Value::Bool(true)),
        "{}",
        health.text()
    );

    let at = now();
    let object = cloud.put(&newest_key("LAB-01"), &heartbeat("LAB-01", at)).await;
    let test_event = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"lab"}"#.to_owned();
    cloud.send(&[test_event, event(&object)]).await;
    up.station("LAB-01", PATIENCE, |station| station["timestamp_utc"] == written(at)).await;
    cloud.comes_to(0, 0, PATIENCE).await;
    let took = up.terminate();
    assert!(took < Duration::from_secs(10), "{took:?}");
    Conservation::of(&database.url).accepted([object]).at_least("history", 1).holds().await;
}

#[tokio::test]
async fn a_bucket_whose_events_name_no_version_is_read_as_it_is_and_remembered_by_what_was_read() {
    let (folder, database) = (data_folder(), Database::empty().await);
    let cloud = Cloud::serve(folder.path(), 5);
    let up = cloud.up(folder.path(), &database.url, &[]);
    let at = now() - TimeDelta::minutes(1);
    let mut object = cloud.put(&newest_key("LAB-01"), &heartbeat("LAB-01", at)).await;
    let version = std::mem::take(&mut object.object.version);
    cloud.send(&[event(&object), event(&object)]).await;
    cloud.comes_to(0, 0, PATIENCE).await;
    up.terminate();
    object.object.version = version;
    // The checker knows marks of versions that somebody put alone.
    Conservation::of(&database.url).accepted([object]).at_least("history", 1).holds().await;
}

#[tokio::test]
async fn what_is_wrong_is_one_sentence_before_anything_begins() {
    let folder = data_folder();
    let cloud = Cloud::serve(folder.path(), 5);
    let token = folder.path().join("token");
    std::fs::write(&token, "short\n").unwrap();
    let token = token.to_str().unwrap();
    let data = folder.path().join("data");
    for (shows, arguments, code, words) in [
        ("no such bucket", vec!["--bucket", "s3://nowhere"], 69, "there is no such bucket"),
        ("no such queue", vec!["--bucket", "s3://lab", "--queue", "QUEUE-none"], 69, "cannot look at the queue"),
        ("no address of a queue", vec!["--bucket", "s3://lab", "--queue", "lab"], 78, "is no address of a queue"),
        ("a path", vec!["--bucket", "s3://lab/stations"], 78, "names no bucket"),
        ("a queue of nothing", vec!["--queue", "QUEUE"], 78, "name it by --bucket"),
        ("a token that can be guessed", vec!["--bucket", "s3://lab", "--events-token-file", token], 78, "less than 16"),
        (
            "no token",
            vec!["--bucket", "s3://lab", "--events-token-file", "/nowhere"],
            78,
            "cannot read the events token",
        ),
    ] {
        let mut command = binary::stationkeeper(["up", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(&data).args(arguments.iter().map(|word| word.replace("QUEUE", &cloud.queue)));
        for (name, value) in [
            ("AWS_ENDPOINT_URL", cloud.endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "any"),
            ("AWS_SECRET_ACCESS_KEY", "any"),
            ("STATIONKEEPER_LOG", "off"),
        ] {
            command.env(name, value);
        }
        let ran = binary::finish(&mut command);
        let said = ran.refused(code);
        assert!(said.contains(words), "{shows}: {said}");
    }
}
