//! A station's PC as somebody at a distance sees it: it is on or off, wakes, and runs the commands that a remote shell gives it.
//!
//! A command is planned the moment it is given ([`Course`]): what it will print, what it will change and when, and how it will end. Nothing here waits.

mod cmd;
mod console;
mod course;
mod file_system;
mod lab_station;
mod power;
mod power_shell;

pub use cmd::arguments;
pub(crate) use console::{Sitting, Surroundings, plan};
pub(crate) use course::{Change, Down};
pub use course::{Course, Print, Printed, Stream};
pub(crate) use file_system::{FilePath, Named};
pub use power::Power;
pub(crate) use power::{Outage, Outages};
