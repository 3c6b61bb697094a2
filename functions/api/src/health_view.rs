//! Whether the system itself is well, and what is wrong if not.

use serde::{Deserialize, Serialize};

/// All of it, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Every part is.
    Ok,
    /// At least one part is not.
    Degraded,
}

/// The answer of `/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthView {
    /// The worst of the parts.
    pub status: HealthStatus,
    /// Each part by name.
    pub parts: PartsView,
    /// Stations in the catalog. The name is the older service's.
    pub hosts_loaded: u64,
    /// The database answers. The name is the older service's.
    pub db: bool,
    /// Logins of stations can be kept: there is a key, and it is one. The name is the older service's.
    pub ops_secrets_key: bool,
    /// Of this program.
    pub version: String,
}

/// The parts that can be wrong by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartsView {
    /// It answers a query.
    pub database: PartView,
    /// It answers a look.
    pub bucket: PartView,
    /// Bucket events are taken in time.
    pub queue: PartView,
    /// Somebody looks for silent stations.
    pub overdue_check: PartView,
    /// What is owed to people reaches them.
    pub notifications: PartView,
    /// None of the files that are in use was damaged.
    pub files: PartView,
    /// A table that reservations are read from can be read; well where there is none.
    pub reservations: PartView,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartView {
    /// Nothing is wrong with it.
    pub ok: bool,
    /// What is wrong, in a sentence; null when nothing is.
    pub problem: Option<String>,
}

impl PartView {
    /// A part: well, or what is wrong with it.
    pub fn of(problem: Option<String>) -> Self {
        Self { ok: problem.is_none(), problem }
    }
}

impl PartsView {
    /// Each with its name, in a fixed order.
    pub fn named(&self) -> [(&'static str, &PartView); 7] {
        [
            ("database", &self.database),
            ("bucket", &self.bucket),
            ("queue", &self.queue),
            ("overdue_check", &self.overdue_check),
            ("notifications", &self.notifications),
            ("files", &self.files),
            ("reservations", &self.reservations),
        ]
    }

    /// `Ok` when all are.
    pub fn status(&self) -> HealthStatus {
        match self.named().iter().all(|(_, part)| part.ok) {
            true => HealthStatus::Ok,
            false => HealthStatus::Degraded,
        }
    }
}
