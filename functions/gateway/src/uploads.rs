//! What the gateway read from a station goes the way of everything that stations upload: into the bucket, and through the ingest.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use stationkeeper_telemetry::{HostName, ObjectKind};

/// A document of a station.
#[derive(Clone, PartialEq, Eq)]
pub struct StationUpload {
    /// Whose.
    pub host: HostName,
    /// Which.
    pub kind: ObjectKind,
    /// As the station wrote it.
    pub body: Vec<u8>,
}

impl fmt::Debug for StationUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StationUpload").field("host", &self.host).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What became of uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadOutcome {
    /// It is in the bucket and in the database. So many of the documents can never be read and were put aside.
    Taken {
        /// Of the documents.
        put_aside: u64,
    },
    /// It is not, or nobody knows. For the log.
    NotTaken(String),
}

/// Takes documents, in their order, and answers after the commit.
pub type TakeUploads =
    Arc<dyn Fn(Vec<StationUpload>) -> Pin<Box<dyn Future<Output = UploadOutcome> + Send>> + Send + Sync>;
