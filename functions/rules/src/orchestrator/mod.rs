//! What a reservation needs of its station, and when: the pure part of the orchestrator.
//!
//! [`plan()`] decides for one station. Whoever carries that out takes the station's lease and stores the [`Run`] with it ([`OpenRun`]),
//! then asks [`next()`] what comes, as often as it takes:
//!
//! - [`Next::Issue`]: commit the row, which is `running`; do the work; settle the row ([`Operation::settled`]). If the reply was lost,
//!   leave it running and ask again.
//! - [`Next::Settle`]: settle the row, and ask again.
//! - [`Next::WaitForHeartbeat`]: ask again when one has come, or at `until`.
//! - [`Next::Finished`]: write the closing rows and give up the lease in one commit.
//!
//! Whoever finds a lease that is over gets the same run from [`plan()`] as [`Decision::Resume`] and goes on likewise. A decision that is
//! [`Decision::Blocked`] or [`Decision::GaveUp`] brings the row that says so; its alert is written in the same commit, if the row is new.
//!
//! A [`StationAction`] is what a rule or a person wants done outside of this; it is claimed, issued, finished and settled on its own.

mod action;
mod action_life;
#[cfg(test)]
mod crash_tests;
mod given_up;
mod known;
mod operation;
mod plan;
mod run;
mod sides;
mod tending;
#[cfg(test)]
mod testing;
mod timing;
mod work;

pub use action::*;
pub use action_life::{ActionError, Surroundings};
pub use given_up::{alert_of, done_after_all};
pub use known::{Block, Known};
pub use operation::*;
pub use plan::{Blocked, Decision, GaveUp, OpenRun, Scene, plan};
pub use run::{Finished, Next, Refusal, Stop, next, refused};
pub use tending::{Tended, Tending};
pub use timing::*;
pub use work::*;
