//! Alerts and their transitions (`alerts`, `alert_transitions`).

use chrono::{DateTime, Utc};
use stationkeeper_rules::{Alert, AlertId, AlertState, Rule, Transition};
use stationkeeper_telemetry::HostName;

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

/// A transition that has been written.
pub type StoredTransition = Transition;

/// An alert and how it came to be as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertWithTransitions {
    /// As it stands.
    pub alert: Alert,
    /// In order.
    pub transitions: Vec<StoredTransition>,
}

/// Alerts in a unit of work.
#[derive(Debug)]
pub struct Alerts<'t>(std::marker::PhantomData<&'t mut ()>);

impl Alerts<'_> {
    /// Unresolved alerts of these stations, and those of no station.
    pub async fn unresolved(&mut self, hosts: &[HostName]) -> Result<Vec<Alert>, StoreError> {
        let _ = hosts;
        unimplemented!()
    }
    /// Locks and reads an alert (SQLite: the transaction holds the lock already).
    pub async fn lock(&mut self, id: &AlertId) -> Result<Option<Alert>, StoreError> {
        let _ = id;
        unimplemented!()
    }
    /// Applies transitions in their order: opens insert an alert, others move it, each becomes a row. Repeating one changes nothing.
    pub async fn apply(&mut self, transitions: &[Transition]) -> Result<(), StoreError> {
        let _ = transitions;
        unimplemented!()
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
        let _ = (filter, after, limit);
        unimplemented!()
    }
    /// One alert with its transitions.
    pub async fn alert(&self, id: &AlertId) -> Result<Option<AlertWithTransitions>, StoreError> {
        let _ = id;
        unimplemented!()
    }
    /// How many unresolved alerts there are of each rule and state.
    pub async fn unresolved_alerts_by_rule(&self) -> Result<Vec<(Rule, AlertState, u64)>, StoreError> {
        unimplemented!()
    }
}
