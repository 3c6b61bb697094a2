//! Who heard that an alert opened, and has not heard yet that it is over (`notification_hearings`).

use stationkeeper_rules::notify::{Heard, Hearing};

use crate::database::Link;
use crate::owed::{key, step};
use crate::row::Row;
use crate::statement::{Statement, Value};
use crate::{Readable, StoreError};

/// Hearings in a unit of work.
pub struct Hearings<'t>(pub(crate) &'t mut Link);

impl Hearings<'_> {
    /// All that have not ended.
    pub async fn standing(&mut self) -> Result<Readable<Hearing>, StoreError> {
        let statement = Statement::new("read who heard of alerts", include_str!("sql/standing_hearings.sql"))
            .of("notification_hearings", &["alert_id", "receiver"]);
        Ok(Readable::of(&self.0.fetch(statement).await?, Some("alert_id"), hearing))
    }

    /// Writes them: one an alert and receiver.
    pub async fn save(&mut self, hearings: &[Hearing]) -> Result<(), StoreError> {
        let rows = hearings.iter().map(|hearing| {
            let [alert_id, at, to] = key(&hearing.step);
            let heard = hearing.heard.as_str();
            vec![
                alert_id,
                (&hearing.receiver).into(),
                at,
                to,
                heard.into(),
                hearing.remind_at.into(),
                hearing.ended_at.into(),
            ]
        });
        let rows: Vec<Vec<Value>> = rows.collect();
        self.0.write_rows("remember who heard of alerts", include_str!("sql/save_hearings.sql"), rows).await
    }
}

fn hearing(row: &Row) -> Result<Hearing, StoreError> {
    Ok(Hearing {
        step: step(row)?,
        receiver: row.text("receiver")?,
        heard: row.parsed("heard", Heard::parse)?,
        remind_at: row.optional_instant("remind_at")?,
        ended_at: row.optional_instant("ended_at")?,
    })
}
