//! Alerts and their transitions (`alerts`, `alert_transitions`).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use stationkeeper_rules::{Actor, Alert, AlertId, AlertKey, AlertState, Cause, ReservationId, Rule, Transition};
use stationkeeper_telemetry::HostName;

use crate::database::Link;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value, padded};
use crate::{Store, StoreError};

/// Which alerts to list.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// In one of these states; empty: in any.
    pub states: Vec<AlertState>,
    /// Of one of these rules; empty: of any.
    pub rules: Vec<Rule>,
    /// Of this station.
    pub host: Option<HostName>,
    /// Of a station of this lab.
    pub lab: Option<String>,
}

/// Where a page of a list ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertCursor {
    /// Of its last alert.
    pub opened_at: DateTime<Utc>,
    /// Of its last alert.
    pub id: AlertId,
}

/// An alert and how it came to be as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertWithTransitions {
    /// As it stands.
    pub alert: Alert,
    /// In order.
    pub transitions: Vec<Transition>,
}

/// Alerts that stood before, and were to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedAlerts {
    /// How many moves there were to make.
    pub planned: usize,
    /// How many were made: fewer, where an alert is no longer where the move begins.
    pub held: u64,
}

/// Alerts in a unit of work.
pub struct Alerts<'t>(pub(crate) &'t mut Link);

impl Alerts<'_> {
    /// Unresolved alerts of these stations (locked: nobody takes one meanwhile), and those of no station.
    pub async fn unresolved(&mut self, hosts: &[HostName]) -> Result<Vec<Alert>, StoreError> {
        let mut found = Vec::new();
        for row in self.0.fetch(read(include_str!("sql/unresolved_alerts_of_none.sql"))).await? {
            found.push(alert(&row)?);
        }
        found.extend(self.unresolved_of(hosts).await?);
        Ok(found)
    }

    /// Unresolved alerts of these stations.
    pub async fn unresolved_of(&mut self, hosts: &[HostName]) -> Result<Vec<Alert>, StoreError> {
        let mut found = Vec::new();
        for hosts in hosts.chunks(MOST_ITEMS) {
            let statement =
                read(include_str!("sql/unresolved_alerts.sql")).times(padded(hosts).count()).bind_all(padded(hosts));
            for row in self.0.fetch(statement).await? {
                found.push(alert(&row)?);
            }
        }
        Ok(found)
    }

    /// Locks and reads an alert (SQLite: the transaction holds the lock already).
    pub async fn lock(&mut self, id: &AlertId) -> Result<Option<Alert>, StoreError> {
        let statement = read(include_str!("sql/lock_alert.sql")).bind(&id.0);
        self.0.fetch_optional(statement).await?.as_ref().map(alert).transpose()
    }

    /// Applies transitions in their order: opens insert an alert, others move it, each becomes a row. Repeating one changes nothing,
    /// and [`MovedAlerts`] says so.
    pub async fn apply(&mut self, transitions: &[Transition]) -> Result<MovedAlerts, StoreError> {
        let plan = Plan::of(transitions);
        // Moves first: an alert may open under the key of one that is resolved in the same batch.
        let mut moved = MovedAlerts { planned: plan.moves.iter().map(Vec::len).sum(), held: 0 };
        for round in &plan.moves {
            moved.held += self.make_moves(round).await?;
        }
        let rows = plan.opened.iter().map(alert_row).collect::<Result<_, _>>()?;
        self.0.write_rows("open alerts", include_str!("sql/insert_alerts.sql"), rows).await?;
        for round in &plan.moves_of_opened {
            self.make_moves(round).await?;
        }
        let rows = transitions.iter().map(transition_row).collect::<Result<_, _>>()?;
        self.0.write_rows("write alert transitions", include_str!("sql/insert_transitions.sql"), rows).await?;
        Ok(moved)
    }

    /// At most one move an alert.
    async fn make_moves(&mut self, moves: &[&Transition]) -> Result<u64, StoreError> {
        let mut held = 0;
        for (to, text) in [
            (AlertState::Open, include_str!("sql/reopen_alerts.sql")),
            (AlertState::Acknowledged, include_str!("sql/acknowledge_alerts.sql")),
            (AlertState::Resolved, include_str!("sql/resolve_alerts.sql")),
        ] {
            let moves: Vec<&Transition> = moves.iter().copied().filter(|one| one.to == to).collect();
            for moves in moves.chunks(MOST_ITEMS) {
                let mut statement = Statement::new("move alerts", text).times(moves.len());
                let columns: &[fn(&Transition) -> Value] = match to {
                    AlertState::Open => &[|one| new_cause(one).into()],
                    AlertState::Acknowledged => &[
                        |one| one.at.into(),
                        |one| person(one).into(),
                        |one| one.acknowledged_until.into(),
                        |one| one.note.as_ref().into(),
                    ],
                    AlertState::Resolved => &[|one| one.at.into()],
                };
                for column in columns {
                    let whens = moves.iter().flat_map(|one| [(&one.alert_id.0).into(), column(one)]);
                    statement = statement.bind_all::<Value>(whens);
                }
                held += self.0.execute(statement.bind_all(moves.iter().map(|one| &one.alert_id.0))).await?;
            }
        }
        Ok(held)
    }
}

impl Store {
    /// Alerts, newest first, after `after`.
    pub async fn alerts(
        &self,
        filter: &AlertFilter,
        after: Option<&AlertCursor>,
        limit: u32,
    ) -> Result<Vec<Alert>, StoreError> {
        let mut statement = read(include_str!("sql/alerts.sql"))
            .filter_in("state", filter.states.iter().map(|state| state.as_str()))
            .filter_in("rule", filter.rules.iter().map(|rule| rule.as_str()));
        if let Some(host) = &filter.host {
            statement = statement.filter("host = ?", [host]);
        }
        if let Some(lab) = &filter.lab {
            statement = statement.filter("host in (select name from lab_hosts where lab = ?)", [lab]);
        }
        if let Some(after) = after {
            let at: Value = after.opened_at.into();
            statement = statement
                .filter("opened_at <= ? and (opened_at < ? or id < ?)", [at.clone(), at, (&after.id.0).into()]);
        }
        self.reader().await?.fetch(statement.bind(limit)).await?.iter().map(alert).collect()
    }

    /// One alert with its transitions.
    pub async fn alert(&self, id: &AlertId) -> Result<Option<AlertWithTransitions>, StoreError> {
        let mut link = self.reader().await?;
        let statement = read(include_str!("sql/alerts.sql")).filter("id = ?", [&id.0]).bind(1i64);
        let Some(alert) = link.fetch_optional(statement).await?.as_ref().map(alert).transpose()? else {
            return Ok(None);
        };
        let statement = Statement::new("read the transitions of an alert", include_str!("sql/transitions.sql"))
            .of("alert_transitions", &["alert_id", "at", "to_state"])
            .bind(&id.0);
        let transitions =
            link.fetch(statement).await?.iter().map(|row| transition(row, &alert)).collect::<Result<_, _>>()?;
        Ok(Some(AlertWithTransitions { alert, transitions }))
    }

    /// Alerts that somebody had taken for a while that is over.
    pub async fn expired_acknowledgements(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Alert>, StoreError> {
        let statement = read(include_str!("sql/alerts.sql"))
            .filter("state = ?", [AlertState::Acknowledged.as_str()])
            .filter("acknowledged_until <= ?", [now])
            .bind(limit);
        self.reader().await?.fetch(statement).await?.iter().map(alert).collect()
    }

    /// How many unresolved alerts there are of each rule and state.
    pub async fn unresolved_alerts_by_rule(&self) -> Result<Vec<(Rule, AlertState, u64)>, StoreError> {
        let statement = Statement::new("count unresolved alerts", include_str!("sql/unresolved_alerts_by_rule.sql"))
            .of("alerts", &["rule", "state"]);
        let rows = self.reader().await?.fetch(statement).await?;
        rows.iter()
            .map(|row| {
                Ok((row.parsed("rule", Rule::parse)?, row.parsed("state", AlertState::parse)?, row.unsigned("alerts")?))
            })
            .collect()
    }
}

fn read(text: &'static str) -> Statement {
    Statement::new("read alerts", text).of("alerts", &["id"])
}

/// What a batch of transitions comes to.
#[derive(Debug, Default)]
struct Plan<'a> {
    /// Alerts that open in it, as they stand at its end.
    opened: Vec<Alert>,
    /// Moves of alerts that were there before, in rounds: at most one an alert and round.
    moves: Vec<Vec<&'a Transition>>,
    /// Moves of alerts that open in it: they count only when an alert was there already after all.
    moves_of_opened: Vec<Vec<&'a Transition>>,
}

impl<'a> Plan<'a> {
    fn of(transitions: &'a [Transition]) -> Self {
        let mut plan = Self::default();
        let mut rounds: HashMap<&AlertId, usize> = HashMap::new();
        for one in transitions {
            let opened = plan.opened.iter_mut().find(|alert| alert.id == one.alert_id);
            let moves = match (one.from, opened) {
                (None, Some(_)) => continue,
                (None, None) => {
                    plan.opened.push(opened_by(one));
                    continue;
                }
                (Some(_), Some(alert)) => {
                    advance(alert, one);
                    &mut plan.moves_of_opened
                }
                (Some(_), None) => &mut plan.moves,
            };
            let round = rounds.entry(&one.alert_id).or_default();
            if moves.len() <= *round {
                moves.resize_with(*round + 1, Vec::new);
            }
            moves[*round].push(one);
            *round += 1;
        }
        plan
    }
}

fn opened_by(transition: &Transition) -> Alert {
    Alert {
        id: transition.alert_id.clone(),
        key: transition.key.clone(),
        state: AlertState::Open,
        opened_at: transition.at,
        acknowledged_at: None,
        acknowledged_by: None,
        note: None,
        acknowledged_until: None,
        resolved_at: None,
        cause: transition.cause.clone(),
    }
}

fn advance(alert: &mut Alert, transition: &Transition) {
    alert.state = transition.to;
    match transition.to {
        AlertState::Open => {
            (alert.acknowledged_at, alert.acknowledged_by) = (None, None);
            (alert.acknowledged_until, alert.note) = (None, None);
            if matches!(transition.cause, Cause::Issues { .. }) {
                alert.cause = transition.cause.clone();
            }
        }
        AlertState::Acknowledged => {
            alert.acknowledged_at = Some(transition.at);
            alert.acknowledged_by = person(transition).map(str::to_owned);
            alert.acknowledged_until = transition.acknowledged_until;
            alert.note = transition.note.clone();
        }
        AlertState::Resolved => alert.resolved_at = Some(transition.at),
    }
}

/// Why it is open now, where that is other than why it opened.
fn new_cause(transition: &Transition) -> Option<String> {
    match &transition.cause {
        cause @ Cause::Issues { .. } => serde_json::to_string(cause).ok(),
        _ => None,
    }
}

fn person(transition: &Transition) -> Option<&str> {
    match &transition.actor {
        Actor::Person(name) => Some(name),
        Actor::Rule => None,
    }
}

fn alert_row(alert: &Alert) -> Result<Vec<Value>, StoreError> {
    Ok(vec![
        (&alert.id.0).into(),
        alert.key.rule.as_str().into(),
        alert.key.host.as_ref().into(),
        alert.key.reservation_id.as_ref().map_or("", |id| &id.0).into(),
        alert.state.as_str().into(),
        alert.opened_at.into(),
        alert.acknowledged_at.into(),
        alert.acknowledged_by.as_ref().into(),
        alert.acknowledged_until.into(),
        alert.note.as_ref().into(),
        alert.resolved_at.into(),
        serde_json::to_string(&alert.cause).map_err(StoreError::json("open alerts"))?.into(),
    ])
}

fn transition_row(transition: &Transition) -> Result<Vec<Value>, StoreError> {
    let cause = serde_json::to_string(&transition.cause).map_err(StoreError::json("write alert transitions"))?;
    Ok(vec![
        (&transition.alert_id.0).into(),
        transition.at.into(),
        transition.to.as_str().into(),
        transition.from.map(AlertState::as_str).into(),
        transition.actor.to_string().into(),
        cause.into(),
        transition.note.as_ref().into(),
        transition.acknowledged_until.into(),
    ])
}

pub(crate) fn alert(row: &Row) -> Result<Alert, StoreError> {
    Ok(Alert {
        id: AlertId(row.text("id")?),
        key: AlertKey {
            rule: row.parsed("rule", Rule::parse)?,
            host: row.optional_host("host")?,
            reservation_id: Some(row.text("reservation_id")?).filter(|id| !id.is_empty()).map(ReservationId),
        },
        state: row.parsed("state", AlertState::parse)?,
        opened_at: row.instant("opened_at")?,
        acknowledged_at: row.optional_instant("acknowledged_at")?,
        acknowledged_by: row.optional_text("acknowledged_by")?,
        acknowledged_until: row.optional_instant("acknowledged_until")?,
        note: row.optional_text("note")?,
        resolved_at: row.optional_instant("resolved_at")?,
        cause: row.json("cause")?,
    })
}

fn transition(row: &Row, alert: &Alert) -> Result<Transition, StoreError> {
    Ok(Transition {
        alert_id: alert.id.clone(),
        key: alert.key.clone(),
        from: row.optional_parsed("from_state", AlertState::parse)?,
        to: row.parsed("to_state", AlertState::parse)?,
        at: row.instant("at")?,
        actor: row.parsed("actor", Actor::parse)?,
        cause: row.json("cause")?,
        note: row.optional_text("note")?,
        acknowledged_until: row.optional_instant("acknowledged_until")?,
    })
}
