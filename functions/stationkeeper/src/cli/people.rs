//! What can be said about reservations, tokens and the audit log.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use stationkeeper_store::TokenRole;

use super::Place;
use super::alerting::duration;

/// `reserve`.
#[derive(Debug, Args)]
pub struct Reserve {
    /// What else there is than making one.
    #[command(subcommand)]
    pub command: Option<ReserveCommand>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Id of the reservation: the booking system's, or one of your own
    #[arg(required = true)]
    pub id: Option<String>,
    /// On this station
    #[arg(long)]
    pub host: Option<String>,
    /// Of this lab: without a station the lab's first one
    #[arg(long)]
    pub lab: Option<String>,
    /// When it starts, RFC 3339
    #[arg(long, value_name = "RFC3339")]
    pub from: Option<DateTime<Utc>>,
    /// When it ends, RFC 3339
    #[arg(long, value_name = "RFC3339", conflicts_with = "lasts")]
    pub until: Option<DateTime<Utc>>,
    /// How long it lasts, such as `45m` or `2h`
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, requires = "from")]
    pub lasts: Option<TimeDelta>,
    /// For whom
    #[arg(long)]
    pub who: Option<String>,
    /// Take it although the station is in local mode, for this reason
    #[arg(long, value_name = "REASON")]
    pub confirm_local_mode: Option<String>,
    /// Who you are [default: the user of this computer]
    #[arg(long, env = "USER")]
    pub by: Option<String>,
    /// The reservation as JSON
    #[arg(long)]
    pub json: bool,
}

/// `reserve …`.
#[derive(Debug, Subcommand)]
pub enum ReserveCommand {
    /// Lists reservations by their start: of the last day and the next month, or of another window
    #[command(after_help = "Example:\n  stationkeeper reserve list --lab electronics")]
    List {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// On this station
        #[arg(long)]
        host: Option<String>,
        /// Of this lab
        #[arg(long)]
        lab: Option<String>,
        /// Those that end after this instant, RFC 3339
        #[arg(long, value_name = "RFC3339")]
        from: Option<DateTime<Utc>>,
        /// Those that start before this instant, RFC 3339
        #[arg(long, value_name = "RFC3339")]
        until: Option<DateTime<Utc>>,
        /// Most of them
        #[arg(long, default_value_t = 200)]
        limit: u32,
        /// One JSON line a reservation
        #[arg(long)]
        json: bool,
    },
    /// Takes a list of reservations, CSV, JSON or iCalendar: all of it, or nothing where an entry is refused
    #[command(
        after_help = "Examples:\n  stationkeeper reserve import december.csv --dry-run\n  stationkeeper reserve import optics.ics\n\nThe headings of CSV are id,lab,host,start_at,end_at,who (and status). Of iCalendar UID is the id, SUMMARY who booked it, X-STATIONKEEPER-HOST and X-STATIONKEEPER-LAB or else LOCATION the place; events that recur are refused.\n\nExit code 65: entries are refused, and nothing was changed."
    )]
    Import {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// The list: `NAME.csv`, `NAME.json` or `NAME.ics`
        file: PathBuf,
        /// Only show what would become of each entry
        #[arg(long)]
        dry_run: bool,
        /// Take the others where some are refused
        #[arg(long)]
        skip_refused: bool,
        /// Take reservations although their station is in local mode, for this reason
        #[arg(long, value_name = "REASON")]
        confirm_local_mode: Option<String>,
        /// Who you are [default: the user of this computer]
        #[arg(long, env = "USER")]
        by: Option<String>,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Cancels a reservation
    #[command(after_help = "Example:\n  stationkeeper reserve cancel 2026-11-27-optics")]
    Cancel {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// Id of the reservation
        id: String,
        /// Who you are [default: the user of this computer]
        #[arg(long, env = "USER")]
        by: Option<String>,
        /// The reservation as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What a token is to be good for.
#[derive(Debug, Clone, Args)]
pub struct Grant {
    /// Whose it is: what the audit log will say
    pub name: String,
    /// What it may do: `viewer`, `instructor`, `operator` or `admin`
    #[arg(long, value_parser = role)]
    pub role: TokenRole,
    /// For this lab alone (say it again for more) [default: all]
    #[arg(long = "lab", value_name = "LAB")]
    pub labs: Vec<String>,
}

/// `token …`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Makes a token and shows it, this once
    #[command(after_help = "Example:\n  stationkeeper token add \"Ana, booking system\" --role operator")]
    Add {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        grant: Grant,
        /// One line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes a code by which a tray app gets a token of its own, once, within ten minutes
    #[command(after_help = "Example:\n  stationkeeper token pair \"Ana's tray\" --role instructor --lab electronics")]
    Pair {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        grant: Grant,
        /// One line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists tokens, the oldest first; secrets are kept nowhere
    #[command(after_help = "Example:\n  stationkeeper token list")]
    List {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// One JSON line a token
        #[arg(long)]
        json: bool,
    },
    /// Revokes a token: it, and every session opened with it, is of no use from now on
    #[command(
        after_help = "Example:\n  stationkeeper token revoke 3f2a\n\nThe start of an id is enough where it is the only one."
    )]
    Revoke {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// Id of the token, or the start of it
        id: String,
        /// One line of JSON
        #[arg(long)]
        json: bool,
    },
}

/// `audit`.
#[derive(Debug, Args)]
pub struct AuditLog {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// By this person
    #[arg(long)]
    pub actor: Option<String>,
    /// About this station
    #[arg(long)]
    pub host: Option<String>,
    /// On this: an id
    #[arg(long)]
    pub target: Option<String>,
    /// Most of them
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
    /// One JSON line an entry
    #[arg(long)]
    pub json: bool,
}

fn role(text: &str) -> Result<TokenRole, String> {
    TokenRole::parse(text).ok_or_else(|| "a role is viewer, instructor, operator or admin".to_owned())
}
