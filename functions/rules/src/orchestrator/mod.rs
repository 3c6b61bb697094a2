//! What a reservation needs of its station, and when: the pure part of the orchestrator.

mod action;
mod action_life;
#[cfg(test)]
mod crash_tests;
mod known;
mod operation;
mod plan;
mod run;
mod sides;
#[cfg(test)]
mod testing;
mod timing;
mod work;

pub use action::*;
pub use action_life::{ActionError, Surroundings};
pub use known::{Block, Known};
pub use operation::*;
pub use plan::{Blocked, Decision, GaveUp, OpenRun, Scene, plan};
pub use run::{Finished, Next, Stop, next};
pub use timing::*;
pub use work::*;
