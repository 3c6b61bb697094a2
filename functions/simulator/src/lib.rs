//! Whole labs, deterministic by seed: the emitter's bytes with its quirks (telemetry.md sections 0 to 4), scripted trouble, and the alerts that it must raise.
//!
//! Pure: no I/O, no clock, no `tokio`. The caller paces the uploads and puts them where he likes.

mod role;
pub mod scenario;
mod upload;

pub use role::{Profile, Role};
pub use upload::{Document, Emission, TruthBeat, TruthEvent, Upload};
