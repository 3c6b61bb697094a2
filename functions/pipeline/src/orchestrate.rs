//! What is done to stations for reservations: decided, recorded and settled, each in one unit of work under the station's lock. Whoever
//! acts on stations does the work in between.
//!
//! What is decided is committed before it is done, so that it is found by whoever comes after a crash; what was done is committed as
//! done whoever holds the lease by then.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use stationkeeper_rules::orchestrator::{
    Action, Decision, Finished, Known, Next, OpenRun, Operation, Outcome, Override, Part, PowerMode, Run, Scene, Stop,
    Work, alert_of, done_after_all, next, plan,
};
use stationkeeper_rules::requests::LocalModeOrder;
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus, Settings, StationState};
use stationkeeper_store::{AuditEntry, CommandOutput, NewUpdate, StationLease, Store, Transaction};
use stationkeeper_telemetry::{HostName, PowerAction};

use crate::IngestError;
use crate::commit::write_changes;

/// How long a lease lasts; it is lengthened meanwhile.
pub const LEASE: Duration = Duration::from_secs(60);
/// Reservations that begin within this time can matter to what is done now.
pub const AHEAD: TimeDelta = TimeDelta::hours(2);
/// More than a station has within a day.
const MOST_RESERVATIONS: u32 = 1_000;

/// Who acts, on which station, and when.
#[derive(Debug, Clone, Copy)]
pub struct Acting<'a> {
    /// Where all of it is recorded.
    pub store: &'a Store,
    /// Times, and what is done after reservations.
    pub settings: &'a Settings,
    /// The station.
    pub host: &'a HostName,
    /// The name of whoever acts, which no other has.
    pub holder: &'a str,
    /// By the clock that reservations go by.
    pub now: DateTime<Utc>,
}

/// What a decision came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// Nothing is to be done now.
    Nothing,
    /// Something was written down; the next decision may be another.
    Noted,
    /// The lease is taken, and this is what it is for.
    Run(Run),
}

/// What comes next for whoever holds a lease.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The row is there: do this.
    Do {
        /// The row.
        operation: Box<Operation>,
        /// The work.
        work: Work,
    },
    /// Ask again when a heartbeat has come, and at this instant at the latest.
    Wait {
        /// When the wait is over.
        until: DateTime<Utc>,
    },
    /// Ask again.
    Again,
    /// It is over, and the lease given back.
    Finished(Finished),
    /// The lease is another's.
    Lost,
}

/// Why a request for a run is not taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Busy {
    /// No such station.
    Unknown,
    /// Somebody acts on it.
    Leased {
        /// For this reservation.
        reservation_id: Option<ReservationId>,
    },
}

/// A station with what surrounds it.
struct Surroundings {
    state: StationState,
    reservations: Vec<Reservation>,
    operations: Vec<Operation>,
    overrides: Vec<Override>,
    open: Option<OpenRun>,
    held: bool,
}

impl Surroundings {
    fn decide(&self, settings: &Settings, now: DateTime<Utc>) -> Decision {
        // Only one that has begun can be over.
        let lab = self.reservations.iter().filter(|one| one.start_at <= now).max_by_key(|one| one.start_at);
        plan(
            &Scene {
                known: Known { state: &self.state, held: self.held },
                reservations: &self.reservations,
                operations: &self.operations,
                overrides: &self.overrides,
                open: self.open.as_ref(),
                after_end: settings.after_end(lab.and_then(|one| one.lab.as_deref())),
                timing: &settings.orchestrator,
            },
            now,
        )
    }
}

/// Local mode was ordered, and no heartbeat from after that shows yet what came of it.
pub fn held(order: Option<LocalModeOrder>, state: &StationState) -> bool {
    order.is_some_and(|order| order.is_unseen(&Known { state, held: false }))
}

fn open_run(lease: StationLease, now: DateTime<Utc>) -> OpenRun {
    let left = lease.left.and_then(|left| TimeDelta::from_std(left).ok()).unwrap_or_default();
    OpenRun { run: lease.run, leased_until: now + left }
}

fn ids(reservations: &[Reservation]) -> Vec<ReservationId> {
    reservations.iter().map(|one| one.id.clone()).collect()
}

impl Acting<'_> {
    pub(crate) fn window(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let lookback = TimeDelta::seconds(i64::from(self.settings.orchestrator.lookback_seconds));
        (self.now - lookback, self.now + AHEAD)
    }

    /// What is to be done, without doing or writing anything. What is blocked and written down as that is nothing to do.
    ///
    /// # Errors
    /// The store failed.
    pub async fn decide(&self) -> Result<Decision, IngestError> {
        let nothing = Decision::Nothing { look_again_at: None };
        let Some(station) = self.store.station(self.host).await? else { return Ok(nothing) };
        let (from, to) = self.window();
        let reservations = self.store.reservations(Some(self.host), from, to, MOST_RESERVATIONS).await?;
        let ids = ids(&reservations);
        let surroundings = Surroundings {
            operations: self.store.operations_of_reservations(&ids).await?,
            overrides: self.store.overrides(&ids).await?,
            open: self.store.station_lease(self.host).await?.map(|lease| open_run(lease, self.now)),
            held: held(self.store.local_mode_order(self.host).await?, &station.state),
            reservations,
            state: station.state,
        };
        Ok(match surroundings.decide(self.settings, self.now) {
            Decision::Blocked(blocked) if surroundings.operations.iter().any(|one| one.id == blocked.record.id) => {
                Decision::Nothing { look_again_at: blocked.look_again_at }
            }
            decision => decision,
        })
    }

    /// Decides under the station's lock, and writes down what that came to.
    ///
    /// # Errors
    /// The store failed: nothing of it happened, or it is found when this is repeated.
    pub async fn begin(&self) -> Result<Begun, IngestError> {
        let (mut transaction, states) = self.store.begin_locking(std::slice::from_ref(self.host)).await?;
        let Some(state) = states.into_iter().next() else { return Ok(Begun::Nothing) };
        let (from, to) = self.window();
        let reservations = transaction.reservations().of_hosts(std::slice::from_ref(self.host), from, to).await?;
        let ids = ids(&reservations);
        let surroundings = Surroundings {
            operations: transaction.operations().of_reservations(&ids).await?,
            overrides: transaction.operations().overrides(&ids).await?,
            open: transaction.leases().of(self.host).await?.map(|lease| open_run(lease, self.now)),
            held: held(transaction.states().local_mode_order(self.host).await?, &state),
            reservations,
            state,
        };
        match surroundings.decide(self.settings, self.now) {
            Decision::Nothing { .. } => Ok(Begun::Nothing),
            Decision::Run(run) | Decision::Resume(run) => {
                if self.is_acted_on(&mut transaction).await? {
                    return Ok(Begun::Nothing);
                }
                transaction.leases().take(&run, self.holder, LEASE, self.now).await?;
                transaction.commit().await?;
                Ok(Begun::Run(run))
            }
            Decision::Blocked(blocked) => {
                if transaction.operations().open(&blocked.record).await? {
                    tell(&mut transaction, std::slice::from_ref(&blocked.record), self.now).await?;
                    transaction.commit().await?;
                }
                Ok(Begun::Nothing)
            }
            Decision::GaveUp(gave_up) => {
                transaction.operations().open(&gave_up.record).await?;
                tell(&mut transaction, std::slice::from_ref(&gave_up.record), self.now).await?;
                let unresolved = transaction.alerts().unresolved(std::slice::from_ref(self.host)).await?;
                let opened: Vec<_> = alert_of(&gave_up, &unresolved).into_iter().collect();
                self.move_alerts(&mut transaction, surroundings.state, &opened).await?;
                transaction.commit().await?;
                Ok(Begun::Noted)
            }
        }
    }

    /// Takes the lease for what somebody asks for, together with the row of the audit log that says so. A lease whose holder is gone is not
    /// taken: what it is for is ended first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn begin_asked(&self, run: &Run, ordered: &AuditEntry) -> Result<Result<(), Busy>, IngestError> {
        let (mut transaction, states) = self.store.begin_locking(std::slice::from_ref(self.host)).await?;
        if states.is_empty() {
            return Ok(Err(Busy::Unknown));
        }
        if let Some(lease) = transaction.leases().of(self.host).await? {
            let reservation_id = lease.run.parts.first().map(|part| part.reservation_id.clone());
            return Ok(Err(Busy::Leased { reservation_id }));
        }
        if self.is_acted_on(&mut transaction).await? {
            return Ok(Err(Busy::Leased { reservation_id: None }));
        }
        transaction.leases().take(run, self.holder, LEASE, self.now).await?;
        transaction.audit().append(std::slice::from_ref(ordered)).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    }

    /// What comes next in the run whose lease is held. What is to be done is written down already.
    ///
    /// # Errors
    /// The store failed: repeat it.
    pub async fn step(&self) -> Result<Step, IngestError> {
        let (mut transaction, states) = self.store.begin_locking(std::slice::from_ref(self.host)).await?;
        let Some(mut state) = states.into_iter().next() else { return Ok(Step::Lost) };
        let lease = transaction.leases().of(self.host).await?.filter(|lease| lease.holder == self.holder);
        let Some(lease) = lease else { return Ok(Step::Lost) };
        let run = &lease.run;
        let of_run: Vec<_> = run.parts.iter().map(|part| part.reservation_id.clone()).collect();
        let operations = transaction.operations().of_reservations(&of_run).await?;
        let mut stops: Vec<_> = lease.stop_asked_by.iter().map(|by| Stop::Asked { by: by.clone() }).collect();
        for reservation in transaction.reservations().by_id(&of_run).await? {
            if reservation.status == ReservationStatus::Cancelled {
                stops.push(Stop::Cancelled(reservation.id));
            }
        }
        let held = held(transaction.states().local_mode_order(self.host).await?, &state);
        let known = Known { state: &state, held };
        match next(run, &operations, &known, &stops, &self.settings.orchestrator, self.now) {
            Next::Issue { operation, work } => {
                // Nobody else opens it under our lock: it is there only if the reply to an earlier commit was lost.
                if transaction.operations().open(&operation).await? {
                    state.running = work.running(&self.settings.orchestrator, self.now);
                    state.check_at = Some(self.now);
                    transaction.states().save([&state]).await?;
                    tell(&mut transaction, std::slice::from_ref(&*operation), self.now).await?;
                    transaction.commit().await?;
                    return Ok(Step::Do { operation, work });
                }
                Ok(Step::Again)
            }
            Next::WaitForHeartbeat { until, .. } => Ok(Step::Wait { until }),
            Next::Settle { operation_id, outcome } => {
                let Some(found) = operations.into_iter().find(|one| one.id == operation_id) else {
                    return Ok(Step::Again);
                };
                self.settled(transaction, state, found.settled(outcome, self.now), None).await?;
                Ok(Step::Again)
            }
            Next::Finished(finished) => {
                transaction.operations().append(&finished.closings).await?;
                tell(&mut transaction, &finished.closings, self.now).await?;
                transaction.leases().give_back(self.host, self.holder).await?;
                transaction.commit().await?;
                Ok(Step::Finished(finished))
            }
        }
    }

    /// Writes down how a step ended, whoever holds the lease by now.
    ///
    /// # Errors
    /// The store failed: repeat it.
    pub async fn settle(
        &self,
        operation: &Operation,
        outcome: Outcome,
        output: Option<&CommandOutput>,
    ) -> Result<(), IngestError> {
        let (transaction, states) = self.store.begin_locking(std::slice::from_ref(self.host)).await?;
        let Some(state) = states.into_iter().next() else { return Ok(()) };
        self.settled(transaction, state, operation.clone().settled(outcome, self.now), output).await
    }

    async fn settled(
        &self,
        mut transaction: Transaction,
        mut state: StationState,
        settled: Operation,
        output: Option<&CommandOutput>,
    ) -> Result<(), IngestError> {
        if transaction.operations().settle(&settled, output).await? {
            if let (Action::Power(mode), Some(true)) = (settled.action, settled.success) {
                let arguments = output.map_or(&[][..], |output| &output.arguments);
                state.powered = Some(powered(&state, mode, arguments, settled.started_at));
            }
            state.running = self.settings.orchestrator.running_after(state.running, settled.success, self.now);
            state.check_at = Some(self.now);
            transaction.states().save([&state]).await?;
            let unresolved = transaction.alerts().unresolved(std::slice::from_ref(self.host)).await?;
            let moved = done_after_all(&settled, &unresolved);
            self.move_alerts(&mut transaction, state, &moved).await?;
            tell(&mut transaction, std::slice::from_ref(&settled), self.now).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Moves alerts; the station is judged anew at once.
    async fn move_alerts(
        &self,
        transaction: &mut Transaction,
        mut state: StationState,
        moved: &[stationkeeper_rules::Transition],
    ) -> Result<(), IngestError> {
        if moved.is_empty() {
            return Ok(());
        }
        state.check_at = Some(self.now);
        transaction.states().save([&state]).await?;
        write_changes(transaction, &[], moved, self.now).await
    }
}

/// Remembers that a station was switched off by a command that went well: it may be off before it can tell, and is not missing then.
///
/// # Errors
/// The store failed.
pub async fn note_power(
    store: &Store,
    host: &HostName,
    mode: PowerMode,
    arguments: &[String],
    issued_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), IngestError> {
    let (mut transaction, states) = store.begin_locking(std::slice::from_ref(host)).await?;
    let Some(mut state) = states.into_iter().next() else { return Ok(()) };
    state.powered = Some(powered(&state, mode, arguments, issued_at));
    state.check_at = Some(now);
    transaction.states().save([&state]).await?;
    Ok(transaction.commit().await?)
}

pub(crate) fn powered(
    state: &StationState,
    mode: PowerMode,
    arguments: &[String],
    issued_at: DateTime<Utc>,
) -> PowerAction {
    let delay = arguments.iter().find_map(|one| one.strip_prefix("--delay=")?.parse().ok());
    PowerAction {
        timestamp: issued_at.checked_add_signed(state.skew.unwrap_or_default()),
        mode: Some(mode.as_str().to_owned()),
        forced: None,
        wake_ready: None,
        success: Some(true),
        delay,
        reason: None,
        wake_issues: None,
    }
}

/// The run by which a request acts on a station. The key names it: the same key again is the same run.
pub fn asked_run(host: &HostName, by: &str, part: Part) -> Run {
    let ordered_by = stationkeeper_rules::orchestrator::OrderedBy::Person(by.to_owned());
    Run { host: host.clone(), ordered_by, heartbeat_after: None, parts: vec![part] }
}

/// Whoever listens hears of each operation when it begins and when it ends.
async fn tell(transaction: &mut Transaction, operations: &[Operation], now: DateTime<Utc>) -> Result<(), IngestError> {
    let updates: Vec<_> = operations
        .iter()
        .map(|operation| NewUpdate {
            at: now,
            kind: "operation".to_owned(),
            host: Some(operation.host.clone()),
            payload: json!({
                "id": operation.id,
                "reservation_id": operation.reservation_id,
                "action": operation.action,
                "status": operation.status,
                "message": operation.message,
                "started_at": operation.started_at,
                "finished_at": operation.finished_at,
            }),
        })
        .collect();
    Ok(transaction.updates().append(&updates).await?)
}
