//! What rules propose and persons want done to stations outside of reservations: ordered, taken and settled, each in one unit of work under
//! the station's lock. Whoever acts on stations does the work in between.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use stationkeeper_rules::orchestrator::{
    ActionError, ActionId, ActionState, Known, StationAction, Surroundings, Tended, Tending, budget,
};
use stationkeeper_rules::{Alert, Doing, Reservation, Running, StationState};
use stationkeeper_store::{AuditAction, AuditEntry, Author, CommandOutput, NewUpdate, Transaction};

use crate::IngestError;
use crate::orchestrate::{Acting, LEASE, held, powered};

/// What tending a station came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// Nothing is to be done now.
    Nothing,
    /// Something was written down: look again.
    Noted,
    /// This one is ours, and written down as sent: do it.
    Taken(Box<StationAction>),
}

/// Why a person's word about an action is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionRefused {
    /// No such action, or none of its station any more.
    #[error("there is no action {0}")]
    Unknown(ActionId),
    /// Its life does not allow it.
    #[error(transparent)]
    Life(#[from] ActionError),
}

/// How an action ended, as far as its gateway knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionEnd {
    /// Done, failed, or unknown.
    pub state: ActionState,
    /// In a sentence.
    pub message: String,
    /// Of a command that ended.
    pub output: Option<CommandOutput>,
}

/// A station's actions with what they depend on.
struct Scene {
    state: StationState,
    open: Vec<StationAction>,
    alerts: Vec<Alert>,
    reservations: Vec<Reservation>,
    held: bool,
    leased: bool,
}

impl Scene {
    async fn load(
        acting: &Acting<'_>,
        transaction: &mut Transaction,
        state: StationState,
    ) -> Result<Self, IngestError> {
        let hosts = std::slice::from_ref(acting.host);
        let (from, to) = acting.window();
        Ok(Self {
            open: transaction.actions().open_of(acting.host, acting.now).await?,
            alerts: transaction.alerts().unresolved(hosts).await?,
            reservations: transaction.reservations().of_hosts(hosts, from, to).await?,
            held: held(transaction.states().local_mode_order(acting.host).await?, &state),
            leased: transaction.leases().of(acting.host).await?.is_some(),
            state,
        })
    }

    fn around<'a>(&'a self, acting: &Acting<'a>) -> Surroundings<'a> {
        // A station that is woken is not busy: a second wake does no harm. Nor is one whose run only waits for it to be heard again.
        let running = self.state.running_at(acting.now).filter(|running| running.doing != Doing::Wake);
        Surroundings {
            known: Known { state: &self.state, held: self.held },
            busy: running.is_some(),
            reservations: &self.reservations,
            settings: &acting.settings.actions,
            timing: &acting.settings.orchestrator,
        }
    }
}

impl Acting<'_> {
    /// Whether a command that is no part of a reservation's runs on the station, or may.
    pub(crate) async fn is_acted_on(&self, transaction: &mut Transaction) -> Result<bool, IngestError> {
        let open = transaction.actions().open_of(self.host, self.now).await?;
        Ok(open.iter().any(|action| action.state == ActionState::Claimed && action.kind.changes_station()))
    }

    /// Orders what alerts want, moves what time and heartbeats move, and takes what is to be done now; packets alone by whoever does not log in
    /// to stations.
    ///
    /// # Errors
    /// The store failed: nothing of it happened, or it is found when this is repeated.
    pub async fn tend(&self, logs_in: bool) -> Result<Turn, IngestError> {
        let (mut transaction, states) = self.store.begin_locking(std::slice::from_ref(self.host)).await?;
        let Some(state) = states.into_iter().next() else { return Ok(Turn::Nothing) };
        let scene = Scene::load(self, &mut transaction, state).await?;
        let wanted: Vec<_> = scene.alerts.iter().filter_map(ActionId::answering).collect();
        let known = transaction.actions().known(&wanted).await?.into_iter().collect();
        let tending = Tending { open: &scene.open, known: &known, alerts: &scene.alerts, around: scene.around(self) };
        let Tended { mut ordered, moved } = tending.tended(self.now);
        if ordered.iter().any(StationAction::is_guard_that_waits) {
            let granted = transaction.requests().granted(self.host, self.now).await?;
            ordered = ordered.into_iter().map(|action| action.after_grants(&granted)).collect();
        }
        if !ordered.is_empty() || !moved.is_empty() {
            transaction.actions().add(&ordered).await?;
            let mut state = scene.state.clone();
            for action in &moved {
                transaction.actions().save(action, LEASE).await?;
                action.leave(&mut state, self.now);
            }
            if state != scene.state {
                self.save(&mut transaction, state).await?;
            }
            tell(&mut transaction, ordered.iter().chain(&moved), self.now).await?;
            transaction.commit().await?;
            return Ok(Turn::Noted);
        }
        let lease = TimeDelta::from_std(LEASE).unwrap_or_default();
        let Some(taken) = tending.take(self.holder, logs_in, lease, self.now) else { return Ok(Turn::Nothing) };
        // A run has the station: what changes it waits, and packets do no harm.
        if scene.leased && taken.kind.changes_station() {
            return Ok(Turn::Nothing);
        }
        transaction.actions().save(&taken, LEASE).await?;
        // What a run does there says more than that packets are sent.
        let is_told = tending.around.busy && !taken.kind.changes_station();
        if let Some(doing) = taken.kind.doing().filter(|_| !is_told) {
            let lasts = budget(taken.kind, &self.settings.orchestrator);
            let running = Some(Running::new(doing, self.now, lasts));
            self.save(&mut transaction, StationState { running, ..scene.state }).await?;
        }
        tell(&mut transaction, [&taken], self.now).await?;
        transaction.commit().await?;
        Ok(Turn::Taken(Box::new(taken)))
    }

    /// Writes down how an action ended. False: somebody stopped it, or it is another's by now.
    ///
    /// # Errors
    /// The store failed: repeat it.
    pub async fn end_action(&self, id: &ActionId, end: &ActionEnd) -> Result<bool, IngestError> {
        let (mut transaction, states) = self.store.begin_locking(std::slice::from_ref(self.host)).await?;
        let (Some(mut state), Some(action)) =
            (states.into_iter().next(), transaction.actions().by_id(id, self.now).await?)
        else {
            return Ok(false);
        };
        let issued_at = action.issued_at.unwrap_or(self.now);
        let Ok(ended) = action.finish(self.holder, end.state, &end.message, self.now) else { return Ok(false) };
        transaction.actions().save(&ended, LEASE).await?;
        if let Some(output) = &end.output {
            transaction.actions().keep_output(id, output).await?;
        }
        if let (Some(mode), ActionState::Done) = (ended.kind.power(), ended.state) {
            let arguments = end.output.as_ref().map_or(&[][..], |output| &output.arguments);
            state.powered = Some(powered(&state, mode, arguments, issued_at));
        }
        ended.leave(&mut state, self.now);
        self.save(&mut transaction, state).await?;
        tell(&mut transaction, [&ended], self.now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Takes what a person wants, together with the row of the audit log that says so. Wanted again by the same key, it is the same action.
    ///
    /// # Errors
    /// The store failed.
    pub async fn order(
        &self,
        action: &StationAction,
        ordered: &AuditEntry,
    ) -> Result<Result<StationAction, ActionRefused>, IngestError> {
        let unknown = || ActionRefused::Unknown(action.id.clone());
        let (mut transaction, states) = self.store.begin_locking(std::slice::from_ref(self.host)).await?;
        let Some(state) = states.into_iter().next() else { return Ok(Err(unknown())) };
        if let Some(known) = transaction.actions().by_id(&action.id, self.now).await? {
            return Ok(Ok(known));
        }
        let scene = Scene::load(self, &mut transaction, state).await?;
        if let Err(error) = scene.around(self).permit(action, self.now) {
            return Ok(Err(error.into()));
        }
        transaction.actions().add(std::slice::from_ref(action)).await?;
        transaction.audit().append(std::slice::from_ref(ordered)).await?;
        tell(&mut transaction, [action], self.now).await?;
        transaction.commit().await?;
        Ok(Ok(action.clone()))
    }

    /// An operator lets a proposed action go ahead.
    ///
    /// # Errors
    /// The store failed.
    pub async fn approve(
        &self,
        id: &ActionId,
        by: &Author,
    ) -> Result<Result<StationAction, ActionRefused>, IngestError> {
        self.say(id, by, AuditAction::ActionApprove, |action, around, now| {
            // Said twice by the same person, it is said.
            if action.state == ActionState::Pending && action.approved_by.as_ref() == Some(&by.name) {
                return Ok(action);
            }
            action.approve(&by.name, around, now)
        })
        .await
    }

    /// A person does not want it, or stops a wake.
    ///
    /// # Errors
    /// The store failed.
    pub async fn withdraw(
        &self,
        id: &ActionId,
        by: &Author,
    ) -> Result<Result<StationAction, ActionRefused>, IngestError> {
        self.say(id, by, AuditAction::ActionWithdraw, |action, _around, now| match action.state {
            ActionState::Withdrawn => Ok(action),
            _ => action.withdraw(&format!("{} did not want it", by.name), now),
        })
        .await
    }

    async fn say(
        &self,
        id: &ActionId,
        by: &Author,
        what: AuditAction,
        step: impl FnOnce(StationAction, &Surroundings<'_>, DateTime<Utc>) -> Result<StationAction, ActionError>,
    ) -> Result<Result<StationAction, ActionRefused>, IngestError> {
        let unknown = || ActionRefused::Unknown(id.clone());
        let (mut transaction, states) = self.store.begin_locking(std::slice::from_ref(self.host)).await?;
        let Some(state) = states.into_iter().next() else { return Ok(Err(unknown())) };
        let Some(action) = transaction.actions().by_id(id, self.now).await? else { return Ok(Err(unknown())) };
        let before = action.clone();
        let scene = Scene::load(self, &mut transaction, state).await?;
        let moved = match step(action, &scene.around(self), self.now) {
            Ok(moved) => moved,
            Err(error) => return Ok(Err(error.into())),
        };
        if moved != before {
            transaction.actions().save(&moved, LEASE).await?;
            let mut state = scene.state.clone();
            moved.leave(&mut state, self.now);
            if state != scene.state {
                self.save(&mut transaction, state).await?;
            }
            let entry = AuditEntry::done(by, what, &id.0, self.now)
                .of(Some(self.host))
                .with(json!({ "kind": moved.kind, "ordered_by": moved.ordered_by }));
            transaction.audit().append(&[entry]).await?;
            tell(&mut transaction, [&moved], self.now).await?;
            transaction.commit().await?;
        }
        Ok(Ok(moved))
    }

    /// The station is judged anew at once.
    async fn save(&self, transaction: &mut Transaction, state: StationState) -> Result<(), IngestError> {
        let state = StationState { check_at: Some(self.now), ..state };
        Ok(transaction.states().save([&state]).await?)
    }
}

/// Whoever listens hears of each step.
async fn tell<'a>(
    transaction: &mut Transaction,
    actions: impl IntoIterator<Item = &'a StationAction>,
    now: DateTime<Utc>,
) -> Result<(), IngestError> {
    let updates: Vec<_> = actions
        .into_iter()
        .map(|action| NewUpdate {
            at: now,
            kind: "action".to_owned(),
            host: Some(action.host.clone()),
            payload: json!({
                "id": action.id,
                "kind": action.kind,
                "state": action.state,
                "alert_id": action.alert_id,
                "message": action.message,
            }),
        })
        .collect();
    Ok(transaction.updates().append(&updates).await?)
}
