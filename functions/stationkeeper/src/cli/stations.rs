//! What can be said about reaching stations.

use chrono::{DateTime, Utc};
use clap::Args;

use super::Place;

/// Which stations may be reached.
#[derive(Debug, Clone, Default, Args)]
pub struct Networks {
    /// Networks in which stations stand, such as `10.20.0.0/16,192.168.7.0/24`; nothing outside of them is woken or asked [default: none; of a demo 127.0.0.0/8]
    #[arg(long, value_name = "CIDRS", env = "WINRM_MANAGEMENT_CIDRS")]
    pub management_networks: Option<String>,
}

/// Where another system keeps reservations.
#[derive(Debug, Clone, Default, Args)]
pub struct ReservationTable {
    /// Database with a table `lab_reservations` that reservations are read from, `mysql://USER:PASSWORD@HOST/NAME`; never written [default: none]
    #[arg(long, value_name = "URL", env = "STATIONKEEPER_RESERVATIONS_DATABASE_URL", hide_env_values = true)]
    pub reservations_database: Option<String>,
}

/// `wake`.
#[derive(Debug, Args)]
pub struct Wake {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// The station
    pub host: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub networks: Networks,
    /// How often magic packets are sent
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub attempts: u32,
    /// How many seconds an answer is waited for after each
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=300))]
    pub wait_seconds: u32,
    /// UDP port of the packets [default: 9 and 7]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// What came of it, as JSON
    #[arg(long)]
    pub json: bool,
}

/// `station history`.
#[derive(Debug, Args)]
pub struct StationHistory {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// The station
    pub host: String,
    /// From when on, RFC 3339 [default: a day before its end]
    #[arg(long, value_name = "RFC3339")]
    pub from: Option<DateTime<Utc>>,
    /// Up to when, RFC 3339 [default: now]
    #[arg(long, value_name = "RFC3339")]
    pub until: Option<DateTime<Utc>>,
    /// Into so many parts it is cut; they are seen with `--json`
    #[arg(long, value_name = "N", default_value_t = 288, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub buckets: u32,
    /// All of it, as JSON
    #[arg(long)]
    pub json: bool,
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub networks: Networks,
    /// SHA-256 of the station's certificate, where no authority vouches for it
    #[arg(long, value_name = "HEX")]
    pub pin: Option<String>,
    /// What came of it, as JSON
    #[arg(long)]
    pub json: bool,
    /// The station
    pub host: String,
    /// Lab Station's command: `prepare-session`, `release-session`, `session`, `power`, `recovery` or `status-json`
    pub command: String,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}
