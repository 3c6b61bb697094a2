//! Objects of the bucket: those seen (`ingested_objects`) and those put aside (`quarantined_objects`).

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::HostName;

use crate::{Store, StoreError};

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectVersion {
    /// The decoded key.
    pub key: String,
    /// `versionId`, or whatever stands for it (ETag and time of the PUT); empty where the bucket has none.
    pub version: String,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IngestOutcome {
    /// It is in the tables.
    Ingested,
    /// It was there already.
    Duplicate,
    /// It was put aside.
    Quarantined,
    /// Not one of ours.
    Ignored,
}

/// An object that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedObject {
    /// Which.
    pub object: ObjectVersion,
    /// Below whose prefix it lay.
    pub host: Option<HostName>,
    /// A reason of the closed list (telemetry.md section 6).
    pub reason: String,
    /// What exactly.
    pub detail: String,
    /// Its first bytes (more than 256 are cut off here).
    pub first_bytes: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
    /// When it was put.
    pub arrived_at: DateTime<Utc>,
    /// When it was put aside.
    pub quarantined_at: DateTime<Utc>,
    /// Where it lies now; none: it was too large to be copied, and lies where it was.
    pub quarantine_key: Option<String>,
}

/// Objects in a unit of work.
#[derive(Debug)]
pub struct Objects<'t>(std::marker::PhantomData<&'t mut ()>);

impl Objects<'_> {
    /// Which of these are done with.
    pub async fn known(
        &mut self,
        objects: &[ObjectVersion],
    ) -> Result<Vec<(ObjectVersion, IngestOutcome)>, StoreError> {
        let _ = objects;
        unimplemented!()
    }
    /// These are done with. One that already was stays as it is.
    pub async fn mark(
        &mut self,
        objects: &[(ObjectVersion, IngestOutcome)],
        ingested_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let _ = (objects, ingested_at);
        unimplemented!()
    }
    /// Records what was put aside. One that already was stays as it is.
    pub async fn quarantine(&mut self, objects: &[QuarantinedObject]) -> Result<(), StoreError> {
        let _ = objects;
        unimplemented!()
    }
}

impl Store {
    /// Which of these are done with.
    pub async fn known_objects(
        &self,
        objects: &[ObjectVersion],
    ) -> Result<Vec<(ObjectVersion, IngestOutcome)>, StoreError> {
        let _ = objects;
        unimplemented!()
    }
    /// What was put aside (of one station, or all), newest first; `before` is `quarantined_at` and object of the last page's last.
    pub async fn quarantined(
        &self,
        host: Option<&HostName>,
        before: Option<(DateTime<Utc>, &ObjectVersion)>,
        limit: u32,
    ) -> Result<Vec<QuarantinedObject>, StoreError> {
        let _ = (host, before, limit);
        unimplemented!()
    }
    /// How many were put aside for which reason.
    pub async fn quarantined_by_reason(&self) -> Result<Vec<(String, u64)>, StoreError> {
        unimplemented!()
    }
}
