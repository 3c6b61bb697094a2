//! Keeps holds: tells stations what is wanted, says that a hold ends soon, ends it when its time is up, whoever asked for it and wherever;
//! and lets requests expire that nobody answers.
//!
//! It takes no orders: it looks at the rows, and acts on what they say, so that it does so after a crash and of several gateways only one.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use stationkeeper_rules::orchestrator::Known;
use stationkeeper_rules::requests::{HoldStep, LocalModeOrder, RequestState};
use stationkeeper_rules::{Settings, StationState};
use stationkeeper_store::{Author, RequestFilter, StoreError};
use stationkeeper_telemetry::HostName;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::hold::end_in;
use super::{NAME, claim, hold_update, request_update, tell_station};
use crate::Gateway;
use crate::at_work::{AtWork, Taken};
use crate::error::ApiError;
use crate::hosts::known;
use crate::orchestrator::{self, LAST_GRACE};
use crate::repeating::repeating;

/// The longest time between two looks: what another process wrote waits no longer.
const LOOK: Duration = Duration::from_secs(5);
/// The shortest.
const PAUSE: Duration = Duration::from_millis(500);
/// Stations that are told at once.
const STATIONS: usize = 256;
/// Most requests that are looked at.
const MOST_REQUESTS: u32 = 1_000;

/// Whoever keeps holds, and the stations that this process tells now.
pub(crate) struct Keeper {
    pub(crate) at_work: AtWork,
    places: Arc<Semaphore>,
}

impl Default for Keeper {
    fn default() -> Self {
        Self { at_work: AtWork::default(), places: Arc::new(Semaphore::new(STATIONS)) }
    }
}

/// Looks and acts until the gateway is told to stop.
pub(crate) async fn run(gateway: Gateway) {
    loop {
        let wait = match look(&gateway).await {
            Ok(next) => next.map_or(LOOK, |at| gateway.until(at).min(LOOK)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "cannot see which stations are held; trying again");
                LOOK
            }
        };
        let began = Instant::now();
        if !gateway.shared().keeper.at_work.next_look(&gateway, began, wait, PAUSE).await {
            return;
        }
    }
}

/// Begins what is due, each station by itself: one that hangs holds up no other. When something is due the next time.
async fn look(gateway: &Gateway) -> Result<Option<DateTime<Utc>>, StoreError> {
    let settings = Arc::new(gateway.store().settings().await?);
    let now = gateway.now();
    let mut next: Option<DateTime<Utc>> = None;
    for order in gateway.store().open_local_mode_orders().await? {
        let Some(step) = order.due(&settings.requests, now) else {
            next = next.into_iter().chain(order.look_again_at(&settings.requests)).min();
            continue;
        };
        if let Some(taken) = gateway.shared().keeper.at_work.take(&order.host) {
            gateway.shared().tasks.spawn(keep(gateway.clone(), taken, step, settings.clone()));
        }
    }
    // After holds, which nothing that is wrong with a request puts off.
    if let Err(error) = expire(gateway, now).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "requests that nobody answered in time could not be ended; trying again");
    }
    Ok(next)
}

/// What is due at one station.
async fn keep(gateway: Gateway, taken: Taken, step: HoldStep, settings: Arc<Settings>) {
    let gateway = &gateway;
    let acting = async {
        // Never closed: an error would only mean that nothing limits us.
        let _permit = gateway.shared().keeper.places.clone().acquire_owned().await.ok();
        if let Err(error) = act(gateway, &taken.host, step, &settings).await {
            warn(&taken.host, &error);
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = acting => {}
        () = async { gateway.closing().await; tokio::time::sleep(LAST_GRACE).await } => {}
    }
    drop(taken);
    gateway.shared().keeper.at_work.poke();
}

fn warn(host: &HostName, error: &StoreError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(%host, error, "what is wanted of a station waits for the database");
}

async fn act(gateway: &Gateway, host: &HostName, step: HoldStep, settings: &Settings) -> Result<(), StoreError> {
    // As it stands by then; whoever is to tell the station looks once nobody else does.
    let is_due = step == HoldStep::Tell || repeating!(decide(gateway, host, settings))?;
    if is_due { tell(gateway, host).await } else { Ok(()) }
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
        tokio::time::sleep(PAUSE).await;
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
    let filter = RequestFilter { states: vec![RequestState::Asked], over_at: Some(now), ..RequestFilter::default() };
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
