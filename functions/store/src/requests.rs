//! What instructors ask for, and what became of it (`instructor_requests`).

use chrono::{DateTime, Utc};
use stationkeeper_rules::ReservationId;
use stationkeeper_rules::requests::{InstructorRequest, RequestId, RequestKind, RequestState};
use stationkeeper_telemetry::HostName;

use crate::database::Link;
use crate::row::Row;
use crate::statement::{Statement, Value};
use crate::{Store, StoreError};

/// Which requests to list.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// At this station.
    pub host: Option<HostName>,
    /// Of this kind.
    pub kind: Option<RequestKind>,
    /// That stand there; empty: anywhere.
    pub states: Vec<RequestState>,
    /// Whose time is up at this instant.
    pub over_at: Option<DateTime<Utc>>,
}

/// Where a page of a list ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCursor {
    /// Of its last request.
    pub asked_at: DateTime<Utc>,
    /// Of its last request.
    pub id: RequestId,
}

/// Most that are read where all are meant: more than are ever open.
const MOST: i64 = 10_000;

/// Requests in a unit of work.
pub struct InstructorRequests<'t>(pub(crate) &'t mut Link);

impl InstructorRequests<'_> {
    /// Inserts or replaces, by id. What was asked, by whom and when stays as it was. The caller has locked its station.
    pub async fn save(&mut self, request: &InstructorRequest) -> Result<(), StoreError> {
        let row: Vec<Value> = vec![
            (&request.id.0).into(),
            request.kind.as_str().into(),
            (&request.host).into(),
            request.reservation_id.as_ref().map(|id| &id.0).into(),
            (&request.asked_by).into(),
            request.asked_at.into(),
            request.reason.as_ref().into(),
            request.minutes.into(),
            request.until.into(),
            request.state.as_str().into(),
            request.expires_at.into(),
            request.shown_at.into(),
            request.seen_at.into(),
            request.answered_at.into(),
            request.answered_by.as_ref().into(),
            request.note.as_ref().into(),
        ];
        self.0.write_rows("save a request", include_str!("sql/save_request.sql"), vec![row]).await
    }

    /// One of them.
    pub async fn of(&mut self, id: &RequestId) -> Result<Option<InstructorRequest>, StoreError> {
        let statement = read().filter("id = ?", [&id.0]).bind(1i64);
        self.0.fetch_optional(statement).await?.as_ref().map(request).transpose()
    }

    /// Those at a station that were granted and whose time is not over.
    pub async fn granted(&mut self, host: &HostName, now: DateTime<Utc>) -> Result<Vec<InstructorRequest>, StoreError> {
        let values: [Value; 2] = [host.into(), now.into()];
        let statement = read().filter("host = ? and state = 'granted' and until_at > ?", values).bind(MOST);
        self.0.fetch(statement).await?.iter().map(request).collect()
    }

    /// What somebody has asked for at a station since an instant, the newest first.
    pub async fn of_person(
        &mut self,
        kind: RequestKind,
        host: &HostName,
        by: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<InstructorRequest>, StoreError> {
        let values: [Value; 4] = [host.into(), kind.as_str().into(), by.into(), since.into()];
        let statement = read().filter("host = ? and kind = ? and asked_by = ? and asked_at >= ?", values).bind(MOST);
        self.0.fetch(statement).await?.iter().map(request).collect()
    }
}

impl Store {
    /// Requests, the newest first, after `after`.
    pub async fn requests(
        &self,
        filter: &RequestFilter,
        after: Option<&RequestCursor>,
        limit: u32,
    ) -> Result<Vec<InstructorRequest>, StoreError> {
        let states = filter.states.iter().map(|state| state.as_str());
        let mut statement = read().filter_in("state", states);
        if let Some(host) = &filter.host {
            statement = statement.filter("host = ?", [host]);
        }
        if let Some(kind) = filter.kind {
            statement = statement.filter("kind = ?", [kind.as_str()]);
        }
        if let Some(at) = filter.over_at {
            statement = statement.filter("expires_at <= ?", [at]);
        }
        if let Some(after) = after {
            let at: Value = after.asked_at.into();
            statement =
                statement.filter("asked_at <= ? and (asked_at < ? or id < ?)", [at.clone(), at, (&after.id.0).into()]);
        }
        self.reader().await?.fetch(statement.bind(limit)).await?.iter().map(request).collect()
    }

    /// One request.
    pub async fn request(&self, id: &RequestId) -> Result<Option<InstructorRequest>, StoreError> {
        InstructorRequests(&mut self.reader().await?).of(id).await
    }
}

fn read() -> Statement {
    Statement::new("read requests", include_str!("sql/requests.sql")).of("instructor_requests", &["id"])
}

fn request(row: &Row) -> Result<InstructorRequest, StoreError> {
    Ok(InstructorRequest {
        id: RequestId(row.text("id")?),
        kind: row.parsed("kind", RequestKind::parse)?,
        host: row.host("host")?,
        reservation_id: row.optional_text("reservation_id")?.map(ReservationId),
        asked_by: row.text("asked_by")?,
        asked_at: row.instant("asked_at")?,
        reason: row.optional_text("reason")?,
        minutes: row.optional_small("minutes")?,
        until: row.optional_instant("until_at")?,
        state: row.parsed("state", RequestState::parse)?,
        expires_at: row.optional_instant("expires_at")?,
        shown_at: row.optional_instant("shown_at")?,
        seen_at: row.optional_instant("seen_at")?,
        answered_at: row.optional_instant("answered_at")?,
        answered_by: row.optional_text("answered_by")?,
        note: row.optional_text("note")?,
    })
}
