//! What the ingest costs: heartbeats through the real handler, from event to committed rows, with a clock and a meter beside it.

mod beats;
mod child;
mod meter;
mod shelf;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use stationkeeper_pipeline::bucket::Bucket;
use stationkeeper_pipeline::clock::SimulatedClock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::plan::Tally;
use tokio::task::JoinSet;

pub use beats::{Beat, Recording};
pub use child::{BucketChild, serve as serve_bucket};
pub use meter::{Spent, peak_memory_mb};
pub use shelf::{MemoryShelf, RemoteShelf, Shelf};

use crate::failure::{Exit, Failure};

/// Heartbeats that are put on the shelf before the meter runs again.
const ROUND: usize = 2_000;

/// A handler as it is measured: its clock follows the heartbeats.
pub type BenchIngest<B> = Ingest<B, Arc<SimulatedClock>>;

/// How heartbeats are handed over.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Events of one delivery to the handler.
    pub batch: usize,
    /// Handlers at work at once.
    pub handlers: usize,
}

/// What was measured. Filling the shelf is not in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Heartbeats that became a row of history.
    pub heartbeats: u64,
    /// From the first event to the last commit, in seconds.
    pub wall_s: f64,
    /// User and system time of this process, in milliseconds.
    pub cpu_ms_per_heartbeat: f64,
    /// Committed in a second.
    pub heartbeats_per_s: f64,
    /// From event to committed row, the median heartbeat, in milliseconds.
    pub p50_ms: f64,
    /// All but one heartbeat of a hundred took no longer.
    pub p99_ms: f64,
    /// The most that this process had in memory so far, in MiB; none where the system does not say.
    pub max_rss_mb: Option<f64>,
}

/// Sends all of `beats` through the handler. `progress` hears how many were handed over so far.
///
/// # Errors
/// The first delivery that came back, or a shelf that could not be filled.
pub async fn run<S: Shelf>(
    ingest: Arc<BenchIngest<S::Bucket>>,
    shelf: &S,
    clock: &SimulatedClock,
    mut beats: impl Iterator<Item = Beat>,
    plan: Plan,
    mut progress: impl FnMut(u64),
) -> Result<Figures, Failure> {
    let mut total = Measured::default();
    let mut handed = 0;
    loop {
        let round: Vec<Beat> = beats.by_ref().take(ROUND.max(plan.batch * plan.handlers)).collect();
        let Some(last) = round.last() else { break };
        clock.advance_to(last.at);
        handed += round.len() as u64;
        let announced = shelf.fill(&round).await?;
        drop(round);
        let batches = batches(announced, plan.batch);
        let spent = Spent::now();
        let started = Instant::now();
        let done = work_off(&ingest, batches, plan.handlers).await?;
        total.wall += started.elapsed();
        total.spent += Spent::now() - spent;
        total.tally += done.tally;
        total.took.extend(done.took);
        shelf.forget();
        progress(handed);
    }
    total.figures()
}

#[derive(Debug, Default)]
struct Measured {
    wall: Duration,
    spent: Duration,
    tally: Tally,
    /// How long each batch took, and how many events it had.
    took: Vec<(Duration, usize)>,
}

impl Measured {
    fn figures(mut self) -> Result<Figures, Failure> {
        let heartbeats = self.tally.advanced + self.tally.history_only + self.tally.variants;
        if heartbeats == 0 {
            return Err(Failure::new(Exit::Rejected, "no heartbeat of it can be read: there is nothing to measure"));
        }
        self.took.sort_unstable();
        let wall_s = self.wall.as_secs_f64();
        let of = heartbeats as f64;
        Ok(Figures {
            heartbeats,
            wall_s: rounded(wall_s),
            cpu_ms_per_heartbeat: rounded(self.spent.as_secs_f64() * 1e3 / of),
            heartbeats_per_s: rounded(of / wall_s),
            p50_ms: rounded(percentile(&self.took, 0.5).as_secs_f64() * 1e3),
            p99_ms: rounded(percentile(&self.took, 0.99).as_secs_f64() * 1e3),
            max_rss_mb: peak_memory_mb().map(rounded),
        })
    }
}

/// How long the heartbeat took that is slower than this share of all; `took` is sorted.
fn percentile(took: &[(Duration, usize)], share: f64) -> Duration {
    let all: usize = took.iter().map(|(_, events)| events).sum();
    let mut seen = 0;
    took.iter()
        .find(|(_, events)| {
            seen += events;
            seen as f64 >= share * all as f64
        })
        .map_or(Duration::ZERO, |(took, _)| *took)
}

/// To ten thousandths: what is behind them is noise.
fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

fn batches(announced: Vec<String>, batch: usize) -> VecDeque<Vec<Delivery>> {
    let mut batches = VecDeque::with_capacity(announced.len().div_ceil(batch.max(1)));
    let mut deliveries = Vec::with_capacity(batch);
    for body in announced {
        deliveries.push(Delivery { id: deliveries.len().to_string(), body });
        if deliveries.len() >= batch {
            batches.push_back(std::mem::take(&mut deliveries));
        }
    }
    if !deliveries.is_empty() {
        batches.push_back(deliveries);
    }
    batches
}

async fn work_off<B: Bucket>(
    ingest: &Arc<BenchIngest<B>>,
    batches: VecDeque<Vec<Delivery>>,
    handlers: usize,
) -> Result<Measured, Failure> {
    let waiting = Arc::new(Mutex::new(batches));
    let mut working = JoinSet::new();
    for _ in 0..handlers.max(1) {
        working.spawn(handle(Arc::clone(ingest), Arc::clone(&waiting)));
    }
    let mut measured = Measured::default();
    while let Some(done) = working.join_next().await {
        let done = done.map_err(|error| Failure::because(Exit::Failed, "a handler broke off", &error))??;
        measured.tally += done.tally;
        measured.took.extend(done.took);
    }
    Ok(measured)
}

async fn handle<B: Bucket>(
    ingest: Arc<BenchIngest<B>>,
    waiting: Arc<Mutex<VecDeque<Vec<Delivery>>>>,
) -> Result<Measured, Failure> {
    let mut measured = Measured::default();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(deliveries) = next else { return Ok(measured) };
        let started = Instant::now();
        let report = ingest.batch(&deliveries).await;
        measured.took.push((started.elapsed(), deliveries.len()));
        measured.tally += report.tally;
        if let Some(failure) = report.failed.first() {
            return Err(Failure::new(Exit::Unavailable, format!("a delivery came back: {}", failure.reason)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_counts_heartbeats_not_batches() {
        let ms = Duration::from_millis;
        let took = [(ms(1), 10), (ms(2), 89), (ms(9), 1)];
        for (share, expected) in [(0.1, 1), (0.11, 2), (0.5, 2), (0.99, 2), (1.0, 9)] {
            assert_eq!(percentile(&took, share), ms(expected), "{share}");
        }
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn the_last_batch_is_as_long_as_what_is_left() {
        for (events, batch, lengths) in [(0, 10, vec![]), (10, 10, vec![10]), (11, 10, vec![10, 1]), (2, 1, vec![1, 1])]
        {
            let made = batches(vec![String::new(); events], batch);
            assert_eq!(made.iter().map(Vec::len).collect::<Vec<_>>(), lengths, "{events} by {batch}");
        }
    }
}
