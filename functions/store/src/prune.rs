//! Forgetting, in small steps.

use chrono::{DateTime, Utc};

use crate::statement::{Dialect, Statement, Value};
use crate::{Store, StoreError};

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows.
    pub rows: u64,
    /// There is more: call again.
    pub more: bool,
}

impl Store {
    /// Deletes at most `limit` heartbeats (and as many variants) whose timestamp is before an instant.
    pub async fn prune_heartbeats(&self, before: DateTime<Utc>, limit: u32) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        for table in [HEARTBEATS, VARIANTS] {
            pruned.add(self.prune_by_host(table, before, limit).await?);
        }
        Ok(pruned)
    }

    /// Deletes at most `limit` each of host events, forced logoffs, sightings, state runs, silences, resolved alerts (with their transitions
    /// and all that was decided about them), messages that were sent or given up, operations, actions and the audit log, all of them over before an instant.
    pub async fn prune_audit(&self, before: DateTime<Utc>, limit: u32) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        for table in [HOST_EVENTS, FORCED_LOGOFFS, SIGHTINGS, STATE_RUNS] {
            pruned.add(self.prune_by_host(table, before, limit).await?);
        }
        for table in [ALERTS, SILENCES, NOTIFICATIONS, AUDIT, OPERATIONS, OVERRIDES, ACTIONS] {
            pruned.add(self.prune(table, before.into(), limit).await?);
        }
        Ok(pruned)
    }

    /// Deletes at most `limit` updates from before an instant.
    pub async fn prune_updates(&self, before: DateTime<Utc>, limit: u32) -> Result<Pruned, StoreError> {
        self.prune(UPDATES, before.into(), limit).await
    }

    /// Forgets at most `limit` ingested objects from before the day of an instant.
    pub async fn prune_ingested_objects(&self, before: DateTime<Utc>, limit: u32) -> Result<Pruned, StoreError> {
        self.prune(INGESTED, before.format("%Y-%m-%d").to_string().into(), limit).await
    }

    /// Forgets at most `limit` keys of requests that have expired by an instant.
    pub async fn prune_request_keys(&self, now: DateTime<Utc>, limit: u32) -> Result<Pruned, StoreError> {
        self.prune(REQUEST_KEYS, now.into(), limit).await
    }

    async fn prune(&self, table: Prunable, before: Value, limit: u32) -> Result<Pruned, StoreError> {
        let mut link = self.writer().await?;
        let statement = Statement::new(table.doing, table.text(link.dialect())).bind(before).bind(limit);
        let rows = link.execute(statement).await?;
        link.commit().await?;
        Ok(Pruned { rows, more: rows >= u64::from(limit) })
    }

    /// Station by station, since the key begins with the host: no index by time alone is kept for this.
    async fn prune_by_host(&self, table: Prunable, before: DateTime<Utc>, limit: u32) -> Result<Pruned, StoreError> {
        let statement =
            Statement::new("read the catalog", "select name from lab_hosts order by name").of("lab_hosts", &["name"]);
        let hosts = self.reader().await?.fetch(statement).await?;
        let mut pruned = Pruned::default();
        for row in hosts {
            let left = u64::from(limit).saturating_sub(pruned.rows);
            if left == 0 {
                return Ok(Pruned { more: true, ..pruned });
            }
            let mut link = self.writer().await?;
            let statement =
                Statement::new(table.doing, table.text(link.dialect())).bind(row.text("name")?).bind(before).bind(left);
            pruned.rows += link.execute(statement).await?;
            link.commit().await?;
        }
        pruned.more = pruned.rows >= u64::from(limit);
        Ok(pruned)
    }
}

impl Pruned {
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.more |= other.more;
    }
}

/// How a table is pruned: MySQL limits a delete itself, SQLite by a list of keys.
#[derive(Clone, Copy)]
struct Prunable {
    doing: &'static str,
    sqlite: &'static str,
    mysql: &'static str,
}

impl Prunable {
    fn text(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::MySql => self.mysql,
        }
    }
}

/// The two texts for a table, its key and a condition whose values come before the limit.
macro_rules! prunable {
    ($doing:literal, $table:literal, $key:literal, $condition:literal) => {
        Prunable {
            doing: $doing,
            sqlite: concat!(
                "delete from ",
                $table,
                " where (",
                $key,
                ") in (select ",
                $key,
                " from ",
                $table,
                " where ",
                $condition,
                " limit ?)"
            ),
            mysql: concat!("delete from ", $table, " where ", $condition, " limit ?"),
        }
    };
}

const HEARTBEATS: Prunable =
    prunable!("prune heartbeats", "lab_station_heartbeat", "host, timestamp_utc", "host = ? and timestamp_utc < ?");
const VARIANTS: Prunable = prunable!(
    "prune variants of heartbeats",
    "lab_station_heartbeat_variants",
    "host, timestamp_utc, sha256",
    "host = ? and timestamp_utc < ?"
);
const HOST_EVENTS: Prunable = prunable!(
    "prune host events",
    "lab_host_events",
    "host, timestamp, user_key, session_key, occurrence",
    "host = ? and timestamp < ?"
);
const FORCED_LOGOFFS: Prunable = prunable!(
    "prune forced logoffs",
    "reservation_forced_logoffs",
    "host, timestamp, user_key, session_key, occurrence",
    "host = ? and timestamp < ?"
);
const SIGHTINGS: Prunable = prunable!(
    "prune sightings of forced logoffs",
    "forced_logoff_sightings",
    "host, logged_off_at",
    "host = ? and logged_off_at < ?"
);
const STATE_RUNS: Prunable =
    prunable!("prune state runs", "station_state_runs", "host, from_at", "host = ? and to_at < ?");
const ALERTS: Prunable = prunable!("prune resolved alerts", "alerts", "id", "state = 'resolved' and resolved_at < ?");
const NOTIFICATIONS: Prunable = prunable!("prune settled notifications", "notifications", "id", "settled_at < ?");
const SILENCES: Prunable = prunable!("prune silences", "silences", "id", "coalesce(ended_at, over_at) < ?");
const AUDIT: Prunable = prunable!("prune the audit log", "audit_log", "id", "at < ?");
const OPERATIONS: Prunable =
    prunable!("prune operations", "reservation_operations", "id", "started_at < ? and finished_at is not null");
const ACTIONS: Prunable =
    prunable!("prune actions", "station_actions", "id", "ordered_at < ? and settled_at is not null");
const OVERRIDES: Prunable = prunable!("prune overrides", "reservation_overrides", "reservation_id", "said_at < ?");
const REQUEST_KEYS: Prunable =
    prunable!("forget keys of requests", "idempotency_keys", "token_id, idempotency_key", "expires_at <= ?");
const UPDATES: Prunable = prunable!("prune updates", "updates", "sequence", "at < ?");
const INGESTED: Prunable = prunable!("forget ingested objects", "ingested_objects", "object_hash", "ingested_on < ?");
