//! One unit of work.

use std::fmt;
use std::sync::Arc;

use crate::database::Link;
use crate::raw::Codec;
use crate::{
    Actions, Alerts, Audit, Decisions, ForcedLogoffs, Hearings, Heartbeats, HostEvents, Leases, Notifications, Objects,
    Operations, OverdueCheckRow, OwedNews, PlannerRow, Reservations, Silences, StateRuns, States, StoreError, Tokens,
    Updates,
};

/// One unit of work. Dropped without [`commit`](Self::commit), nothing of it happened.
pub struct Transaction {
    pub(crate) link: Link,
    pub(crate) codec: Arc<Codec>,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl Transaction {
    /// Makes all of it happen, or says why none of it did. After a lost reply it may have happened: repeat the whole batch.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.link.commit().await
    }

    /// Stations: the catalog and the latest state (`lab_hosts`, `lab_station_state`).
    pub fn states(&mut self) -> States<'_> {
        States(&mut self.link)
    }

    /// How long a station was in which state (`station_state_runs`).
    pub fn runs(&mut self) -> StateRuns<'_> {
        StateRuns(&mut self.link)
    }

    /// History (`lab_station_heartbeat` and its variants).
    pub fn heartbeats(&mut self) -> Heartbeats<'_> {
        Heartbeats { link: &mut self.link, codec: &self.codec }
    }

    /// Lines of the JSONL trail and how far each was read (`lab_host_events`, `host_event_cursors`).
    pub fn host_events(&mut self) -> HostEvents<'_> {
        HostEvents(&mut self.link)
    }

    /// Sightings of forced logoffs and what was found of them (`forced_logoff_sightings`, `reservation_forced_logoffs`).
    pub fn forced_logoffs(&mut self) -> ForcedLogoffs<'_> {
        ForcedLogoffs(&mut self.link)
    }

    /// Reservations.
    pub fn reservations(&mut self) -> Reservations<'_> {
        Reservations(&mut self.link)
    }

    /// Alerts and their transitions.
    pub fn alerts(&mut self) -> Alerts<'_> {
        Alerts(&mut self.link)
    }

    /// What changed, for whoever listens (`updates`).
    pub fn updates(&mut self) -> Updates<'_> {
        Updates(&mut self.link)
    }

    /// Objects seen and objects put aside (`ingested_objects`, `quarantined_objects`).
    pub fn objects(&mut self) -> Objects<'_> {
        Objects(&mut self.link)
    }

    /// The one row of the overdue check (`overdue_checks`).
    pub fn overdue_check(&mut self) -> OverdueCheckRow<'_> {
        OverdueCheckRow(&mut self.link)
    }

    /// News of alerts that are owed (`notifications_owed`).
    pub fn owed(&mut self) -> OwedNews<'_> {
        OwedNews(&mut self.link)
    }

    /// The one row of the planner of notifications (`notification_planner`).
    pub fn planner(&mut self) -> PlannerRow<'_> {
        PlannerRow(&mut self.link)
    }

    /// What was decided about news (`notification_decisions`).
    pub fn decisions(&mut self) -> Decisions<'_> {
        Decisions(&mut self.link)
    }

    /// Who heard of an alert (`notification_hearings`).
    pub fn hearings(&mut self) -> Hearings<'_> {
        Hearings(&mut self.link)
    }

    /// What mutes notifications (`silences`).
    pub fn silences(&mut self) -> Silences<'_> {
        Silences(&mut self.link)
    }

    /// Messages to receivers (`notifications`).
    pub fn notifications(&mut self) -> Notifications<'_> {
        Notifications(&mut self.link)
    }

    /// Tokens of the API and pairing codes (`api_tokens`, `pairing_codes`).
    pub fn tokens(&mut self) -> Tokens<'_> {
        Tokens(&mut self.link)
    }

    /// Who changed what (`audit_log`).
    pub fn audit(&mut self) -> Audit<'_> {
        Audit(&mut self.link)
    }

    /// What is done to stations for reservations (`reservation_operations`, `reservation_overrides`).
    pub fn operations(&mut self) -> Operations<'_> {
        Operations(&mut self.link)
    }

    /// What is proposed or wanted of stations (`station_actions`).
    pub fn actions(&mut self) -> Actions<'_> {
        Actions(&mut self.link)
    }

    /// Who acts on a station now (`station_leases`).
    pub fn leases(&mut self) -> Leases<'_> {
        Leases(&mut self.link)
    }
}
