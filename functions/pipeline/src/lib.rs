//! Use cases: ingest an object, check stations that are due, follow a forced logoff. Generic over bucket and clock, so that the
//! same code runs in a Lambda, in `up`, in a replay and under injected faults.
//!
//! It decides nothing that `rules` could decide: it fetches inputs, applies results, and repeats what may pass by itself.

pub mod actions;
mod answer_date;
pub mod bucket;
pub mod clock;
mod commit;
#[cfg(feature = "mysql")]
mod database_secret;
pub mod deliver;
mod document;
pub mod embedded_metrics;
mod error;
pub mod ingest;
mod invariant;
#[cfg(feature = "mysql")]
pub mod lambda;
mod logoffs;
mod lost;
pub mod memory;
mod observe;
pub mod orchestrate;
mod overdue;
mod pace;
pub mod plan;
pub mod planner;
mod quarantine;
mod reading;
pub mod reconcile;
pub mod reservations;
pub mod s3;
mod s3_versions;
#[cfg(feature = "mysql")]
pub mod secrets;
mod settings_cache;
pub mod trail;
mod upkeep;
#[cfg(feature = "mysql")]
mod waking;

pub use document::{Document, HeartbeatDocument, misdated, normalize};
pub use error::{IngestError, chain};
pub use invariant::{Invariant, Violation};
pub use overdue::CheckReport;
pub use quarantine::{Loss, QUARANTINE, Quarantined};
