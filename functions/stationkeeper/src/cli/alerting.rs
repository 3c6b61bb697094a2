//! What can be said about alerts and silences.

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::Place;

/// Which alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlertFilter {
    /// Open or acknowledged
    Unresolved,
    /// Nobody took them
    Open,
    /// Somebody took them
    Acknowledged,
    /// Over
    Resolved,
    /// All
    Any,
}

/// `alerts …`.
#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// Says who was told of an alert, who was not, and why
    #[command(
        after_help = "Example:\n  stationkeeper alerts explain 3f2a\n\nThe start of an id is enough where it is the only one."
    )]
    Explain {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// Id of the alert, or the start of it
        id: String,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
}

/// `alerts`.
#[derive(Debug, Args)]
pub struct Alerts {
    /// What else to do with alerts.
    #[command(subcommand)]
    pub command: Option<AlertsCommand>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Which
    #[arg(long, value_enum, default_value_t = AlertFilter::Unresolved)]
    pub state: AlertFilter,
    /// Of this rule
    #[arg(long)]
    pub rule: Option<String>,
    /// Of this station
    #[arg(long)]
    pub host: Option<String>,
    /// At most so many, newest first
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// One JSON line an alert
    #[arg(long)]
    pub json: bool,
}

/// `ack`.
#[derive(Debug, Args)]
pub struct Ack {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Id of the alert, or the start of it
    pub id: String,
    /// What you want to say with it
    #[arg(long)]
    pub note: Option<String>,
    /// For how long, such as `30m`, `4h` or `2d`: then it opens again if it still holds [default: until it is over]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub lasts: Option<TimeDelta>,
    /// Who you are [default: the user of this computer]
    #[arg(long, env = "USER")]
    pub by: Option<String>,
    /// The alert as JSON
    #[arg(long)]
    pub json: bool,
}

/// `resolve`.
#[derive(Debug, Args)]
pub struct Resolve {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Id of the alert, or the start of it
    pub id: String,
    /// What you want to say with it
    #[arg(long)]
    pub note: Option<String>,
    /// Who you are [default: the user of this computer]
    #[arg(long, env = "USER")]
    pub by: Option<String>,
    /// The alert as JSON
    #[arg(long)]
    pub json: bool,
}

/// `silence …`.
#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// Sets a silence: of a station, a lab, a rule, or of what meets several of these
    #[command(
        after_help = "Examples:\n  stationkeeper silence add --lab electronics --for 2h --reason \"new switch\"\n  stationkeeper silence add --host LAB-WS01 --until-resolved --reason \"part ordered\"\n  stationkeeper silence add --lab electronics --from 2026-11-28T00:00:00+01:00 --for 48h --recurring \"FREQ=WEEKLY;BYDAY=SA\" --reason \"closed at weekends\"\n\nA recurrence counts days and hours by the lab's time zone."
    )]
    Add(SilenceAdd),
    /// Lists silences, the newest first
    #[command(after_help = "Example:\n  stationkeeper silence list --all")]
    List {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// Also those that are over
        #[arg(long)]
        all: bool,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// One JSON line a silence
        #[arg(long)]
        json: bool,
    },
    /// Ends a silence: what it held back and still holds is told
    #[command(
        after_help = "Example:\n  stationkeeper silence end 5f1e\n\nThe start of an id is enough where it is the only one."
    )]
    End {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// Id of the silence, or the start of it
        id: String,
        /// The silence as JSON
        #[arg(long)]
        json: bool,
    },
}

/// `silence add`.
#[derive(Debug, Args)]
pub struct SilenceAdd {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Of this station
    #[arg(long)]
    pub host: Option<String>,
    /// Of stations of this lab
    #[arg(long)]
    pub lab: Option<String>,
    /// Of this rule
    #[arg(long)]
    pub rule: Option<String>,
    /// From then on, RFC 3339 [default: now]
    #[arg(long, value_name = "RFC3339")]
    pub from: Option<DateTime<Utc>>,
    /// Until then, RFC 3339
    #[arg(long, value_name = "RFC3339", conflicts_with = "lasts")]
    pub until: Option<DateTime<Utc>>,
    /// For so long, such as `30m`, `4h` or `2d`
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, required_unless_present_any = ["until", "until_resolved"])]
    pub lasts: Option<TimeDelta>,
    /// Again and again, by a recurrence of RFC 5545 such as `FREQ=WEEKLY;BYDAY=SA,SU`
    #[arg(long, value_name = "RRULE")]
    pub recurring: Option<String>,
    /// Until what it mutes now is over
    #[arg(long, conflicts_with_all = ["until", "lasts", "recurring"])]
    pub until_resolved: bool,
    /// Why
    #[arg(long)]
    pub reason: String,
    /// Who you are [default: the user of this computer]
    #[arg(long, env = "USER")]
    pub by: Option<String>,
    /// The silence as JSON
    #[arg(long)]
    pub json: bool,
}

/// A number and `m`, `h` or `d`: minutes, hours, days; at most ten years.
pub(super) fn duration(text: &str) -> Result<TimeDelta, String> {
    let refused = || format!("`{text}` is no duration: give minutes, hours or days, such as `30m`, `4h` or `2d`");
    let unit = text.chars().last().ok_or_else(refused)?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        _ => return Err(refused()),
    };
    let number: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| refused())?;
    let minutes = i64::from(number) * minutes;
    match minutes {
        0 => Err("a duration is more than nothing".to_owned()),
        1..=5_256_000 => Ok(TimeDelta::minutes(minutes)),
        _ => Err("a duration is ten years at most".to_owned()),
    }
}
