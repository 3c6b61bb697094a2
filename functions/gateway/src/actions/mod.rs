//! What rules propose and persons want done to stations outside of reservations. Only a gateway does it: it looks every few seconds what alerts
//! want, takes what is to be done under the station's lock, does it, and writes down how it ended (alerts.md, responses).

pub(crate) mod decide;
pub(crate) mod list;
pub(crate) mod order;
mod perform;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use stationkeeper_pipeline::IngestError;
use stationkeeper_pipeline::actions::Turn;
use stationkeeper_rules::orchestrator::{ActionId, ActionKind, ActionState, Policy, StationAction};
use stationkeeper_rules::{Alert, AlertState, Rule, Settings};
use stationkeeper_store::AlertFilter;
use stationkeeper_telemetry::HostName;
use tokio::time::Instant;

use crate::Gateway;
use crate::at_work::Taken;

/// The longest time between two looks, by our clock.
const EVERY: Duration = Duration::from_secs(5);
/// The shortest, in a person's time.
const PAUSE: Duration = Duration::from_millis(250);
/// Steps in a row at one station; more would be going in circles.
const TURNS: usize = 16;
/// Alerts that are answered at once; the others are when these are.
const MOST: u32 = 5_000;

/// Looks and acts until the gateway is told to stop.
pub(crate) async fn run(gateway: Gateway) {
    let actions = &gateway.shared().actions;
    let every = EVERY.div_f64(gateway.shared().options.speed.max(1.0)).max(PAUSE);
    loop {
        let began = Instant::now();
        if let Err(error) = round(&gateway).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot see what alerts want done; trying again");
        }
        if !actions.next_look(&gateway, began, every, PAUSE).await {
            return;
        }
    }
}

async fn round(gateway: &Gateway) -> Result<(), IngestError> {
    let store = gateway.store();
    let settings = Arc::new(store.settings().await?);
    let open = store.open_actions(gateway.now()).await?;
    let filter = AlertFilter {
        states: vec![AlertState::Open, AlertState::Acknowledged],
        rules: Rule::ALL.into_iter().filter(|rule| ActionKind::answering(*rule).is_some()).collect(),
        ..AlertFilter::default()
    };
    let alerts = store.alerts(&filter, None, MOST).await?;
    let wanted: Vec<_> = alerts.iter().filter_map(ActionId::answering).collect();
    let known: HashSet<_> = store.known_actions(&wanted).await?.into_iter().collect();
    for host in due(&open, &alerts, &known, &settings, gateway.now()) {
        if let Some(tended) = gateway.shared().actions.take(&host) {
            gateway.shared().tasks.spawn(tend(gateway.clone(), tended, settings.clone()));
        }
    }
    Ok(())
}

/// Stations of which an action may move. What waits for a person moves with time or with its alert alone.
fn due(
    open: &[StationAction],
    alerts: &[Alert],
    known: &HashSet<ActionId>,
    settings: &Settings,
    now: chrono::DateTime<chrono::Utc>,
) -> BTreeSet<HostName> {
    let unanswered = alerts.iter().filter_map(|alert| {
        let host = alert.key.host.as_ref()?;
        let id = ActionId::answering(alert).filter(|id| !known.contains(id))?;
        (settings.actions.policy(alert.key.rule, host) != Policy::Off).then_some((id, host))
    });
    let stands: HashSet<_> = alerts.iter().filter_map(ActionId::answering).collect();
    let moves = |action: &&StationAction| match action.state {
        ActionState::Proposed => action.expires_at <= now || !stands.contains(&action.id),
        ActionState::Claimed => action.claim.as_ref().is_none_or(|claim| claim.until <= now),
        _ => true,
    };
    let moving = open.iter().filter(moves).map(|action| &action.host);
    unanswered.map(|(_, host)| host).chain(moving).cloned().collect()
}

/// Goes on at one station until nothing is to be done there now.
async fn tend(gateway: Gateway, tended: Taken, settings: Arc<Settings>) {
    for _ in 0..TURNS {
        // A run of ours has the station: a command waits until it is over, packets do no harm.
        let place = gateway.shared().orchestrator.at_work.take(&tended.host);
        let commands = place.is_some() && gateway.logs_in();
        match gateway.acting(&tended.host, &settings).tend(commands).await {
            Ok(Turn::Nothing) => return,
            Ok(Turn::Noted) => {}
            Ok(Turn::Taken(action)) => {
                // Packets hold up no run, which may need the station meanwhile.
                let place = place.filter(|_| action.kind.changes_station());
                perform::carry_out(&gateway, &action, &settings).await;
                drop(place);
            }
            Err(error) if error.is_conflict() => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(host = %tended.host, error, "an action could not be taken up; trying again");
                return;
            }
        }
        if gateway.is_closing() {
            return;
        }
    }
}
