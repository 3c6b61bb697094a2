//! What the overdue check remembers from run to run (`overdue_checks`, one row).

use chrono::{DateTime, Utc};

use crate::database::Link;
use crate::statement::Statement;
use crate::{Store, StoreError};

/// What the overdue check remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OverdueCheck {
    /// When it last ran.
    pub last_run_at: Option<DateTime<Utc>>,
    /// Since when nothing comes in from anybody.
    pub stalled_since: Option<DateTime<Utc>>,
    /// Every station has a full grace from here.
    pub grace_from: Option<DateTime<Utc>>,
}

/// The row in a unit of work.
pub struct OverdueCheckRow<'t>(pub(crate) &'t mut Link);

impl OverdueCheckRow<'_> {
    /// Locks and reads it: two checks at once are one after the other.
    pub async fn lock(&mut self) -> Result<OverdueCheck, StoreError> {
        read(self.0, include_str!("sql/lock_overdue_check.sql")).await
    }

    /// Writes it.
    pub async fn save(&mut self, check: &OverdueCheck) -> Result<(), StoreError> {
        let row = vec![1i64.into(), check.last_run_at.into(), check.stalled_since.into(), check.grace_from.into()];
        self.0.write_rows("remember the overdue check", include_str!("sql/save_overdue_check.sql"), vec![row]).await
    }
}

impl Store {
    /// Reads it without a lock (for health).
    pub async fn overdue_check(&self) -> Result<OverdueCheck, StoreError> {
        read(&mut self.reader().await?, include_str!("sql/overdue_check.sql")).await
    }
}

async fn read(link: &mut Link, text: &'static str) -> Result<OverdueCheck, StoreError> {
    let statement = Statement::new("read what the overdue check remembers", text).of("overdue_checks", &["id"]);
    link.fetch_optional(statement).await?.map_or_else(
        || Ok(OverdueCheck::default()),
        |row| {
            Ok(OverdueCheck {
                last_run_at: row.optional_instant("last_run_at")?,
                stalled_since: row.optional_instant("stalled_since")?,
                grace_from: row.optional_instant("grace_from")?,
            })
        },
    )
}
