//! Connections: flags over environment over the configuration file. What a verdict depends on is not here but in the database.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::{Elsewhere, Place};
use crate::failure::{Exit, Failure};
use crate::settings_file;

/// Folder of all data when nothing else is said.
pub const DATA_FOLDER: &str = "stationkeeper-data";
/// Folder of a demo.
pub const DEMO_FOLDER: &str = "stationkeeper-demo";

/// The configuration file: where things are. Every key may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionsFile {
    /// Folder of all data. Default `./stationkeeper-data`.
    pub data: Option<PathBuf>,
    /// `mysql://USER:PASSWORD@HOST/NAME` or `sqlite:FILE`. Default: a file in the data folder.
    pub database: Option<String>,
    /// Where page and API listen. Default `127.0.0.1:8080`.
    pub listen: Option<SocketAddr>,
    /// Where the bucket listens. Default `127.0.0.1:9000`.
    pub s3_listen: Option<SocketAddr>,
    /// `s3://NAME` on another S3 server. Default: the embedded bucket.
    pub bucket: Option<String>,
    /// URL of the SQS queue that this bucket announces its objects to. Default: none.
    pub queue: Option<String>,
    /// File with the token of the bucket's webhook. Default: no webhook.
    pub events_token_file: Option<PathBuf>,
    /// How often that bucket is listed for what nothing announced, in seconds. Default 600.
    pub reconcile_seconds: Option<u32>,
}

impl ConnectionsFile {
    /// The keys, for suggestions.
    pub const KEYS: [&str; 8] =
        ["data", "database", "listen", "s3_listen", "bucket", "queue", "events_token_file", "reconcile_seconds"];
}

/// Where things are, after flags, environment and file were put together.
#[derive(Clone, PartialEq, Eq)]
pub struct Connections {
    /// Folder of all data.
    pub data: PathBuf,
    /// None: a SQLite file in `data`.
    pub database: Option<String>,
    /// Where page and API listen.
    pub listen: SocketAddr,
    /// Where the bucket listens.
    pub s3_listen: SocketAddr,
    /// What the file says of a bucket elsewhere; flags and environment go before it.
    pub elsewhere: Elsewhere,
}

impl Connections {
    /// Puts together what was said.
    pub fn resolve(
        place: &Place,
        listen: Option<SocketAddr>,
        s3_listen: Option<SocketAddr>,
        default_folder: &str,
    ) -> Result<Self, Failure> {
        let file = match &place.config {
            Some(path) => read(path)?,
            None => ConnectionsFile::default(),
        };
        let loopback = |port| SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        Ok(Self {
            data: place.data.clone().or(file.data).unwrap_or_else(|| PathBuf::from(default_folder)),
            database: place.database.clone().or(file.database),
            listen: listen.or(file.listen).unwrap_or_else(|| loopback(8080)),
            s3_listen: s3_listen.or(file.s3_listen).unwrap_or_else(|| loopback(9000)),
            elsewhere: Elsewhere {
                bucket: file.bucket,
                queue: file.queue,
                events_token_file: file.events_token_file,
                reconcile_seconds: file.reconcile_seconds,
            },
        })
    }

    /// The database's file when it is ours.
    pub fn database_file(&self) -> PathBuf {
        self.data.join("stationkeeper.sqlite")
    }

    /// The embedded bucket's file.
    pub fn bucket_file(&self) -> PathBuf {
        self.data.join("bucket.sqlite")
    }

    /// Keeps where the bucket of `up` answers, for commands that tell others.
    pub fn remember_endpoint(&self, url: &str) -> Result<(), Failure> {
        let file = self.endpoint_file();
        std::fs::write(&file, url).map_err(|error| {
            Failure::because(Exit::CannotCreate, format_args!("cannot write {}", file.display()), &error)
        })
    }

    /// Where the bucket of the last `up` on this data answered; before the first, where it will by this configuration.
    pub fn endpoint(&self) -> String {
        std::fs::read_to_string(self.endpoint_file()).unwrap_or_else(|_| format!("http://{}", self.s3_listen))
    }

    fn endpoint_file(&self) -> PathBuf {
        self.data.join("s3-endpoint")
    }
}

fn read(path: &Path) -> Result<ConnectionsFile, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::because(Exit::Configuration, format_args!("cannot read the configuration {}", path.display()), &error)
    })?;
    toml::from_str(&text).map_err(|error| {
        let said = settings_file::explain(&text, &error, &ConnectionsFile::KEYS);
        Failure::new(Exit::Configuration, format!("{}: {said}", path.display()))
    })
}
