//! What the tray app shows and says: which icon, tooltip, menu, notifications and window follow from what is known of the laboratories.
//!
//! Pure: no I/O, no clock, no `tokio`. Time is an argument, and it is the gateway's; the shell draws what is answered here and decides nothing.

mod command;
mod icon;
mod limited;
mod menu;
mod notices;
pub mod pairing;
mod settings;
#[cfg(test)]
mod testing;
mod times;
mod tooltip;
pub mod window;
mod words;
mod world;

pub use command::{BadCommand, Command, HoldLength, PauseLength};
pub use icon::{Icon, Look, Shape};
pub use limited::{PolledHost, limited_stations};
pub use menu::{Entry, Menu};
pub use notices::{Notice, NoticeButton, Notices};
pub use settings::{LanguageChoice, NotifyAbout, Settings};
pub use times::{Zones, span_text};
pub use tooltip::{TOOLTIP_LENGTH, summary, tooltip};
pub use world::{Freshness, Link, LocalCard, Mode, Person, Role, Scene, World};
