//! What was decided about news, and why (`notification_decisions`): a log.

use chrono::{DateTime, Utc};
use stationkeeper_rules::AlertId;
use stationkeeper_rules::notify::Decision;

use crate::database::Link;
use crate::owed::{key, step};
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value};
use crate::{Readable, Store, StoreError};

const KEY: &[&str] = &["alert_id", "at", "to_state", "receiver", "decided_at"];

/// Decisions in a unit of work.
pub struct Decisions<'t>(pub(crate) &'t mut Link);

impl Decisions<'_> {
    /// Writes these down. Of two about the same at the same instant the later one counts.
    pub async fn append(&mut self, decisions: &[Decision]) -> Result<(), StoreError> {
        const DOING: &str = "write decisions about notifications";
        let mut rows: Vec<Vec<Value>> = Vec::with_capacity(decisions.len());
        for decision in decisions {
            let [alert_id, at, to] = key(&decision.step);
            rows.push(vec![
                alert_id,
                at,
                to,
                decision.receiver.as_deref().unwrap_or_default().into(),
                decision.decided_at.into(),
                decision.because.telling().as_str().into(),
                serde_json::to_string(&decision.because).map_err(StoreError::json(DOING))?.into(),
            ]);
        }
        self.0.write_rows(DOING, include_str!("sql/insert_decisions.sql"), rows).await
    }

    /// All about these alerts, in the order in which they were made.
    pub async fn of(&mut self, alerts: &[AlertId]) -> Result<Readable<Decision>, StoreError> {
        let mut found = Readable::default();
        for alerts in alerts.chunks(MOST_ITEMS) {
            found.extend(Readable::of(&self.0.fetch(read(alerts)).await?, Some("alert_id"), decision));
        }
        Ok(found)
    }
}

impl Store {
    /// All about an alert, in the order in which they were made.
    pub async fn decisions(&self, alert: &AlertId) -> Result<Vec<Decision>, StoreError> {
        self.reader().await?.fetch(read(std::slice::from_ref(alert))).await?.iter().map(decision).collect()
    }

    /// When what waits of an alert is looked at again; none: nothing of it waits.
    pub async fn next_look_at(&self, alert: &AlertId) -> Result<Option<DateTime<Utc>>, StoreError> {
        const TEXT: &str = "select min(look_at) as look_at from notifications_owed where alert_id = ?";
        let statement = Statement::new("look for what waits of an alert", TEXT).of("notifications_owed", &[]);
        let row = self.reader().await?.fetch_optional(statement.bind(&alert.0)).await?;
        row.map_or(Ok(None), |row| row.optional_instant("look_at"))
    }
}

fn read(alerts: &[AlertId]) -> Statement {
    Statement::new("read decisions about notifications", include_str!("sql/decisions.sql"))
        .of("notification_decisions", KEY)
        .filter_in("alert_id", alerts.iter().map(|id| &id.0))
}

fn decision(row: &Row) -> Result<Decision, StoreError> {
    Ok(Decision {
        step: step(row)?,
        receiver: Some(row.text("receiver")?).filter(|name| !name.is_empty()),
        because: row.json("because")?,
        decided_at: row.instant("decided_at")?,
    })
}
