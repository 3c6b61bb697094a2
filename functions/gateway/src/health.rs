//! `GET /health`, `/livez`, `/readyz`: open, and without internal texts.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use stationkeeper_api::{ErrorBody, HealthStatus, HealthView, PartView, PartsView};
use stationkeeper_rules::reservation_table::TABLE;

use crate::Gateway;
use crate::actor::Actor;
use crate::credentials::ConfiguredKey;
use crate::error::ApiError;
use crate::vitals::Vitals;

/// Limits in a person's time. Vitals older than this say that whatever publishes them has stopped.
const VITALS_STALE_AFTER: TimeDelta = TimeDelta::seconds(30);
/// A delivery that waits longer is late.
const QUEUE_LATE_AFTER: TimeDelta = TimeDelta::seconds(60);
/// A message that waits longer does so because its receiver does not answer.
const NOTIFICATION_LATE_AFTER: TimeDelta = TimeDelta::minutes(15);
/// The overdue check runs at least every minute.
const CHECK_LATE_AFTER: TimeDelta = TimeDelta::seconds(180);
/// The table of reservations is read every half minute.
const TABLE_LATE_AFTER: TimeDelta = TimeDelta::seconds(180);
/// A database that needs longer to answer is away.
const DATABASE_LIMIT: Duration = Duration::from_secs(3);

/// What was looked at. `None` where the database did not answer.
#[derive(Debug, Clone)]
struct Facts {
    stations: Option<u64>,
    last_check_at: Option<Option<DateTime<Utc>>>,
    vitals: Vitals,
    started_at: DateTime<Utc>,
    limits: Limits,
    secrets_key: ConfiguredKey,
    /// What came of the table that reservations are read from; none: there is none, or the database did not answer.
    table: Option<TableFacts>,
}

/// How the table of reservations stands.
#[derive(Debug, Clone, Default)]
struct TableFacts {
    read_at: Option<DateTime<Utc>>,
    problem: Option<String>,
}

/// The limits, by our clock.
#[derive(Debug, Clone, Copy)]
struct Limits {
    vitals_stale: TimeDelta,
    queue_late: TimeDelta,
    check_late: TimeDelta,
    notification_late: TimeDelta,
    table_late: TimeDelta,
}

/// Pure: facts and now make the verdict. `inside` adds what only those who are logged in may read.
fn judge(facts: &Facts, now: DateTime<Utc>, inside: bool) -> HealthView {
    let vitals = &facts.vitals;
    let stale = (now - vitals.updated_at > facts.limits.vitals_stale)
        .then(|| format!("not looked at for {} s", (now - vitals.updated_at).num_seconds()));
    let told = |problem: &Option<String>, openly: &str| {
        problem.as_ref().map(|problem| if inside { problem.clone() } else { openly.to_owned() })
    };
    let database = match facts.stations {
        None => Some("does not answer".to_owned()),
        Some(_) => told(&vitals.database_problem, "does not take what is written"),
    };
    let bucket = stale.clone().or_else(|| told(&vitals.bucket_problem, "does not answer a look"));
    let queue = vitals.queue.and_then(|queue| {
        let waits = now - queue.oldest_at?;
        (waits > facts.limits.queue_late)
            .then(|| format!("the oldest of {} deliveries waits for {} s", queue.depth, waits.num_seconds()))
    });
    let dead = vitals.queue.filter(|queue| queue.dead_letters > 0).map(|queue| {
        format!("{} deliveries failed too often: `stationkeeper queue redrive` brings them back", queue.dead_letters)
    });
    let queue =
        vitals.queue.and(stale).or_else(|| told(&vitals.queue_problem, "cannot be worked off")).or(queue).or(dead);
    let overdue_check = match facts.last_check_at {
        None => Some("unknown: the database does not answer".to_owned()),
        Some(last) => {
            let silent = now - last.unwrap_or(facts.started_at).max(facts.started_at);
            (silent > facts.limits.check_late).then(|| format!("did not run for {} s", silent.num_seconds()))
        }
    };
    let files = match vitals.set_aside.as_slice() {
        // Without one nothing is wrong: all stations may share a login.
        _ if facts.secrets_key == ConfiguredKey::Invalid => {
            Some("the key of the logins of stations is none".to_owned())
        }
        [] => None,
        names if inside => {
            Some(format!("damaged and set aside: {}; look at what was lost, then move it away", names.join(", ")))
        }
        names => Some(format!("{} damaged and set aside", names.len())),
    };
    let parts = PartsView {
        database: PartView::of(database),
        bucket: PartView::of(bucket),
        queue: PartView::of(queue),
        overdue_check: PartView::of(overdue_check),
        notifications: PartView::of(notifications(facts, now)),
        files: PartView::of(files),
        reservations: PartView::of(facts.table.as_ref().and_then(|table| unread(table, facts, now, inside))),
    };
    HealthView {
        status: parts.status(),
        db: parts.database.ok,
        ops_secrets_key: matches!(facts.secrets_key, ConfiguredKey::Valid(_)),
        hosts_loaded: facts.stations.unwrap_or(0),
        parts,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// What is wrong with the table of reservations.
fn unread(table: &TableFacts, facts: &Facts, now: DateTime<Utc>, inside: bool) -> Option<String> {
    if let Some(problem) = &table.problem {
        return Some(if inside { problem.clone() } else { "their table cannot be read".to_owned() });
    }
    let silent = now - table.read_at.unwrap_or(facts.started_at).max(facts.started_at);
    (silent > facts.limits.table_late).then(|| format!("their table was not read for {} s", silent.num_seconds()))
}

/// What is wrong with what is owed to people.
fn notifications(facts: &Facts, now: DateTime<Utc>) -> Option<String> {
    let outbox = facts.vitals.outbox?;
    if outbox.dead > 0 {
        let said = format!(
            "{} were given up: `stationkeeper notifications --state dead` says why, `notifications retry` sends them again",
            outbox.dead
        );
        return Some(said);
    }
    let waits = now - outbox.oldest_pending_at?;
    (waits > facts.limits.notification_late)
        .then(|| format!("the oldest of {} waits for {} s", outbox.pending, waits.num_seconds()))
}

impl Gateway {
    /// Whether `/health` says that every part is well.
    pub async fn is_well(&self) -> bool {
        self.health(false).await.status == HealthStatus::Ok
    }

    /// Looks at every part. Never fails: a part that does not answer is the finding.
    pub(crate) async fn health(&self, inside: bool) -> HealthView {
        let stations = in_time(self.store().stations_by_word()).await;
        let check = match stations {
            Some(_) => in_time(self.store().overdue_check()).await,
            None => None,
        };
        let table = self.table().await;
        let facts = Facts {
            stations: stations.map(|counts| counts.iter().map(|(_, count)| count).sum()),
            last_check_at: check.map(|check| check.last_run_at),
            vitals: self.shared().vitals.borrow().clone(),
            started_at: self.shared().started_at,
            secrets_key: self.secrets_key(),
            table,
            limits: Limits {
                vitals_stale: self.lasting(VITALS_STALE_AFTER),
                queue_late: self.lasting(QUEUE_LATE_AFTER),
                check_late: self.lasting(CHECK_LATE_AFTER),
                notification_late: self.lasting(NOTIFICATION_LATE_AFTER),
                table_late: self.lasting(TABLE_LATE_AFTER),
            },
        };
        judge(&facts, self.now(), inside)
    }
}

impl Gateway {
    async fn table(&self) -> Option<TableFacts> {
        self.shared().options.reservation_table.as_ref()?;
        let sources = in_time(self.store().reservation_sources()).await?;
        let table = sources.into_iter().find(|source| source.name == TABLE);
        Some(
            table.map_or_else(TableFacts::default, |source| TableFacts {
                read_at: source.read_at,
                problem: source.problem,
            }),
        )
    }

    fn secrets_key(&self) -> ConfiguredKey {
        self.shared().options.credentials.as_ref().map_or(ConfiguredKey::None, |stored| stored.store.key.clone())
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, stationkeeper_store::StoreError>>) -> Option<T> {
    match tokio::time::timeout(DATABASE_LIMIT, answer).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the database does not answer");
            None
        }
        Err(_elapsed) => None,
    }
}

/// Whether the system itself is well.
#[utoipa::path(
    get, path = "/health", operation_id = "get_health", tag = "operation", security(()),
    responses(
        (status = OK, description = "Every part is well", body = HealthView),
        (status = SERVICE_UNAVAILABLE, description = "At least one part is not", body = HealthView),
    ),
)]
pub(crate) async fn health(State(gateway): State<Gateway>) -> (StatusCode, Json<HealthView>) {
    let view = gateway.health(false).await;
    (code(view.status), Json(view))
}

fn code(status: HealthStatus) -> StatusCode {
    match status {
        HealthStatus::Ok => StatusCode::OK,
        HealthStatus::Degraded => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Whether the system is well, in one word, as the older service's proxy said it.
#[utoipa::path(
    get, path = "/ops/health", operation_id = "old_health", tag = "older service", security(()),
    responses(
        (status = OK, description = "`UP`", body = Value),
        (status = SERVICE_UNAVAILABLE, description = "`PARTIAL` or `DOWN`", body = Value),
    ),
)]
pub(crate) async fn public(State(gateway): State<Gateway>) -> (StatusCode, Json<Value>) {
    let view = gateway.health(false).await;
    let word = match view.status {
        HealthStatus::Ok => "UP",
        HealthStatus::Degraded if view.db => "PARTIAL",
        HealthStatus::Degraded => "DOWN",
    };
    let body = json!({ "status": word, "service": "ops-worker", "mode": "full", "public": true });
    (code(view.status), Json(body))
}

/// Each part, with texts from within.
///
/// Role: operator.
#[utoipa::path(
    get, path = "/ops/health/details", operation_id = "old_health_details", tag = "older service",
    responses(
        (status = OK, description = "Every part is well", body = HealthView),
        (status = FORBIDDEN, description = "`forbidden`: the token's role does not suffice", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "At least one part is not", body = HealthView),
    ),
)]
pub(crate) async fn details(
    State(gateway): State<Gateway>,
    actor: Actor,
) -> Result<(StatusCode, Json<HealthView>), ApiError> {
    actor.may_see_details()?;
    let view = gateway.health(true).await;
    Ok((code(view.status), Json(view)))
}

/// This process answers.
#[utoipa::path(
    get, path = "/livez", operation_id = "get_livez", tag = "operation", security(()),
    responses((status = OK, description = "`ok`", content_type = "text/plain", body = String)),
)]
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Requests can be served: the database answers.
#[utoipa::path(
    get, path = "/readyz", operation_id = "get_readyz", tag = "operation", security(()),
    responses((status = OK, description = "`ok`", content_type = "text/plain", body = String)),
)]
pub(crate) async fn ready(State(gateway): State<Gateway>) -> Result<&'static str, ApiError> {
    match tokio::time::timeout(DATABASE_LIMIT, gateway.store().ping()).await {
        Ok(answer) => Ok(answer.map(|()| "ok\n")?),
        Err(_elapsed) => Err(ApiError::TooSlow),
    }
}

#[cfg(test)]
mod tests {
    use stationkeeper_store::OutboxSize;

    use super::*;
    use crate::vitals::QueueVitals;

    fn start() -> DateTime<Utc> {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    fn well(now: DateTime<Utc>) -> Facts {
        Facts {
            stations: Some(12),
            last_check_at: Some(Some(now)),
            vitals: Vitals {
                updated_at: now,
                bucket_problem: None,
                database_problem: None,
                queue_problem: None,
                set_aside: Vec::new(),
                outbox: Some(OutboxSize::default()),
                queue: Some(QueueVitals { depth: 0, oldest_at: None, dead_letters: 0 }),
            },
            started_at: start(),
            secrets_key: ConfiguredKey::None,
            table: None,
            limits: Limits {
                vitals_stale: VITALS_STALE_AFTER,
                queue_late: QUEUE_LATE_AFTER,
                check_late: CHECK_LATE_AFTER,
                notification_late: NOTIFICATION_LATE_AFTER,
                table_late: TABLE_LATE_AFTER,
            },
        }
    }

    #[test]
    fn each_part_is_named_on_its_own() {
        let now = start() + TimeDelta::hours(1);
        let ago = |seconds| now - TimeDelta::seconds(seconds);
        let queue = |seconds| Some(QueueVitals { depth: 3, oldest_at: Some(ago(seconds)), dead_letters: 0 });
        let table = |seconds, problem: Option<&str>| {
            Some(TableFacts { read_at: Some(ago(seconds)), problem: problem.map(str::to_owned) })
        };
        let dead = Some(QueueVitals { depth: 0, oldest_at: None, dead_letters: 1 });
        let owed = |seconds, dead| Some(OutboxSize { pending: 2, oldest_pending_at: Some(ago(seconds)), dead });
        let with = |change: &dyn Fn(&mut Facts)| {
            let mut facts = well(now);
            change(&mut facts);
            facts
        };
        for (shows, facts, wrong) in [
            ("all well", well(now), vec![]),
            ("no database", with(&|f| (f.stations, f.last_check_at) = (None, None)), vec!["database", "overdue_check"]),
            ("no bucket", with(&|f| f.vitals.bucket_problem = Some("refused by 10.0.0.1".into())), vec!["bucket"]),
            ("a locked database", with(&|f| f.vitals.database_problem = Some("of 10.0.0.1".into())), vec!["database"]),
            ("a queue in the way", with(&|f| f.vitals.queue_problem = Some("of 10.0.0.1".into())), vec!["queue"]),
            ("a key that is none", with(&|f| f.secrets_key = ConfiguredKey::Invalid), vec!["files"]),
            ("a damaged file", with(&|f| f.vitals.set_aside = vec!["x.damaged-10.0.0.1".into()]), vec!["files"]),
            ("a table that is away", with(&|f| f.table = table(0, Some("of 10.0.0.1"))), vec!["reservations"]),
            ("a table that was read 180 s ago", with(&|f| f.table = table(180, None)), vec![]),
            ("a table that was read longer ago", with(&|f| f.table = table(181, None)), vec!["reservations"]),
            ("60 s in the queue are fine", with(&|f| f.vitals.queue = queue(60)), vec![]),
            ("61 s are late", with(&|f| f.vitals.queue = queue(61)), vec!["queue"]),
            ("a dead letter", with(&|f| f.vitals.queue = dead), vec!["queue"]),
            ("no queue of ours", with(&|f| f.vitals.queue = None), vec![]),
            ("a message waits for 15 min", with(&|f| f.vitals.outbox = owed(900, 0)), vec![]),
            ("a message waits for longer", with(&|f| f.vitals.outbox = owed(901, 0)), vec!["notifications"]),
            ("a message was given up", with(&|f| f.vitals.outbox = owed(0, 1)), vec!["notifications"]),
            ("nobody delivers here", with(&|f| f.vitals.outbox = None), vec![]),
            ("vitals of 30 s ago", with(&|f| f.vitals.updated_at = ago(30)), vec![]),
            ("older vitals", with(&|f| f.vitals.updated_at = ago(31)), vec!["bucket", "queue"]),
            ("a check 180 s ago", with(&|f| f.last_check_at = Some(Some(ago(180)))), vec![]),
            ("an older check", with(&|f| f.last_check_at = Some(Some(ago(181)))), vec!["overdue_check"]),
            ("no check since the start", with(&|f| f.last_check_at = Some(None)), vec!["overdue_check"]),
            ("just started", with(&|f| (f.last_check_at, f.started_at) = (Some(None), ago(180))), vec![]),
            (
                "just started again",
                with(&|f| (f.last_check_at, f.started_at) = (Some(Some(ago(9_000))), ago(10))),
                vec![],
            ),
        ] {
            let view = judge(&facts, now, false);
            let named: Vec<&str> =
                view.parts.named().iter().filter(|(_, part)| !part.ok).map(|(name, _)| *name).collect();
            assert_eq!(named, wrong, "{shows}");
            assert_eq!(view.status == HealthStatus::Ok, wrong.is_empty(), "{shows}");
            assert!(!serde_json::to_string(&view).unwrap().contains("10.0.0.1"), "{shows}");
        }
        let facts = with(&|f| f.vitals.bucket_problem = Some("refused by 10.0.0.1".into()));
        let damaged = with(&|f| f.vitals.set_aside = vec!["x.damaged-1".into()]);
        assert!(judge(&damaged, now, true).parts.files.problem.unwrap().contains("x.damaged-1"));
        assert_eq!(judge(&facts, now, true).parts.bucket.problem.as_deref(), Some("refused by 10.0.0.1"));
    }
}
