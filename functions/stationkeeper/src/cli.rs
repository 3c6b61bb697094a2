//! The command line: what can be said. What it does stands in `commands`.

use std::net::SocketAddr;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};

mod actions;
mod alerting;
mod bench;
mod holds;
mod hosts;
mod notifications;
mod people;
mod serving;
mod stations;

pub use actions::*;
pub use alerting::*;
pub use bench::*;
pub use holds::*;
pub use hosts::*;
pub use notifications::*;
pub use people::*;
pub use serving::*;
pub use stations::*;

/// Keeps the stations of remote laboratories ready for the next reservation.
#[derive(Debug, Parser)]
#[command(name = "stationkeeper", version, about, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs everything: bucket, ingest, alerts, status page
    #[command(
        after_help = "Example: a lab of 12 simulated stations, with a day of history\n  stationkeeper up --demo 12"
    )]
    Up(Up),
    /// Runs the gateway alone: API, page, and what is done to stations; others ingest and judge
    #[command(
        after_help = "Example: beside handlers that run elsewhere\n  stationkeeper gateway --database mysql://stationkeeper@db.example/stationkeeper --bucket s3://telemetry --management-networks 10.20.0.0/16\n\nWithout --database it keeps a file of its own, judges what it reads from stations, and tells people, as `up` does; without --bucket what it reads stays in a file of its data folder. The variables of the older service are taken as they are (see README)."
    )]
    Gateway(Gateway),
    /// Shows what a telemetry file means
    #[command(
        after_help = "Example:\n  stationkeeper normalize --host LAB-WS01 heartbeat.json\n\nExit code 65: the file is rejected; the reason is on standard output."
    )]
    Normalize(Normalize),
    /// Shows what a bucket's event means
    #[command(name = "decode-event", after_help = "Example:\n  stationkeeper decode-event event.json")]
    DecodeEvent(DecodeEvent),
    /// Feeds the files of a lab through the real handlers under a simulated clock
    #[command(
        after_help = "Example:\n  stationkeeper simulate --stations 12 --minutes 45 --seed 7 --out lab\n  stationkeeper replay lab"
    )]
    Replay(Replay),
    /// Writes or uploads what the stations of a simulated lab write
    #[command(after_help = "Example:\n  stationkeeper simulate --stations 12 --minutes 45 --seed 7 --out lab")]
    Simulate(Simulate),
    /// Shows all stations, a line each
    #[command(after_help = "Example:\n  stationkeeper status\n  stationkeeper status --from /mnt/labs")]
    Status(Status),
    /// Lists alerts, or explains who was told of one
    #[command(
        after_help = "Example:\n  stationkeeper alerts --state any --rule heartbeat_missing",
        args_conflicts_with_subcommands = true
    )]
    Alerts(Alerts),
    /// Acknowledges an alert: somebody is on it
    #[command(
        after_help = "Example:\n  stationkeeper ack 3f2a… --note \"cable ordered\" --for 4h\n\nThe start of an id is enough where it is the only one."
    )]
    Ack(Ack),
    /// Calls an alert over; where its rule still holds, another one opens
    #[command(
        after_help = "Example:\n  stationkeeper resolve 3f2a… --note \"the cable was loose\"\n\nThe start of an id is enough where it is the only one."
    )]
    Resolve(Resolve),
    /// Lists what rules propose and persons want done to stations, or decides on it
    #[command(
        after_help = "Examples:\n  stationkeeper actions --all --host LAB-WS01\n  stationkeeper actions approve 3f2a",
        args_conflicts_with_subcommands = true
    )]
    Actions(Actions),
    /// What mutes notifications for a while; alerts go on as ever
    #[command(subcommand)]
    Silence(SilenceCommand),
    /// Lists what was told, is on its way, or was given up
    #[command(
        after_help = "Examples:\n  stationkeeper notifications --state dead\n  stationkeeper notifications test ops",
        args_conflicts_with_subcommands = true
    )]
    Notifications(Notifications),
    /// Gives back a heartbeat byte for byte, checked against its SHA-256
    #[command(after_help = "Example:\n  stationkeeper raw LAB-WS01 2026-11-24T09:00:09Z > heartbeat.json")]
    Raw(Raw),
    /// Brings the database to the newest schema (every start does it too)
    #[command(
        after_help = "Example:\n  stationkeeper migrate --database mysql://stationkeeper@db.example/stationkeeper"
    )]
    Migrate(Place),
    /// Measures what the handlers cost on this computer
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Checks or applies configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Makes, moves, lists and cancels reservations
    #[command(
        after_help = "Examples:\n  stationkeeper reserve 2026-11-27-optics --lab optics --from 2026-11-27T10:00:00+01:00 --for 90m --who \"Ana's group\"\n  stationkeeper reserve 2026-11-27-optics --from 2026-11-27T11:00:00+01:00 --for 90m\n  stationkeeper reserve cancel 2026-11-27-optics",
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true
    )]
    Reserve(Box<Reserve>),
    /// Holds a station in local mode for a while; a gateway tells the station, and takes it back
    #[command(
        after_help = "Examples:\n  stationkeeper hold LAB-WS01 --for 90m --reason \"an exam in the room\"\n  stationkeeper hold LAB-WS01 --end"
    )]
    Hold(Box<Hold>),
    /// Ends the hold of a station before its time
    #[command(after_help = "Example:\n  stationkeeper release LAB-WS01")]
    Release(Release),
    /// Wakes a station by magic packets and waits until it answers
    #[command(
        after_help = "Example:\n  stationkeeper wake LAB-WS01 --management-networks 10.20.0.0/16\n\nExit code 69: it does not answer."
    )]
    Wake(Wake),
    /// Runs a command of Lab Station on a station, by WinRM
    #[command(
        after_help = "Example:\n  WINRM_USER=labadmin WINRM_PASSWORD_FILE=password stationkeeper run --management-networks 10.20.0.0/16 LAB-WS01 prepare-session --guard-grace=90\n\nOptions stand before the station; what follows the command is the command's. WINRM_CA_FILE names the authority of the stations' certificates, WINRM_TRANSPORT is ntlm or basic.\n\nExit code 1: it was not done. 69: the station does not answer."
    )]
    Run(Box<Run>),
    /// Who may do what over the API
    #[command(subcommand)]
    Token(TokenCommand),
    /// Shows who changed what, the newest first
    #[command(after_help = "Example:\n  stationkeeper audit --host LAB-WS01")]
    Audit(AuditLog),
    /// The catalog of stations and their logins
    #[command(subcommand)]
    Hosts(HostsCommand),
    /// A station's past, and its access to the bucket
    #[command(subcommand)]
    Station(StationCommand),
    /// The queue of a bucket elsewhere: what waits, and what failed too often
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Trains the dictionary by which heartbeats are compressed, from simulated ones
    #[command(
        name = "train-dictionary",
        after_help = "Example:\n  stationkeeper train-dictionary --out heartbeat-2.zstd-dictionary"
    )]
    TrainDictionary(TrainDictionary),
    /// Writes the completions of a shell to standard output
    #[command(after_help = "Example:\n  stationkeeper completions bash > /etc/bash_completion.d/stationkeeper")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Where data and database are.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// Folder of all data [default: ./stationkeeper-data]
    #[arg(long, value_name = "DIR", env = "STATIONKEEPER_DATA")]
    pub data: Option<PathBuf>,
    /// Database, `mysql://USER:PASSWORD@HOST/NAME` or `sqlite:FILE` [default: a file in the data folder]
    #[arg(long, value_name = "URL", env = "STATIONKEEPER_DATABASE_URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Configuration file (connections only; see `stationkeeper config check`)
    #[arg(long, value_name = "FILE", env = "STATIONKEEPER_CONFIG")]
    pub config: Option<PathBuf>,
}

/// `up`.
#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Simulate a lab of N stations, with the last 24 hours as history; its data folder is made anew
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
    pub demo: Option<u32>,
    /// Let the demo's clock run X times as fast
    #[arg(long, value_name = "X", requires = "demo", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Seed of the demo: the same seed, the same troubles
    #[arg(long, value_name = "S", requires = "demo", default_value_t = 1)]
    pub seed: u64,
    /// Where the bucket listens; port 0 takes a free one [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDR", env = "STATIONKEEPER_S3_LISTEN")]
    pub s3_listen: Option<SocketAddr>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub elsewhere: Elsewhere,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub service: Service,
}

/// `gateway`.
#[derive(Debug, Args)]
pub struct Gateway {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Bucket that the stations upload to, `s3://NAME`, by the SDK's own variables: what is read from stations goes there too [default: a file in the data folder]
    #[arg(long, value_name = "URL", env = "STATIONKEEPER_BUCKET")]
    pub bucket: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub service: Service,
}

/// A bucket that is not the embedded one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Elsewhere {
    /// Bucket on any S3 server, `s3://NAME`, by the SDK's own variables (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, …) [default: the embedded one]
    #[arg(long, value_name = "URL", env = "STATIONKEEPER_BUCKET", conflicts_with = "demo")]
    pub bucket: Option<String>,
    /// SQS queue that the bucket announces its objects to
    #[arg(long, value_name = "URL", env = "STATIONKEEPER_QUEUE_URL")]
    pub queue: Option<String>,
    /// File with the token by which the bucket's webhook may call `POST /events/s3` (or say the token by STATIONKEEPER_EVENTS_TOKEN)
    #[arg(long, value_name = "FILE", env = "STATIONKEEPER_EVENTS_TOKEN_FILE")]
    pub events_token_file: Option<PathBuf>,
    /// How often the bucket is listed for what nothing announced, in seconds [default: 600]
    #[arg(long, value_name = "SECONDS", env = "STATIONKEEPER_RECONCILE_SECONDS", value_parser = clap::value_parser!(u32).range(2..=86_400))]
    pub reconcile_seconds: Option<u32>,
}

/// What a telemetry file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `heartbeat.json`
    Heartbeat,
    /// `status.json`
    Status,
    /// `session-guard-events.jsonl`
    Events,
    /// `service-state.ini`
    ServiceState,
}

/// `normalize`.
#[derive(Debug, Args)]
pub struct Normalize {
    /// What it is [default: by the file's name]
    #[arg(long)]
    pub kind: Option<Kind>,
    /// Host of the object's key [default: by the file's name; else nothing is compared]
    #[arg(long)]
    pub host: Option<String>,
    /// When it arrived, RFC 3339 [default: now]
    #[arg(long, value_name = "RFC3339")]
    pub now: Option<DateTime<Utc>>,
    /// The file; `-` is standard input
    pub file: PathBuf,
}

/// `decode-event`.
#[derive(Debug, Args)]
pub struct DecodeEvent {
    /// The file; `-` is standard input
    pub file: PathBuf,
}

/// `replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Folder with a folder a station and `scenario.json`
    pub dir: PathBuf,
    /// Database to write to; it must be empty [default: one in a temporary folder]
    #[arg(long, value_name = "URL", env = "STATIONKEEPER_DATABASE_URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Deliver this share of the events more than once
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub duplicate: u8,
    /// Delay each event by up to 20 s, by this seed
    #[arg(long, value_name = "SEED")]
    pub shuffle: Option<u64>,
    /// Delay this share of the events by up to 10 min
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub late: u8,
    /// Let a power action excuse silence, as in service
    #[arg(long)]
    pub off: bool,
    /// Judge all rules, not only those that the scenario's policy speaks of
    #[arg(long)]
    pub all_rules: bool,
    /// Print nothing but the transitions
    #[arg(long)]
    pub json: bool,
}

/// `simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// How many stations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub stations: u32,
    /// How many minutes
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub minutes: u32,
    /// The same seed, the same bytes
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// First instant, RFC 3339 [default: 2026-11-24T08:00:00Z; with --upload: now]
    #[arg(long, value_name = "RFC3339")]
    pub start: Option<DateTime<Utc>>,
    /// Write into this folder; it must be empty or new
    #[arg(long, value_name = "DIR", required_unless_present = "upload", conflicts_with = "upload")]
    pub out: Option<PathBuf>,
    /// Upload to `http(s)://HOST[:PORT]/BUCKET`, by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    #[arg(long, value_name = "S3URL")]
    pub upload: Option<String>,
    /// Let the clock run X times as fast while uploading
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
}

/// `status`.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// One JSON array
    #[arg(long)]
    pub json: bool,
    /// Make the table from a mounted share, `DIR/HOST/…`, without any server
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
}

/// `raw`.
#[derive(Debug, Args)]
pub struct Raw {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub place: Place,
    /// Station
    pub host: String,
    /// Station timestamp of the heartbeat, RFC 3339
    pub timestamp: DateTime<Utc>,
}

/// `config …`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Explains what is wrong in a configuration or settings file, and where
    #[command(after_help = "Example:\n  stationkeeper config check stationkeeper.toml")]
    Check {
        /// The file
        file: PathBuf,
    },
    /// Writes a settings file (thresholds, windows, retention) into the database
    #[command(
        after_help = "Example:\n  stationkeeper config apply settings.toml\n\nWithout a file: prints the settings in force, as such a file."
    )]
    Apply {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// The file; without it the settings in force are printed
        file: Option<PathBuf>,
    },
}

/// `station …`.
#[derive(Debug, Subcommand)]
pub enum StationCommand {
    /// Tells what happened to a station: its states, the gaps between its heartbeats, how far its clock was off
    #[command(after_help = "Example:\n  stationkeeper station history LAB-WS01 --from 2026-12-01T08:00:00Z")]
    History(StationHistory),
    /// Makes (or shows again) the access key by which a station uploads to the embedded bucket
    #[command(after_help = "Example:\n  stationkeeper station add LAB-WS01 --lab electronics")]
    Add {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: Place,
        /// The station's name
        host: String,
        /// The lab it belongs to
        #[arg(long)]
        lab: Option<String>,
        /// One line of JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which queue.
#[derive(Debug, Clone, Args)]
pub struct QueuePlace {
    /// The queue's URL
    #[arg(long, value_name = "URL", env = "STATIONKEEPER_QUEUE_URL")]
    pub queue: Option<String>,
    /// Configuration file (connections only; see `stationkeeper config check`)
    #[arg(long, value_name = "FILE", env = "STATIONKEEPER_CONFIG")]
    pub config: Option<PathBuf>,
    /// One line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `queue …`.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Says how many deliveries wait, are under way, and failed too often
    #[command(
        after_help = "Example:\n  stationkeeper queue status --queue http://127.0.0.1:5000/123456789012/telemetry"
    )]
    Status {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: QueuePlace,
    },
    /// Brings back the deliveries that failed too often, when what was in their way is gone
    #[command(
        after_help = "Example:\n  stationkeeper queue redrive --queue http://127.0.0.1:5000/123456789012/telemetry --limit 1\n\nA delivery that was taken after all costs nothing: a version is ingested once."
    )]
    Redrive {
        #[command(flatten)]
        #[expect(missing_docs, reason = "documented at the type")]
        place: QueuePlace,
        /// At most so many [default: all that lie there now]
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
}

/// `train-dictionary`.
#[derive(Debug, Args)]
pub struct TrainDictionary {
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Seed of the simulated lab
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Bytes of the dictionary
    #[arg(long, default_value_t = 32 * 1024)]
    pub size: usize,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=1_000.0).contains(&speed) => Ok(speed),
        _ => Err("a speed is a number from 0.1 to 1000".to_owned()),
    }
}
