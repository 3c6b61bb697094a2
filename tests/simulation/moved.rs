//! How alerts moved, in a form in which two runs can be compared.

use chrono::{DateTime, Utc};
use stationkeeper_rules::{AlertState, Rule, Transition};
use stationkeeper_store::{AlertFilter, Store};

/// A transition, without its alert's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    pub host: Option<String>,
    pub rule: &'static str,
    pub reservation: Option<String>,
    pub at: DateTime<Utc>,
    pub to: &'static str,
    pub cause: String,
}

impl From<&Transition> for Moved {
    fn from(moved: &Transition) -> Self {
        Self {
            host: moved.key.host.as_ref().map(ToString::to_string),
            rule: moved.key.rule.as_str(),
            reservation: moved.key.reservation_id.as_ref().map(|id| id.0.clone()),
            at: moved.at,
            to: moved.to.as_str(),
            cause: format!("{:?}", moved.cause),
        }
    }
}

/// All of these, in an order of their own.
pub fn sorted(transitions: &[Transition]) -> Vec<Moved> {
    let mut moved: Vec<_> = transitions.iter().map(Moved::from).collect();
    moved.sort();
    moved
}

/// All transitions that a store holds.
pub async fn stored(store: &Store) -> Vec<Transition> {
    let mut transitions = Vec::new();
    for alert in store.alerts(&AlertFilter::default(), None, 100_000).await.unwrap() {
        transitions.extend(store.alert(&alert.id).await.unwrap().unwrap().transitions);
    }
    transitions
}

/// Openings of a rule.
pub fn openings(transitions: &[Transition], rule: Rule) -> Vec<&Transition> {
    transitions.iter().filter(|moved| moved.key.rule == rule && moved.to == AlertState::Open).collect()
}
