//! Keeps holds: tells stations what is wanted, says that a hold ends soon, ends it when its time is up, whoever asked for it and wherever;
//! and lets requests expire that nobody answers.
//!
//! It takes no orders: it looks at the rows, and acts on what they say, so that it does so after a crash and of several gateways only one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use stationkeeper_rules::orchestrator::Known;
use stationkeeper_rules::requests::{HoldStep, LocalModeOrder, RequestState};
use stationkeeper_rules::{Settings, StationState};
use stationkeeper_store::{Author, RequestFilter, StoreError};
use stationkeeper_telemetry::HostName;
use tokio::sync::Notify;

use super::hold::end_in;
use super::{NAME, claim, hold_update, repeating, request_update, tell_station};
use crate::Gateway;
use crate::error::ApiError;
use crate::hosts::known;
use crate::orchestrator;

/// The longest time between two looks: what another process wrote waits no longer.
const LOOK: Duration = Duration::from_secs(5);
/// The shortest.
const PAUSE: Duration = Duration::from_millis(200);
/// Stations that are told at once.
const STATIONS: usize = 32;
/// Most requests that are looked at.
const MOST_REQUESTS: u32 = 1_000;
/// Once the gateway stops, a command has this long to end; whoever comes next repeats it, which does no harm.
const LAST_GRACE: Duration = Duration::from_secs(10);

/// Wakes whoever keeps holds.
#[derive(Default)]
pub(crate) struct Keeper(Notify);

impl Keeper {
    /// Something has changed: look again soon.
    pub(crate) fn poke(&self) {
        self.0.notify_one();
    }
}

/// Looks and acts until the gateway is told to stop.
pub(crate) async fn run(gateway: Gateway) {
    loop {
        let next = tokio::select! {
            next = look(&gateway) => next,
            () = async { gateway.closing().await; tokio::time::sleep(LAST_GRACE).await } => return,
        };
        let wait = match next {
            Ok(next) => next.map_or(LOOK, |at| gateway.until(at).min(LOOK)),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot see which stations are held; trying again"
                );
                LOOK
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait.max(PAUSE)) => {}
            () = gateway.shared().keeper.0.notified() => {}
            () = gateway.closing() => return,
        }
    }
}

/// Does what is due. When something is the next time.
async fn look(gateway: &Gateway) -> Result<Option<DateTime<Utc>>, StoreError> {
    let settings = gateway.store().settings().await?;
    let now = gateway.now();
    expire(gateway, now).await?;
    let orders = gateway.store().open_local_mode_orders().await?;
    let mut due = Vec::new();
    for order in orders {
        if order.due(&settings.requests, now).is_some() {
            due.push(act(gateway, order.host, &settings));
        }
    }
    let outcomes: Vec<_> = stream::iter(due).buffer_unordered(STATIONS).collect().await;
    for failed in outcomes.into_iter().filter_map(Result::err) {
        tracing::warn!(error = &failed as &dyn std::error::Error, "what is wanted of a station waits for the database");
    }
    let next = gateway.store().open_local_mode_orders().await?;
    Ok(next.iter().filter_map(|order| order.look_again_at(&settings.requests)).min())
}

/// What is due at one station, each step as it stands by then.
async fn act(gateway: &Gateway, host: HostName, settings: &Settings) -> Result<(), StoreError> {
    let due = repeating!(decide(gateway, &host, settings))?;
    if due { tell(gateway, &host).await } else { Ok(()) }
}

/// Ends it and says that it ends, in one unit of work under the station's lock. Whether the station is to be told.
async fn decide(gateway: &Gateway, host: &HostName, settings: &Settings) -> Result<bool, StoreError> {
    let now = gateway.now();
    let (mut work, _states) = gateway.store().begin_locking(std::slice::from_ref(host)).await?;
    let Some(order) = work.states().local_mode_order(host).await? else { return Ok(false) };
    match order.due(&settings.requests, now) {
        None => Ok(false),
        Some(HoldStep::Tell) => Ok(true),
        Some(HoldStep::End) => {
            let author = Author { name: NAME.to_owned(), role: None, request_id: None };
            end_in(&mut work, order, &author, now).await?;
            work.commit().await?;
            tracing::info!(%host, "the time of a hold is up");
            Ok(true)
        }
        Some(HoldStep::Warn) => {
            let warned = LocalModeOrder { warned_at: Some(now), ..order };
            work.states().order_local_mode(&warned).await?;
            work.updates().append(&[hold_update(&warned, true, now)]).await?;
            work.commit().await?;
            Ok(false)
        }
    }
}

/// Tells a station, unless another gateway does.
async fn tell(gateway: &Gateway, host: &HostName) -> Result<(), StoreError> {
    let claimant = orchestrator::name();
    if !claim(gateway.store(), host, &claimant).await? {
        return Ok(());
    }
    // As it stands now that nobody else tells it.
    let order = gateway.store().local_mode_order(host).await?;
    let order = order.filter(|order| order.next_attempt_at.is_some_and(|at| at <= gateway.now()));
    let settled = match order {
        None => None,
        Some(order) => {
            let state = gateway.store().station(host).await?.map(|station| station.state);
            Some(told(gateway, order, state.as_ref()).await)
        }
    };
    repeating!(settle(gateway, host, settled.as_ref(), &claimant))
}

async fn told(gateway: &Gateway, order: LocalModeOrder, state: Option<&StationState>) -> LocalModeOrder {
    if state.is_some_and(|state| order.is_shown(&Known { state, held: false })) {
        return order.applied(gateway.now());
    }
    let told = match known(gateway, order.host.as_str()).await {
        Ok(Some(host)) => tell_station(gateway, &host, order.enabled).await,
        Ok(None) => Err(ApiError::UnknownStation(order.host.to_string())),
        Err(error) => Err(error),
    };
    let now = gateway.now();
    match told {
        Ok(()) => {
            tracing::info!(host = %order.host, enabled = order.enabled, "local mode was set");
            order.applied(now)
        }
        Err(error) => {
            tracing::warn!(host = %order.host, error = &error as &dyn std::error::Error, "local mode could not be set; trying again");
            order.failed(error.to_string(), now)
        }
    }
}

async fn settle(
    gateway: &Gateway,
    host: &HostName,
    settled: Option<&LocalModeOrder>,
    claimant: &str,
) -> Result<(), StoreError> {
    let (mut work, _states) = gateway.store().begin_locking(std::slice::from_ref(host)).await?;
    if let Some(order) = settled
        && work.states().settle_local_mode(order).await?
    {
        work.updates().append(&[hold_update(order, false, gateway.now())]).await?;
    }
    work.states().give_back_local_mode(host, claimant).await?;
    work.commit().await
}

/// Requests that nobody answered in time.
async fn expire(gateway: &Gateway, now: DateTime<Utc>) -> Result<(), StoreError> {
    let filter = RequestFilter { states: vec![RequestState::Asked], ..RequestFilter::default() };
    for request in gateway.store().requests(&filter, None, MOST_REQUESTS).await? {
        if request.lapse(now).is_none() {
            continue;
        }
        let (mut work, _states) = gateway.store().begin_locking(std::slice::from_ref(&request.host)).await?;
        let stands = work.requests().of(&request.id).await?;
        if let Some(expired) = stands.and_then(|request| request.lapse(now)) {
            work.requests().save(&expired).await?;
            work.updates().append(&[request_update(&expired, now)]).await?;
            work.commit().await?;
        }
    }
    Ok(())
}
