//! Who is told what: each part answers one question about an alert at an instant; [`plan()`] puts the answers together.

mod decision;
mod flapping;
mod grouping;
mod inhibition;
mod message;
mod plan;
mod quiet;
mod routes;
mod silences;
#[cfg(test)]
pub(crate) mod testing;

pub use decision::{Because, Decision, Heard, Hearing, Owed, Step, Telling};
pub use flapping::{Restless, restless};
pub use grouping::due_at;
pub use inhibition::inhibitor;
pub use plan::{Plan, Standing, plan};
pub use quiet::quiet_until;
pub use routes::concerns;
pub use silences::{Muted, Silence, SilenceError, SilenceId, Span, muting, silence_of};

use crate::Alert;

/// An alert with what routes and silences ask of it beside.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The alert.
    pub alert: Alert,
    /// The laboratory of its station.
    pub lab: Option<String>,
    /// Whose reservation is at risk, as the booking system names them.
    pub person: Option<String>,
}
