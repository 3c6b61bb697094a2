//! What the window shows, part by part: each a value that the page draws without deciding anything.

mod card;
mod header;
mod hold;
mod list;
mod own;
mod settings;
mod upcoming;
mod wake;

pub use card::{Card, LastForcedLogoff, LastPrepare};
pub use header::{Age, Banner, Header};
pub use hold::{Blocked, Hold, HoldChoice};
pub use list::{LabRows, NextLine, Row, StationList};
pub use own::{Countdown, MoreTime, OwnCard, leave_at};
pub use settings::SettingsView;
pub use upcoming::{Upcoming, UpcomingRow};
pub use wake::{Step, StepState, Wake, WakeSteps};

pub(crate) use hold::hold_choices;
pub(crate) use wake::{running_wake, wake_command};
