//! How a station is reached: magic packets wake it, probes say whether it answers, and WinRM runs Lab Station's commands. A command is made by its
//! type or read from a caller's words; its line is quoted so that one command stays one.

mod allowed;
mod arguments;
mod command;
mod networks;
mod outcome;
mod page;
mod probe;
mod quoting;
mod slots;
mod station_file;
mod values;
pub mod wake;
pub mod winrm;

pub use allowed::AllowedCommands;
pub use arguments::CommandRefused;
pub use command::{
    CommandLine, LAB_STATION, Power, PowerMode, PrepareGuard, PrepareSession, RebootIfNeeded, ReleaseSession,
    SessionGuard, StationCommand, StatusJson,
};
pub use networks::{AddressError, CheckedAddress, ManagementNetworks, NetworksError, Resolve, SystemResolver};
pub use outcome::CommandOutcome;
pub use page::{Page, get_page};
pub use probe::{Probe, ProbeAnswer, probe, probe_until};
pub use quoting::{Unquotable, split};
pub use slots::{CommandSlot, CommandSlots};
pub use station_file::{StationPath, StationPathError};
pub use values::{AccountName, Grace, RebootTimeout, SentText, ValueError};
