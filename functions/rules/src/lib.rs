//! What the facts mean: alert rules, the life of an alert, the one word for a station, links to reservations.
//!
//! Pure: no I/O, no clock, no `tokio`. Time is an argument; a test of a rule is a table.

mod alert;
mod at_risk;
mod before_reservation;
mod by_hand;
mod cause;
mod clock;
mod delivery;
mod drift;
mod evaluate;
pub mod fleet;
mod heartbeat_missing;
pub mod history;
mod judge;
mod life;
pub mod links;
mod meanwhile;
mod not_ready;
mod notification;
mod notification_settings;
pub mod notify;
pub mod orchestrator;
mod quarantined_uploads;
pub mod requests;
mod reservation;
pub mod reservation_table;
mod settings;
mod station;
#[cfg(test)]
mod testing;
mod wake;
mod word;

pub use alert::*;
pub use at_risk::{AtRisk, Surroundings, at_risk};
pub use by_hand::{ResolvedByHand, resolve_by_hand};
pub use cause::*;
pub use clock::{ClockReading, Heard, on_clock};
pub use delivery::{NextAttempt, Refusal, next_attempt};
pub use evaluate::{Incoming, Outcome, Passage, on_heartbeat, on_operations, on_passage};
pub use heartbeat_missing::{Off, off};
pub use history::StateRun;
pub use judge::{Context, OffPolicy, RuleSet, Verdict};
pub use life::{LifeError, NOTE_LIMIT, acknowledge, expire, unresolved_after};
pub use links::FoundIn;
pub use not_ready::counts_as_ready;
pub use notification::*;
pub use notification_settings::*;
pub use quarantined_uploads::{Unreadable, Upload, Uploads, on_uploads};
pub use reservation::*;
pub use settings::*;
pub use station::*;
