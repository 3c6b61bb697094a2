//! What mutes notifications (`silences`).

use chrono::{DateTime, Utc};
use stationkeeper_rules::Rule;
use stationkeeper_rules::notify::{Silence, SilenceId, Span};

use crate::database::Link;
use crate::row::Row;
use crate::statement::{MOST_ITEMS, Statement, Value};
use crate::{Readable, Store, StoreError};

/// More than anybody sets: what is read at once.
const MOST: u32 = 10_000;

/// Where a page of a list ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceCursor {
    /// Of its last silence.
    pub created_at: DateTime<Utc>,
    /// Of its last silence.
    pub id: SilenceId,
}

/// Silences in a unit of work.
pub struct Silences<'t>(pub(crate) &'t mut Link);

impl Silences<'_> {
    /// Sets one. Again, it changes nothing.
    pub async fn add(&mut self, silence: &Silence) -> Result<(), StoreError> {
        const DOING: &str = "set a silence";
        let over_at = match &silence.span {
            Span::Once { until, .. } => Some(*until),
            Span::Recurring { .. } | Span::UntilResolved { .. } => None,
        };
        let row: Vec<Value> = vec![
            (&silence.id.0).into(),
            silence.host.as_ref().into(),
            silence.lab.as_ref().into(),
            silence.rule.map(Rule::as_str).into(),
            serde_json::to_string(&silence.span).map_err(StoreError::json(DOING))?.into(),
            over_at.into(),
            (&silence.reason).into(),
            (&silence.author).into(),
            silence.created_at.into(),
            silence.ended_at.into(),
        ];
        self.0.write_rows(DOING, include_str!("sql/insert_silence.sql"), vec![row]).await
    }

    /// Those that are not over, the newest first.
    pub async fn standing(&mut self, now: DateTime<Utc>) -> Result<Readable<Silence>, StoreError> {
        Ok(Readable::of(&self.0.fetch(read_standing(now).bind(MOST)).await?, None, silence))
    }

    /// Ends these; how many had not ended before.
    pub async fn end(&mut self, ids: &[SilenceId], now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut ended = 0;
        for ids in ids.chunks(MOST_ITEMS) {
            let statement = Statement::new("end silences", include_str!("sql/end_silences.sql")).times(ids.len());
            ended += self.0.execute(statement.bind(now).bind_all(ids.iter().map(|id| &id.0))).await?;
        }
        Ok(ended)
    }
}

impl Store {
    /// Silences, the newest first, after `after`: all of them, or those that are not over at an instant.
    pub async fn silences(
        &self,
        standing_at: Option<DateTime<Utc>>,
        after: Option<&SilenceCursor>,
        limit: u32,
    ) -> Result<Vec<Silence>, StoreError> {
        let mut statement = standing_at.map_or_else(read, read_standing);
        if let Some(after) = after {
            let at: Value = after.created_at.into();
            statement = statement
                .filter("created_at <= ? and (created_at < ? or id < ?)", [at.clone(), at, (&after.id.0).into()]);
        }
        self.reader().await?.fetch(statement.bind(limit)).await?.iter().map(silence).collect()
    }

    /// One silence.
    pub async fn silence(&self, id: &SilenceId) -> Result<Option<Silence>, StoreError> {
        let statement = read().filter("id = ?", [&id.0]).bind(1i64);
        self.reader().await?.fetch_optional(statement).await?.as_ref().map(silence).transpose()
    }
}

fn read() -> Statement {
    Statement::new("read silences", include_str!("sql/silences.sql")).of("silences", &["id"])
}

fn read_standing(now: DateTime<Utc>) -> Statement {
    read().filter("ended_at is null and (over_at is null or over_at > ?)", [now])
}

fn silence(row: &Row) -> Result<Silence, StoreError> {
    Ok(Silence {
        id: SilenceId(row.text("id")?),
        host: row.optional_host("host")?,
        lab: row.optional_text("lab")?,
        rule: row.optional_parsed("rule", Rule::parse)?,
        span: row.json("span")?,
        reason: row.text("reason")?,
        author: row.text("author")?,
        created_at: row.instant("created_at")?,
        ended_at: row.optional_instant("ended_at")?,
    })
}
