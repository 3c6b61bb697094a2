//! What can be said of stations that are held.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use super::{Place, duration};

/// `hold`.
#[derive(Debug, Args)]
pub struct Hold {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// The station
    pub host: String,
    /// How long, such as `45m` or `2h` [default: until the next reservation needs the station]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, conflicts_with_all = ["until", "end"])]
    pub lasts: Option<TimeDelta>,
    /// Until then, RFC 3339
    #[arg(long, value_name = "RFC3339", conflicts_with = "end")]
    pub until: Option<DateTime<Utc>>,
    /// Why
    #[arg(long, conflicts_with = "end")]
    pub reason: Option<String>,
    /// Hold it although this reservation needs the station (say it again for more); wants a reason
    #[arg(long = "confirm-reservation", value_name = "ID", conflicts_with = "end")]
    pub confirm: Vec<String>,
    /// End the hold before its time
    #[arg(long)]
    pub end: bool,
    /// Who you are [default: the user of this computer]
    #[arg(long, env = "USER")]
    pub by: Option<String>,
    /// The hold as JSON
    #[arg(long)]
    pub json: bool,
}

/// `release`.
#[derive(Debug, Args)]
pub struct Release {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// The station
    pub host: String,
    /// Who you are [default: the user of this computer]
    #[arg(long, env = "USER")]
    pub by: Option<String>,
    /// The hold as JSON
    #[arg(long)]
    pub json: bool,
}
