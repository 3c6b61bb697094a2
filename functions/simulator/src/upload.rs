//! What a station puts into the bucket.

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::{HostEvent, HostName, Snapshot};

use crate::hostile::Breakage;

/// The four documents of a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Document {
    /// `heartbeat.json`.
    Heartbeat,
    /// `status.json`.
    Status,
    /// `session-guard-events.jsonl`, whole each time.
    Events,
    /// `service-state.ini`.
    ServiceState,
}

/// One PUT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// True time of the PUT.
    pub at: DateTime<Utc>,
    /// The station.
    pub host: HostName,
    /// Which of its documents.
    pub document: Document,
    /// The body, byte for byte as the emitter writes it.
    pub bytes: Vec<u8>,
    /// By the station's own clock: a heartbeat's `timestamp`, else when the file was written.
    pub timestamp: DateTime<Utc>,
    /// The reason for which it cannot be read (telemetry.md section 6); `None`: it can.
    pub rejected: Option<&'static str>,
}

/// What the normalizer must make of a readable heartbeat, and what only the simulator knows.
#[derive(Debug, Clone, PartialEq)]
pub struct TruthBeat {
    /// True time of the PUT.
    pub at: DateTime<Utc>,
    /// The normalized heartbeat.
    pub snapshot: Snapshot,
    /// Someone really sits at the station.
    pub real_local_session: bool,
    /// What the power plan really says about sleep on mains (seconds; 0: never).
    pub real_sleep_ac_seconds: u64,
    /// The service loop stood still before it, because a session guard let its grace pass.
    pub after_guard: bool,
}

/// A line of `session-guard-events.jsonl` and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthEvent {
    /// The station.
    pub host: HostName,
    /// What the line says.
    pub event: HostEvent,
}

/// An upload together with its truth, where it is a readable heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Emission {
    /// What is put.
    pub upload: Upload,
    /// What it means.
    pub truth: Option<TruthBeat>,
}

/// An emission that has not left its station yet. A heartbeat breaks on its way: until then it is whole, as on the station's disk, and no megabytes of blanks wait
/// with it.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    /// What is put.
    pub emission: Emission,
    /// What becomes of it.
    pub broken: Option<Breakage>,
}

impl Waiting {
    /// When it is put.
    pub fn at(&self) -> DateTime<Utc> {
        self.emission.upload.at
    }

    /// As it arrives.
    pub fn leave(self) -> Emission {
        let mut emission = self.emission;
        if let Some(breakage) = self.broken {
            let upload = &mut emission.upload;
            upload.bytes = breakage.apply(&upload.bytes, upload.host.as_str());
            upload.rejected = Some(breakage.reason());
        }
        emission
    }
}
