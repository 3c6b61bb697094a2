//! What a reservation needs of its station, and when: the pure part of the orchestrator.

mod operation;
mod timing;

pub use operation::*;
pub use timing::*;
