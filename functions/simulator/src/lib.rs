//! Whole labs, deterministic by seed: the emitter's bytes with its quirks (telemetry.md sections 0 to 4), scripted trouble, and the alerts that it must raise.
//!
//! A lab can also be commanded while it runs ([`LiveLab`]): its PCs wake, run Lab Station's commands and go down.
//!
//! Pure: no I/O, no clock, no `tokio`. The caller paces the uploads and puts them where he likes.

mod files;
mod hardware;
mod heartbeat_builder;
mod hostile;
mod json;
mod lab;
mod live;
mod operation;
mod operations;
mod oracle;
mod pc;
mod role;
pub mod scenario;
mod script;
mod service_loop;
mod station;
mod station_view;
mod upload;

pub use files::Files;
pub use hardware::{Adapter, Timeouts};
pub use heartbeat_builder::{HeartbeatBuilder, session_guard_events};
pub use hostile::Breakage;
pub use lab::{Emissions, Lab, LabPlan};
pub use live::{Given, LiveLab, Unreachable};
pub use operation::{Logoff, Operation, PowerRun, SessionRun, WakeCheck};
pub use operations::Operations;
pub use pc::{Course, Power, Print, Printed, Stream, arguments};
pub use role::{Profile, Role};
pub use scenario::{ExpectedAlert, ExpectedSilence, Scenario, ScenarioReservation};
pub use station_view::{FmuExecutor, SessionRow, StationView};
pub use upload::{Document, Emission, TruthBeat, TruthEvent, Upload};
