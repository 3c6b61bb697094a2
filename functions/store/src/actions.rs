//! What a rule proposes or a person wants done to a station (`station_actions`). How long a claim lasts is told by the database's clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_rules::orchestrator::{ActionId, ActionKind, ActionState, Claim, OrderedBy, StationAction};
use stationkeeper_rules::{AlertId, ReservationId};
use stationkeeper_telemetry::HostName;

use crate::database::Link;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value, padded};
use crate::{CommandOutput, Store, StoreError};

/// More than wait at once in any deployment: what is read at once.
const MOST: u32 = 10_000;

/// An action with what its command wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedAction {
    /// The row.
    pub action: StationAction,
    /// Of a command that ended.
    pub output: Option<CommandOutput>,
}

/// Which actions to list. Nothing said: all.
#[derive(Debug, Clone, Default)]
pub struct ActionFilter {
    /// At this station.
    pub host: Option<HostName>,
    /// In one of these states.
    pub states: Vec<ActionState>,
    /// That answer one of these alerts.
    pub alerts: Vec<AlertId>,
    /// That answer this reservation's need.
    pub reservation_id: Option<ReservationId>,
}

/// Where a page of a list ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionCursor {
    /// Of its last action.
    pub ordered_at: DateTime<Utc>,
    /// Of its last action.
    pub id: ActionId,
}

/// Actions in a unit of work, whose stations are locked.
pub struct Actions<'t>(pub(crate) &'t mut Link);

impl Actions<'_> {
    /// Those at a station that are not over, the oldest first.
    pub async fn open_of(&mut self, host: &HostName, now: DateTime<Utc>) -> Result<Vec<StationAction>, StoreError> {
        open(self.0, Some(host), now).await
    }

    /// One action.
    pub async fn by_id(&mut self, id: &ActionId, now: DateTime<Utc>) -> Result<Option<StationAction>, StoreError> {
        let row = self.0.fetch_optional(read().filter("id = ?", [&id.0]).bind(1i64)).await?;
        Ok(row.as_ref().map(|row| recorded(row, now)).transpose()?.map(|recorded| recorded.action))
    }

    /// Of these ids, those that are there.
    pub async fn known(&mut self, ids: &[ActionId]) -> Result<Vec<ActionId>, StoreError> {
        known(self.0, ids).await
    }

    /// Adds actions that nobody has yet. One that is there already stays as it is.
    pub async fn add(&mut self, actions: &[StationAction]) -> Result<(), StoreError> {
        let rows = actions.iter().map(row_of).collect();
        self.0.write_rows("order actions", include_str!("sql/insert_actions.sql"), rows).await
    }

    /// Saves one that is there as it stands now. A claim lasts as long from now as its time says.
    pub async fn save(&mut self, action: &StationAction, lease: Duration) -> Result<(), StoreError> {
        let statement = Statement::new("save an action", include_str!("sql/save_action.sql"))
            .bind(action.state.as_str())
            .bind(action.approved_by.as_ref())
            .bind(action.not_before)
            .bind(action.claim.as_ref().map(|claim| &claim.by))
            .bind(action.claim.as_ref().map(|_| lease.as_secs()))
            .bind(action.issued_at)
            .bind(action.settled_at)
            .bind(action.message.as_ref())
            .bind(&action.id.0);
        self.0.execute(statement).await?;
        Ok(())
    }

    /// Keeps what the command of an action wrote.
    pub async fn keep_output(&mut self, id: &ActionId, output: &CommandOutput) -> Result<(), StoreError> {
        const DOING: &str = "keep what an action wrote";
        let output = serde_json::to_string(output).map_err(StoreError::json(DOING))?;
        let text = "update station_actions set output = ? where id = ?";
        self.0.execute(Statement::new(DOING, text).bind(output).bind(&id.0)).await?;
        Ok(())
    }
}

impl Store {
    /// Those at all stations that are not over, the oldest first.
    pub async fn open_actions(&self, now: DateTime<Utc>) -> Result<Vec<StationAction>, StoreError> {
        open(&mut self.reader().await?, None, now).await
    }

    /// [`Actions::known`].
    pub async fn known_actions(&self, ids: &[ActionId]) -> Result<Vec<ActionId>, StoreError> {
        known(&mut self.reader().await?, ids).await
    }

    /// Those of these ids that are there.
    pub async fn actions_by_id(&self, ids: &[ActionId], now: DateTime<Utc>) -> Result<Vec<StationAction>, StoreError> {
        let mut found = Vec::new();
        for ids in ids.chunks(MOST_ITEMS) {
            let statement = read().filter_in("id", ids.iter().map(|id| &id.0)).bind(MOST);
            for row in self.reader().await?.fetch(statement).await? {
                found.push(recorded(&row, now)?.action);
            }
        }
        Ok(found)
    }

    /// Lengthens a claim from now. False: it is nobody's or another's by now.
    pub async fn renew_claim(&self, id: &ActionId, by: &str, lasts: Duration) -> Result<bool, StoreError> {
        let text = "update station_actions set claimed_until = {epoch} + ? where id = ? and claimed_by = ?";
        let statement = Statement::new("lengthen a claim", text).bind(lasts.as_secs()).bind(&id.0).bind(by);
        let mut link = self.writer().await?;
        let held = link.execute(statement).await?;
        link.commit().await?;
        Ok(held > 0)
    }

    /// Actions, the newest first, after `after`.
    pub async fn actions(
        &self,
        filter: &ActionFilter,
        after: Option<&ActionCursor>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<RecordedAction>, StoreError> {
        let mut statement = read();
        if let Some(host) = &filter.host {
            statement = statement.filter("host = ?", [host]);
        }
        if let Some(id) = &filter.reservation_id {
            statement = statement.filter("reservation_id = ?", [&id.0]);
        }
        if !filter.states.is_empty() {
            statement = statement.filter_in("state", filter.states.iter().map(|state| state.as_str()));
        }
        if !filter.alerts.is_empty() {
            statement = statement.filter_in("alert_id", filter.alerts.iter().map(|id| &id.0));
        }
        if let Some(after) = after {
            let at: Value = after.ordered_at.into();
            statement = statement
                .filter("ordered_at <= ? and (ordered_at < ? or id < ?)", [at.clone(), at, (&after.id.0).into()]);
        }
        let rows = self.reader().await?.fetch(statement.bind(limit)).await?;
        rows.iter().map(|row| recorded(row, now)).collect()
    }

    /// One action.
    pub async fn action(&self, id: &ActionId, now: DateTime<Utc>) -> Result<Option<RecordedAction>, StoreError> {
        let statement = read().filter("id = ?", [&id.0]).bind(1i64);
        let row = self.reader().await?.fetch_optional(statement).await?;
        row.as_ref().map(|row| recorded(row, now)).transpose()
    }
}

fn read() -> Statement {
    Statement::new("read actions", include_str!("sql/actions.sql")).of("station_actions", &["id"])
}

async fn open(link: &mut Link, host: Option<&HostName>, now: DateTime<Utc>) -> Result<Vec<StationAction>, StoreError> {
    let mut statement = read().filter_in("state", ActionState::open().map(ActionState::as_str));
    if let Some(host) = host {
        statement = statement.filter("host = ?", [host]);
    }
    let rows = link.fetch(statement.bind(MOST)).await?;
    rows.iter().rev().map(|row| Ok(recorded(row, now)?.action)).collect()
}

async fn known(link: &mut Link, ids: &[ActionId]) -> Result<Vec<ActionId>, StoreError> {
    let mut found = Vec::new();
    for ids in ids.chunks(MOST_ITEMS) {
        let statement = Statement::new("look for actions", "select id from station_actions where id in ({list})")
            .of("station_actions", &["id"])
            .times(padded(ids).count())
            .bind_all(padded(ids).map(|id| &id.0));
        for row in link.fetch(statement).await? {
            found.push(ActionId(row.text("id")?));
        }
    }
    Ok(found)
}

/// The columns of `insert_actions.sql`.
fn row_of(action: &StationAction) -> Vec<Value> {
    vec![
        (&action.id.0).into(),
        (&action.host).into(),
        action.kind.as_str().into(),
        action.state.as_str().into(),
        action.ordered_by.to_string().into(),
        action.alert_id.as_ref().map(|id| &id.0).into(),
        action.reservation_id.as_ref().map(|id| &id.0).into(),
        action.approved_by.as_ref().into(),
        action.ordered_at.into(),
        action.not_before.into(),
        action.expires_at.into(),
        action.issued_at.into(),
        action.settled_at.into(),
        action.message.as_ref().into(),
    ]
}

fn recorded(row: &Row, now: DateTime<Utc>) -> Result<RecordedAction, StoreError> {
    let left = row.optional_integer("seconds_left")?.unwrap_or_default();
    let claim = row.optional_text("claimed_by")?.map(|by| Claim { by, until: now + TimeDelta::seconds(left) });
    let action = StationAction {
        id: ActionId(row.text("id")?),
        host: row.host("host")?,
        kind: row.parsed("kind", ActionKind::parse)?,
        state: row.parsed("state", ActionState::parse)?,
        ordered_by: row.parsed("ordered_by", OrderedBy::parse)?,
        alert_id: row.optional_text("alert_id")?.map(AlertId),
        reservation_id: row.optional_text("reservation_id")?.map(ReservationId),
        approved_by: row.optional_text("approved_by")?,
        ordered_at: row.instant("ordered_at")?,
        not_before: row.instant("not_before")?,
        expires_at: row.instant("expires_at")?,
        claim,
        issued_at: row.optional_instant("issued_at")?,
        settled_at: row.optional_instant("settled_at")?,
        message: row.optional_text("message")?,
    };
    Ok(RecordedAction { action, output: row.optional_json("output")? })
}
