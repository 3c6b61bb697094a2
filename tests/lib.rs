//! What several tests of the whole share: the corpus, the built binary, databases of a test's own, and what stands in them.
//!
//! Tests drive the binary that `tests/run` built (it says where that lies by
//! `STATIONKEEPER_TEST_BINARIES`; without that it is looked for beside the test's own executable).

#[path = "harness/binary.rs"]
pub mod binary;
#[path = "harness/command_counter.rs"]
pub mod command_counter;
#[path = "harness/conservation/mod.rs"]
pub mod conservation;
#[path = "harness/database.rs"]
pub mod database;
#[path = "harness/exchange.rs"]
pub mod exchange;
#[path = "harness/faults.rs"]
pub mod faults;
#[path = "harness/faulty_s3.rs"]
pub mod faulty_s3;
#[path = "harness/http.rs"]
pub mod http;
#[path = "harness/lab.rs"]
pub mod lab;
#[path = "harness/mail_server.rs"]
pub mod mail_server;
#[path = "harness/mariadb_server.rs"]
pub mod mariadb_server;
#[path = "harness/older_stand_in.rs"]
pub mod older_stand_in;
#[path = "harness/programs.rs"]
pub mod programs;
#[path = "harness/simulated_stations.rs"]
pub mod simulated_stations;
#[path = "harness/station.rs"]
pub mod station;
#[path = "harness/tables.rs"]
pub mod tables;
#[path = "harness/tmpfs.rs"]
pub mod tmpfs;
#[path = "harness/up.rs"]
pub mod up;
#[path = "harness/waiting.rs"]
pub mod waiting;
#[path = "harness/wire.rs"]
pub mod wire;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file or folder of the corpus.
pub fn corpus(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(path)
}

/// A JSON file of the corpus.
///
/// # Panics
/// Where it cannot be read: the corpus is part of the tree.
pub fn corpus_json(path: &str) -> Value {
    let path = corpus(path);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{} is no JSON: {error}", path.display()))
}
