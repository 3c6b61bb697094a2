//! What the overdue check remembers from run to run (`overdue_checks`, one row).

use chrono::{DateTime, Utc};

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
#[derive(Debug)]
pub struct OverdueCheckRow<'t>(std::marker::PhantomData<&'t mut ()>);

impl OverdueCheckRow<'_> {
    /// Locks and reads it: two checks at once are one after the other.
    pub async fn lock(&mut self) -> Result<OverdueCheck, StoreError> {
        unimplemented!()
    }
    /// Writes it.
    pub async fn save(&mut self, check: &OverdueCheck) -> Result<(), StoreError> {
        let _ = check;
        unimplemented!()
    }
}

impl Store {
    /// Reads it without a lock (for health).
    pub async fn overdue_check(&self) -> Result<OverdueCheck, StoreError> {
        unimplemented!()
    }
}
