//! Lines of the JSONL trail (`lab_host_events`) and how far each object was read (`host_event_cursors`).

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::{HostEvent, HostName};

use crate::database::Link;
use crate::key;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value};
use crate::{Store, StoreError};

/// A line of a station's trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEventRecord {
    /// Whose trail.
    pub host: HostName,
    /// 0 for the first line of its timestamp, user and session, 1 for the next equal one, …
    pub occurrence: u32,
    /// Where the read that found the line began in the object, bytes: equal lines before it were counted then.
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
    /// How many bytes before `offset` `tail_sha256` covers.
    pub tail_length: u64,
    /// SHA-256 of the last bytes before `offset`: other ones mean that the file was replaced.
    pub tail_sha256: Option<[u8; 32]>,
}

/// The trail in a unit of work.
pub struct HostEvents<'t>(pub(crate) &'t mut Link);

impl HostEvents<'_> {
    /// Inserts lines; those that are there stay.
    pub async fn insert(&mut self, events: &[HostEventRecord]) -> Result<(), StoreError> {
        let rows = events
            .iter()
            .map(|record| {
                let event = &record.event;
                vec![
                    (&record.host).into(),
                    event.timestamp.into(),
                    key::user(event.user.as_deref()).into(),
                    key::session(event.session_id).into(),
                    record.occurrence.into(),
                    event.user.as_ref().into(),
                    event.session_id.into(),
                    event.grace.into(),
                    event.force.into(),
                    event.message.as_ref().into(),
                    event.source.as_ref().into(),
                    event.state.as_ref().into(),
                    event.line.into(),
                    record.offset.into(),
                ]
            })
            .collect();
        self.0.write_rows("insert host events", include_str!("sql/insert_host_events.sql"), rows).await
    }

    /// Lines within these windows (from ≤ timestamp ≤ to), in order of host, time and line.
    pub async fn within(
        &mut self,
        windows: &[(HostName, DateTime<Utc>, DateTime<Utc>)],
    ) -> Result<Vec<HostEventRecord>, StoreError> {
        let statements = statements_within("read host events", include_str!("sql/host_events_within.sql"), windows);
        let mut found = Vec::new();
        for statement in statements {
            for row in self.0.fetch(statement.of("lab_host_events", KEY)).await? {
                found.push(event(&row)?);
            }
        }
        Ok(found)
    }

    /// How far the objects of these stations were read.
    pub async fn cursors(&mut self, hosts: &[HostName]) -> Result<Vec<EventCursor>, StoreError> {
        let mut found = Vec::new();
        for hosts in hosts.chunks(MOST_ITEMS) {
            let statement = Statement::new(READ_CURSORS, include_str!("sql/event_cursors.sql"))
                .of("host_event_cursors", CURSOR_KEY)
                .times(hosts.len())
                .bind_all(hosts);
            for row in self.0.fetch(statement).await? {
                found.push(cursor(&row)?);
            }
        }
        Ok(found)
    }

    /// Writes cursors.
    pub async fn save_cursors(&mut self, cursors: &[EventCursor]) -> Result<(), StoreError> {
        let rows = cursors
            .iter()
            .map(|cursor| {
                vec![
                    (&cursor.host).into(),
                    key::bounded(&cursor.object_key, key::KEY_BYTES).into(),
                    cursor.offset.into(),
                    cursor.lines.into(),
                    cursor.version.as_ref().into(),
                    cursor.tail_length.into(),
                    cursor.tail_sha256.into(),
                ]
            })
            .collect();
        self.0.write_rows("save how far trails were read", include_str!("sql/save_event_cursors.sql"), rows).await
    }
}

impl Store {
    /// The newest line of a station.
    pub async fn newest_host_event(&self, host: &HostName) -> Result<Option<HostEventRecord>, StoreError> {
        let statement = Statement::new("read the newest host event", include_str!("sql/newest_host_event.sql"))
            .of("lab_host_events", KEY)
            .bind(host);
        self.reader().await?.fetch_optional(statement).await?.as_ref().map(event).transpose()
    }

    /// Lines of a station with from ≤ timestamp ≤ to, in order of time and line.
    pub async fn host_events(
        &self,
        host: &HostName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<HostEventRecord>, StoreError> {
        let statement = Statement::new("read host events", include_str!("sql/host_events.sql"))
            .of("lab_host_events", KEY)
            .bind(host)
            .bind(from)
            .bind(to)
            .bind(limit);
        self.reader().await?.fetch(statement).await?.iter().map(event).collect()
    }

    /// How far an object was read.
    pub async fn event_cursor(&self, host: &HostName, object_key: &str) -> Result<Option<EventCursor>, StoreError> {
        let statement = Statement::new(READ_CURSORS, include_str!("sql/event_cursor.sql"))
            .of("host_event_cursors", CURSOR_KEY)
            .bind(host)
            .bind(key::bounded(object_key, key::KEY_BYTES));
        self.reader().await?.fetch_optional(statement).await?.as_ref().map(cursor).transpose()
    }
}

const KEY: &[&str] = &["host", "timestamp", "line_number"];
const CURSOR_KEY: &[&str] = &["host", "object_key"];
const READ_CURSORS: &str = "read how far trails were read";

/// Statements whose text has `{any host = ? and AT between ? and ?}`, for windows of any number.
pub(crate) fn statements_within(
    doing: &'static str,
    text: &'static str,
    windows: &[(HostName, DateTime<Utc>, DateTime<Utc>)],
) -> Vec<Statement> {
    windows
        .chunks(MOST_ITEMS)
        .map(|windows| {
            let values = windows.iter().flat_map(|(host, from, to)| [host.into(), (*from).into(), (*to).into()]);
            Statement::new(doing, text).times(windows.len()).bind_all::<Value>(values)
        })
        .collect()
}

fn event(row: &Row) -> Result<HostEventRecord, StoreError> {
    Ok(HostEventRecord {
        host: row.host("host")?,
        occurrence: row.small("occurrence")?,
        offset: row.unsigned("line_offset")?,
        event: HostEvent {
            timestamp: row.instant("timestamp")?,
            user: row.optional_text("user")?,
            session_id: row.optional_integer("session_id")?,
            grace: row.optional_integer("grace")?,
            force: row.optional_flag("force")?,
            message: row.optional_text("message")?,
            source: row.optional_text("source")?,
            line: row.unsigned("line_number")?,
            state: row.optional_text("state")?,
        },
    })
}

fn cursor(row: &Row) -> Result<EventCursor, StoreError> {
    Ok(EventCursor {
        host: row.host("host")?,
        object_key: row.text("object_key")?,
        offset: row.unsigned("consumed_bytes")?,
        lines: row.unsigned("consumed_lines")?,
        version: row.optional_text("version")?,
        tail_length: row.unsigned("tail_length")?,
        tail_sha256: row.optional_sha256("tail_sha256")?,
    })
}
