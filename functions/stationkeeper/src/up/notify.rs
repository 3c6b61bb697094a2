//! People are told: what is decided becomes messages, messages are delivered. And the dead man's switch.

use std::path::Path;
use std::time::{Duration, Instant};

use stationkeeper_gateway::Gateway;
use stationkeeper_notifier::{Alive, Channels, Connections};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::deliver::{Until, deliver};
use stationkeeper_pipeline::planner::plan_notifications;
use stationkeeper_store::Store;
use tokio_util::sync::CancellationToken;

use crate::environment;
use crate::failure::{Exit, Failure, chain};
use crate::up::scaled_clock::ScaledClock;

/// How often is looked whether something is due: an index is read, and most often nothing else.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A delivery that goes on for longer is begun anew, by the settings of then.
const SETTINGS_HOLD: Duration = Duration::from_secs(60);
/// What was begun has so long to end; what is cut off then is sent again, as the same message.
const GRACE: Duration = Duration::from_secs(8);
/// How often the dead man's switch is called.
const ALIVE_EVERY: Duration = Duration::from_secs(60);
/// After a call that failed, or while not all is well.
const ALIVE_AGAIN: Duration = Duration::from_secs(5);

/// The channels over what a file and the environment say; of two the environment counts.
pub fn channels(file: Option<&Path>, clock: ScaledClock) -> Result<Channels, Failure> {
    let mut variables = match file {
        Some(path) => of_file(path)?,
        None => Vec::new(),
    };
    variables.extend(environment::variables_that(Connections::is_connection));
    let wrong = |error| Failure::of(Exit::Configuration, &error);
    Channels::new(Connections::of_variables(variables).map_err(wrong)?, move || clock.now()).map_err(wrong)
}

/// `NAME = "value"` lines, by the names of the variables.
fn of_file(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let said = |what: String| Failure::new(Exit::Configuration, format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::because(Exit::Configuration, format_args!("cannot read the connections {}", path.display()), &error)
    })?;
    // The message alone: the error would show the line, which may hold a password.
    let table: toml::Table = toml::from_str(&text).map_err(|error| said(error.message().to_owned()))?;
    table
        .into_iter()
        .map(|(name, value)| match value {
            _ if !Connections::is_connection(&name) => Err(said(format!("there is no connection variable {name}"))),
            toml::Value::String(value) => Ok((name, value)),
            _ => Err(said(format!("{name} is no text: write {name} = \"…\""))),
        })
        .collect()
}

/// Decides and delivers until told to stop: beside each other, since a receiver that does not answer delays no decision.
pub async fn run(store: Store, channels: Channels, clock: ScaledClock, stop: CancellationToken) {
    tokio::join!(decide(&store, clock, &stop), deliver_owed(&store, &channels, clock, &stop));
}

async fn decide(store: &Store, clock: ScaledClock, stop: &CancellationToken) {
    while look(stop).await {
        let planned = async {
            let settings = store.settings().await?;
            plan_notifications(store, &settings, clock.now()).await
        };
        if let Err(error) = planned.await {
            tracing::error!(error = chain(&error), "cannot decide who is told what; it is tried again");
        }
    }
}

async fn deliver_owed(store: &Store, channels: &Channels, clock: ScaledClock, stop: &CancellationToken) {
    while look(stop).await {
        let delivered = async {
            let settings = store.settings().await?;
            let (stop, begun) = (stop.clone(), Instant::now());
            let until = Until::told(move || stop.is_cancelled() || begun.elapsed() > SETTINGS_HOLD);
            deliver(store, &settings.notifications, channels, &clock, until).await
        };
        let cut = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            done = delivered => if let Err(error) = done {
                tracing::error!(error = chain(&error), "cannot work off what is owed to people; it is tried again");
            },
            () = cut => return,
        }
    }
}

/// Waits for the next look; false: told to stop.
async fn look(stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(LOOK_EVERY) => true,
    }
}

/// Calls the dead man's switch while all is well, until told to stop.
pub async fn stay_alive(alive: Alive, gateway: Gateway, stop: CancellationToken) {
    let mut wait = Duration::ZERO;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        // Whoever waits for the calls raises the alarm: an explanation is in `/health`.
        wait = if gateway.is_well().await { call(&alive).await } else { ALIVE_AGAIN };
    }
}

async fn call(alive: &Alive) -> Duration {
    match alive.call().await {
        Ok(()) => ALIVE_EVERY,
        Err(error) => {
            tracing::warn!(error = chain(&error), "cannot call the dead man's switch; it is tried again");
            ALIVE_AGAIN
        }
    }
}
