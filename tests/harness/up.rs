//! `stationkeeper up`, really running.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;
use stationkeeper_pipeline::s3::{Endpoint, S3Bucket};
use stationkeeper_store::{Store, StoreOptions};
use tempfile::TempDir;

use crate::http::{Answer, get, post};
use crate::programs::{Running, command, stationkeeper_says};
use crate::waiting::until;

/// How to reach a bucket as whom.
#[derive(Debug, Clone)]
pub struct Access {
    /// Such as `http://127.0.0.1:9000`.
    pub endpoint: String,
    /// Its name.
    pub bucket: String,
    /// Who asks.
    pub access_key_id: String,
    /// By which.
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

/// Where an `up` listens.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Of page and API.
    pub page: u16,
    /// Of the bucket.
    pub bucket: u16,
}

impl Ports {
    /// Any that are free.
    pub const FREE: Self = Self { page: 0, bucket: 0 };

    /// Two that were free a moment ago, for an `up` that is started again and again.
    pub fn chosen() -> Self {
        let listen = || std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let (page, bucket) = (listen(), listen());
        let port = |listener: &std::net::TcpListener| listener.local_addr().expect("it listens").port();
        Self { page: port(&page), bucket: port(&bucket) }
    }
}

/// A running `up` and where everything is.
pub struct Up {
    /// The process.
    pub program: Running,
    /// What it said first.
    pub line: Value,
    /// Its folder.
    pub data: PathBuf,
    /// Its bucket, for whoever may do everything.
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
        Self::start_at(data, Ports::FREE, arguments, within)
    }

    /// As [`start_with`](Self::start_with), at these ports.
    pub fn start_at(data: &Path, ports: Ports, arguments: &[&str], within: Duration) -> Self {
        Self::answering(Self::launch(data, ports, arguments), data, within)
    }

    /// Launches it without waiting for its line.
    pub fn launch(data: &Path, ports: Ports, arguments: &[&str]) -> Running {
        let address = |port: u16| format!("127.0.0.1:{port}");
        let mut up = command("stationkeeper");
        up.args(["up", "--json", "--listen", &address(ports.page), "--s3-listen", &address(ports.bucket), "--data"])
            .arg(data)
            .args(arguments);
        Running::start(up, "stationkeeper up", &data.with_extension("log"))
    }

    /// The `up` that was launched, once it says where everything is.
    pub fn answering(mut program: Running, data: &Path, within: Duration) -> Self {
        let line = program.first_line(within);
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |name: &str| {
            line[name].as_str().unwrap_or_else(|| panic!("the line of up has no {name}: {line}")).to_owned()
        };
        // The keys of a bucket elsewhere are not for `up` to know, and a gateway alone has no bucket for stations.
        let key = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let access = Access {
            endpoint: key("s3"),
            bucket: key("bucket"),
            access_key_id: key("access_key_id"),
            secret_access_key: key("secret_access_key"),
        };
        let (page, token) = (text("page"), text("admin_token"));
        Self { program, data: data.to_owned(), access, page, token, line }
    }

    /// Asks for a path, with the admin token.
    pub async fn get(&self, path: &str) -> Answer {
        get(&self.page, path, &[("Authorization", &format!("Bearer {}", self.token))]).await
    }

    /// Sends JSON to a path, with the admin token.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let token = format!("Bearer {}", self.token);
        post(&self.page, path, &[("Authorization", &token)], body.to_string().as_bytes()).await
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
