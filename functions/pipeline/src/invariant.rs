//! What must hold of a batch whatever the rules answered: looked at before it is committed, at no round trip's cost. A batch that
//! breaks one is refused as a whole; its deliveries come back, and nothing is lost while somebody looks into it.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};
use stationkeeper_rules::{Alert, AlertId, AlertKey, AlertState, StationState, Transition, rank};
use stationkeeper_telemetry::HostName;

use crate::plan::{StationPlan, Tally};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Invariant {
    /// The latest heartbeat of a station gives way to one of a greater rank alone, and never vanishes.
    LatestMovesForward,
    /// At most one unresolved alert of a rule, station and reservation.
    OneUnresolvedAlert,
    /// Each transition goes on from where its alert stands: open, perhaps acknowledged, resolved.
    PathOfAnAlert,
    /// Every heartbeat of a batch goes to history, or is there.
    EveryHeartbeatCounted,
    /// As many rows were written as were to be.
    RowsAsPlanned,
}

impl Invariant {
    /// The stable name, in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LatestMovesForward => "latest_moves_forward",
            Self::OneUnresolvedAlert => "one_unresolved_alert",
            Self::PathOfAnAlert => "path_of_an_alert",
            Self::EveryHeartbeatCounted => "every_heartbeat_counted",
            Self::RowsAsPlanned => "rows_as_planned",
        }
    }
}

/// One that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// Of which station; none: of none, or of several.
    pub host: Option<HostName>,
    /// What exactly.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.invariant.as_str())?;
        if let Some(host) = &self.host {
            write!(f, "{host}: ")?;
        }
        f.write_str(&self.detail)
    }
}

/// Where a station's latest heartbeat stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest {
    timestamp: DateTime<Utc>,
    first_arrived_at: DateTime<Utc>,
}

impl Newest {
    /// None: the station was never heard.
    pub(crate) fn of(state: &StationState) -> Option<Self> {
        let latest = state.latest.as_ref()?;
        Some(Self { timestamp: latest.snapshot.timestamp_utc, first_arrived_at: latest.first_arrived_at })
    }
}

/// What a batch does to one station.
pub(crate) fn of_plan(
    before: Option<Newest>,
    plan: &StationPlan,
    unresolved: &[Alert],
    heartbeats: usize,
) -> Result<(), Violation> {
    latest_moves_forward(before, &plan.state)?;
    every_heartbeat_counted(&plan.state.host, plan.tally, heartbeats)?;
    alerts_live(unresolved, &plan.transitions)
}

/// The same timestamp may turn out to have arrived earlier, which lowers its rank.
pub(crate) fn latest_moves_forward(before: Option<Newest>, after: &StationState) -> Result<(), Violation> {
    let violated = |detail: String| {
        Err(Violation { invariant: Invariant::LatestMovesForward, host: Some(after.host.clone()), detail })
    };
    let (former, next) = match (before, Newest::of(after)) {
        (None, _) => return Ok(()),
        (Some(former), None) => return violated(format!("{} vanishes", former.timestamp)),
        (Some(former), Some(next)) => (former, next),
    };
    let holds = match former.timestamp == next.timestamp {
        true => next.first_arrived_at <= former.first_arrived_at,
        false => rank(former.timestamp, former.first_arrived_at) < rank(next.timestamp, next.first_arrived_at),
    };
    match holds {
        true => Ok(()),
        false => violated(format!(
            "{} (arrived {}) gives way to {} (arrived {})",
            former.timestamp, former.first_arrived_at, next.timestamp, next.first_arrived_at
        )),
    }
}

fn every_heartbeat_counted(host: &HostName, tally: Tally, heartbeats: usize) -> Result<(), Violation> {
    let counted = tally.advanced + tally.history_only + tally.duplicates + tally.variants;
    if counted == heartbeats as u64 {
        return Ok(());
    }
    Err(Violation {
        invariant: Invariant::EveryHeartbeatCounted,
        host: Some(host.clone()),
        detail: format!("{heartbeats} heartbeats came, and {counted} are accounted for"),
    })
}

/// Walks the transitions from the alerts that stand unresolved.
pub(crate) fn alerts_live(unresolved: &[Alert], transitions: &[Transition]) -> Result<(), Violation> {
    if transitions.is_empty() {
        return Ok(());
    }
    let mut standing: HashMap<&AlertId, (&AlertKey, AlertState)> =
        unresolved.iter().map(|alert| (&alert.id, (&alert.key, alert.state))).collect();
    for moved in transitions {
        let violated = |invariant, detail| Err(Violation { invariant, host: moved.key.host.clone(), detail });
        let name = || format!("{} ({})", moved.key.rule, moved.alert_id);
        let stands = standing.get(&moved.alert_id).copied();
        if moved.from.is_none()
            && let Some((id, _)) = standing.iter().find(|(_, (key, _))| **key == moved.key)
        {
            let detail = format!("{} opens, and {id} of the same kind is unresolved", name());
            return violated(Invariant::OneUnresolvedAlert, detail);
        }
        let is_step = matches!(
            (moved.from, moved.to),
            (None, AlertState::Open)
                | (Some(AlertState::Open), AlertState::Acknowledged | AlertState::Resolved)
                | (Some(AlertState::Acknowledged), AlertState::Open | AlertState::Resolved)
        );
        let goes_on = stands.map(|(_, state)| state) == moved.from && stands.is_none_or(|(key, _)| *key == moved.key);
        if !is_step || !goes_on {
            let word = |state: Option<AlertState>| state.map_or("nothing", AlertState::as_str);
            let stands = word(stands.map(|(_, state)| state));
            let detail =
                format!("{} goes from {} to {}, and stands at {stands}", name(), word(moved.from), moved.to.as_str());
            return violated(Invariant::PathOfAnAlert, detail);
        }
        match moved.to {
            AlertState::Resolved => standing.remove(&moved.alert_id),
            to => standing.insert(&moved.alert_id, (&moved.key, to)),
        };
    }
    Ok(())
}

/// A statement held as many rows as it was to. (Where a database counts what was there as well, it says no less.)
pub(crate) fn rows_as_planned(what: &str, planned: usize, held: u64) -> Result<(), Violation> {
    if held == planned as u64 {
        return Ok(());
    }
    let detail = format!("{what}: {planned} rows were to be written, and {held} were");
    Err(Violation { invariant: Invariant::RowsAsPlanned, host: None, detail })
}

#[cfg(test)]
#[path = "invariant_tests.rs"]
mod tests;
