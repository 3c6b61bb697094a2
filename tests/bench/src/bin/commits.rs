//! Commits of the handler against bare clients that issue the same statements with the same values, in turns. The statements of
//! each leg are recorded from a handler over a third database.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};
use stationkeeper::bench::Plan;
use stationkeeper::failure::{Exit, Failure};
use stationkeeper_bench::bare::Bare;
use stationkeeper_bench::{Beat, Measured, heartbeats, median};
use stationkeeper_store::record::{self, Recorded};
use tokio::task::JoinSet;

/// Rows a second of the handler and of bare clients. One line of JSON.
#[derive(Parser)]
struct Arguments {
    /// Three empty databases of one kind: to record from, for the handler, for the bare clients
    #[arg(long, num_args = 3, required = true)]
    databases: Vec<String>,
    /// Handlers, and bare clients, at work at once
    #[arg(long, default_value_t = 1)]
    handlers: usize,
    /// Heartbeats in all
    #[arg(long, default_value_t = 200_000)]
    heartbeats: usize,
    /// Legs, each measured by itself
    #[arg(long, default_value_t = 20)]
    legs: usize,
    #[arg(long, default_value_t = 10)]
    batch: usize,
    #[arg(long, default_value_t = 400)]
    stations: usize,
    /// A folder on the disk of the databases, for the loop of fdatasync
    #[arg(long)]
    disk: std::path::PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    stationkeeper_bench::main(async move { measure(&arguments).await })
}

async fn measure(arguments: &Arguments) -> Result<Value, Failure> {
    let [recorded_from, handlers, bare] = arguments.databases.as_slice() else {
        return Err(Failure::new(Exit::Rejected, "give three databases"));
    };
    let recorder = Measured::open(recorded_from, 1).await?;
    let handler = Measured::open(handlers, arguments.handlers).await?;
    // Migrated like the others.
    Measured::open(bare, 1).await?.ingest.store().close().await;
    let bare = Bare::connect(bare, arguments.handlers).await.map_err(cannot)?;
    let mut beats = heartbeats(arguments.stations, None, 31)?;
    let leg_beats = arguments.heartbeats / arguments.legs.max(1);
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let plan = Plan { batch: arguments.batch, handlers: arguments.handlers };
    for leg in 0..arguments.legs {
        let leg_beats: Vec<Beat> = beats.by_ref().take(leg_beats).collect();
        record::start();
        recorder.take(leg_beats.clone(), Plan { handlers: 1, ..plan }).await?;
        let units = units(record::take());
        let count = leg_beats.len() as f64;
        let (mine, other) = if leg % 2 == 0 {
            let mine = handler.take(leg_beats, plan).await?.heartbeats_per_s;
            (mine, count / play(&bare, units, arguments.handlers).await?.as_secs_f64())
        } else {
            let other = count / play(&bare, units, arguments.handlers).await?.as_secs_f64();
            (handler.take(leg_beats, plan).await?.heartbeats_per_s, other)
        };
        eprint!("\rleg {} of {}: {mine:.0} and {other:.0} heartbeats/s ", leg + 1, arguments.legs);
        ours.push(mine);
        theirs.push(other);
        ratios.push(mine / other);
    }
    eprintln!();
    let rows = [
        bare.rows().await.map_err(cannot)?,
        handler.ingest.store().count_heartbeats(None).await.map_err(|error| Failure::of(Exit::Unavailable, &error))?,
    ];
    if rows[0] != rows[1] {
        return Err(Failure::new(Exit::Failed, format!("not the same work: {} and {} rows", rows[1], rows[0])));
    }
    Ok(json!({
        "rows": rows[0], "handlers": arguments.handlers, "ratio": median(ratios),
        "heartbeats_per_s": median(ours), "bare_per_s": median(theirs),
        "fdatasync_per_s": fdatasync_per_s(&arguments.disk)?,
    }))
}

fn cannot(error: sqlx::Error) -> Failure {
    Failure::because(Exit::Unavailable, "a bare client cannot go on", &error)
}

/// What each batch issued: up to and with its commit.
fn units(recorded: Vec<Recorded>) -> VecDeque<Vec<Recorded>> {
    let mut units = VecDeque::new();
    let mut unit = Vec::new();
    for one in recorded {
        let ends = matches!(one, Recorded::Commit | Recorded::CommitAfter { .. });
        unit.push(one);
        if ends {
            units.push_back(std::mem::take(&mut unit));
        }
    }
    units
}

async fn play(bare: &Bare, units: VecDeque<Vec<Recorded>>, clients: usize) -> Result<Duration, Failure> {
    let waiting = Arc::new(Mutex::new(units));
    let started = Instant::now();
    let mut playing = JoinSet::new();
    for _ in 0..clients {
        let (bare, waiting) = (bare.clone(), waiting.clone());
        playing.spawn(async move {
            loop {
                let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(unit) = next else { return Ok(()) };
                bare.play(&unit).await?;
            }
        });
    }
    while let Some(done) = playing.join_next().await {
        done.map_err(|error| Failure::because(Exit::Failed, "a bare client broke off", &error))?.map_err(cannot)?;
    }
    Ok(started.elapsed())
}

/// How often this disk takes 4 KiB for good in a second.
fn fdatasync_per_s(folder: &Path) -> Result<f64, Failure> {
    let cannot =
        |error: std::io::Error| Failure::because(Exit::CannotCreate, "cannot write for the loop of fdatasync", &error);
    let path = folder.join("fdatasync");
    let mut file = std::fs::File::create(&path).map_err(cannot)?;
    let started = Instant::now();
    let mut times = 0;
    while started.elapsed() < Duration::from_secs(2) {
        file.write_all(&[0; 4096]).map_err(cannot)?;
        file.sync_data().map_err(cannot)?;
        times += 1;
    }
    let per_s = f64::from(times) / started.elapsed().as_secs_f64();
    std::fs::remove_file(&path).map_err(cannot)?;
    Ok(per_s)
}
