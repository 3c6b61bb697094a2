//! What can be said about what is done to stations.

use clap::{Args, Subcommand};

use super::Place;

/// `actions …`.
#[derive(Debug, Subcommand)]
pub enum ActionsCommand {
    /// Lets what a rule proposed go ahead
    #[command(
        after_help = "Example:\n  stationkeeper actions approve 3f2a\n\nThe start of an id is enough where it is the only one. A gateway that runs does it."
    )]
    Approve(Decided),
    /// Does not have it done; a wake that is under way stops
    #[command(after_help = "Example:\n  stationkeeper actions withdraw 3f2a")]
    Withdraw(Decided),
}

/// An action that somebody decides on.
#[derive(Debug, Args)]
pub struct Decided {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Id of the action, or the start of it
    pub id: String,
    /// Who you are [default: your login name]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `actions`.
#[derive(Debug, Args)]
pub struct Actions {
    /// What else to do with actions.
    #[command(subcommand)]
    pub command: Option<ActionsCommand>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Also those that are over
    #[arg(long)]
    pub all: bool,
    /// At this station
    #[arg(long)]
    pub host: Option<String>,
    /// At most so many, newest first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// One JSON line each
    #[arg(long)]
    pub json: bool,
}
