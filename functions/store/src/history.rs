//! Reading history.

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_rules::ReservationId;
use stationkeeper_rules::history::{Beat, History};
use stationkeeper_telemetry::HostName;

use crate::row::Row;
use crate::statement::Statement;
use crate::{Store, StoreError};

/// Heartbeats whose times are read at once.
const AT_ONCE: u32 = 2_000;

/// A heartbeat of history without its raw body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatRow {
    /// Which station.
    pub host: HostName,
    /// The station's clock.
    pub timestamp_utc: DateTime<Utc>,
    /// First PUT of this host and timestamp.
    pub first_arrived_at: DateTime<Utc>,
    /// PUT of the body that won.
    pub arrived_at: DateTime<Utc>,
    /// When it was stored.
    pub ingested_at: DateTime<Utc>,
    /// SHA-256 of the body.
    pub sha256: [u8; 32],
    /// Bytes of the body.
    pub raw_length: u64,
    /// `summary.ready`.
    pub ready: bool,
    /// `summary.state` as written.
    pub state: Option<String>,
    /// `summary.issues`.
    pub issues: Vec<String>,
    /// Somebody is logged on.
    pub local_session_active: Option<bool>,
    /// Local mode.
    pub local_mode_enabled: Option<bool>,
    /// Adapters that do not comply.
    pub nic_issue_count: Option<u64>,
    /// The emitter's verdict.
    pub sleep_compliant: Option<bool>,
    /// The emitter's verdict.
    pub hibernate_compliant: Option<bool>,
    /// Last prepare.
    pub last_prepare_at: Option<DateTime<Utc>>,
    /// It did all it was asked.
    pub last_prepare_success: Option<bool>,
    /// Last release.
    pub last_release_at: Option<DateTime<Utc>>,
    /// Last shutdown or hibernate.
    pub last_power_action_at: Option<DateTime<Utc>>,
    /// `shutdown` or `hibernate`.
    pub last_power_mode: Option<String>,
    /// Last forced logoff.
    pub last_forced_logoff_at: Option<DateTime<Utc>>,
    /// Who was logged off.
    pub last_forced_logoff_user: Option<String>,
    /// Lab Station's version.
    pub version: Option<String>,
    /// The reservation whose window holds it.
    pub reservation_id: Option<ReservationId>,
}

/// A body as received; its SHA-256 was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawHeartbeat {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// When they were put.
    pub arrived_at: DateTime<Utc>,
}

impl Store {
    /// The body that won; [`StoreError`] when the stored bytes do not give its SHA-256.
    pub async fn raw(&self, host: &HostName, timestamp_utc: DateTime<Utc>) -> Result<Option<RawHeartbeat>, StoreError> {
        let statement = Statement::new("read a raw heartbeat", include_str!("sql/raw_heartbeat.sql"))
            .of("lab_station_heartbeat", KEY)
            .bind(host)
            .bind(timestamp_utc);
        let row = self.reader().await?.fetch_optional(statement).await?;
        match row {
            None => Ok(None),
            Some(row) => self.raw_of(&row).await.map(Some),
        }
    }

    /// The body of a station's latest heartbeat.
    pub async fn newest_raw(&self, host: &HostName) -> Result<Option<RawHeartbeat>, StoreError> {
        let statement = Statement::new("read the newest raw heartbeat", include_str!("sql/newest_heartbeat.sql"))
            .of("lab_station_heartbeat", KEY)
            .bind(host);
        let row = self.reader().await?.fetch_optional(statement).await?;
        match row {
            None => Ok(None),
            Some(row) => self.raw_of(&row).await.map(Some),
        }
    }

    /// Other bodies of the same host and timestamp, in order of arrival.
    pub async fn raw_variants(
        &self,
        host: &HostName,
        timestamp_utc: DateTime<Utc>,
    ) -> Result<Vec<RawHeartbeat>, StoreError> {
        let statement = Statement::new("read variants of a heartbeat", include_str!("sql/raw_variants.sql"))
            .of("lab_station_heartbeat_variants", KEY)
            .bind(host)
            .bind(timestamp_utc);
        let rows = self.reader().await?.fetch(statement).await?;
        let mut variants = Vec::with_capacity(rows.len());
        for row in &rows {
            variants.push(self.raw_of(row).await?);
        }
        Ok(variants)
    }

    /// Heartbeats of a station with from ≤ timestamp < to, in time order. The next page begins right after the last one's timestamp
    /// (+ 1 µs).
    pub async fn heartbeats(
        &self,
        host: &HostName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<HeartbeatRow>, StoreError> {
        let statement = Statement::new("read heartbeats", include_str!("sql/heartbeats.sql"))
            .of("lab_station_heartbeat", KEY)
            .bind(host)
            .bind(from)
            .bind(to)
            .bind(limit);
        self.reader().await?.fetch(statement).await?.iter().map(heartbeat).collect()
    }

    /// When heartbeats of a station were, from an instant of its clock on and in its order. The next page begins right after the last one's timestamp (+ 1 µs).
    pub async fn beats(&self, host: &HostName, from: DateTime<Utc>, limit: u32) -> Result<Vec<Beat>, StoreError> {
        let statement = Statement::new("read times of heartbeats", include_str!("sql/beats.sql"))
            .of("lab_station_heartbeat", KEY)
            .bind(host)
            .bind(from)
            .bind(limit);
        self.reader().await?.fetch(statement).await?.iter().map(beat).collect()
    }

    /// When the last heartbeat of a station before that instant of its clock was.
    pub async fn beat_before(&self, host: &HostName, at: DateTime<Utc>) -> Result<Option<Beat>, StoreError> {
        let statement = Statement::new("read the heartbeat before", include_str!("sql/beat_before.sql"))
            .of("lab_station_heartbeat", KEY)
            .bind(host)
            .bind(at);
        self.reader().await?.fetch_optional(statement).await?.as_ref().map(beat).transpose()
    }

    /// Lets it hear the heartbeats of a station in its window, the last before and the first after it.
    pub async fn play_heartbeats(&self, host: &HostName, history: &mut History) -> Result<(), StoreError> {
        let window = *history.window();
        if let Some(before) = self.beat_before(host, window.from()).await? {
            history.hear(before);
        }
        let mut from = window.from();
        loop {
            let beats = self.beats(host, from, AT_ONCE).await?;
            for beat in &beats {
                history.hear(*beat);
                if beat.timestamp_utc >= window.to() {
                    return Ok(());
                }
            }
            match beats.last() {
                Some(last) if beats.len() == AT_ONCE as usize => from = last.timestamp_utc + TimeDelta::microseconds(1),
                _ => return Ok(()),
            }
        }
    }

    /// How many heartbeats there are of a station, or of all.
    pub async fn count_heartbeats(&self, host: Option<&HostName>) -> Result<u64, StoreError> {
        let mut statement = Statement::new(
            "count heartbeats",
            "select count(*) as heartbeats from lab_station_heartbeat where 1 = 1{filters}",
        )
        .of("lab_station_heartbeat", &[]);
        if let Some(host) = host {
            statement = statement.filter("host = ?", [host]);
        }
        self.reader().await?.fetch_optional(statement).await?.map_or(Ok(0), |row| row.unsigned("heartbeats"))
    }

    async fn raw_of(&self, row: &Row) -> Result<RawHeartbeat, StoreError> {
        Ok(RawHeartbeat {
            bytes: self.decode_raw(row).await?,
            sha256: row.sha256("sha256")?,
            arrived_at: row.instant("arrived_at")?,
        })
    }
}

const KEY: &[&str] = &["host", "timestamp_utc"];

fn beat(row: &Row) -> Result<Beat, StoreError> {
    Ok(Beat { timestamp_utc: row.instant("timestamp_utc")?, first_arrived_at: row.instant("first_arrived_at")? })
}

fn heartbeat(row: &Row) -> Result<HeartbeatRow, StoreError> {
    Ok(HeartbeatRow {
        host: row.host("host")?,
        timestamp_utc: row.instant("timestamp_utc")?,
        first_arrived_at: row.instant("first_arrived_at")?,
        arrived_at: row.instant("arrived_at")?,
        ingested_at: row.instant("ingested_at")?,
        sha256: row.sha256("sha256")?,
        raw_length: row.unsigned("raw_length")?,
        ready: row.flag("ready")?,
        state: row.optional_text("state")?,
        issues: row.json("issues")?,
        local_session_active: row.optional_flag("local_session_active")?,
        local_mode_enabled: row.optional_flag("local_mode_enabled")?,
        nic_issue_count: row.optional_unsigned("nic_issue_count")?,
        sleep_compliant: row.optional_flag("sleep_compliant")?,
        hibernate_compliant: row.optional_flag("hibernate_compliant")?,
        last_prepare_at: row.optional_instant("last_prepare_at")?,
        last_prepare_success: row.optional_flag("last_prepare_success")?,
        last_release_at: row.optional_instant("last_release_at")?,
        last_power_action_at: row.optional_instant("last_power_action_at")?,
        last_power_mode: row.optional_text("last_power_mode")?,
        last_forced_logoff_at: row.optional_instant("last_forced_logoff_at")?,
        last_forced_logoff_user: row.optional_text("last_forced_logoff_user")?,
        version: row.optional_text("version")?,
        reservation_id: row.optional_text("reservation_id")?.map(ReservationId),
    })
}
