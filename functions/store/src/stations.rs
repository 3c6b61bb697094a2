//! Stations: the catalog (`lab_hosts`) and the latest state (`lab_station_state`).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_rules::{
    Cause, Heard, Latest, ResolvedByHand, Running, StationState, StationWord, StatusDocument, UnreadyRun, Uploads,
};
use stationkeeper_telemetry::{HostName, Nic, PowerAction, ServiceState, Snapshot};

use crate::brief::BriefStation;
use crate::database::Link;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value, padded};
use crate::{Store, StoreError, Transaction};

/// Where a station stands in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostStatus {
    /// It uploaded, and nobody has said yet whether it belongs here.
    New,
    /// In use.
    Active,
    /// No longer in use; its history stays.
    Retired,
}

impl HostStatus {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::New, Self::Active, Self::Retired].into_iter().find(|status| status.as_str() == name)
    }
}

/// A row of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Which station.
    pub host: HostName,
    /// Its lab, if it has one.
    pub lab: Option<String>,
    /// Where it answers on the lab's network.
    pub address: Option<String>,
    /// Its adapter's address.
    pub mac: Option<String>,
    /// Where it stands.
    pub status: HostStatus,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
}

/// A station with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Station {
    /// Its row of the catalog.
    pub entry: CatalogEntry,
    /// Its latest state.
    pub state: StationState,
}

/// Which stations to list.
#[derive(Debug, Clone, Default)]
pub struct StationFilter {
    /// Of this lab.
    pub lab: Option<String>,
    /// In one of these states; empty: in any.
    pub words: Vec<StationWord>,
    /// Only these hosts; empty: all.
    pub hosts: Vec<HostName>,
}

/// Stations in a unit of work.
pub struct States<'t>(pub(crate) &'t mut Link);

impl States<'_> {
    /// Makes the rows of stations that are not known yet: status `new`, nothing heard.
    pub async fn ensure(&mut self, hosts: &[HostName], now: DateTime<Utc>) -> Result<(), StoreError> {
        // Read first: an insert of what is there would take a lock on MySQL that two batches then cannot both raise.
        let mut missing: Vec<&HostName> = hosts.iter().collect();
        missing.sort();
        missing.dedup();
        for hosts in hosts.chunks(MOST_ITEMS) {
            let statement = Statement::new("read which stations are known", include_str!("sql/known_hosts.sql"))
                .of("lab_station_state", &["host"])
                .times(padded(hosts).count())
                .bind_all(padded(hosts));
            for row in self.0.fetch(statement).await? {
                let known = row.host("host")?;
                missing.retain(|host| **host != known);
            }
        }
        let entries: Vec<CatalogEntry> = missing
            .into_iter()
            .map(|host| CatalogEntry {
                host: host.clone(),
                lab: None,
                address: None,
                mac: None,
                status: HostStatus::New,
                created_at: now,
            })
            .collect();
        self.write_catalog(include_str!("sql/insert_catalog.sql"), &entries).await
    }

    /// Inserts or replaces rows of the catalog (`created_at` of a known one stays), and makes their states.
    pub async fn save_catalog(&mut self, entries: &[CatalogEntry]) -> Result<(), StoreError> {
        self.write_catalog(include_str!("sql/save_catalog.sql"), entries).await
    }

    async fn write_catalog(&mut self, text: &'static str, entries: &[CatalogEntry]) -> Result<(), StoreError> {
        let rows = entries
            .iter()
            .map(|entry| {
                vec![
                    (&entry.host).into(),
                    entry.lab.as_ref().into(),
                    entry.address.as_ref().into(),
                    entry.mac.as_ref().into(),
                    entry.status.as_str().into(),
                    entry.created_at.into(),
                ]
            })
            .collect();
        self.0.write_rows("write the catalog", text, rows).await?;
        let states = entries
            .iter()
            .map(|entry| state_row(&StationState::unheard(entry.host.clone(), entry.created_at)))
            .collect::<Result<_, _>>()?;
        self.0.write_rows("make the states of new stations", include_str!("sql/insert_states.sql"), states).await
    }

    /// Locks the states of these stations, in host order whatever the order of the argument, and reads them. Unknown ones are
    /// missing in the answer: [`ensure`](Self::ensure) first.
    pub async fn lock(&mut self, hosts: &[HostName]) -> Result<Vec<StationState>, StoreError> {
        let hosts = in_order(hosts);
        let mut states = Vec::with_capacity(hosts.len());
        for hosts in hosts.chunks(MOST_ITEMS) {
            for row in self.0.fetch(lock_states(hosts)).await? {
                states.push(state(&row)?);
            }
        }
        Ok(states)
    }

    /// Writes whole states. `skew` is kept in milliseconds.
    pub async fn save<'s>(&mut self, states: impl IntoIterator<Item = &'s StationState>) -> Result<(), StoreError> {
        let rows = states.into_iter().map(state_row).collect::<Result<_, _>>()?;
        self.0.write_rows("save the states of stations", include_str!("sql/save_states.sql"), rows).await
    }
}

fn in_order(hosts: &[HostName]) -> Vec<HostName> {
    let mut hosts = hosts.to_vec();
    hosts.sort();
    hosts.dedup();
    hosts
}

fn lock_states(hosts: &[HostName]) -> Statement {
    Statement::new("lock the states of stations", include_str!("sql/lock_states.sql"))
        .of("lab_station_state", &["host"])
        .times(padded(hosts).count())
        .bind_all(padded(hosts))
}

impl Store {
    /// [`begin`](Self::begin), with the states of these stations [locked](States::lock): on MySQL in one round trip.
    pub async fn begin_locking(&self, hosts: &[HostName]) -> Result<(Transaction, Vec<StationState>), StoreError> {
        let hosts = in_order(hosts);
        let (first, others) = hosts.split_at(hosts.len().min(MOST_ITEMS));
        if first.is_empty() {
            return Ok((self.begin().await?, Vec::new()));
        }
        let (mut transaction, rows) = self.begin_reading(lock_states(first)).await?;
        let mut states = rows.iter().map(state).collect::<Result<Vec<_>, _>>()?;
        states.extend(transaction.states().lock(others).await?);
        Ok((transaction, states))
    }

    /// Stations whose verdict time alone can have changed: `check_at ≤ now`, the longest due first.
    pub async fn due(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<HostName>, StoreError> {
        let statement = Statement::new("read which stations are due", include_str!("sql/due.sql"))
            .of("lab_station_state", &["host"])
            .bind(now)
            .bind(limit);
        self.reader().await?.fetch(statement).await?.iter().map(|row| row.host("host")).collect()
    }

    /// The newest advance of any station (retired ones too).
    pub async fn newest_advance_at(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let statement =
            Statement::new("read the newest advance", "select max(advanced_at) as advanced_at from lab_station_state")
                .of("lab_station_state", &[]);
        self.reader()
            .await?
            .fetch_optional(statement)
            .await?
            .map_or(Ok(None), |row| row.optional_instant("advanced_at"))
    }

    /// How many stations are expected to send: not `off`, `down` or `unknown`, nor retired.
    pub async fn expected_stations(&self) -> Result<u64, StoreError> {
        let statement = Statement::new("count the expected stations", include_str!("sql/expected_stations.sql"))
            .of("lab_station_state", &[]);
        self.reader().await?.fetch_optional(statement).await?.map_or(Ok(0), |row| row.unsigned("stations"))
    }

    /// Stations by host name, after `after`.
    pub async fn stations(
        &self,
        filter: &StationFilter,
        after: Option<&HostName>,
        limit: u32,
    ) -> Result<Vec<Station>, StoreError> {
        let rows = self.read(read_stations(), filter, after, limit).await?;
        rows.iter().map(station).collect()
    }

    /// As [`stations`](Self::stations), but [in brief](BriefStation).
    pub async fn stations_in_brief(
        &self,
        filter: &StationFilter,
        after: Option<&HostName>,
        limit: u32,
    ) -> Result<Vec<BriefStation>, StoreError> {
        let statement = Statement::new("read stations in brief", include_str!("sql/stations_in_brief.sql"))
            .of("lab_station_state", &["host"]);
        let rows = self.read(statement, filter, after, limit).await?;
        rows.iter().map(BriefStation::of).collect()
    }

    async fn read(
        &self,
        statement: Statement,
        filter: &StationFilter,
        after: Option<&HostName>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let mut statement = statement
            .filter_in("s.word", filter.words.iter().map(|word| word.as_str()))
            .filter_in("h.name", &filter.hosts);
        if let Some(lab) = &filter.lab {
            statement = statement.filter("h.lab = ?", [lab]);
        }
        if let Some(after) = after {
            statement = statement.filter("h.name > ?", [after]);
        }
        self.reader().await?.fetch(statement.bind(limit)).await
    }

    /// One station.
    pub async fn station(&self, host: &HostName) -> Result<Option<Station>, StoreError> {
        let statement = read_stations().filter("h.name = ?", [host]).bind(1i64);
        self.reader().await?.fetch_optional(statement).await?.as_ref().map(station).transpose()
    }

    /// How many stations are in each state (those in none are left out), retired ones apart.
    pub async fn stations_by_word(&self) -> Result<Vec<(StationWord, u64)>, StoreError> {
        let statement = Statement::new("count the stations", include_str!("sql/stations_by_word.sql"))
            .of("lab_station_state", &["word"]);
        let rows = self.reader().await?.fetch(statement).await?;
        rows.iter().map(|row| Ok((row.parsed("word", StationWord::parse)?, row.unsigned("stations")?))).collect()
    }
}

/// The column `memory`: what a station's state remembers beside its latest heartbeat.
#[derive(Deserialize)]
struct Memory {
    #[serde(default)]
    heard: Option<Heard>,
    unready_run: Option<UnreadyRun>,
    nic_baseline: Option<Vec<Nic>>,
    service_state: Option<(ServiceState, DateTime<Utc>)>,
    status: Option<StatusDocument>,
    #[serde(default)]
    uploads: Uploads,
    powered: Option<PowerAction>,
    #[serde(default)]
    resolved_by_hand: Vec<ResolvedByHand>,
    guarded_at: Option<DateTime<Utc>>,
    running: Option<Running>,
}

/// [`Memory`], borrowed for writing.
#[derive(Serialize)]
struct MemoryOf<'a> {
    heard: &'a Option<Heard>,
    unready_run: &'a Option<UnreadyRun>,
    nic_baseline: &'a Option<Vec<Nic>>,
    service_state: &'a Option<(ServiceState, DateTime<Utc>)>,
    status: &'a Option<StatusDocument>,
    uploads: &'a Uploads,
    #[serde(skip_serializing_if = "Option::is_none")]
    powered: &'a Option<PowerAction>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    resolved_by_hand: &'a [ResolvedByHand],
    #[serde(skip_serializing_if = "Option::is_none")]
    guarded_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<Running>,
}

fn read_stations() -> Statement {
    Statement::new("read stations", include_str!("sql/stations.sql")).of("lab_station_state", &["host"])
}

/// The columns of `insert_states.sql` and `save_states.sql`.
fn state_row(state: &StationState) -> Result<Vec<Value>, StoreError> {
    let failed = || StoreError::json("save the state of a station");
    let latest = state.latest.as_ref();
    let snapshot = latest.map(|latest| serde_json::to_string(&latest.snapshot)).transpose().map_err(failed())?;
    let memory = MemoryOf {
        heard: &state.heard,
        unready_run: &state.unready_run,
        nic_baseline: &state.nic_baseline,
        service_state: &state.service_state,
        status: &state.status,
        uploads: &state.uploads,
        powered: &state.powered,
        resolved_by_hand: &state.resolved_by_hand,
        guarded_at: state.guarded_at,
        running: state.running,
    };
    let cause = state.word_cause.as_ref().map(serde_json::to_string).transpose().map_err(failed())?;
    Ok(vec![
        (&state.host).into(),
        latest.map(|latest| latest.snapshot.timestamp_utc).into(),
        state.advanced_at().into(),
        latest.map(|latest| latest.snapshot.ready).into(),
        snapshot.into(),
        serde_json::to_string(&memory).map_err(failed())?.into(),
        state.word.as_str().into(),
        state.word_since.into(),
        cause.into(),
        state.skew.map(|skew| skew.num_milliseconds()).into(),
        state.check_at.into(),
    ])
}

fn state(row: &Row) -> Result<StationState, StoreError> {
    let latest = match row.optional_json::<Snapshot>("snapshot")? {
        None => None,
        Some(snapshot) => Some(Latest { snapshot, first_arrived_at: row.instant("advanced_at")? }),
    };
    let memory: Memory = row.json("memory")?;
    Ok(StationState {
        host: row.host("host")?,
        latest,
        heard: memory.heard,
        unready_run: memory.unready_run,
        nic_baseline: memory.nic_baseline,
        service_state: memory.service_state,
        status: memory.status,
        uploads: memory.uploads,
        powered: memory.powered,
        resolved_by_hand: memory.resolved_by_hand,
        guarded_at: memory.guarded_at,
        running: memory.running,
        skew: row.optional_integer("skew_ms")?.map(TimeDelta::milliseconds),
        word: row.parsed("word", StationWord::parse)?,
        word_since: row.instant("word_since")?,
        word_cause: row.optional_json::<Cause>("word_cause")?,
        check_at: row.optional_instant("check_at")?,
    })
}

fn station(row: &Row) -> Result<Station, StoreError> {
    Ok(Station {
        entry: CatalogEntry {
            host: row.host("host")?,
            lab: row.optional_text("lab")?,
            address: row.optional_text("address")?,
            mac: row.optional_text("mac")?,
            status: row.parsed("status", HostStatus::parse)?,
            created_at: row.instant("created_at")?,
        },
        state: state(row)?,
    })
}
