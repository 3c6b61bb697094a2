//! History: every heartbeat once, byte-exact (`lab_station_heartbeat`, `lab_station_heartbeat_variants`).

use chrono::{DateTime, Utc};
use stationkeeper_rules::{RawFormat, ReservationId};
use stationkeeper_telemetry::{HostName, Snapshot};

use crate::StoreError;
use crate::database::Link;
use crate::instant;
use crate::raw::{Codec, EncodedRaw};
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value, padded};

/// A heartbeat to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewHeartbeat<'a> {
    /// Host, timestamp and the fields that get columns of their own.
    pub snapshot: &'a Snapshot,
    /// The body as received.
    pub raw: &'a [u8],
    /// SHA-256 of `raw`.
    pub sha256: [u8; 32],
    /// When a heartbeat of this host and timestamp was first put (whatever its bytes).
    pub first_arrived_at: DateTime<Utc>,
    /// When this body was put.
    pub arrived_at: DateTime<Utc>,
    /// When it is being stored.
    pub ingested_at: DateTime<Utc>,
    /// The reservation whose window holds it.
    pub reservation_id: Option<&'a ReservationId>,
}

/// What is known of a heartbeat that is already there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHeartbeat {
    /// Which station.
    pub host: HostName,
    /// Its timestamp.
    pub timestamp_utc: DateTime<Utc>,
    /// SHA-256 of the body that won.
    pub sha256: [u8; 32],
    /// When a heartbeat of this host and timestamp was first put.
    pub first_arrived_at: DateTime<Utc>,
    /// When the body that won was put.
    pub arrived_at: DateTime<Utc>,
}

/// A body that did not win, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVariant {
    /// Which station.
    pub host: HostName,
    /// Its timestamp.
    pub timestamp_utc: DateTime<Utc>,
    /// SHA-256 of the body.
    pub sha256: [u8; 32],
    /// When it was first put.
    pub arrived_at: DateTime<Utc>,
}

/// History in a unit of work. Lock the stations' states first ([`States::lock`](crate::States::lock)).
pub struct Heartbeats<'t> {
    pub(crate) link: &'t mut Link,
    pub(crate) codec: &'t Codec,
}

impl Heartbeats<'_> {
    /// Which of these are there.
    pub async fn existing(&mut self, keys: &[(HostName, DateTime<Utc>)]) -> Result<Vec<StoredHeartbeat>, StoreError> {
        let mut found = Vec::new();
        for keys in keys.chunks(MOST_ITEMS) {
            let statement =
                Statement::new("read which heartbeats are there", include_str!("sql/existing_heartbeats.sql"))
                    .of(TABLE, KEY)
                    .times(padded(keys).count())
                    .bind_all::<Value>(padded(keys).flat_map(|(host, at)| [host.into(), (*at).into()]));
            for row in self.link.fetch(statement).await? {
                found.push(stored(&row)?);
            }
        }
        Ok(found)
    }

    /// The bodies of these heartbeats that did not win.
    pub async fn variants(&mut self, keys: &[(HostName, DateTime<Utc>)]) -> Result<Vec<StoredVariant>, StoreError> {
        let mut found = Vec::new();
        for keys in keys.chunks(MOST_ITEMS) {
            let statement = Statement::new("read which variants are there", include_str!("sql/existing_variants.sql"))
                .of("lab_station_heartbeat_variants", KEY)
                .times(keys.len())
                .bind_all::<Value>(keys.iter().flat_map(|(host, at)| [host.into(), (*at).into()]));
            for row in self.link.fetch(statement).await? {
                found.push(StoredVariant {
                    host: row.host("host")?,
                    timestamp_utc: row.instant("timestamp_utc")?,
                    sha256: row.sha256("sha256")?,
                    arrived_at: row.instant("arrived_at")?,
                });
            }
        }
        Ok(found)
    }

    /// Inserts; one that is already there stays as it is. How many there are now that were not (MySQL: or were).
    pub async fn insert(&mut self, heartbeats: &[NewHeartbeat<'_>], format: RawFormat) -> Result<u64, StoreError> {
        let rows = rows(heartbeats, format, self.codec)?;
        self.link.count_rows("insert heartbeats", include_str!("sql/insert_heartbeats.sql"), rows).await
    }

    /// Other bytes win: the present winner (if its bytes differ) moves to the variants, the row becomes the new one
    /// (`first_arrived_at` included: pass the smaller one).
    pub async fn replace(&mut self, heartbeats: &[NewHeartbeat<'_>], format: RawFormat) -> Result<(), StoreError> {
        for heartbeats in heartbeats.chunks(MOST_ITEMS) {
            for (doing, text) in [
                ("keep the heartbeats that lose", include_str!("sql/keep_losers.sql")),
                ("forget that those who win had lost", include_str!("sql/forget_winners.sql")),
            ] {
                let bodies = heartbeats.iter().flat_map(|one| -> [Value; 3] {
                    [(&one.snapshot.host).into(), one.snapshot.timestamp_utc.into(), one.sha256.into()]
                });
                self.link
                    .execute(Statement::new(doing, text).times(heartbeats.len()).bind_all::<Value>(bodies))
                    .await?;
            }
        }
        let rows = rows(heartbeats, format, self.codec)?;
        self.link.write_rows("replace heartbeats", include_str!("sql/replace_heartbeats.sql"), rows).await
    }

    /// Keeps bodies that did not win. One that is already kept stays, with the earlier of both arrivals.
    pub async fn add_variants(&mut self, variants: &[NewHeartbeat<'_>], format: RawFormat) -> Result<(), StoreError> {
        let raws = self.codec.encode(variants.iter().map(|one| one.raw), format)?;
        let rows = variants
            .iter()
            .zip(raws)
            .map(|(one, raw)| {
                let mut row: Vec<Value> = vec![
                    (&one.snapshot.host).into(),
                    one.snapshot.timestamp_utc.into(),
                    one.sha256.into(),
                    one.arrived_at.into(),
                    one.ingested_at.into(),
                ];
                row.extend(raw);
                row
            })
            .collect();
        self.link.write_rows("keep variants of heartbeats", include_str!("sql/insert_variants.sql"), rows).await
    }

    /// Lowers `first_arrived_at` (the third of each) where the given one is earlier.
    pub async fn lower_first_arrived_at(
        &mut self,
        arrivals: &[(HostName, DateTime<Utc>, DateTime<Utc>)],
    ) -> Result<(), StoreError> {
        for arrivals in arrivals.chunks(MOST_ITEMS) {
            let values = || -> Vec<Value> {
                arrivals.iter().flat_map(|(host, at, arrived)| [host.into(), (*at).into(), (*arrived).into()]).collect()
            };
            let statement =
                Statement::new("lower first arrivals of heartbeats", include_str!("sql/lower_first_arrived_at.sql"))
                    .times(arrivals.len())
                    .bind_all(values())
                    .bind_all(values());
            self.link.execute(statement).await?;
        }
        Ok(())
    }

    /// Links the heartbeats of a station with from ≤ timestamp ≤ to to a reservation (or to none). How many rows it held.
    pub async fn relink(
        &mut self,
        host: &HostName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        reservation_id: Option<&ReservationId>,
    ) -> Result<u64, StoreError> {
        let statement = Statement::new("link heartbeats to a reservation", include_str!("sql/relink_heartbeats.sql"))
            .bind(reservation_id.map(|id| id.0.as_str()))
            .bind(host)
            .bind(from)
            .bind(to);
        self.link.execute(statement).await
    }

    /// The station's heartbeat of the greatest rank (DESIGN.md section 4.1). Reads the station's whole history: for checks only.
    pub async fn greatest(&mut self, host: &HostName) -> Result<Option<StoredHeartbeat>, StoreError> {
        let statement =
            Statement::new("read the heartbeat of the greatest rank", include_str!("sql/greatest_heartbeat.sql"))
                .of(TABLE, KEY)
                .bind(host);
        self.link.fetch_optional(statement).await?.as_ref().map(stored).transpose()
    }
}

pub(crate) const TABLE: &str = "lab_station_heartbeat";
pub(crate) const KEY: &[&str] = &["host", "timestamp_utc"];

pub(crate) fn stored(row: &Row) -> Result<StoredHeartbeat, StoreError> {
    Ok(StoredHeartbeat {
        host: row.host("host")?,
        timestamp_utc: row.instant("timestamp_utc")?,
        sha256: row.sha256("sha256")?,
        first_arrived_at: row.instant("first_arrived_at")?,
        arrived_at: row.instant("arrived_at")?,
    })
}

/// The rows of `lab_station_heartbeat`, in key order: two batches then cannot wait for each other in a circle.
fn rows(heartbeats: &[NewHeartbeat<'_>], format: RawFormat, codec: &Codec) -> Result<Vec<Vec<Value>>, StoreError> {
    let mut heartbeats: Vec<&NewHeartbeat<'_>> = heartbeats.iter().collect();
    heartbeats.sort_by_key(|one| (&one.snapshot.host, one.snapshot.timestamp_utc));
    let raws = codec.encode(heartbeats.iter().map(|one| one.raw), format)?;
    heartbeats.into_iter().zip(raws).map(|(one, raw)| row(one, raw)).collect()
}

fn row(heartbeat: &NewHeartbeat<'_>, raw: EncodedRaw) -> Result<Vec<Value>, StoreError> {
    let snapshot = heartbeat.snapshot;
    let (first, arrived) = (instant::stored(heartbeat.first_arrived_at)?, instant::stored(heartbeat.arrived_at)?);
    let issues = serde_json::to_string(&snapshot.issues).map_err(StoreError::json("insert heartbeats"))?;
    let prepare = snapshot.last_prepare.as_ref();
    let release = snapshot.last_release.as_ref();
    let power = snapshot.last_power_action.as_ref();
    let logoff = snapshot.last_forced_logoff.as_ref();
    let mut row: Vec<Value> = vec![
        (&snapshot.host).into(),
        snapshot.timestamp_utc.into(),
        first.into(),
        (arrived != first).then_some(arrived).into(),
        heartbeat.ingested_at.into(),
        heartbeat.sha256.into(),
    ];
    row.extend(raw);
    row.extend::<[Value; 17]>([
        snapshot.ready.into(),
        snapshot.state.as_ref().into(),
        issues.into(),
        snapshot.local_session_active.into(),
        snapshot.local_mode_enabled.into(),
        snapshot.nic_issue_count.into(),
        snapshot.sleep_compliant.into(),
        snapshot.hibernate_compliant.into(),
        prepare.and_then(|prepare| prepare.timestamp).into(),
        prepare.and_then(|prepare| prepare.success).into(),
        release.and_then(|release| release.timestamp).into(),
        power.and_then(|power| power.timestamp).into(),
        power.and_then(|power| power.mode.as_ref()).into(),
        logoff.and_then(|logoff| logoff.timestamp).into(),
        logoff.and_then(|logoff| logoff.user.as_ref()).into(),
        snapshot.details.version.as_ref().into(),
        heartbeat.reservation_id.map(|id| id.0.as_str()).into(),
    ]);
    Ok(row)
}
