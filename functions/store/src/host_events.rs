//! Lines of the JSONL trail (`lab_host_events`) and how far each object was read (`host_event_cursors`).

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::{HostEvent, HostName};

use crate::{Store, StoreError};

/// A line of a station's trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEventRecord {
    /// Whose trail.
    pub host: HostName,
    /// 0 for the first line of its timestamp, user and session, 1 for the next equal one, …
    pub occurrence: u32,
    /// Where the line begins in the object, bytes.
    pub offset: u64,
    /// What it says.
    pub event: HostEvent,
}

/// How far an object was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCursor {
    /// Whose.
    pub host: HostName,
    /// Which object.
    pub object_key: String,
    /// Bytes consumed (whole lines).
    pub offset: u64,
    /// Lines consumed.
    pub lines: u64,
    /// Version or ETag of the object that was read.
    pub version: Option<String>,
    /// How many bytes `head_sha256` covers.
    pub head_length: u64,
    /// SHA-256 of the first bytes: other ones mean that the file was replaced.
    pub head_sha256: Option<[u8; 32]>,
}

/// The trail in a unit of work.
#[derive(Debug)]
pub struct HostEvents<'t>(std::marker::PhantomData<&'t mut ()>);

impl HostEvents<'_> {
    /// Inserts lines; those that are there stay.
    pub async fn insert(&mut self, events: &[HostEventRecord]) -> Result<(), StoreError> {
        let _ = events;
        unimplemented!()
    }
    /// Lines within these windows (from ≤ timestamp ≤ to), in order of host, time and line.
    pub async fn within(
        &mut self,
        windows: &[(HostName, DateTime<Utc>, DateTime<Utc>)],
    ) -> Result<Vec<HostEventRecord>, StoreError> {
        let _ = windows;
        unimplemented!()
    }
    /// How far the objects of these stations were read.
    pub async fn cursors(&mut self, hosts: &[HostName]) -> Result<Vec<EventCursor>, StoreError> {
        let _ = hosts;
        unimplemented!()
    }
    /// Writes cursors.
    pub async fn save_cursors(&mut self, cursors: &[EventCursor]) -> Result<(), StoreError> {
        let _ = cursors;
        unimplemented!()
    }
}

impl Store {
    /// Lines of a station with from ≤ timestamp ≤ to, in order of time and line.
    pub async fn host_events(
        &self,
        host: &HostName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<HostEventRecord>, StoreError> {
        let _ = (host, from, to, limit);
        unimplemented!()
    }
    /// How far an object was read.
    pub async fn event_cursor(&self, host: &HostName, object_key: &str) -> Result<Option<EventCursor>, StoreError> {
        let _ = (host, object_key);
        unimplemented!()
    }
}
