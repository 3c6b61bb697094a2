//! Lambda: tells people what is owed to them. Woken through a queue after each commit that owes something, and swept by a schedule.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use stationkeeper_notifier::{Channels, Connections};
use stationkeeper_pipeline::clock::{Clock, SystemClock};
use stationkeeper_pipeline::deliver::{DeliveryReport, deliver};
use stationkeeper_pipeline::embedded_metrics::{EmbeddedMetrics, Metric};
use stationkeeper_pipeline::lambda::{LambdaDatabase, metrics_of_environment};
use stationkeeper_pipeline::planner::{Planned, plan_notifications};
use stationkeeper_pipeline::secrets::Secrets;
use stationkeeper_pipeline::{IngestError, chain};
use stationkeeper_store::Store;
use tokio::time::Instant;

const SECRET: &str = "STATIONKEEPER_NOTIFY_SECRET_ARN";
/// The check of stations runs every minute: without one for so long, not all is well.
const CHECKED_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// Many small strings come and go with every message.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Receivers are waited for, not computed: one thread does.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let database = LambdaDatabase::from_env().await?;
    let channels = Channels::new(connections().await?, || SystemClock.now())?;
    let metrics = metrics_of_environment();
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| handle(&database, &channels, &metrics, event))).await
}

/// From the environment, and from the secret where there is one; what stands in both is the secret's.
async fn connections() -> Result<Connections, Error> {
    let (mut variables, secret) = environment();
    if let Some(arn) = secret {
        variables.extend(Secrets::from_environment().await.variables(&arn).await?);
    }
    Ok(Connections::of_variables(variables)?)
}

#[expect(clippy::disallowed_methods, reason = "this is where a Lambda reads its configuration")]
fn environment() -> (Vec<(String, String)>, Option<String>) {
    // Pair by pair: a variable that is no text is none of ours, and no reason to stop.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| Connections::is_connection(name));
    (variables.collect(), std::env::var(SECRET).ok().filter(|arn| !arn.is_empty()))
}

/// A failure is one of the invocation: the queue wakes again, and the schedule comes anyway.
async fn handle(
    database: &LambdaDatabase,
    channels: &Channels,
    metrics: &EmbeddedMetrics,
    event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let deadline = Instant::now() + time_left(event.context.deadline, SystemClock.now());
    let (planned, delivered) = match tell(database.store(), channels, deadline).await {
        Err(error) if error.is_login_refused() && database.log_in_again().await => {
            tell(database.store(), channels, deadline).await
        }
        outcome => outcome,
    }?;
    metrics.write(
        SystemClock.now(),
        &[
            (Metric::NotificationsSent, delivered.sent as u64),
            (Metric::NotificationsFailed, delivered.failed as u64),
            (Metric::NotificationsDead, delivered.dead as u64),
        ],
    );
    // Only the schedule: wakings are many when little is well.
    if !is_waking(&event.payload)
        && let Some(alive) = channels.alive()
        && is_well(database.store(), SystemClock.now()).await?
        && let Err(error) = alive.call().await
    {
        tracing::warn!(error = chain(&error), "cannot say that all is well");
    }
    Ok(json!({
        "batchItemFailures": [],
        "owed": planned.messages,
        "waiting": planned.waiting,
        "sent": delivered.sent,
        "failed": delivered.failed,
        "dead": delivered.dead,
        "more": delivered.more,
    }))
}

async fn tell(store: &Store, channels: &Channels, deadline: Instant) -> Result<(Planned, DeliveryReport), IngestError> {
    let settings = store.settings().await?;
    let planned = plan_notifications(store, &settings, SystemClock.now()).await?;
    let delivered = deliver(store, &settings.notifications, channels, &SystemClock, Some(deadline)).await?;
    Ok((planned, delivered))
}

/// An event of a queue, and not of the schedule.
fn is_waking(payload: &Value) -> bool {
    payload["Records"].is_array()
}

/// Stations are being checked. Whether the database answers was seen before.
async fn is_well(store: &Store, now: DateTime<Utc>) -> Result<bool, IngestError> {
    let last_run_at = store.overdue_check().await?.last_run_at;
    Ok(last_run_at.is_some_and(|at| now - at < CHECKED_WITHIN))
}

/// Until the deadline of an invocation, in milliseconds since 1970.
fn time_left(deadline: u64, now: DateTime<Utc>) -> Duration {
    let now = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    Duration::from_millis(deadline.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waking_is_told_from_the_schedule() {
        for (payload, waking) in [
            (json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "1", "body": "look" }] }), true),
            (json!({ "source": "aws.scheduler", "detail-type": "Scheduled Event" }), false),
            (json!({}), false),
            (Value::Null, false),
        ] {
            assert_eq!(is_waking(&payload), waking, "{payload}");
        }
    }
}
