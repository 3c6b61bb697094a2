//! Where reservations come from that nobody made here (`reservation_sources`): who reads such a table now, and what came of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use stationkeeper_rules::reservation_table::RefusedRow;
use stationkeeper_rules::{Reservation, ReservationId};

use crate::database::Link;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement};
use crate::{Reservations, Store, StoreError, reservations};

/// Most refused rows that are kept by name; all are counted.
const MOST_REFUSED: usize = 100;

/// What came of reading a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationSource {
    /// Its name.
    pub name: String,
    /// When somebody tried to read it the last time.
    pub tried_at: Option<DateTime<Utc>>,
    /// When it could be read the last time.
    pub read_at: Option<DateTime<Utc>>,
    /// How many rows it had then.
    pub rows: u64,
    /// Those of them that are no reservations; the first hundred.
    pub refused: Vec<RefusedRow>,
    /// How many they are.
    pub refused_rows: u64,
    /// Why it could not be read; none: it could.
    pub problem: Option<String>,
}

/// What a reader has to say.
#[derive(Debug, Clone, Copy)]
pub enum SourceNews<'a> {
    /// It was read.
    Read {
        /// How many rows it has.
        rows: usize,
        /// Those that are no reservations.
        refused: &'a [RefusedRow],
        /// What is wrong all the same.
        problem: Option<&'a str>,
    },
    /// It could not be read; what it had the last time stays.
    Failed(&'a str),
}

impl Reservations<'_> {
    /// Where a reservation comes from; none: it is of the API or by hand, or there is none.
    pub async fn source(&mut self, id: &ReservationId) -> Result<Option<String>, StoreError> {
        source_of(self.0, id).await
    }

    /// Says where a reservation comes from.
    pub async fn set_source(&mut self, id: &ReservationId, source: &str) -> Result<(), StoreError> {
        let text = "update reservations set source = ? where id = ?";
        let statement = Statement::new("say where a reservation comes from", text).bind(source).bind(&id.0);
        self.0.execute(statement).await.map(drop)
    }
}

impl Store {
    /// Where these reservations come from, for those that come from elsewhere.
    pub async fn sources_of(&self, ids: &[ReservationId]) -> Result<Vec<(ReservationId, String)>, StoreError> {
        let mut link = self.reader().await?;
        let mut found = Vec::new();
        for ids in ids.chunks(MOST_ITEMS) {
            let statement = Statement::new("read where reservations come from", include_str!("sql/sources_of.sql"))
                .of("reservations", &["id"])
                .times(ids.len())
                .bind_all(ids.iter().map(|id| id.0.as_str()));
            for row in link.fetch(statement).await? {
                found.push((ReservationId(row.text("id")?), row.text("source")?));
            }
        }
        Ok(found)
    }

    /// Reservations from this source that touch [from, to].
    pub async fn reservations_from(
        &self,
        source: &str,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        limit: u32,
    ) -> Result<Vec<Reservation>, StoreError> {
        let statement = reservations::read(include_str!("sql/reservations.sql")).bind(from).bind(to);
        let statement = statement.filter("source = ?", [source]).bind(limit);
        self.reader().await?.fetch(statement).await?.iter().map(reservations::reservation).collect()
    }

    /// Reservations of these ids.
    pub async fn reservations_of_ids(&self, ids: &[ReservationId]) -> Result<Vec<Reservation>, StoreError> {
        reservations::by_id(&mut self.reader().await?, ids).await
    }

    /// Whoever asks may read this source for so long, unless another does. False: another does.
    pub async fn lease_source(&self, name: &str, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        let mut link = self.writer().await?;
        let row = vec![name.into(), holder.into(), 0_i64.into()];
        link.write_rows("know a source", include_str!("sql/know_source.sql"), vec![row]).await?;
        let statement = Statement::new("take a source", include_str!("sql/lease_source.sql"))
            .bind(holder)
            .bind(lasts.as_secs())
            .bind(name)
            .bind(holder);
        let held = link.execute(statement).await?;
        link.commit().await?;
        Ok(held > 0)
    }

    /// Says what came of reading it. Nothing happens where another reads it by now.
    pub async fn save_source(
        &self,
        name: &str,
        holder: &str,
        news: SourceNews<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        const DOING: &str = "say what came of a source";
        let statement = match news {
            SourceNews::Read { rows, refused, problem } => {
                let kept = &refused[..refused.len().min(MOST_REFUSED)];
                Statement::new(DOING, include_str!("sql/source_read.sql"))
                    .bind(now)
                    .bind(now)
                    .bind(count(rows))
                    .bind(serde_json::to_string(kept).map_err(StoreError::json(DOING))?)
                    .bind(count(refused.len()))
                    .bind(problem)
            }
            SourceNews::Failed(problem) => {
                Statement::new(DOING, include_str!("sql/source_failed.sql")).bind(now).bind(problem)
            }
        };
        let mut link = self.writer().await?;
        link.execute(statement.bind(name).bind(holder)).await?;
        link.commit().await
    }

    /// What came of reading each source that ever was read.
    pub async fn reservation_sources(&self) -> Result<Vec<ReservationSource>, StoreError> {
        let statement = Statement::new("read the sources of reservations", include_str!("sql/sources.sql"))
            .of("reservation_sources", &["name"]);
        self.reader().await?.fetch(statement).await?.iter().map(source).collect()
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

async fn source_of(link: &mut Link, id: &ReservationId) -> Result<Option<String>, StoreError> {
    let text = "select id, source from reservations where id = ?";
    let statement = Statement::new("read where a reservation comes from", text).of("reservations", &["id"]);
    match link.fetch_optional(statement.bind(&id.0)).await? {
        Some(row) => row.optional_text("source"),
        None => Ok(None),
    }
}

fn source(row: &Row) -> Result<ReservationSource, StoreError> {
    Ok(ReservationSource {
        name: row.text("name")?,
        tried_at: row.optional_instant("tried_at")?,
        read_at: row.optional_instant("read_at")?,
        rows: row.unsigned("rows_read")?,
        refused: row.optional_json("refused")?.unwrap_or_default(),
        refused_rows: row.unsigned("refused_rows")?,
        problem: row.optional_text("problem")?,
    })
}
