//! One action: done, with its claim kept meanwhile, and written down.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use stationkeeper_pipeline::actions::ActionEnd;
use stationkeeper_rules::Settings;
use stationkeeper_rules::orchestrator::{ActionKind, ActionState, Known, OperationStatus, StationAction, WakeOptions};
use stationkeeper_station_link::{Grace, Power, PowerMode, RebootIfNeeded, SessionGuard, StationCommand};
use stationkeeper_store::CatalogHost;

use crate::Gateway;
use crate::orchestrator::{LAST_GRACE, Performed, RENEWAL, run_command, wake, written_down};

/// How long a claim lasts; it is lengthened meanwhile.
const CLAIM: Duration = stationkeeper_pipeline::orchestrate::LEASE;
/// A wake can be stopped: its claim is looked at more often.
const STOP_LOOK: Duration = Duration::from_secs(2);
/// A heartbeat that is waited for is looked for this often.
const LOOK: Duration = Duration::from_secs(1);

/// Does it and writes down how it ended.
pub(super) async fn carry_out(gateway: &Gateway, action: &StationAction, settings: &Settings) {
    let (host, kind) = (&action.host, action.kind.as_str());
    tracing::info!(%host, action = kind, ordered_by = %action.ordered_by, "an action begins");
    let performing = while_ours(gateway, action, perform(gateway, action, settings));
    let Some(end) = performing.await else {
        tracing::info!(%host, action = kind, "an action is ours no more");
        return;
    };
    tracing::info!(%host, action = kind, state = end.state.as_str(), message = end.message, "an action ended");
    let write = || async { gateway.acting(host, settings).end_action(&action.id, &end).await };
    written_down(gateway, host, write).await;
}

/// None: somebody stopped it, or the gateway stops.
async fn while_ours(
    gateway: &Gateway,
    action: &StationAction,
    work: impl Future<Output = ActionEnd>,
) -> Option<ActionEnd> {
    let mut work = pin!(work);
    let can_be_stopped = !action.kind.changes_station();
    let wait = if can_be_stopped { STOP_LOOK } else { RENEWAL };
    let holder = &gateway.shared().orchestrator.holder;
    let kept = async {
        loop {
            tokio::time::sleep(wait).await;
            match gateway.store().renew_claim(&action.id, holder, CLAIM).await {
                Ok(true) => {}
                Ok(false) if can_be_stopped => return,
                // A command that was begun runs on, whoever thinks that it is theirs.
                Ok(false) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(host = %action.host, error, "a claim could not be lengthened");
                }
            }
        }
    };
    let stopped = async {
        gateway.closing().await;
        if !can_be_stopped {
            tokio::time::sleep(LAST_GRACE).await;
        }
    };
    tokio::select! {
        end = &mut work => Some(end),
        () = kept => None,
        () = stopped => {
            // Whoever comes next need not wait for the claim to end.
            let _ = gateway.store().renew_claim(&action.id, holder, Duration::ZERO).await;
            None
        }
    }
}

async fn perform(gateway: &Gateway, action: &StationAction, settings: &Settings) -> ActionEnd {
    let failed = |message: String| ActionEnd { state: ActionState::Failed, message, output: None };
    let host = match gateway.store().catalog_host(&action.host).await {
        Ok(Some(host)) => host,
        Ok(None) => return failed(format!("{} is not in the catalog", action.host)),
        Err(error) => return failed(format!("the catalog could not be read: {error}")),
    };
    let Some(command) = command(action.kind, settings) else {
        return woken(gateway, &host, action, settings).await;
    };
    let Performed { outcome, output } = run_command(gateway, &host, &command).await;
    match outcome {
        Some(outcome) if outcome.status == OperationStatus::Completed => {
            ActionEnd { state: ActionState::Done, message: outcome.message, output }
        }
        Some(outcome) => ActionEnd { state: ActionState::Failed, message: outcome.message, output },
        None => ActionEnd {
            state: ActionState::Unknown,
            message: "The reply was lost; the station's next heartbeat tells".to_owned(),
            output,
        },
    }
}

/// None: packets, and no command.
fn command(kind: ActionKind, settings: &Settings) -> Option<StationCommand> {
    match kind {
        ActionKind::WolCheck | ActionKind::Wake => None,
        ActionKind::RebootIfNeeded => Some(StationCommand::RebootIfNeeded(RebootIfNeeded::default())),
        ActionKind::SessionGuard => {
            let grace = Grace::seconds(settings.orchestrator.guard_grace()).unwrap_or(Grace::GUARD);
            Some(StationCommand::SessionGuard(SessionGuard { grace, ..SessionGuard::default() }))
        }
        ActionKind::Shutdown => Some(StationCommand::Power(Power::new(PowerMode::Shutdown))),
        ActionKind::Hibernate => Some(StationCommand::Power(Power::new(PowerMode::Hibernate))),
    }
}

/// Probed, woken if nothing answers, and awaited.
async fn woken(gateway: &Gateway, host: &CatalogHost, action: &StationAction, settings: &Settings) -> ActionEnd {
    let end = |state, message: String| ActionEnd { state, message, output: None };
    let outcome = wake(gateway, host, &WakeOptions::default()).await;
    if outcome.status != OperationStatus::Completed {
        return end(ActionState::Failed, outcome.message);
    }
    let packets = outcome.packets.unwrap_or_default();
    if packets == 0 {
        let said = match action.kind {
            ActionKind::WolCheck => "It can be reached but is silent; no packet was sent",
            _ => "It was up already; no packet was sent",
        };
        return end(ActionState::Done, said.to_owned());
    }
    let issued_at = action.issued_at.unwrap_or(action.ordered_at);
    let ready_by = gateway.now() + chrono::TimeDelta::seconds(settings.orchestrator.ready_within_seconds.into());
    while gateway.now() < ready_by {
        match gateway.store().station(&action.host).await {
            Ok(Some(station)) if (Known { state: &station.state, held: false }).heard_after(issued_at) => {
                return end(ActionState::Done, format!("Woken by round {packets} of packets, and heard"));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(host = %action.host, error = &error as &dyn std::error::Error, "a station cannot be looked at");
            }
        }
        tokio::time::sleep(LOOK.div_f64(gateway.shared().options.speed.max(1.0)).max(Duration::from_millis(50))).await;
    }
    end(ActionState::Failed, format!("It answers after round {packets} of packets, and sends no heartbeat"))
}
