//! Goes through a run step by step, keeping the lease meanwhile.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use stationkeeper_pipeline::IngestError;
use stationkeeper_pipeline::orchestrate::{LEASE, Step};
use stationkeeper_rules::Settings;
use stationkeeper_rules::orchestrator::Finished;
use stationkeeper_telemetry::HostName;

use super::perform::perform;
use crate::Gateway;

/// A lease is lengthened this often: two failures in a row lose nothing.
pub(crate) const RENEWAL: Duration = Duration::from_secs(20);
/// A heartbeat that is waited for is looked for this often.
const LOOK: Duration = Duration::from_secs(2);
/// A wait is decided anew this often, whatever was seen: what cancels a reservation is not looked for in between.
const LONGEST_GLANCES: Duration = Duration::from_secs(10);
/// A database that is away is asked again after so long at most.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// What was done is worth writing down for this long.
const WORTH_WRITING: Duration = Duration::from_secs(15 * 60);
/// A step that runs when the gateway is told to stop has this long to end. Whoever comes next settles it.
pub(crate) const LAST_GRACE: Duration = Duration::from_secs(10);

/// Goes through the run whose lease this process holds. None: the lease is another's by now, or the gateway stops.
pub(crate) async fn drive(gateway: &Gateway, host: &HostName, settings: &Settings) -> Option<Finished> {
    let mut failures = 0;
    loop {
        if gateway.is_closing() {
            hand_over(gateway, host).await;
            return None;
        }
        let step = match gateway.acting(host, settings).step().await {
            Ok(step) => step,
            Err(error) => {
                failures += 1;
                again(gateway, host, &error, failures).await?;
                continue;
            }
        };
        failures = 0;
        match step {
            Step::Do { operation, work } => {
                let performing = keeping(gateway, host, perform(gateway, host, &work));
                let Some(performed) = within_grace(gateway, performing).await else {
                    hand_over(gateway, host).await;
                    return None;
                };
                // Nobody knows how it ended: it stays running, and the station's heartbeat tells.
                let Some(outcome) = performed.outcome else {
                    tracing::warn!(%host, action = %operation.action, "the reply to a step was lost");
                    continue;
                };
                tracing::info!(%host, action = %operation.action, status = outcome.status.as_str(), "a step ended");
                let settle = || async {
                    let acting = gateway.acting(host, settings);
                    acting.settle(&operation, outcome.clone(), performed.output.as_ref()).await
                };
                written_down(gateway, host, settle).await?;
            }
            Step::Wait { until } => tokio::select! {
                () = keeping(gateway, host, change(gateway, host, until)) => {}
                () = gateway.closing() => {}
            },
            Step::Again => {}
            Step::Finished(finished) => {
                tracing::info!(%host, success = finished.success, message = finished.message, "a run ended");
                return Some(finished);
            }
            Step::Lost => {
                tracing::warn!(%host, "another gateway has taken over a station");
                return None;
            }
        }
    }
}

/// Until the station was heard or somebody wants the run to end, and not for ever: a look reads, and holds up nobody who writes.
async fn change(gateway: &Gateway, host: &HostName, until: DateTime<Utc>) {
    let glance = async || {
        let station = gateway.store().station(host).await.ok()??.state;
        let lease = gateway.store().station_lease(host).await.ok()?;
        Some((station.advanced_at(), station.heard, lease.map(|lease| lease.stop_asked_by)))
    };
    let longest = LONGEST_GLANCES.div_f64(gateway.shared().options.speed.max(1.0));
    let (began, before) = (tokio::time::Instant::now(), glance().await);
    loop {
        tokio::time::sleep(gateway.until(until).clamp(Duration::from_millis(10), LOOK)).await;
        if gateway.now() >= until || began.elapsed() >= longest || glance().await != before {
            return;
        }
    }
}

/// Writes down how something ended, again and again while it is worth it; none: it could not be, or the gateway stops.
pub(crate) async fn written_down<T, F: Future<Output = Result<T, IngestError>>>(
    gateway: &Gateway,
    host: &HostName,
    write: impl Fn() -> F,
) -> Option<T> {
    let began = tokio::time::Instant::now();
    let mut failures = 0;
    loop {
        match write().await {
            Ok(written) => return Some(written),
            Err(error) if began.elapsed() < WORTH_WRITING => {
                failures += 1;
                again(gateway, host, &error, failures).await?;
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%host, error, "how something on a station ended could not be written down");
                return None;
            }
        }
    }
}

/// Waits a little longer after each failure; none: it will not pass by itself, or the gateway stops.
async fn again(gateway: &Gateway, host: &HostName, error: &IngestError, failures: u32) -> Option<()> {
    if !error.is_conflict() {
        let error = error as &dyn std::error::Error;
        tracing::warn!(%host, error, failures, "the database does not take what is done to a station; trying again");
    }
    if !error.is_transient() && !error.is_conflict() {
        return None;
    }
    let wait = Duration::from_millis(50).saturating_mul(1 << failures.min(10)).min(LONGEST_BACKOFF);
    tokio::select! {
        () = tokio::time::sleep(wait) => Some(()),
        () = gateway.closing() => None,
    }
}

/// Keeps the lease while something takes its time. One that is lost is noticed before the next step.
async fn keeping<T>(gateway: &Gateway, host: &HostName, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => done,
        never = renew(gateway, host) => match never {},
    }
}

async fn renew(gateway: &Gateway, host: &HostName) -> Infallible {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let holder = &gateway.shared().orchestrator.holder;
        if let Err(error) = gateway.store().renew_lease(host, holder, LEASE).await {
            tracing::warn!(%host, error = &error as &dyn std::error::Error, "a lease could not be lengthened");
        }
    }
}

/// Once the gateway stops, only so long; none: it took longer.
async fn within_grace<T>(gateway: &Gateway, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = async { gateway.closing().await; tokio::time::sleep(LAST_GRACE).await } => None,
    }
}

/// Whoever comes next need not wait for the lease to end.
async fn hand_over(gateway: &Gateway, host: &HostName) {
    let holder = &gateway.shared().orchestrator.holder;
    if let Err(error) = gateway.store().renew_lease(host, holder, Duration::ZERO).await {
        tracing::warn!(%host, error = &error as &dyn std::error::Error, "a lease ends by itself");
    }
}
