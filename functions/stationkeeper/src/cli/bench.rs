//! What can be said about measuring.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `bench …`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Sends the heartbeats of a lab through the real handler, from event to committed rows
    #[command(
        after_help = "Example:\n  stationkeeper simulate --stations 100 --minutes 60 --out lab\n  stationkeeper bench ingest lab --repeat 5\n\nCPU is user and system time of this process; the database server's is not in it, nor is filling the bucket."
    )]
    Ingest(BenchIngest),
    /// Serves the bucket of `--through-s3` until standard input ends
    #[command(hide = true)]
    Bucket {
        /// Where its file lies
        folder: PathBuf,
    },
}

/// `bench ingest`.
#[derive(Debug, Args)]
pub struct BenchIngest {
    /// Folder with a folder a station, DIR/HOST/heartbeat-….json
    pub dir: PathBuf,
    /// Database to write to, after whatever it holds [default: one in a temporary folder]
    #[arg(long, value_name = "URL", env = "STATIONKEEPER_DATABASE_URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Events handed over at once
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch: u32,
    /// Send them N times, each time with later dates, so that every heartbeat is new
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub repeat: u32,
    /// Handlers at work at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub handlers: u8,
    /// Read the objects by HTTP from an S3 endpoint in another process, not from memory
    #[arg(long)]
    pub through_s3: bool,
    /// One line of JSON
    #[arg(long)]
    pub json: bool,
}
