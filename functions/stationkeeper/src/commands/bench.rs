//! `bench`: what the handlers cost on this computer.

use std::sync::Arc;

use stationkeeper_pipeline::bucket::Bucket;
use stationkeeper_pipeline::clock::SimulatedClock;
use stationkeeper_pipeline::ingest::Ingest;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_telemetry::Limits;

use crate::bench::{self, BucketChild, Figures, MemoryShelf, Plan, Recording, RemoteShelf, Shelf};
use crate::cli;
use crate::failure::{Exit, Failure, print_json, print_line};
use crate::progress;
use crate::temporary::TemporaryFolder;

/// Runs `bench`.
pub async fn run(command: &cli::BenchCommand) -> Result<Option<Exit>, Failure> {
    match command {
        cli::BenchCommand::Ingest(arguments) => ingest(arguments).await,
        cli::BenchCommand::Bucket { folder } => bench::serve_bucket(folder).await,
    }
    .map(|()| None)
}

async fn ingest(arguments: &cli::BenchIngest) -> Result<(), Failure> {
    let recording = Recording::read(&arguments.dir)?;
    let folder = TemporaryFolder::make("bench")?;
    let cannot = |error: stationkeeper_store::StoreError| Failure::of(Exit::Unavailable, &error);
    let options = StoreOptions { connections: u32::from(arguments.handlers).max(8), ..StoreOptions::default() };
    let store = match &arguments.database {
        Some(url) => Store::open(url, options).await,
        None => Store::sqlite(&folder.path().join("bench.sqlite"), options).await,
    }
    .map_err(cannot)?;
    store.migrate().await.map_err(cannot)?;
    let figures = if arguments.through_s3 {
        let child = BucketChild::start(folder.path())?;
        let shelf = RemoteShelf(child.bucket.clone());
        measure(arguments, &recording, &store, child.bucket.clone(), &shelf).await?
    } else {
        let shelf = MemoryShelf::default();
        measure(arguments, &recording, &store, shelf.0.clone(), &shelf).await?
    };
    store.close().await;
    if arguments.json { print_json(&figures) } else { table(&figures) }
}

async fn measure<S: Shelf<Bucket = B>, B: Bucket>(
    arguments: &cli::BenchIngest,
    recording: &Recording,
    store: &Store,
    bucket: B,
    shelf: &S,
) -> Result<Figures, Failure> {
    let newest = store.newest_advance_at().await.map_err(|error| Failure::of(Exit::Unavailable, &error))?;
    let beats = recording.repeated(arguments.repeat, newest)?;
    let clock = Arc::new(SimulatedClock::at(newest.unwrap_or_default()));
    let ingest = Ingest::new(bucket, store.clone(), clock.clone(), Limits::default(), Judging::default());
    let plan = Plan { batch: arguments.batch as usize, handlers: usize::from(arguments.handlers) };
    let length = recording.length() as u64 * u64::from(arguments.repeat);
    let bar = progress::bar(length, "ingesting", arguments.json);
    let figures = bench::run(Arc::new(ingest), shelf, &clock, beats, plan, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    figures
}

fn table(figures: &Figures) -> Result<(), Failure> {
    let memory = figures.max_rss_mb.map_or("unknown".to_owned(), |memory| format!("{memory:.1} MiB"));
    for (what, value) in [
        ("heartbeats", figures.heartbeats.to_string()),
        ("wall time", format!("{:.3} s", figures.wall_s)),
        ("CPU time a heartbeat", format!("{:.4} ms", figures.cpu_ms_per_heartbeat)),
        ("heartbeats a second", format!("{:.0}", figures.heartbeats_per_s)),
        ("event to row, median", format!("{:.2} ms", figures.p50_ms)),
        ("event to row, 99 %", format!("{:.2} ms", figures.p99_ms)),
        ("peak memory", memory),
    ] {
        print_line(format_args!("{what:<22}{value}"))?;
    }
    Ok(())
}
