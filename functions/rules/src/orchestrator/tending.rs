//! What becomes of the actions of a station by itself: alerts want them, time and heartbeats move them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::action::propose;
use super::{ActionId, ActionState, OrderedBy, StationAction, Surroundings};
use crate::Alert;

/// A station's actions and what wants them.
#[derive(Debug, Clone, Copy)]
pub struct Tending<'a> {
    /// Those that are not over, the oldest first.
    pub open: &'a [StationAction],
    /// Ids of actions that were ever ordered, as far as these alerts would order them.
    pub known: &'a BTreeSet<ActionId>,
    /// The station's unresolved alerts.
    pub alerts: &'a [Alert],
    /// What they depend on.
    pub around: Surroundings<'a>,
}

/// What is to be written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tended {
    /// New ones.
    pub ordered: Vec<StationAction>,
    /// Others, as they stand now.
    pub moved: Vec<StationAction>,
}

impl Tending<'_> {
    /// What alerts, time and heartbeats do to them.
    pub fn tended(&self, now: DateTime<Utc>) -> Tended {
        let ordered = self.alerts.iter().filter_map(|alert| {
            ActionId::answering(alert).filter(|id| !self.known.contains(id))?;
            let at_risk = alert.key.reservation_id.as_ref();
            let reservation = self.around.reservations.iter().find(|one| Some(&one.id) == at_risk);
            propose(alert, reservation, self.around.settings, self.around.timing, now)
        });
        let moved = self.open.iter().filter_map(|action| {
            action.lapse(now).or_else(|| action.settle(&self.around.known, self.around.timing, now)).or_else(|| {
                self.is_wanted_no_more(action).then(|| action.clone().withdraw("Its alert is over", now).ok())?
            })
        });
        Tended { ordered: ordered.collect(), moved: moved.collect() }
    }

    /// A rule wanted it, and its alert is over before a gateway had it.
    fn is_wanted_no_more(&self, action: &StationAction) -> bool {
        matches!(action.ordered_by, OrderedBy::Rule(_))
            && matches!(action.state, ActionState::Proposed | ActionState::Pending)
            && !self.alerts.iter().any(|alert| ActionId::answering(alert).as_ref() == Some(&action.id))
    }

    /// The action that `by` takes and sends now; none: none may be taken. One at a time; and while nobody knows how a command ended, packets
    /// alone; so too where `by` cannot log in to stations.
    pub fn take(&self, by: &str, logs_in: bool, lease: TimeDelta, now: DateTime<Utc>) -> Option<StationAction> {
        let any = |state| self.open.iter().any(|action| action.state == state);
        if any(ActionState::Claimed) {
            return None;
        }
        let nobody_knows = any(ActionState::Unknown);
        let packets_alone = nobody_knows || !logs_in;
        let takable = |action: &&StationAction| !(packets_alone && action.kind.changes_station());
        self.open.iter().filter(takable).find_map(|action| {
            let claimed = action.clone().claim(by, lease, &self.around, now).ok()?;
            claimed.issue(by, &self.around, now).ok()
        })
    }
}

#[cfg(test)]
#[path = "tending_tests.rs"]
mod tests;
