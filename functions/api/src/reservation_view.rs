//! A reservation by itself.

use serde::{Deserialize, Serialize};
use stationkeeper_rules::reservation_table::RowRefusal;
use stationkeeper_rules::{AtRisk, ReservationStatus};

use crate::text::phrase;
use crate::{Instant, Language};

/// A reservation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReservationRecordView {
    /// The booking system's.
    pub id: String,
    /// Of this lab.
    pub lab: Option<String>,
    /// On this station.
    pub host: String,
    /// First instant of it.
    pub start_at: Instant,
    /// First instant after it.
    pub end_at: Instant,
    /// Where it stands.
    pub status: ReservationStatus,
    /// Who booked it.
    pub who: Option<String>,
    /// The table that it comes from and that alone changes it; left out: the API, or by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What may keep it from finding its station ready, as it stands now; left out where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_risk: Option<Vec<RiskView>>,
}

/// Why a reservation is at risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RiskView {
    /// Which reason.
    pub code: AtRisk,
    /// In a sentence, in the reader's language.
    pub text: String,
}

impl RiskView {
    /// A reason with its sentence.
    pub fn new(code: AtRisk, language: Language) -> Self {
        Self { code, text: phrase(language, "at_risk", code.as_str(), &[]) }
    }
}

/// A table of others that reservations are read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReservationSourceView {
    /// Its name.
    pub name: String,
    /// When somebody tried to read it the last time.
    pub tried_at: Option<Instant>,
    /// When it could be read the last time.
    pub read_at: Option<Instant>,
    /// How many rows of the window it had then.
    pub rows: u64,
    /// Rows that are no reservations: the first hundred.
    pub refused: Vec<RefusedRowView>,
    /// How many they are.
    pub refused_rows: u64,
    /// Why it could not be read, or not to its end; null: nothing is wrong.
    pub problem: Option<String>,
}

/// A row that is no reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusedRowView {
    /// Its id, as far as it has one.
    pub id: String,
    /// Why.
    pub reason: RowRefusal,
    /// The same in a sentence.
    pub text: String,
}

/// What became of a list of reservations, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportView {
    /// It was only looked at.
    pub dry_run: bool,
    /// What is new or changed is kept.
    pub applied: bool,
    /// Entries that nobody knew.
    pub new: usize,
    /// Entries that changed something.
    pub changed: usize,
    /// Entries that changed nothing.
    pub same: usize,
    /// Entries that are not taken.
    pub refused: usize,
    /// In the order of the list.
    pub items: Vec<ImportedView>,
}

/// What became of an entry of a list, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportedView {
    /// Its place in the list, from 1; headings do not count.
    pub number: u64,
    /// Its id, as far as it has one.
    pub id: String,
    /// What became of it.
    pub outcome: ImportOutcome,
    /// Why it was refused, as a stable word; null where it was not.
    pub code: Option<String>,
    /// The same in a sentence.
    pub reason: Option<String>,
}

/// What became of an entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// Nobody knew it.
    New,
    /// It changed something.
    Changed,
    /// It changed nothing.
    Same,
    /// It is not taken.
    Refused,
}

impl ImportOutcome {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Same => "same",
            Self::Refused => "refused",
        }
    }
}
