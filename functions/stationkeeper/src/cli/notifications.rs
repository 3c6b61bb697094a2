//! `notifications …`.

use clap::{Args, Subcommand, ValueEnum};

use super::Place;

/// Which messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NotificationFilter {
    /// On their way
    Pending,
    /// Their receivers took them
    Sent,
    /// Given up
    Dead,
    /// All
    Any,
}

/// `notifications`.
#[derive(Debug, Args)]
pub struct Notifications {
    /// What to do; none: list them.
    #[command(subcommand)]
    pub command: Option<NotificationsCommand>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub list: NotificationList,
}

/// `notifications` without a word more.
#[derive(Debug, Args)]
pub struct NotificationList {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Which
    #[arg(long, value_enum, default_value_t = NotificationFilter::Any)]
    pub state: NotificationFilter,
    /// At most so many, newest first
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// One JSON line a message
    #[arg(long)]
    pub json: bool,
}

/// `notifications …`.
#[derive(Debug, Subcommand)]
pub enum NotificationsCommand {
    /// Sends messages again that were given up
    #[command(
        after_help = "Examples:\n  stationkeeper notifications retry 3f2a…\n  stationkeeper notifications retry --all\n\nThe start of an id is enough where it is the only one. Of several people behind a receiver, those who have it get nothing again."
    )]
    Retry {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// Id of the message, or the start of it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All that were given up
        #[arg(long)]
        all: bool,
        /// One line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Sends a receiver a message, to see whether it arrives
    #[command(
        after_help = "Example:\n  stationkeeper notifications test ops\n\nIt goes the way of every message: whoever delivers here delivers it, and `stationkeeper notifications` says what became of it."
    )]
    Test {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// The receiver's name in the settings
        receiver: String,
        /// One line of JSON
        #[arg(long)]
        json: bool,
    },
}
