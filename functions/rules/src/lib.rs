//! What the facts mean: alert rules, the life of an alert, the one word for a station, links to reservations.
//!
//! Pure: no I/O, no clock, no `tokio`. Time is an argument; a test of a rule is a table.

mod alert;
mod cause;
mod reservation;
mod settings;
mod station;

pub use alert::*;
pub use cause::*;
pub use reservation::*;
pub use settings::*;
pub use station::*;
