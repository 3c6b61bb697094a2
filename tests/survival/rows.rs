//! What stands in the database, read past the program.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, MySqlConnection};
use stationkeeper_tests::conservation::{Accepted, Conservation, waiting_in_embedded};

/// Which database.
pub enum Rows {
    /// The file of a folder.
    Sqlite(PathBuf),
    /// By its URL.
    MariaDb(String),
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// How often which body is in history or its variants, by SHA-256 in hex.
    pub history: HashMap<String, usize>,
    /// Key and version of what was put aside.
    pub quarantine: HashSet<(String, String)>,
    /// What was seen, as half a SHA-256 of key and version in hex.
    pub seen: HashSet<String>,
}

const HISTORY: &str = "select lower(hex(sha256)) from lab_station_heartbeat
    union all select lower(hex(sha256)) from lab_station_heartbeat_variants";
const SEEN: &str = "select lower(hex(object_hash)) from ingested_objects";

impl Rows {
    /// Of the `up` that has this folder.
    pub fn of_folder(data: &Path) -> Self {
        Self::Sqlite(data.join("stationkeeper.sqlite"))
    }

    /// What the tests of faults share: after the program has ended, nothing that was accepted is lost or double, and so much happened.
    pub async fn conserved(&self, data: &Path, accepted: Vec<Accepted>, least: &[(&'static str, u64)]) {
        let url = match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::MariaDb(url) => url.clone(),
        };
        let waiting = waiting_in_embedded(&data.join("bucket.sqlite")).await;
        let all = Conservation::of(url).accepted(accepted).waiting(waiting);
        least.iter().fold(all, |all, (what, count)| all.at_least(what, *count)).holds().await;
    }

    /// All that a ledger speaks of.
    pub async fn found(&self) -> Found {
        let (history, quarantine, seen): (Vec<String>, Vec<(String, String)>, Vec<String>) = match self {
            Self::Sqlite(path) => {
                // Only reading: who could write would move the log into the file when the program is killed, and spoil the scene.
                let mut connection =
                    SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap();
                let quarantine = "select object_key, object_version from quarantined_objects";
                let found = (
                    sqlx::query_scalar(HISTORY).fetch_all(&mut connection).await.unwrap(),
                    sqlx::query_as(quarantine).fetch_all(&mut connection).await.unwrap(),
                    sqlx::query_scalar(SEEN).fetch_all(&mut connection).await.unwrap(),
                );
                connection.close().await.unwrap();
                found
            }
            Self::MariaDb(url) => {
                let mut connection = MySqlConnection::connect(url).await.unwrap();
                let quarantine = "select convert(object_key using utf8mb4), convert(object_version using utf8mb4) from quarantined_objects";
                (
                    sqlx::query_scalar(HISTORY).fetch_all(&mut connection).await.unwrap(),
                    sqlx::query_as(quarantine).fetch_all(&mut connection).await.unwrap(),
                    sqlx::query_scalar(SEEN).fetch_all(&mut connection).await.unwrap(),
                )
            }
        };
        let mut found = Found {
            quarantine: quarantine.into_iter().collect(),
            seen: seen.into_iter().collect(),
            ..Found::default()
        };
        for sha256 in history {
            *found.history.entry(sha256).or_default() += 1;
        }
        found
    }
}
