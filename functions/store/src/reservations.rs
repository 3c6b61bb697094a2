//! Reservations.

use chrono::{DateTime, Utc};
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_telemetry::HostName;

use crate::database::Link;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value, padded};
use crate::{Store, StoreError};

/// Which reservations to list.
#[derive(Debug, Clone, Default)]
pub struct ReservationFilter {
    /// On this station.
    pub host: Option<HostName>,
    /// Of this lab.
    pub lab: Option<String>,
    /// Where they stand; empty: anywhere.
    pub statuses: Vec<ReservationStatus>,
}

/// Where a page of a list ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationCursor {
    /// Of its last reservation.
    pub start_at: DateTime<Utc>,
    /// Of its last reservation.
    pub id: ReservationId,
}

/// Reservations in a unit of work.
pub struct Reservations<'t>(pub(crate) &'t mut Link);

impl Reservations<'_> {
    /// Inserts or replaces, by id.
    pub async fn save(&mut self, reservations: &[Reservation]) -> Result<(), StoreError> {
        let rows = reservations
            .iter()
            .map(|one| {
                vec![
                    (&one.id.0).into(),
                    one.lab.as_ref().into(),
                    (&one.host).into(),
                    one.start_at.into(),
                    one.end_at.into(),
                    one.status.as_str().into(),
                    one.who.as_ref().into(),
                ]
            })
            .collect();
        self.0.write_rows("save reservations", include_str!("sql/save_reservations.sql"), rows).await
    }

    /// Those of these stations that touch [from, to], cancelled ones included, in order of host and start.
    pub async fn of_hosts(
        &mut self,
        hosts: &[HostName],
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<Reservation>, StoreError> {
        let mut found = Vec::new();
        for hosts in hosts.chunks(MOST_ITEMS) {
            let statement = read(include_str!("sql/reservations_of_hosts.sql"))
                .times(padded(hosts).count())
                .bind_all(padded(hosts))
                .bind(from)
                .bind(to);
            for row in self.0.fetch(statement).await? {
                found.push(reservation(&row)?);
            }
        }
        Ok(found)
    }

    /// Those of these ids.
    pub async fn by_id(&mut self, ids: &[ReservationId]) -> Result<Vec<Reservation>, StoreError> {
        by_id(self.0, ids).await
    }
}

impl Store {
    /// One reservation.
    pub async fn reservation(&self, id: &ReservationId) -> Result<Option<Reservation>, StoreError> {
        Ok(by_id(&mut self.reader().await?, std::slice::from_ref(id)).await?.into_iter().next())
    }

    /// Those that touch [from, to] (of one station, or of all), cancelled ones included, in order of start and id.
    pub async fn reservations(
        &self,
        host: Option<&HostName>,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Reservation>, StoreError> {
        let mut statement = read(include_str!("sql/reservations.sql")).bind(from).bind(to);
        if let Some(host) = host {
            statement = statement.filter("host = ?", [host]);
        }
        self.reader().await?.fetch(statement.bind(limit)).await?.iter().map(reservation).collect()
    }

    /// Those that touch [from, to] and pass the filter, in order of start and id, after `after`.
    pub async fn reservations_filtered(
        &self,
        filter: &ReservationFilter,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        after: Option<&ReservationCursor>,
        limit: u32,
    ) -> Result<Vec<Reservation>, StoreError> {
        let mut statement = read(include_str!("sql/reservations.sql"))
            .bind(from)
            .bind(to)
            .filter_in("status", filter.statuses.iter().map(|status| status.as_str()));
        if let Some(host) = &filter.host {
            statement = statement.filter("host = ?", [host]);
        }
        if let Some(lab) = &filter.lab {
            statement = statement.filter("lab = ?", [lab]);
        }
        if let Some(after) = after {
            let at: Value = after.start_at.into();
            statement =
                statement.filter("start_at >= ? and (start_at > ? or id > ?)", [at.clone(), at, (&after.id.0).into()]);
        }
        self.reader().await?.fetch(statement.bind(limit)).await?.iter().map(reservation).collect()
    }
}

pub(crate) async fn by_id(link: &mut Link, ids: &[ReservationId]) -> Result<Vec<Reservation>, StoreError> {
    let mut found = Vec::new();
    for ids in ids.chunks(MOST_ITEMS) {
        let statement = read(include_str!("sql/reservations_by_id.sql"))
            .times(ids.len())
            .bind_all(ids.iter().map(|id| id.0.as_str()));
        for row in link.fetch(statement).await? {
            found.push(reservation(&row)?);
        }
    }
    Ok(found)
}

pub(crate) fn read(text: &'static str) -> Statement {
    Statement::new("read reservations", text).of("reservations", &["id"])
}

pub(crate) fn reservation(row: &Row) -> Result<Reservation, StoreError> {
    Ok(Reservation {
        id: ReservationId(row.text("id")?),
        lab: row.optional_text("lab")?,
        host: row.host("host")?,
        start_at: row.instant("start_at")?,
        end_at: row.instant("end_at")?,
        status: row.parsed("status", ReservationStatus::parse)?,
        who: row.optional_text("who")?,
    })
}
