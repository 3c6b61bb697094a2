//! Who gets in, and how far.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]

mod common;

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, Delete, ObjectIdentifier};
use common::{BUCKET, Lab, get, known_to_nobody, no, put, refusal};
use stationkeeper_embedded_bucket::{Credential, SecretAccessKey};

const OWN: &str = "stations/LAB-01/heartbeat.json";

#[tokio::test]
async fn a_signature_must_be_there_and_hold() {
    let lab = Lab::new().await;
    let root = lab.bucket.root_credential().await.unwrap();
    let forged = Credential { secret: SecretAccessKey::new("x".repeat(40)), ..root.clone() };
    assert_eq!(put(&lab.client(&forged), OWN, "a").await, Err(no(403, "SignatureDoesNotMatch")));
    assert_eq!(put(&lab.client(&known_to_nobody()), OWN, "a").await, Err(no(403, "InvalidAccessKeyId")));
    for request in [
        "GET / HTTP/1.1",
        "GET /lab-telemetry/a HTTP/1.1",
        "PUT /lab-telemetry/a HTTP/1.1",
        "GET /lab-telemetry HTTP/1.1",
    ] {
        let answer =
            lab.raw(format!("{request}\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 403 ") && answer.contains("<Code>AccessDenied</Code>"),
            "{request}: {answer}"
        );
    }
    let form = "POST /lab-telemetry HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert!(lab.raw(form.as_bytes()).await.contains("NotImplemented"));
    // boto3 waits for `100 Continue` even with an empty body, and must not take this answer for that to its next request.
    let answer =
        lab.raw(b"PUT /lab-telemetry/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("connection: close"), "{answer}");
    assert_eq!(lab.bucket.sizes().await.unwrap().versions, 0);
    assert!(put(&lab.client(&root), OWN, "a").await.is_ok());
}

#[tokio::test]
async fn a_revoked_key_is_unknown_at_once() {
    let lab = Lab::new().await;
    let client = lab.station("LAB-01").await;
    assert!(put(&client, OWN, "a").await.is_ok());
    let host = stationkeeper_telemetry::HostName::parse("lab-01").unwrap();
    let credential = lab.bucket.credential_for_station(&host).await.unwrap();
    assert!(lab.bucket.revoke(&credential.access_key_id).await.unwrap());
    assert_eq!(put(&client, OWN, "b").await, Err(no(403, "InvalidAccessKeyId")));
    assert_ne!(lab.bucket.credential_for_station(&host).await.unwrap(), credential);
}

#[tokio::test]
async fn a_station_writes_and_reads_below_its_own_prefix_only() {
    let lab = Lab::new().await;
    let (root, station) = (lab.root().await, lab.station("LAB-01").await);
    for key in ["stations/LAB-02/heartbeat.json", "stations/LAB-011/x", "quarantine/x", "x"] {
        put(&root, key, "theirs").await.unwrap();
        assert_eq!(put(&station, key, "mine").await, Err(no(403, "AccessDenied")), "{key}");
        assert_eq!(get(&station, key).await, Err(no(403, "AccessDenied")), "{key}");
        assert_eq!(get(&root, key).await.unwrap(), b"theirs");
    }
    for key in [OWN, "stations/lab-01/status.json", "stations/Lab-01/heartbeat/20261124T080000Z.json"] {
        put(&station, key, "mine").await.unwrap();
        assert_eq!(get(&station, key).await.unwrap(), b"mine");
    }
    for (prefix, allowed) in [
        ("stations/LAB-01/", true),
        ("stations/lab-01/heartbeat/", true),
        ("stations/LAB-01", false),
        ("stations/LAB-02/", false),
        ("", false),
    ] {
        let listed = station.list_objects_v2().bucket(BUCKET).prefix(prefix).send().await.map_err(refusal);
        let listed_1 = station.list_objects().bucket(BUCKET).prefix(prefix).send().await.map_err(refusal);
        assert_eq!((listed.is_ok(), listed_1.is_ok()), (allowed, allowed), "{prefix}");
    }
    let denied = Err(no(403, "AccessDenied"));
    assert_eq!(station.delete_object().bucket(BUCKET).key(OWN).send().await.map(|_| ()).map_err(refusal), denied);
    assert_eq!(
        station
            .list_object_versions()
            .bucket(BUCKET)
            .prefix("stations/LAB-01/")
            .send()
            .await
            .map(|_| ())
            .map_err(refusal),
        denied
    );
    assert_eq!(station.list_buckets().send().await.map(|_| ()).map_err(refusal), denied);
    let stolen = station.copy_object().bucket(BUCKET).key(OWN).copy_source(format!("{BUCKET}/quarantine/x"));
    assert_eq!(stolen.send().await.map(|_| ()).map_err(refusal), denied);
    let delete = Delete::builder().objects(ObjectIdentifier::builder().key(OWN).build().unwrap()).build().unwrap();
    assert_eq!(
        station.delete_objects().bucket(BUCKET).delete(delete).send().await.map(|_| ()).map_err(refusal),
        denied
    );
    assert_eq!(get(&station, OWN).await.unwrap(), b"mine");
}

#[tokio::test]
async fn keys_that_other_tools_would_read_as_paths_are_refused_to_everybody() {
    let lab = Lab::new().await;
    let (root, station) = (lab.root().await, lab.station("LAB-01").await);
    for key in [
        "stations/LAB-01/../LAB-02/heartbeat.json",
        "stations/LAB-01/./x",
        "stations/LAB-01//x",
        "stations/LAB-01/x/",
        "stations/LAB-01/a\nb",
    ] {
        assert_eq!(put(&root, key, "a").await, Err(no(400, "InvalidArgument")), "{key:?}");
        assert_eq!(put(&station, key, "a").await, Err(no(400, "InvalidArgument")), "{key:?}");
    }
    assert_eq!(put(&root, "../../x", "a").await, Err(no(400, "InvalidArgument")));
    assert_eq!(put(&station, "stations/../LAB-01/x", "a").await, Err(no(403, "AccessDenied")));
    assert_eq!(put(&root, &"x".repeat(1025), "a").await, Err(no(400, "KeyTooLongError")));
    assert!(put(&root, &"x".repeat(1024), "a").await.is_ok());
    assert_eq!(lab.bucket.sizes().await.unwrap().versions, 1);
    let other = root.put_object().bucket("other-bucket").key("x").body(ByteStream::from_static(b"a")).send().await;
    assert_eq!(other.map(|_| ()).map_err(refusal), Err(no(404, "NoSuchBucket")));
}

#[tokio::test]
async fn a_presigned_put_is_good_for_its_key_and_its_time() {
    let lab = Lab::new().await;
    let station = lab.station("LAB-01").await;
    let presign = |key: &'static str| {
        let request = station.put_object().bucket(BUCKET).key(key);
        async move { request.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap() }
    };
    let send = async |uri: &str, headers: &str| {
        let path = &uri[format!("http://{}", lab.address).len()..];
        let request = format!(
            "PUT {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: 5\r\nConnection: close\r\n\r\nhello",
            lab.address
        );
        lab.raw(request.as_bytes()).await
    };
    let url = presign(OWN).await;
    assert!(send(url.uri(), "Content-Type: application/json\r\n").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(get(&station, OWN).await.unwrap(), b"hello");

    let tampered = url.uri().replace("heartbeat", "heartbeaT");
    assert!(send(&tampered, "").await.contains("<Code>SignatureDoesNotMatch</Code>"));
    let foreign = presign("stations/LAB-02/heartbeat.json").await;
    assert!(send(foreign.uri(), "").await.contains("<Code>AccessDenied</Code>"));
    let long_ago = SystemTime::now() - Duration::from_secs(120);
    let over = PresigningConfig::builder().start_time(long_ago).expires_in(Duration::from_secs(60)).build().unwrap();
    let expired = station.put_object().bucket(BUCKET).key(OWN).presigned(over).await.unwrap();
    assert!(send(expired.uri(), "").await.contains("<Message>Request has expired</Message>"));

    // A header that its maker did not sign must not turn it into a copy.
    let root = lab.root().await;
    put(&root, "quarantine/x", "secret").await.unwrap();
    let whole = root
        .put_object()
        .bucket(BUCKET)
        .key("y")
        .presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap())
        .await
        .unwrap();
    let answer = send(whole.uri(), "x-amz-copy-source: lab-telemetry/quarantine/x\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(get(&root, "y").await, Err(no(404, "NoSuchKey")));
}

#[tokio::test]
async fn uploads_in_parts_are_refused_with_what_to_do_instead() {
    let lab = Lab::new().await;
    for client in [lab.root().await, lab.station("LAB-01").await] {
        let created = client.create_multipart_upload().bucket(BUCKET).key(OWN).send().await.unwrap_err();
        assert!(format!("{created:?}").contains("send it in one PUT, at most 4194304 bytes"), "{created:?}");
        assert_eq!(refusal(created), no(501, "NotImplemented"));
        let part = client
            .upload_part()
            .bucket(BUCKET)
            .key(OWN)
            .upload_id("u")
            .part_number(1)
            .body(ByteStream::from_static(b"a"))
            .send()
            .await;
        assert_eq!(refusal(part.unwrap_err()), no(501, "NotImplemented"));
        let parts = CompletedMultipartUpload::builder().build();
        let done = client
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key(OWN)
            .upload_id("u")
            .multipart_upload(parts)
            .send()
            .await;
        assert_eq!(refusal(done.unwrap_err()), no(501, "NotImplemented"));
    }
}
