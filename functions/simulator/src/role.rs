//! What a station suffers from.

use serde::{Deserialize, Serialize};

/// The script that a station follows, over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Nothing; a reservation with prepare and release.
    Healthy,
    /// One missed heartbeat, then a long silence without a word.
    GoesDown,
    /// Unready twice for a moment, twice for long.
    UnreadyFlaps,
    /// Someone sits at it before a reservation, until a session guard logs him off.
    LocalSession,
    /// The flag of local mode is up before a reservation.
    LocalMode,
    /// The last forced logoff is too old when a reservation comes.
    StaleLogoff,
    /// One adapter loses its wake settings.
    NicDrift,
    /// A session guard with a long grace blocks the service loop; later the PC hibernates.
    BlockedByGuard,
    /// A Windows whose tools speak Spanish: the header of the session list counts as a user.
    SpanishWindows,
    /// The sleep timeout comes back, once visibly and once in a value that the emitter cannot read.
    SleepDrift,
    /// Shut down by order, and back later.
    OrderedShutdown,
    /// Now and then an upload that cannot be read; otherwise healthy.
    Hostile,
    /// Lab Station's loop stops although the PC lives; the panel still writes `status.json`.
    StuckLabStation,
    /// The clock runs minutes ahead; otherwise healthy.
    ClockAhead,
    /// Healthy and in use: session guards hold the loop, panels write beside it, one beat flaps, one in thousands is lost. Nothing of
    /// it is trouble. Only a lab that asks for it has such stations.
    EverydayUse,
    /// Nothing ever happens at it but what it is told. Only a lab that asks for it has such stations.
    Idle,
}

impl Role {
    /// The roles of a lab that does not say which it wants, in the order in which stations get them.
    pub const ALL: [Self; 14] = [
        Self::Healthy,
        Self::GoesDown,
        Self::UnreadyFlaps,
        Self::LocalSession,
        Self::LocalMode,
        Self::StaleLogoff,
        Self::NicDrift,
        Self::BlockedByGuard,
        Self::SpanishWindows,
        Self::SleepDrift,
        Self::OrderedShutdown,
        Self::Hostile,
        Self::StuckLabStation,
        Self::ClockAhead,
    ];

    /// The stable name, as `scenario.json` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::GoesDown => "goes_down",
            Self::UnreadyFlaps => "unready_flaps",
            Self::LocalSession => "local_session",
            Self::LocalMode => "local_mode",
            Self::StaleLogoff => "stale_logoff",
            Self::NicDrift => "nic_drift",
            Self::BlockedByGuard => "blocked_by_guard",
            Self::SpanishWindows => "spanish_windows",
            Self::SleepDrift => "sleep_drift",
            Self::OrderedShutdown => "ordered_shutdown",
            Self::Hostile => "hostile",
            Self::StuckLabStation => "stuck_lab_station",
            Self::ClockAhead => "clock_ahead",
            Self::EverydayUse => "everyday_use",
            Self::Idle => "idle",
        }
    }

    /// The profile that Lab Station runs with there: people sit at hybrid stations only.
    pub const fn profile(self) -> Profile {
        match self {
            Self::LocalSession | Self::LocalMode | Self::StaleLogoff | Self::BlockedByGuard | Self::EverydayUse => {
                Profile::Hybrid
            }
            Self::Healthy
            | Self::GoesDown
            | Self::UnreadyFlaps
            | Self::NicDrift
            | Self::SpanishWindows
            | Self::SleepDrift
            | Self::OrderedShutdown
            | Self::Hostile
            | Self::StuckLabStation
            | Self::ClockAhead
            | Self::Idle => Profile::Server,
        }
    }
}

/// `stationProfile` (telemetry.md section 1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Locked down, logs on by itself.
    Server,
    /// People may sit at it.
    Hybrid,
}

impl Profile {
    /// As on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Hybrid => "hybrid",
        }
    }
}
