//! Who may upload what, by which client.

use chrono::TimeDelta;
use serde_json::json;

use crate::harness::boto::{boto3, boto3_puts, from_base64, presigned_put, put};
use crate::harness::station::{heartbeat, newest_key, spool_key, written};
use crate::harness::up::{Access, Up, data_folder};
use crate::harness::{PATIENCE, SOON, now};

#[tokio::test]
async fn a_heartbeat_put_by_boto3_is_among_the_stations_within_two_seconds() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let at = now();
    boto3_puts(&up.access, &[put(&newest_key("LAB-BOTO"), &heartbeat("LAB-BOTO", at))]);
    let station = up.station("LAB-BOTO", SOON, |station| !station["timestamp_utc"].is_null()).await;
    assert_eq!(station["timestamp_utc"], written(at));
    assert_eq!(station["ready"], true);
    assert_eq!(station["state"], "ready");
}

#[tokio::test]
async fn a_heartbeat_put_by_aws_sdk_s3_is_among_the_stations_within_two_seconds() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let at = now();
    up.access.put(&newest_key("LAB-SDK"), heartbeat("LAB-SDK", at)).await.unwrap();
    let station = up.station("LAB-SDK", SOON, |station| !station["timestamp_utc"].is_null()).await;
    assert_eq!(station["timestamp_utc"], written(at));
}

#[tokio::test]
async fn a_presigned_put_needs_no_key_of_its_own() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let at = now();
    boto3_puts(&up.access, &[presigned_put(&newest_key("LAB-URL"), &heartbeat("LAB-URL", at))]);
    up.station("LAB-URL", SOON, |station| station["timestamp_utc"] == written(at)).await;

    let key = newest_key("LAB-OTHER");
    let mut elsewhere = presigned_put(&newest_key("LAB-URL"), &heartbeat("LAB-OTHER", at));
    elsewhere["sent_as"] = json!(key);
    let answers = boto3(&up.access, &[elsewhere]);
    assert_eq!(answers[0]["status"], 403, "a URL for one key is no URL for another: {}", answers[0]);
}

#[tokio::test]
async fn a_station_writes_below_its_own_prefix_and_nowhere_else() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let own = up.station_access("LAB-01");
    let at = now();
    let (mine, other) = (heartbeat("LAB-01", at), heartbeat("LAB-02", at));

    let refused = boto3(
        &own,
        &[
            put(&newest_key("LAB-02"), &other),
            put("stations/heartbeat.json", &mine),
            put("heartbeat.json", &mine),
            put("quarantine/LAB-01/x", &mine),
            put("stations/LAB-012/heartbeat.json", &mine),
            put("stations/LAB-01/../LAB-02/heartbeat.json", &other),
            put("stations/LAB-01/./heartbeat.json", &mine),
            put("stations/LAB-01//heartbeat.json", &mine),
            presigned_put("stations/LAB-01/../LAB-02/heartbeat.json", &other),
            presigned_put("stations/LAB-01/%2e%2e/LAB-02/heartbeat.json", &other),
            json!({ "do": "get", "key": newest_key("LAB-02") }),
            json!({ "do": "list", "key": "stations/LAB-02/" }),
            json!({ "do": "list", "key": "" }),
        ],
    );
    // The ninth names a segment `%2e%2e`, which is a name like any other below its own prefix, and no key of a station.
    let statuses: Vec<_> = refused.iter().map(|answer| answer["status"].as_u64().unwrap()).collect();
    for (place, status) in statuses.iter().enumerate().filter(|(place, _)| *place != 9) {
        assert!((400..500).contains(status), "operation {place}: {}", refused[place]);
    }
    for secondary in ["stations/LAB-01/../LAB-02/heartbeat.json", "stations/LAB-02/heartbeat.json"] {
        assert!(own.put(secondary, other.clone()).await.is_err(), "aws-sdk-s3 put {secondary}");
    }

    boto3_puts(&own, &[put(&newest_key("LAB-01"), &mine), put(&spool_key("LAB-01", at), &mine)]);
    up.station("LAB-01", PATIENCE, |station| !station["timestamp_utc"].is_null()).await;
    let hosts: Vec<_> = up.all("/api/v1/stations").await.iter().map(|station| station["host"].clone()).collect();
    assert_eq!(hosts, ["LAB-01"], "nothing came of the others");

    let read = boto3(&own, &[json!({ "do": "get", "key": newest_key("LAB-01") })]);
    assert_eq!(from_base64(read[0]["body"].as_str().unwrap()), mine);
}

#[tokio::test]
async fn wrong_secrets_and_unknown_keys_are_refused_by_their_names() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let body = heartbeat("LAB-01", now());
    let wrong_secret = Access { secret_access_key: "0".repeat(40), ..up.access.clone() };
    let unknown_key = Access { access_key_id: "SKNOBODY000000000000".to_owned(), ..up.access.clone() };
    for (access, code) in [(wrong_secret, "SignatureDoesNotMatch"), (unknown_key, "InvalidAccessKeyId")] {
        for answer in boto3(&access, &[put(&newest_key("LAB-01"), &body), presigned_put(&newest_key("LAB-01"), &body)])
        {
            assert_eq!((&answer["status"], &answer["code"]), (&json!(403), &json!(code)));
        }
        assert_eq!(access.put(&newest_key("LAB-01"), body.clone()).await, Err(code.to_owned()));
    }
    assert!(up.all("/api/v1/stations").await.is_empty());
}

#[tokio::test]
async fn an_access_key_made_while_up_runs_works_at_once_and_is_shown_again() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let (first, again) = (up.station_access("LAB-07"), up.station_access("LAB-07"));
    assert_eq!(first.access_key_id, again.access_key_id);
    assert_eq!(first.secret_access_key, again.secret_access_key);
    let at = now() - TimeDelta::seconds(1);
    first.put(&newest_key("LAB-07"), heartbeat("LAB-07", at)).await.unwrap();
    up.station("LAB-07", SOON, |station| station["timestamp_utc"] == written(at)).await;
}
