//! Who acts on a station now (`station_leases`). How long a lease lasts is told by the database's clock, which all share.

use std::time::Duration;

use chrono::{DateTime, Utc};
use stationkeeper_rules::orchestrator::Run;
use stationkeeper_telemetry::HostName;

use crate::database::Link;
use crate::row::Row;
use crate::statement::Statement;
use crate::{Store, StoreError};

/// A lease of a station, with the run that holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct StationLease {
    /// Of this station.
    pub host: HostName,
    /// By this one of those who act.
    pub holder: String,
    /// What is left of it; none: whoever held it is gone.
    pub left: Option<Duration>,
    /// What it is about.
    pub run: Run,
    /// When the run began.
    pub begun_at: DateTime<Utc>,
    /// A person who wants it to end.
    pub stop_asked_by: Option<String>,
}

/// Leases in a unit of work, whose station is locked.
pub struct Leases<'t>(pub(crate) &'t mut Link);

impl Leases<'_> {
    /// The lease of a station.
    pub async fn of(&mut self, host: &HostName) -> Result<Option<StationLease>, StoreError> {
        self.0.fetch_optional(read().filter("host = ?", [host])).await?.as_ref().map(lease).transpose()
    }

    /// Takes the lease of a station, with the run. Of one whose holder is gone, the run stays as it was.
    pub async fn take(
        &mut self,
        run: &Run,
        holder: &str,
        lasts: Duration,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        const DOING: &str = "take the lease of a station";
        let text = serde_json::to_string(run).map_err(StoreError::json(DOING))?;
        let statement = Statement::new(DOING, include_str!("sql/take_lease.sql"))
            .bind(&run.host)
            .bind(holder)
            .bind(lasts.as_secs())
            .bind(text)
            .bind(now);
        self.0.execute(statement).await?;
        Ok(())
    }

    /// Gives it back. False: it was another's.
    pub async fn give_back(&mut self, host: &HostName, holder: &str) -> Result<bool, StoreError> {
        let text = "delete from station_leases where host = ? and holder = ?";
        Ok(self.0.execute(Statement::new("give back the lease of a station", text).bind(host).bind(holder)).await? > 0)
    }

    /// Asks whoever holds it to end. False: nobody does.
    pub async fn ask_to_stop(&mut self, host: &HostName, by: &str) -> Result<bool, StoreError> {
        let text = "update station_leases set stop_asked_by = ? where host = ?";
        Ok(self.0.execute(Statement::new("ask a run to stop", text).bind(by).bind(host)).await? > 0)
    }
}

impl Store {
    /// Those who act now or are gone, by station.
    pub async fn station_leases(&self) -> Result<Vec<StationLease>, StoreError> {
        self.reader().await?.fetch(read()).await?.iter().map(lease).collect()
    }

    /// The lease of a station.
    pub async fn station_lease(&self, host: &HostName) -> Result<Option<StationLease>, StoreError> {
        Leases(&mut self.reader().await?).of(host).await
    }

    /// Lengthens a lease from now. False: it is another's by now.
    pub async fn renew_lease(&self, host: &HostName, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        let text = "update station_leases set leased_until = {epoch} + ? where host = ? and holder = ?";
        let statement = Statement::new("lengthen a lease", text).bind(lasts.as_secs()).bind(host).bind(holder);
        let mut link = self.writer().await?;
        let held = link.execute(statement).await?;
        link.commit().await?;
        Ok(held > 0)
    }

    /// Stations with reservations that touch [from, to], or with a lease.
    pub async fn hosts_to_serve(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<HostName>, StoreError> {
        let statement = Statement::new("read which stations are to be served", include_str!("sql/hosts_to_serve.sql"))
            .of("reservations", &["host"])
            .bind(from)
            .bind(to);
        self.reader().await?.fetch(statement).await?.iter().map(|row| row.host("host")).collect()
    }
}

fn read() -> Statement {
    Statement::new("read the leases of stations", include_str!("sql/leases.sql")).of("station_leases", &["host"])
}

fn lease(row: &Row) -> Result<StationLease, StoreError> {
    let left = row.integer("seconds_left")?;
    Ok(StationLease {
        host: row.host("host")?,
        holder: row.text("holder")?,
        left: u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_secs),
        run: row.json("run")?,
        begun_at: row.instant("begun_at")?,
        stop_asked_by: row.optional_text("stop_asked_by")?,
    })
}
