//! What is stored, and what a reader sees of it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, MetadataDirective};
use common::{BUCKET, Lab, get, no, options, put, refusal};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stationkeeper_embedded_bucket::BucketOptions;

const KEY: &str = "stations/LAB-01/heartbeat.json";

#[tokio::test]
async fn what_was_put_comes_back_with_all_that_was_said_of_it() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    let stored = client
        .put_object()
        .bucket(BUCKET)
        .key("stations/LÁB 1/a+b%20é.json")
        .content_type("application/json")
        .cache_control("no-store")
        .metadata("spool", "17")
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await
        .unwrap();
    assert_eq!(stored.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(stored.checksum_sha256(), Some("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="));
    let head = client
        .head_object()
        .bucket(BUCKET)
        .key("stations/LÁB 1/a+b%20é.json")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!((head.content_type(), head.cache_control()), (Some("application/json"), Some("no-store")));
    assert_eq!((head.content_length(), head.version_id()), (Some(5), stored.version_id()));
    assert_eq!(head.metadata().unwrap()["spool"], "17");
    assert_eq!((head.checksum_sha256(), head.checksum_crc32()), (stored.checksum_sha256(), None));
    assert_eq!(head.last_modified(), Some(&DateTime::from_secs(1_800_000_000)));
    assert_eq!(get(&client, "stations/LÁB 1/a+b%20é.json").await.unwrap(), b"hello");
    assert_eq!(get(&client, "stations/LÁB 1/a b%20é.json").await, Err(no(404, "NoSuchKey")));
    put(&client, "empty", "").await.unwrap();
    assert_eq!(get(&client, "empty").await.unwrap(), b"");
}

#[tokio::test]
async fn a_reader_may_ask_for_a_range() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    put(&client, KEY, "0123456789").await.unwrap();
    for (range, seen) in [
        ("bytes=0-3", Ok(("0123", "bytes 0-3/10"))),
        ("bytes=7-", Ok(("789", "bytes 7-9/10"))),
        ("bytes=-4", Ok(("6789", "bytes 6-9/10"))),
        ("bytes=-100", Ok(("0123456789", "bytes 0-9/10"))),
        ("bytes=8-100", Ok(("89", "bytes 8-9/10"))),
        ("bytes=10-", Err(no(416, "InvalidRange"))),
    ] {
        let got = client.get_object().bucket(BUCKET).key(KEY).range(range).send().await;
        let seen = seen.map(|(body, range)| (body.to_owned(), range.to_owned()));
        let got = match got {
            Ok(got) => {
                let content_range = got.content_range().unwrap().to_owned();
                Ok((String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap(), content_range))
            }
            Err(error) => Err(refusal(error)),
        };
        assert_eq!(got, seen, "{range}");
    }
}

#[tokio::test]
async fn writes_and_reads_may_be_conditional() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    let put_if = |if_none_match: Option<&str>, if_match: Option<String>, body: &'static [u8]| {
        let put = client.put_object().bucket(BUCKET).key(KEY).body(ByteStream::from_static(body));
        let put = put.set_if_none_match(if_none_match.map(str::to_owned)).set_if_match(if_match);
        async move { put.send().await.map(|put| put.e_tag.unwrap()).map_err(refusal) }
    };
    assert_eq!(put_if(None, Some("\"e\"".to_owned()), b"0").await, Err(no(404, "NoSuchKey")));
    let first = put_if(Some("*"), None, b"1").await.unwrap();
    assert_eq!(put_if(Some("*"), None, b"2").await, Err(no(412, "PreconditionFailed")));
    let second = put_if(None, Some(first.clone()), b"3").await.unwrap();
    assert_eq!(put_if(None, Some(first.clone()), b"4").await, Err(no(412, "PreconditionFailed")));
    assert_eq!(get(&client, KEY).await.unwrap(), b"3");
    assert_eq!(lab.bucket.sizes().await.unwrap().versions, 2);

    let read = || client.get_object().bucket(BUCKET).key(KEY);
    let status = |result: Result<_, _>| match result {
        Ok(_) => 200,
        Err(error) => refusal(error).0,
    };
    assert_eq!(status(read().if_none_match(&second).send().await), 304);
    assert_eq!(status(read().if_none_match(&first).send().await), 200);
    assert_eq!(status(read().if_match(&first).send().await), 412);
    assert_eq!(status(read().if_match(&second).send().await), 200);
    assert_eq!(status(read().if_modified_since(DateTime::from_secs(1_800_000_000)).send().await), 304);
    assert_eq!(status(read().if_modified_since(DateTime::from_secs(1_799_999_999)).send().await), 200);
}

#[tokio::test]
async fn a_body_that_is_not_what_its_head_says_replaces_nothing() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    put(&client, KEY, "old").await.unwrap();
    let new = || client.put_object().bucket(BUCKET).key(KEY).body(ByteStream::from_static(b"new"));
    let wrong_sha = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    for (shows, put, code) in [
        ("Content-MD5", new().content_md5("1B2M2Y8AsgTpgAmY7PhCfg=="), "BadDigest"),
        ("no MD5 at all", new().content_md5("nonsense"), "InvalidDigest"),
        ("crc32", new().checksum_crc32("AAAAAA=="), "BadDigest"),
        ("crc32c", new().checksum_crc32_c("AAAAAA=="), "BadDigest"),
        ("crc64nvme", new().checksum_crc64_nvme("AAAAAAAAAAA="), "BadDigest"),
        ("sha1", new().checksum_sha1("2jmj7l5rSw0yVb/vlWAYkK/YBwk="), "BadDigest"),
        ("sha256", new().checksum_sha256(wrong_sha), "BadDigest"),
    ] {
        assert_eq!(put.send().await.map(|_| ()).map_err(refusal), Err(no(400, code)), "{shows}");
    }
    assert_eq!(get(&client, KEY).await.unwrap(), b"old");
    assert_eq!((lab.bucket.sizes().await.unwrap().versions, lab.bucket.queue_depth().await.unwrap()), (1, 1));
    for algorithm in ChecksumAlgorithm::values() {
        let Ok(put) = new().checksum_algorithm(ChecksumAlgorithm::from(*algorithm)).send().await else {
            // Those of newer releases that neither side computes.
            assert!(!["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"].contains(algorithm), "{algorithm}");
            continue;
        };
        assert!(put.version_id.is_some());
    }
    assert_eq!(get(&client, KEY).await.unwrap(), b"new");
}

#[tokio::test]
async fn an_object_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let lab = Lab::with(BucketOptions { max_object_bytes: 100_000, ..options() }).await;
    let client = lab.root().await;
    put(&client, KEY, vec![7; 100_000]).await.unwrap();
    assert_eq!(put(&client, KEY, vec![7; 100_001]).await, Err(no(400, "EntityTooLarge")));
    // Many times the limit: the answer must get through while the client is still sending.
    assert_eq!(put(&client, KEY, vec![7; 30 << 20]).await, Err(no(400, "EntityTooLarge")));
    assert_eq!(lab.bucket.sizes().await.unwrap().versions, 1);
    assert_eq!(get(&client, KEY).await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn versions_stay_readable_and_a_delete_only_hides() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    let first = put(&client, KEY, "one").await.unwrap();
    let second = put(&client, KEY, "two").await.unwrap();
    assert!(first < second);
    let version = |id: &str| client.get_object().bucket(BUCKET).key(KEY).version_id(id);
    assert_eq!(version(&first).send().await.unwrap().body.collect().await.unwrap().to_vec(), b"one");
    assert_eq!(version("nonsense").send().await.map(|_| ()).map_err(refusal), Err(no(404, "NoSuchVersion")));

    let gone = client.delete_object().bucket(BUCKET).key(KEY).send().await.unwrap();
    assert_eq!(gone.delete_marker(), Some(true));
    assert_eq!(get(&client, KEY).await, Err(no(404, "NoSuchKey")));
    assert_eq!(version(gone.version_id().unwrap()).send().await.map(|_| ()).map_err(refusal).unwrap_err().0, 405);
    assert_eq!(version(&second).send().await.unwrap().body.collect().await.unwrap().to_vec(), b"two");
    assert_eq!(client.list_objects_v2().bucket(BUCKET).send().await.unwrap().key_count(), Some(0));
    let listed = client.list_object_versions().bucket(BUCKET).prefix("stations/").send().await.unwrap();
    let ids: Vec<_> = listed.versions().iter().map(|version| version.version_id().unwrap()).collect();
    assert_eq!((ids, listed.delete_markers().len()), (vec![second.as_str(), first.as_str()], 1));

    // With its version id the marker itself goes, and what it hid is back.
    client.delete_object().bucket(BUCKET).key(KEY).version_id(gone.version_id().unwrap()).send().await.unwrap();
    assert_eq!(get(&client, KEY).await.unwrap(), b"two");
    client.delete_object().bucket(BUCKET).key(KEY).version_id(&second).send().await.unwrap();
    assert_eq!(get(&client, KEY).await.unwrap(), b"one");
    assert_eq!(
        client.get_bucket_versioning().bucket(BUCKET).send().await.unwrap().status().unwrap().as_str(),
        "Enabled"
    );
}

#[tokio::test]
async fn a_version_can_be_copied_into_quarantine() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    let bad = client
        .put_object()
        .bucket(BUCKET)
        .key(KEY)
        .content_type("application/json")
        .body(ByteStream::from_static(b"{"));
    let bad = bad.send().await.unwrap();
    put(&client, KEY, "{}").await.unwrap();
    let source = format!("{BUCKET}/{KEY}?versionId={}", bad.version_id().unwrap());
    let copied =
        client.copy_object().bucket(BUCKET).key("quarantine/LAB-01/1").copy_source(&source).send().await.unwrap();
    assert_eq!(copied.copy_object_result().unwrap().e_tag(), bad.e_tag());
    assert_eq!(get(&client, "quarantine/LAB-01/1").await.unwrap(), b"{");
    let head = client.head_object().bucket(BUCKET).key("quarantine/LAB-01/1").send().await.unwrap();
    assert_eq!(head.content_type(), Some("application/json"));
    assert_eq!(lab.bucket.queue_depth().await.unwrap(), 2, "quarantine makes no event");
    let replaced = client.copy_object().bucket(BUCKET).key(KEY).copy_source(format!("{BUCKET}/{KEY}"));
    assert_eq!(replaced.clone().send().await.map(|_| ()).map_err(refusal), Err(no(400, "InvalidRequest")));
    replaced.metadata_directive(MetadataDirective::Replace).metadata("why", "test").send().await.unwrap();
    let head = client.head_object().bucket(BUCKET).key(KEY).send().await.unwrap();
    assert_eq!(head.metadata().unwrap()["why"], "test");
    let missing = client.copy_object().bucket(BUCKET).key("q").copy_source(format!("{BUCKET}/none")).send().await;
    assert_eq!(missing.map(|_| ()).map_err(refusal), Err(no(404, "NoSuchKey")));
}

#[tokio::test]
async fn listings_come_in_pages_in_the_order_of_their_bytes() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    let keys = [
        "a",
        "a b+c",
        "stations/A/1",
        "stations/A/2",
        "stations/A/sub/1",
        "stations/A/sub/2",
        "stations/B/1",
        "stations0",
        "é",
    ];
    for key in keys.iter().rev() {
        put(&client, key, "x").await.unwrap();
    }
    for page in 1..=10 {
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let listed = client
                .list_objects_v2()
                .bucket(BUCKET)
                .max_keys(page)
                .set_continuation_token(token)
                .send()
                .await
                .unwrap();
            assert!(listed.contents().len() <= page as usize);
            seen.extend(listed.contents().iter().map(|object| object.key().unwrap().to_owned()));
            token = listed.next_continuation_token().map(str::to_owned);
            assert_eq!(token.is_some(), listed.is_truncated() == Some(true));
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, keys, "pages of {page}");
    }
    for (prefix, start_after, keys, prefixes) in [
        ("", "", vec!["a", "a b+c", "stations0", "é"], vec!["stations/"]),
        ("stations/", "", vec![], vec!["stations/A/", "stations/B/"]),
        ("stations/A/", "", vec!["stations/A/1", "stations/A/2"], vec!["stations/A/sub/"]),
        ("stations/A/", "stations/A/1", vec!["stations/A/2"], vec!["stations/A/sub/"]),
        ("stations/A/", "stations/A/2x", vec![], vec!["stations/A/sub/"]),
        ("nothing", "", vec![], vec![]),
    ] {
        for page in [1, 2, 1000] {
            let (mut seen, mut folded, mut token) = (Vec::new(), Vec::new(), None);
            loop {
                let list = client.list_objects_v2().bucket(BUCKET).prefix(prefix).delimiter("/").max_keys(page);
                let listed = list.start_after(start_after).set_continuation_token(token).send().await.unwrap();
                seen.extend(listed.contents().iter().map(|object| object.key().unwrap().to_owned()));
                folded.extend(listed.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
                token = listed.next_continuation_token().map(str::to_owned);
                if token.is_none() {
                    break;
                }
            }
            assert_eq!(
                (seen, folded),
                (
                    keys.iter().map(|key| (*key).to_owned()).collect(),
                    prefixes.iter().map(|key| (*key).to_owned()).collect()
                ),
                "{prefix} {start_after} {page}"
            );
        }
    }
    // The older listing, as old tools use it.
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let listed =
            client.list_objects().bucket(BUCKET).delimiter("/").max_keys(1).set_marker(marker).send().await.unwrap();
        seen.extend(listed.contents().iter().map(|object| object.key().unwrap().to_owned()));
        seen.extend(listed.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
        marker = listed.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "a b+c", "stations/", "stations0", "é"]);
    let encoded =
        client.list_objects_v2().bucket(BUCKET).prefix("a ").encoding_type("url".into()).send().await.unwrap();
    assert_eq!(encoded.contents()[0].key(), Some("a+b%2Bc"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reader_sees_a_torn_body_while_it_is_overwritten() {
    let lab = Arc::new(Lab::new().await);
    let client = lab.root().await;
    put(&client, KEY, vec![0; 20_000]).await.unwrap();
    let writers: Vec<_> = (1..=200_u8)
        .map(|byte| {
            let client = client.clone();
            tokio::spawn(async move { put(&client, KEY, vec![byte; 20_000 + usize::from(byte)]).await.unwrap() })
        })
        .collect();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    // The client checks the checksum of the answer against the body.
                    let body = get(&client, KEY).await.unwrap();
                    let byte = body[0];
                    assert!(
                        body.iter().all(|other| *other == byte) && body.len() == 20_000 + usize::from(byte),
                        "{byte}: {}",
                        body.len()
                    );
                }
            })
        })
        .collect();
    let mut versions = std::collections::BTreeSet::new();
    for writer in writers {
        versions.insert(writer.await.unwrap());
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(
        (versions.len(), lab.bucket.sizes().await.unwrap().versions, lab.bucket.queue_depth().await.unwrap()),
        (200, 201, 201)
    );
    assert_eq!(lab.bucket.head(KEY, None).await.unwrap().unwrap().version_id, *versions.last().unwrap());
}

#[tokio::test]
async fn a_reader_waits_for_no_writer_not_even_to_open_its_connection() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    put(&client, KEY, vec![7; 20_000]).await.unwrap();
    let mut writer = SqliteConnectOptions::new().filename(lab.file()).connect().await.unwrap();
    sqlx::raw_sql("begin immediate").execute(&mut writer).await.unwrap();
    // Far more at once than there are connections yet.
    let readers: Vec<_> = (0..32)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { get(&client, KEY).await })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap().map(|body| body.len()), Ok(20_000));
    }
}

#[tokio::test]
async fn a_slow_or_silent_client_loses_its_connection_and_nobody_else_does() {
    let mut options = options();
    options.limits.head = Duration::from_millis(300);
    options.limits.body = Duration::from_millis(300);
    options.limits.connections = 3;
    let lab = Lab::with(options).await;
    let mut silent = Vec::new();
    for start in ["", "GET /lab", "PUT /lab-telemetry/a HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = tokio::net::TcpStream::connect(lab.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, start.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    // All places are taken; one comes free when its holder ran out of time.
    let client = lab.root().await;
    let stored = tokio::time::timeout(Duration::from_secs(5), put(&client, KEY, "a")).await;
    assert!(stored.unwrap().is_ok());
    drop(silent);
}

#[tokio::test]
async fn a_body_that_does_not_end_or_does_not_come_is_given_up() {
    let mut options = options();
    options.limits.body = Duration::from_millis(300);
    options.max_object_bytes = 100_000;
    let lab = Lab::with(options).await;
    let client = lab.root().await;
    let presigning = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let url = client.put_object().bucket(BUCKET).key(KEY).presigned(presigning).await.unwrap();
    let path = &url.uri()[format!("http://{}", lab.address).len()..];
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", lab.address);
    let cut = lab.raw(format!("{head}Content-Length: 5\r\n\r\nhe").as_bytes()).await;
    assert!(cut.contains("<Code>RequestTimeout</Code>"), "{cut}");
    // No length announced, and more than an object may have.
    let chunk = "x".repeat(1000);
    let chunks = format!("3e8\r\n{chunk}\r\n").repeat(101);
    let long = lab.raw(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n").as_bytes()).await;
    assert!(long.contains("<Code>EntityTooLarge</Code>"), "{long}");
    assert_eq!(get(&client, KEY).await, Err(no(404, "NoSuchKey")));
    let chunks = format!("3e8\r\n{chunk}\r\n").repeat(100);
    let whole = lab.raw(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n").as_bytes()).await;
    assert!(whole.starts_with("HTTP/1.1 200 "), "{whole}");
    assert_eq!(get(&client, KEY).await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_shutdown_ends_with_the_requests_in_flight() {
    let lab = Lab::new().await;
    let client = lab.root().await;
    put(&client, KEY, "a").await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), lab.stop()).await.unwrap();
    assert!(put(&client, KEY, "b").await.is_err());
    assert_eq!(lab.bucket.get(KEY, None).await.unwrap().unwrap().body, "a");
}
