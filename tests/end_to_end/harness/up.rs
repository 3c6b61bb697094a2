//! `stationkeeper up`, really running.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;
use stationkeeper_pipeline::s3::{Endpoint, S3Bucket};
use stationkeeper_store::{Store, StoreOptions};
use tempfile::TempDir;

use super::http::{Answer, get};
use super::programs::{Running, command, stationkeeper_says};
use super::until;

/// How to reach a bucket as whom.
#[derive(Debug, Clone)]
pub struct Access {
    pub endpoint: String,
    pub bucket: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl Access {
    /// The SDK's client, path style, signature version 4.
    pub fn sdk(&self) -> S3Bucket {
        let endpoint = Endpoint {
            url: self.endpoint.clone(),
            region: "us-east-1".to_owned(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
        };
        S3Bucket::at(&endpoint, self.bucket.clone())
    }

    /// A PUT by aws-sdk-s3; the error is S3's word for it.
    pub async fn put(&self, key: &str, body: Vec<u8>) -> Result<(), String> {
        let bucket = self.sdk();
        let sent =
            bucket.client().put_object().bucket(bucket.name()).key(key).body(ByteStream::from(body)).send().await;
        sent.map(drop).map_err(|error| error.code().map_or_else(|| format!("{error:?}"), str::to_owned))
    }
}

/// A running `up` and where everything is.
pub struct Up {
    pub program: Running,
    pub line: Value,
    pub data: PathBuf,
    pub access: Access,
    page: String,
    token: String,
}

/// A data folder that goes with the test.
pub fn data_folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

impl Up {
    /// `up --json` on free ports.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[], Duration::from_secs(30))
    }

    /// As [`start`](Self::start), with more arguments and another patience.
    pub fn start_with(data: &Path, arguments: &[&str], within: Duration) -> Self {
        let mut up = command("stationkeeper");
        up.args(["up", "--json", "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(arguments);
        let log = data.with_extension("log");
        let mut program = Running::start(up, "stationkeeper up", &log);
        let line = program.first_line(within);
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |name: &str| {
            line[name].as_str().unwrap_or_else(|| panic!("the line of up has no {name}: {line}")).to_owned()
        };
        let access = Access {
            endpoint: text("s3"),
            bucket: text("bucket"),
            access_key_id: text("access_key_id"),
            secret_access_key: text("secret_access_key"),
        };
        let (page, token) = (text("page"), text("admin_token"));
        Self { program, data: data.to_owned(), access, page, token, line }
    }

    /// Asks for a path, with the admin token.
    pub async fn get(&self, path: &str) -> Answer {
        get(&self.page, path, &[("Authorization", &format!("Bearer {}", self.token))]).await
    }

    /// Asks for a path, as nobody.
    pub async fn get_openly(&self, path: &str) -> Answer {
        get(&self.page, path, &[]).await
    }

    /// Asks for a path with these headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        get(&self.page, path, headers).await
    }

    /// The admin token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// All items of a list, page by page.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let asked = match &cursor {
                None => path.to_owned(),
                Some(cursor) => format!("{path}{joint}cursor={cursor}"),
            };
            let answer = self.get(&asked).await;
            assert_eq!(answer.status, 200, "{asked}: {}", answer.text());
            let page = answer.json();
            items.extend(page["items"].as_array().expect("a list").iter().cloned());
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return items;
            }
        }
    }

    /// A station among the stations, once `is` holds of it.
    pub async fn station(&self, host: &str, within: Duration, is: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{host} in /api/v1/stations"), within, async || {
            self.all("/api/v1/stations").await.into_iter().find(|station| station["host"] == host && is(station))
        })
        .await
    }

    /// What was put aside of a key, once it was.
    pub async fn quarantined(&self, key: &str, within: Duration) -> Value {
        until(&format!("{key} in /api/v1/quarantine"), within, async || {
            self.all("/api/v1/quarantine").await.into_iter().find(|row| row["key"] == key)
        })
        .await
    }

    /// A station's own access key, by `station add`.
    pub fn station_access(&self, host: &str) -> Access {
        let data = self.data.to_str().expect("a plain path");
        let said = stationkeeper_says(&["station", "add", host, "--data", data, "--json"]);
        let added: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(added["host"], host);
        let text = |name: &str| added[name].as_str().expect("a text").to_owned();
        assert_eq!(text("endpoint"), self.access.endpoint, "where this `up` listens, whatever port it took");
        Access {
            endpoint: text("endpoint"),
            bucket: text("bucket"),
            access_key_id: text("access_key_id"),
            secret_access_key: text("secret_access_key"),
        }
    }

    /// The database of this `up`, opened beside it.
    pub async fn store(&self) -> Store {
        Store::sqlite(&self.data.join("stationkeeper.sqlite"), StoreOptions::default())
            .await
            .expect("the database opens")
    }

    /// Ends it as a supervisor does: SIGTERM, and it leaves with 0 within seconds.
    pub fn terminate(mut self) -> Duration {
        self.program.signal("TERM");
        let (status, took) = self.program.ends_within(Duration::from_secs(15));
        assert_eq!(status.code(), Some(0), "after SIGTERM: {}", self.program.log());
        took
    }
}
