//! Prepares and releases stations around their reservations: carries out what `rules` plan, under leases that all gateways share.
//!
//! A scan looks at the stations that a reservation concerns; for each with something to do a task takes the lease and goes step by step.
//! One station that hangs holds up itself alone.

mod perform;
mod run;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use stationkeeper_pipeline::IngestError;
use stationkeeper_pipeline::orchestrate::{AHEAD, Acting, Begun};
use stationkeeper_rules::Settings;
use stationkeeper_rules::orchestrator::Decision;
use stationkeeper_telemetry::HostName;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::Gateway;
use crate::at_work::AtWork;
pub(crate) use perform::{Performed, command, run as run_command, wake};
pub(crate) use run::{LAST_GRACE, RENEWAL, drive, written_down};

/// The shortest.
const PAUSE: Duration = Duration::from_secs(1);
/// After a scan that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// Stations that are looked at at once.
const LOOKS: usize = 4;
/// Stations that are acted on at once: each may wait for minutes, and costs little meanwhile.
const RUNS: usize = 256;
/// Decisions in a row about one station; more would be one that goes in circles.
const DECISIONS: usize = 16;

/// Who acts, and on which stations.
pub(crate) struct Orchestrator {
    /// Our name among all who act: no two processes have the same.
    pub(crate) holder: String,
    /// Stations with a run, or with a command that is none of a run.
    pub(crate) at_work: AtWork,
    places: Arc<Semaphore>,
}

impl Orchestrator {
    pub(crate) fn new() -> Self {
        Self { holder: name(), at_work: AtWork::default(), places: Arc::new(Semaphore::new(RUNS)) }
    }
}

/// What nobody else is called.
pub(crate) fn name() -> String {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => hex::encode(bytes),
        // The standard library has its own way to the same source.
        Err(_no_random) => format!("{:x}-{:016x}", std::process::id(), RandomState::new().hash_one(bytes)),
    }
}

impl Gateway {
    pub(crate) fn acting<'a>(&'a self, host: &'a HostName, settings: &'a Settings) -> Acting<'a> {
        Acting { store: self.store(), settings, host, holder: &self.shared().orchestrator.holder, now: self.now() }
    }

    /// How long a person waits until this instant of our clock.
    pub(crate) fn until(&self, at: DateTime<Utc>) -> Duration {
        let speed = self.shared().options.speed.max(1.0);
        (at - self.now()).max(TimeDelta::zero()).to_std().unwrap_or_default().div_f64(speed)
    }
}

/// Looks and acts until the gateway is told to stop.
pub(crate) async fn run(gateway: Gateway) {
    let orchestrator = &gateway.shared().orchestrator;
    loop {
        let began = Instant::now();
        let longest = gateway.shared().options.scan_every.div_f64(gateway.shared().options.speed.max(1.0));
        let wait = match scan(&gateway).await {
            Ok(None) => longest,
            Ok(Some(at)) => gateway.until(at).min(longest),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot see what stations need; trying again");
                AGAIN
            }
        };
        if !orchestrator.at_work.next_look(&gateway, began, wait, PAUSE).await {
            return;
        }
    }
}

/// Begins what is due. When the next is.
async fn scan(gateway: &Gateway) -> Result<Option<DateTime<Utc>>, IngestError> {
    let settings = Arc::new(gateway.store().settings().await?);
    let now = gateway.now();
    let lookback = TimeDelta::seconds(i64::from(settings.orchestrator.lookback_seconds));
    let mut hosts = gateway.store().hosts_to_serve(now - lookback, now + AHEAD).await?;
    hosts.retain(|host| !gateway.shared().orchestrator.at_work.has(host));
    let looks = hosts.into_iter().map(|host| {
        let settings = &settings;
        async move {
            let decision = gateway.acting(&host, settings).decide().await;
            (host, decision)
        }
    });
    let mut looks = stream::iter(looks).buffer_unordered(LOOKS);
    let mut next: Option<DateTime<Utc>> = None;
    let mut failed = None;
    while let Some((host, decision)) = looks.next().await {
        match decision {
            Ok(Decision::Nothing { look_again_at }) => next = earlier(next, look_again_at),
            // What was begun because somebody asked is ended all the same.
            Ok(Decision::Run(_) | Decision::Blocked(_) | Decision::GaveUp(_))
                if !gateway.shared().options.automation => {}
            Ok(_) => {
                if let Some(taken) = gateway.shared().orchestrator.at_work.take(&host) {
                    let tasks = &gateway.shared().tasks;
                    let (gateway, settings) = (gateway.clone(), settings.clone());
                    tasks.spawn(async move {
                        serve(&gateway, &taken.host, &settings).await;
                        drop(taken);
                        gateway.shared().orchestrator.at_work.poke();
                    });
                }
            }
            // The others are looked at all the same.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(next), Err)
}

fn earlier(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    one.into_iter().chain(other).min()
}

/// Does what one station needs, until it needs nothing.
async fn serve(gateway: &Gateway, host: &HostName, settings: &Settings) {
    let permit = tokio::select! {
        permit = gateway.shared().orchestrator.places.clone().acquire_owned() => permit,
        () = gateway.closing() => return,
    };
    // Never closed: an error would only mean that nothing limits us.
    let _permit = permit.ok();
    for _ in 0..DECISIONS {
        match gateway.acting(host, settings).begin().await {
            Ok(Begun::Nothing) => return,
            Ok(Begun::Noted) => {}
            Ok(Begun::Run(run)) => {
                tracing::info!(%host, turnover = run.is_turnover(), "a station is served");
                if drive(gateway, host, settings).await.is_none() {
                    return;
                }
            }
            Err(error) if error.is_conflict() => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%host, error, "cannot decide what a station needs; trying again");
                return;
            }
        }
    }
}
