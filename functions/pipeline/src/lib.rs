//! Use cases: ingest an object, check stations that are due, follow a forced logoff. Generic over bucket and clock, so that the
//! same code runs in a Lambda, in `up`, in a replay and under injected faults.
//!
//! It decides nothing that `rules` could decide: it fetches inputs, applies results, and repeats what may pass by itself.

pub mod bucket;
pub mod clock;
mod commit;
#[cfg(feature = "mysql")]
mod database_secret;
mod document;
mod error;
pub mod ingest;
#[cfg(feature = "mysql")]
pub mod lambda;
mod logoffs;
pub mod memory;
mod observe;
mod overdue;
pub mod plan;
mod quarantine;
pub mod s3;
mod settings_cache;
pub mod trail;
mod upkeep;

pub use document::{Document, HeartbeatDocument};
pub use error::{IngestError, chain};
pub use overdue::CheckReport;
pub use quarantine::Quarantined;
