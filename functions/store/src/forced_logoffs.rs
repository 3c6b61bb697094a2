//! Forced logoffs: seen in a heartbeat or an INI (`forced_logoff_sightings`), and what was found of them
//! (`reservation_forced_logoffs`).

use chrono::{DateTime, Utc};
use stationkeeper_rules::{FoundIn, ReservationId};
use stationkeeper_telemetry::{ForcedLogoff, HostName};

use crate::database::Link;
use crate::host_events::statements_within;
use crate::key;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value};
use crate::{Store, StoreError};

/// A forced logoff that a heartbeat or an INI mentions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedLogoffSighting {
    /// On which station.
    pub host: HostName,
    /// When it says it was.
    pub logged_off_at: DateTime<Utc>,
    /// As the heartbeat shows it.
    pub heartbeat: Option<ForcedLogoff>,
    /// As the INI shows it.
    pub service_state: Option<ForcedLogoff>,
    /// Timestamp of the heartbeat it was last seen in.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// When it was first noticed (an arrival).
    pub noticed_at: DateTime<Utc>,
    /// Nothing more is awaited.
    pub settled: bool,
}

/// Natural key of a found forced logoff.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForcedLogoffKey {
    /// On which station.
    pub host: HostName,
    /// When.
    pub timestamp: DateTime<Utc>,
    /// Who.
    pub user: Option<String>,
    /// In which session.
    pub session_id: Option<i64>,
    /// 0 for the first of that key.
    pub occurrence: u32,
}

/// A forced logoff as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedLogoffRecord {
    /// Which.
    pub key: ForcedLogoffKey,
    /// Seconds of warning.
    pub grace: Option<i64>,
    /// Without asking.
    pub force: Option<bool>,
    /// What the user was told.
    pub message: Option<String>,
    /// Who ordered it.
    pub source: Option<String>,
    /// For which reservation.
    pub reservation_id: Option<ReservationId>,
    /// Where it was found.
    pub found_in: FoundIn,
}

/// Which forced logoffs to list.
#[derive(Debug, Clone, Default)]
pub struct ForcedLogoffFilter {
    /// Of this station.
    pub host: Option<HostName>,
    /// Of this reservation.
    pub reservation_id: Option<ReservationId>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

/// Where a page of a list ended: the key of its last row.
pub type ForcedLogoffCursor = ForcedLogoffKey;

/// Forced logoffs in a unit of work.
pub struct ForcedLogoffs<'t>(pub(crate) &'t mut Link);

impl ForcedLogoffs<'_> {
    /// Inserts or replaces sightings (by host and `logged_off_at`; `noticed_at` of a known one stays).
    pub async fn save_sightings(&mut self, sightings: &[ForcedLogoffSighting]) -> Result<(), StoreError> {
        let json = |fields: &Option<ForcedLogoff>| {
            fields.as_ref().map(serde_json::to_string).transpose().map_err(StoreError::json(SAVE_SIGHTINGS))
        };
        let rows = sightings
            .iter()
            .map(|one| {
                Ok(vec![
                    (&one.host).into(),
                    one.logged_off_at.into(),
                    json(&one.heartbeat)?.into(),
                    json(&one.service_state)?.into(),
                    one.last_seen_at.into(),
                    one.noticed_at.into(),
                    one.settled.into(),
                ])
            })
            .collect::<Result<_, StoreError>>()?;
        self.0.write_rows(SAVE_SIGHTINGS, include_str!("sql/save_sightings.sql"), rows).await
    }

    /// Sightings within these windows (from ≤ `logged_off_at` ≤ to), in order of host and time.
    pub async fn sightings_within(
        &mut self,
        windows: &[(HostName, DateTime<Utc>, DateTime<Utc>)],
    ) -> Result<Vec<ForcedLogoffSighting>, StoreError> {
        let mut found = Vec::new();
        for statement in statements_within(READ_SIGHTINGS, include_str!("sql/sightings_within.sql"), windows) {
            for row in self.0.fetch(statement.of("forced_logoff_sightings", SIGHTING_KEY)).await? {
                found.push(sighting(&row)?);
            }
        }
        Ok(found)
    }

    /// Sightings of these stations that are not settled, in order of host and time.
    pub async fn pending_of(&mut self, hosts: &[HostName]) -> Result<Vec<ForcedLogoffSighting>, StoreError> {
        let mut found = Vec::new();
        for hosts in hosts.chunks(MOST_ITEMS) {
            let statement = Statement::new(READ_SIGHTINGS, include_str!("sql/pending_sightings.sql"))
                .of("forced_logoff_sightings", SIGHTING_KEY)
                .times(hosts.len())
                .bind_all(hosts);
            for row in self.0.fetch(statement).await? {
                found.push(sighting(&row)?);
            }
        }
        Ok(found)
    }

    /// Inserts; those that are there stay.
    pub async fn insert(&mut self, records: &[ForcedLogoffRecord]) -> Result<(), StoreError> {
        self.0.write_rows(SAVE, include_str!("sql/insert_forced_logoffs.sql"), rows(records)).await
    }

    /// Inserts or replaces, by key.
    pub async fn save(&mut self, records: &[ForcedLogoffRecord]) -> Result<(), StoreError> {
        self.0.write_rows(SAVE, include_str!("sql/save_forced_logoffs.sql"), rows(records)).await
    }

    /// Deletes by key (a lesser source was replaced by a better one under another key).
    pub async fn delete(&mut self, keys: &[ForcedLogoffKey]) -> Result<(), StoreError> {
        for keys in keys.chunks(MOST_ITEMS) {
            let statement = Statement::new("delete forced logoffs", include_str!("sql/delete_forced_logoffs.sql"))
                .times(keys.len())
                .bind_all::<Value>(keys.iter().flat_map(|key| {
                    [
                        (&key.host).into(),
                        key.timestamp.into(),
                        key::user(key.user.as_deref()).into(),
                        key::session(key.session_id).into(),
                        key.occurrence.into(),
                    ]
                }));
            self.0.execute(statement).await?;
        }
        Ok(())
    }

    /// Found ones within these windows (from ≤ timestamp ≤ to), in order of host and time.
    pub async fn within(
        &mut self,
        windows: &[(HostName, DateTime<Utc>, DateTime<Utc>)],
    ) -> Result<Vec<ForcedLogoffRecord>, StoreError> {
        let mut found = Vec::new();
        for statement in statements_within(READ, include_str!("sql/forced_logoffs_within.sql"), windows) {
            for row in self.0.fetch(statement.of("reservation_forced_logoffs", KEY)).await? {
                found.push(record(&row)?);
            }
        }
        Ok(found)
    }

    /// Links found ones of a station with from ≤ timestamp ≤ to to a reservation (or to none). How many rows it held.
    pub async fn relink(
        &mut self,
        host: &HostName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        reservation_id: Option<&ReservationId>,
    ) -> Result<u64, StoreError> {
        let statement =
            Statement::new("link forced logoffs to a reservation", include_str!("sql/relink_forced_logoffs.sql"))
                .bind(reservation_id.map(|id| id.0.as_str()))
                .bind(host)
                .bind(from)
                .bind(to);
        self.0.execute(statement).await
    }
}

impl Store {
    /// Stations with sightings that are not settled and were noticed before an instant, longest waiting first.
    pub async fn hosts_with_pending_sightings(
        &self,
        noticed_before: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<HostName>, StoreError> {
        let statement = Statement::new(READ_SIGHTINGS, include_str!("sql/hosts_with_pending_sightings.sql"))
            .of("forced_logoff_sightings", &["host"])
            .bind(noticed_before)
            .bind(limit);
        self.reader().await?.fetch(statement).await?.iter().map(|row| row.host("host")).collect()
    }

    /// Found forced logoffs, newest first, after `after`.
    pub async fn forced_logoffs(
        &self,
        filter: &ForcedLogoffFilter,
        after: Option<&ForcedLogoffCursor>,
        limit: u32,
    ) -> Result<Vec<ForcedLogoffRecord>, StoreError> {
        let mut statement =
            Statement::new(READ, include_str!("sql/forced_logoffs.sql")).of("reservation_forced_logoffs", KEY);
        if let Some(host) = &filter.host {
            statement = statement.filter("host = ?", [host]);
        }
        if let Some(id) = &filter.reservation_id {
            statement = statement.filter("reservation_id = ?", [&id.0]);
        }
        if let Some(from) = filter.from {
            statement = statement.filter("timestamp >= ?", [from]);
        }
        if let Some(to) = filter.to {
            statement = statement.filter("timestamp < ?", [to]);
        }
        if let Some(after) = after {
            let user: Value = key::user(after.user.as_deref()).into();
            let session: Value = key::session(after.session_id).into();
            let (at, host): (Value, Value) = (after.timestamp.into(), (&after.host).into());
            statement = statement.filter("timestamp <= ?", [at.clone()]).filter(
                "(timestamp < ? or host > ? or (host = ? and (user_key > ? or (user_key = ? and \
                     (session_key > ? or (session_key = ? and occurrence > ?))))))",
                [at, host.clone(), host, user.clone(), user, session.clone(), session, after.occurrence.into()],
            );
        }
        self.reader().await?.fetch(statement.bind(limit)).await?.iter().map(record).collect()
    }
}

const KEY: &[&str] = &["host", "timestamp", "user_key", "session_key", "occurrence"];
const SIGHTING_KEY: &[&str] = &["host", "logged_off_at"];
const READ: &str = "read forced logoffs";
const SAVE: &str = "save forced logoffs";
const READ_SIGHTINGS: &str = "read sightings of forced logoffs";
const SAVE_SIGHTINGS: &str = "save sightings of forced logoffs";

fn rows(records: &[ForcedLogoffRecord]) -> Vec<Vec<Value>> {
    records
        .iter()
        .map(|record| {
            let key = &record.key;
            vec![
                (&key.host).into(),
                key.timestamp.into(),
                key::user(key.user.as_deref()).into(),
                key::session(key.session_id).into(),
                key.occurrence.into(),
                key.user.as_ref().into(),
                key.session_id.into(),
                record.grace.into(),
                record.force.into(),
                record.message.as_ref().into(),
                record.source.as_ref().into(),
                record.reservation_id.as_ref().map(|id| id.0.as_str()).into(),
                record.found_in.as_str().into(),
            ]
        })
        .collect()
}

fn record(row: &Row) -> Result<ForcedLogoffRecord, StoreError> {
    Ok(ForcedLogoffRecord {
        key: ForcedLogoffKey {
            host: row.host("host")?,
            timestamp: row.instant("timestamp")?,
            user: row.optional_text("user")?,
            session_id: row.optional_integer("session_id")?,
            occurrence: row.small("occurrence")?,
        },
        grace: row.optional_integer("grace")?,
        force: row.optional_flag("force")?,
        message: row.optional_text("message")?,
        source: row.optional_text("source")?,
        reservation_id: row.optional_text("reservation_id")?.map(ReservationId),
        found_in: row.parsed("found_in", FoundIn::parse)?,
    })
}

fn sighting(row: &Row) -> Result<ForcedLogoffSighting, StoreError> {
    Ok(ForcedLogoffSighting {
        host: row.host("host")?,
        logged_off_at: row.instant("logged_off_at")?,
        heartbeat: row.optional_json("heartbeat")?,
        service_state: row.optional_json("service_state")?,
        last_seen_at: row.optional_instant("last_seen_at")?,
        noticed_at: row.instant("noticed_at")?,
        settled: row.flag("settled")?,
    })
}
