//! The command line of Stationkeeper. Commands wire parts together; what the parts decide stands in their own crates.

pub mod bench;
pub mod cli;
pub mod commands;
pub mod connections;
pub mod environment;
pub mod failure;
mod older_service;
pub mod place;
pub mod progress;
pub mod replay;
mod reservation_table;
pub mod serving;
pub mod settings_file;
mod station_access;
pub mod stations;
pub mod temporary;
pub mod up;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure};

/// Runs the command line and says how it ended.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    log(&cli.command);
    let runtime = match runtime(&cli.command).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("stationkeeper: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(dispatch(cli.command)) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(exit)) => exit.into(),
        Err(failure) => {
            eprintln!("stationkeeper: {failure}");
            failure.exit().into()
        }
    }
}

/// A bench of one handler runs as it does on Lambda: on one thread.
fn runtime(command: &Command) -> tokio::runtime::Builder {
    match command {
        Command::Bench(cli::BenchCommand::Ingest(bench)) if bench.handlers == 1 => {
            tokio::runtime::Builder::new_current_thread()
        }
        _ => tokio::runtime::Builder::new_multi_thread(),
    }
}

async fn dispatch(command: Command) -> Result<Option<Exit>, Failure> {
    match command {
        Command::Up(arguments) => up::run(arguments, up::Scope::Everything).await,
        Command::Gateway(arguments) => up::gateway(arguments).await,
        Command::Normalize(arguments) => commands::normalize::normalize(&arguments),
        Command::DecodeEvent(arguments) => commands::normalize::decode(&arguments),
        Command::Replay(arguments) => commands::replay::run(&arguments).await,
        Command::Simulate(arguments) => commands::simulate::run(&arguments).await,
        Command::Status(arguments) => commands::status::run(&arguments).await,
        Command::Alerts(arguments) => commands::alerts::run(&arguments).await,
        Command::Ack(arguments) => commands::alerts::take(&arguments).await,
        Command::Resolve(arguments) => commands::alerts::call_over(&arguments).await,
        Command::Actions(arguments) => commands::actions::run(&arguments).await,
        Command::Silence(command) => commands::silence::run(&command).await,
        Command::Hold(arguments) => commands::hold::hold(&arguments).await,
        Command::Release(arguments) => commands::hold::release(&arguments).await,
        Command::Reserve(arguments) => commands::reserve::run(&arguments).await,
        Command::Wake(arguments) => commands::wake::run(&arguments).await,
        Command::Run(arguments) => commands::run::run(&arguments).await,
        Command::Token(command) => commands::access::token(&command).await,
        Command::Audit(arguments) => commands::access::audit(&arguments).await,
        Command::Notifications(arguments) => commands::notifications::run(&arguments).await,
        Command::Raw(arguments) => commands::raw::run(&arguments).await,
        Command::Migrate(place) => commands::migrate::run(&place).await,
        Command::Bench(command) => commands::bench::run(&command).await,
        Command::Config(command) => commands::config::run(&command).await,
        Command::Hosts(command) => commands::hosts::run(&command).await,
        Command::Station(command) => commands::station::run(&command).await,
        Command::Queue(command) => commands::queue::run(&command).await,
        Command::TrainDictionary(arguments) => commands::train_dictionary::run(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "stationkeeper", &mut script);
            failure::print_bytes(&script).map(|()| None)
        }
    }
}

/// Logs go to standard error. `STATIONKEEPER_LOG` says how much, as `info` or `stationkeeper_pipeline=debug`.
fn log(command: &Command) {
    // Only a service tells of its work; in a person's terminal a line is worth what needs them. A demo's hostile station makes
    // warnings all day, and they are on the page.
    let default = match command {
        Command::Up(up) if up.demo.is_none() => "info",
        Command::Gateway(_) => "info",
        _ => "error",
    };
    let level = environment::variable("STATIONKEEPER_LOG").unwrap_or_else(|| default.to_owned());
    // s3s writes every refused request as an error; a refused request is the client's trouble.
    let filter = EnvFilter::try_new(format!("{level},s3s=off")).unwrap_or_else(|_| EnvFilter::new("info,s3s=off"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
