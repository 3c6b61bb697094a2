//! Transitions of which news are owed (`notifications_owed`), and the one row by which one at a time decides about them.

use chrono::{DateTime, Utc};
use stationkeeper_rules::notify::{Owed, Placed, Step};
use stationkeeper_rules::{AlertId, AlertState, Transition};

use crate::database::Link;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value};
use crate::{Readable, Store, StoreError, Transaction, alerts};

const KEY: &[&str] = &["alert_id", "at", "to_state"];

/// Owed news in a unit of work.
pub struct OwedNews<'t>(pub(crate) &'t mut Link);

impl OwedNews<'_> {
    /// Owes news of these transitions, to be looked at at once. Again, it changes nothing. Comes after the alerts themselves.
    pub async fn append(&mut self, transitions: &[Transition], now: DateTime<Utc>) -> Result<(), StoreError> {
        let rows = transitions.iter().map(|moved| {
            let step = Step { alert_id: moved.alert_id.clone(), at: moved.at, to: moved.to };
            row(&step, now, Some(now), None)
        });
        self.0.write_rows("owe news of alerts", include_str!("sql/insert_owed.sql"), rows.collect()).await
    }

    /// Whether there is anything to decide.
    pub async fn is_due(&mut self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        is_due(self.0, now).await
    }

    /// At most `limit` that nobody has planned yet, those that are looked at soonest first.
    pub async fn unplanned(&mut self, limit: u32) -> Result<Readable<Owed>, StoreError> {
        let statement = Statement::new("read news that are owed", include_str!("sql/unplanned.sql"))
            .of("notifications_owed", KEY)
            .bind(limit);
        Ok(Readable::of(&self.0.fetch(statement).await?, Some("alert_id"), owed))
    }

    /// Says when each is looked at again; none: it is planned.
    pub async fn save(&mut self, news: &[(Owed, Option<DateTime<Utc>>)], now: DateTime<Utc>) -> Result<(), StoreError> {
        let rows = news
            .iter()
            .map(|(owed, look_at)| row(&owed.step, owed.owed_at, *look_at, look_at.is_none().then_some(now)));
        self.0.write_rows("plan news that are owed", include_str!("sql/save_owed.sql"), rows.collect()).await
    }

    /// Nothing of these alerts is looked at, and nobody is reminded of them, before an instant.
    pub async fn postpone(&mut self, alerts: &[AlertId], until: DateTime<Utc>) -> Result<(), StoreError> {
        for alerts in alerts.chunks(MOST_ITEMS) {
            for text in [include_str!("sql/postpone_owed.sql"), include_str!("sql/postpone_reminders.sql")] {
                let statement = Statement::new("postpone news that are owed", text).times(alerts.len()).bind(until);
                self.0.execute(statement.bind_all(alerts.iter().map(|id| &id.0))).await?;
            }
        }
        Ok(())
    }

    /// All that waits is looked at at once.
    pub async fn look_at_once(&mut self, now: DateTime<Utc>) -> Result<(), StoreError> {
        look_at_once(self.0, now).await
    }
}

/// The planner's row in a unit of work.
pub struct PlannerRow<'t>(pub(crate) &'t mut Link);

impl PlannerRow<'_> {
    /// Locks it: two planners at once are one after the other.
    pub async fn lock(&mut self) -> Result<(), StoreError> {
        const TEXT: &str = "select id from notification_planner where id = 1 {for update}";
        let statement = Statement::new("lock the planner of notifications", TEXT).of("notification_planner", &["id"]);
        self.0.fetch(statement).await.map(drop)
    }

    /// Remembers when it ran.
    pub async fn ran(&mut self, now: DateTime<Utc>) -> Result<(), StoreError> {
        const TEXT: &str = "update notification_planner set last_run_at = ? where id = 1";
        self.0.execute(Statement::new("remember the planner of notifications", TEXT).bind(now)).await.map(drop)
    }
}

impl Transaction {
    /// Alerts with the laboratory of their station and the person of their reservation: all that are unresolved, all that opened
    /// after an instant, and these. In order of their opening.
    pub async fn placed_alerts(
        &mut self,
        these: &[AlertId],
        opened_after: DateTime<Utc>,
    ) -> Result<Readable<Placed>, StoreError> {
        let read = || {
            Statement::new("read alerts and where they are", include_str!("sql/placed_alerts.sql"))
                .of("alerts", &["id"])
        };
        let unresolved = [AlertState::Open, AlertState::Acknowledged].map(AlertState::as_str);
        let mut statements =
            vec![read().filter_in("alerts.state", unresolved), read().filter("alerts.opened_at > ?", [opened_after])];
        for ids in these.chunks(MOST_ITEMS) {
            statements.push(read().filter_in("alerts.id", ids.iter().map(|id| &id.0)));
        }
        let mut found = Readable::default();
        for statement in statements {
            found.extend(Readable::of(&self.link.fetch(statement).await?, Some("id"), placed));
        }
        // What moves between two reads is there twice: as the later one found it.
        found.rows.reverse();
        found.rows.sort_by(|one, other| {
            (one.alert.opened_at, &one.alert.id.0).cmp(&(other.alert.opened_at, &other.alert.id.0))
        });
        found.rows.dedup_by(|later, kept| later.alert.id == kept.alert.id);
        Ok(found)
    }
}

impl Store {
    /// Whether there is anything to decide: a look that locks nothing.
    pub async fn planning_is_due(&self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        is_due(&mut self.reader().await?, now).await
    }
}

async fn is_due(link: &mut Link, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let statement = Statement::new("look for news that are owed", include_str!("sql/planning_is_due.sql"))
        .of("notifications_owed", &["due"])
        .bind(now)
        .bind(now);
    Ok(link.fetch_optional(statement).await?.is_some())
}

pub(crate) async fn look_at_once(link: &mut Link, now: DateTime<Utc>) -> Result<(), StoreError> {
    let statement = Statement::new("look again at news that wait", include_str!("sql/look_at_once.sql"));
    link.execute(statement.bind(now).bind(now)).await.map(drop)
}

fn row(
    step: &Step,
    owed_at: DateTime<Utc>,
    look_at: Option<DateTime<Utc>>,
    planned_at: Option<DateTime<Utc>>,
) -> Vec<Value> {
    let [alert_id, at, to] = key(step);
    vec![alert_id, at, to, owed_at.into(), look_at.into(), planned_at.into()]
}

/// The columns that name a transition.
pub(crate) fn key(step: &Step) -> [Value; 3] {
    [(&step.alert_id.0).into(), step.at.into(), step.to.as_str().into()]
}

/// Reads them.
pub(crate) fn step(row: &Row) -> Result<Step, StoreError> {
    Ok(Step {
        alert_id: AlertId(row.text("alert_id")?),
        at: row.instant("at")?,
        to: row.parsed("to_state", AlertState::parse)?,
    })
}

fn owed(row: &Row) -> Result<Owed, StoreError> {
    Ok(Owed { step: step(row)?, cause: row.json("cause")?, owed_at: row.instant("owed_at")? })
}

fn placed(row: &Row) -> Result<Placed, StoreError> {
    Ok(Placed { alert: alerts::alert(row)?, lab: row.optional_text("lab")?, person: row.optional_text("who")? })
}
