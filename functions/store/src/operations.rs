//! What is done to stations for reservations (`reservation_operations`), and who said that one goes ahead all the same
//! (`reservation_overrides`).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_rules::ReservationId;
use stationkeeper_rules::orchestrator::{Action, Operation, OperationId, OperationStatus, OrderedBy, Override, RunId};
use stationkeeper_telemetry::HostName;

use crate::database::Link;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value, padded};
use crate::{Store, StoreError};

/// What a command was given and what it wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOutput {
    /// None: it never ended.
    pub exit_code: Option<i32>,
    /// What it wrote.
    pub stdout: String,
    /// And as errors.
    pub stderr: String,
    /// Its arguments, one each.
    pub arguments: Vec<String>,
    /// From issuing it to its end.
    pub duration_ms: u64,
}

/// An operation with what its command wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedOperation {
    /// The row.
    pub operation: Operation,
    /// Of a command that reached the station.
    pub output: Option<CommandOutput>,
}

/// Which operations to list.
#[derive(Debug, Clone, Default)]
pub struct OperationFilter {
    /// On this station.
    pub host: Option<HostName>,
    /// For this reservation.
    pub reservation_id: Option<ReservationId>,
    /// Of these laboratories, if said; none at all: nothing.
    pub labs: Option<Vec<String>>,
}

/// Where a page of a list ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationCursor {
    /// Of its last operation.
    pub started_at: DateTime<Utc>,
    /// Of its last operation.
    pub id: OperationId,
}

/// Operations in a unit of work.
pub struct Operations<'t>(pub(crate) &'t mut Link);

impl Operations<'_> {
    /// Opens one. False: somebody has opened it before; it stays as it is. The caller has locked its station.
    pub async fn open(&mut self, operation: &Operation) -> Result<bool, StoreError> {
        let known = Statement::new("look for an operation", "select id from reservation_operations where id = ?")
            .of("reservation_operations", &["id"])
            .bind(&operation.id.0);
        if self.0.fetch_optional(known).await?.is_some() {
            return Ok(false);
        }
        self.append(std::slice::from_ref(operation)).await?;
        Ok(true)
    }

    /// Appends. One that is there already stays as it is.
    pub async fn append(&mut self, operations: &[Operation]) -> Result<(), StoreError> {
        let rows = operations.iter().map(row_of).collect();
        self.0.write_rows("record operations", include_str!("sql/insert_operations.sql"), rows).await
    }

    /// Settles one that is running, as it is now. False: it was settled before; it stays as it is.
    pub async fn settle(&mut self, settled: &Operation, output: Option<&CommandOutput>) -> Result<bool, StoreError> {
        const DOING: &str = "settle an operation";
        let output = output.map(serde_json::to_string).transpose().map_err(StoreError::json(DOING))?;
        let statement = Statement::new(DOING, include_str!("sql/settle_operation.sql"))
            .bind(settled.status.as_str())
            .bind(settled.success)
            .bind(settled.response_code.map(i64::from))
            .bind(settled.message.as_ref())
            .bind(settled.packets)
            .bind(settled.finished_at)
            .bind(output)
            .bind(&settled.id.0);
        Ok(self.0.execute(statement).await? > 0)
    }

    /// Those for these reservations, the oldest first, without what their commands wrote.
    pub async fn of_reservations(&mut self, ids: &[ReservationId]) -> Result<Vec<Operation>, StoreError> {
        of_reservations(self.0, ids).await
    }

    /// Says that a reservation goes ahead all the same.
    pub async fn set_override(&mut self, said: &Override) -> Result<(), StoreError> {
        let row: Vec<Value> =
            vec![(&said.reservation_id.0).into(), (&said.by).into(), said.reason.as_ref().into(), said.at.into()];
        let text = "insert into reservation_overrides (reservation_id, said_by, reason, said_at) values {rows} \
                    {upsert reservation_id} said_by = {new said_by}, reason = {new reason}, said_at = {new said_at}";
        self.0.write_rows("override what blocks a reservation", text, vec![row]).await
    }

    /// Who said so of these.
    pub async fn overrides(&mut self, ids: &[ReservationId]) -> Result<Vec<Override>, StoreError> {
        overrides(self.0, ids).await
    }
}

impl Store {
    /// [`Operations::of_reservations`].
    pub async fn operations_of_reservations(&self, ids: &[ReservationId]) -> Result<Vec<Operation>, StoreError> {
        of_reservations(&mut self.reader().await?, ids).await
    }

    /// [`Operations::overrides`].
    pub async fn overrides(&self, ids: &[ReservationId]) -> Result<Vec<Override>, StoreError> {
        overrides(&mut self.reader().await?, ids).await
    }

    /// Operations, the newest first, after `after`.
    pub async fn operations(
        &self,
        filter: &OperationFilter,
        after: Option<&OperationCursor>,
        limit: u32,
    ) -> Result<Vec<RecordedOperation>, StoreError> {
        let mut statement = filtered("read operations", include_str!("sql/operations.sql"), filter);
        if let Some(after) = after {
            let at: Value = after.started_at.into();
            statement = statement
                .filter("started_at <= ? and (started_at < ? or id < ?)", [at.clone(), at, (&after.id.0).into()]);
        }
        self.reader().await?.fetch(statement.bind(limit)).await?.iter().map(recorded).collect()
    }

    /// A page of them by its offset, and how many there are.
    pub async fn operations_page(
        &self,
        filter: &OperationFilter,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<RecordedOperation>, u64), StoreError> {
        let mut reader = self.reader().await?;
        let page =
            filtered("read operations", include_str!("sql/operations_page.sql"), filter).bind(limit).bind(offset);
        let found = reader.fetch(page).await?.iter().map(recorded).collect::<Result<_, _>>()?;
        let text = "select count(*) as operations from reservation_operations where 1 = 1{filters}";
        let row = reader.fetch_optional(filtered("count operations", text, filter)).await?;
        Ok((found, row.map_or(Ok(0), |row| row.unsigned("operations"))?))
    }

    /// One operation.
    pub async fn operation(&self, id: &OperationId) -> Result<Option<RecordedOperation>, StoreError> {
        let statement =
            read("read an operation", include_str!("sql/operations.sql")).filter("id = ?", [&id.0]).bind(1i64);
        self.reader().await?.fetch_optional(statement).await?.as_ref().map(recorded).transpose()
    }
}

fn read(doing: &'static str, text: &'static str) -> Statement {
    Statement::new(doing, text).of("reservation_operations", &["id"])
}

fn filtered(doing: &'static str, text: &'static str, filter: &OperationFilter) -> Statement {
    let mut statement = read(doing, text);
    if let Some(host) = &filter.host {
        statement = statement.filter("host = ?", [host]);
    }
    if let Some(id) = &filter.reservation_id {
        statement = statement.filter("reservation_id = ?", [&id.0]);
    }
    match &filter.labs {
        None => statement,
        Some(labs) if labs.is_empty() => statement.filter("1 = 0", [0i64; 0]),
        Some(labs) => statement.filter_in("lab", labs),
    }
}

async fn of_reservations(link: &mut Link, ids: &[ReservationId]) -> Result<Vec<Operation>, StoreError> {
    let mut found = Vec::new();
    for ids in ids.chunks(MOST_ITEMS) {
        let statement = read("read the operations of reservations", include_str!("sql/operations_of_reservations.sql"))
            .times(padded(ids).count())
            .bind_all(padded(ids).map(|id| &id.0));
        for row in link.fetch(statement).await? {
            found.push(operation(&row)?);
        }
    }
    Ok(found)
}

async fn overrides(link: &mut Link, ids: &[ReservationId]) -> Result<Vec<Override>, StoreError> {
    let mut found = Vec::new();
    for ids in ids.chunks(MOST_ITEMS) {
        let text = "select reservation_id, said_by, reason, said_at from reservation_overrides where reservation_id in ({list})";
        let statement = Statement::new("read what was overridden", text)
            .of("reservation_overrides", &["reservation_id"])
            .times(padded(ids).count())
            .bind_all(padded(ids).map(|id| &id.0));
        for row in link.fetch(statement).await? {
            found.push(Override {
                reservation_id: ReservationId(row.text("reservation_id")?),
                by: row.text("said_by")?,
                reason: row.optional_text("reason")?,
                at: row.instant("said_at")?,
            });
        }
    }
    Ok(found)
}

/// The columns of `insert_operations.sql`.
fn row_of(operation: &Operation) -> Vec<Value> {
    vec![
        (&operation.id.0).into(),
        (&operation.reservation_id.0).into(),
        (&operation.host).into(),
        operation.lab.as_ref().into(),
        operation.run.to_string().into(),
        operation.action.as_str().into(),
        operation.attempt.into(),
        operation.status.as_str().into(),
        operation.success.into(),
        operation.response_code.map(i64::from).into(),
        operation.message.as_ref().into(),
        operation.packets.into(),
        operation.started_at.into(),
        operation.finished_at.into(),
        operation.ordered_by.to_string().into(),
        Value::Null,
    ]
}

fn recorded(row: &Row) -> Result<RecordedOperation, StoreError> {
    Ok(RecordedOperation { operation: operation(row)?, output: row.optional_json("output")? })
}

fn operation(row: &Row) -> Result<Operation, StoreError> {
    Ok(Operation {
        id: OperationId(row.text("id")?),
        reservation_id: ReservationId(row.text("reservation_id")?),
        host: row.host("host")?,
        lab: row.optional_text("lab")?,
        run: row.parsed("run", RunId::parse)?,
        action: row.parsed("action", Action::parse)?,
        attempt: row.small("attempt")?,
        status: row.parsed("status", OperationStatus::parse)?,
        success: row.optional_flag("success")?,
        response_code: row.optional_integer("response_code")?.and_then(|code| i32::try_from(code).ok()),
        message: row.optional_text("message")?,
        packets: row.optional_small("packets")?,
        started_at: row.instant("started_at")?,
        finished_at: row.optional_instant("finished_at")?,
        ordered_by: row.parsed("ordered_by", OrderedBy::parse)?,
    })
}
