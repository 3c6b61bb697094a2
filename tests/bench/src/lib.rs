//! What the programs of the bench share: simulated heartbeats, handlers to measure, and medians. `tests/bench/run` drives them.

#[cfg(feature = "record")]
pub mod bare;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper::bench::{BenchIngest, MemoryShelf, Shelf};
use stationkeeper::failure::{Exit, Failure};
use stationkeeper_pipeline::clock::SimulatedClock;
use stationkeeper_pipeline::ingest::Ingest;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_simulator::{Document, Lab, LabPlan, Upload};
use stationkeeper_store::{Store, StoreError, StoreOptions};
use stationkeeper_telemetry::Limits;

pub use stationkeeper::bench::Beat;

/// Stations of one simulated lab among many.
const LAB_STATIONS: usize = 100;

/// The readable heartbeats of a simulated lab, in order. Its names and its seed are none that the dictionary was trained on.
pub fn heartbeats(stations: usize, minutes: Option<u32>, seed: u64) -> Result<impl Iterator<Item = Beat>, Failure> {
    Ok(lab("AULA-PC".to_owned(), stations, minutes, seed)?.uploads().filter_map(readable))
}

/// Those of many labs, in order, minute by minute: of so many stations only one minute has room in memory, and each minute is made anew
/// from the beginning of every lab.
pub fn heartbeats_of_labs(labs: usize, minutes: u32, seed: u64) -> Result<impl Iterator<Item = Beat>, Failure> {
    let labs = (0..labs)
        .map(|number| lab(format!("A{number:03}-PC"), LAB_STATIONS, Some(minutes), seed + number as u64))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((0..minutes).flat_map(move |minute| {
        let from = start() + TimeDelta::minutes(minute.into());
        let to = from + TimeDelta::minutes(1);
        let of_lab = |lab: &Lab| {
            let uploads = lab.uploads().take_while(|upload| upload.at < to).filter(|upload| upload.at >= from);
            uploads.filter_map(readable).collect::<Vec<_>>()
        };
        let mut beats: Vec<Beat> = labs.iter().flat_map(of_lab).collect();
        beats.sort_by_key(|beat| beat.at);
        beats
    }))
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_507_200, 0).unwrap_or_default()
}

fn lab(host_prefix: String, stations: usize, minutes: Option<u32>, seed: u64) -> Result<Lab, Failure> {
    let plan = LabPlan { host_prefix, ..LabPlan::new(stations, start(), minutes, seed) };
    Lab::new(plan).map_err(|error| Failure::because(Exit::Rejected, "cannot name so many stations", &error))
}

fn readable(upload: Upload) -> Option<Beat> {
    (upload.document == Document::Heartbeat && upload.rejected.is_none()).then(|| Beat {
        host: upload.host,
        at: upload.at,
        body: upload.bytes.into(),
    })
}

/// A handler over a database, with objects in memory.
pub struct Measured {
    /// The handler.
    pub ingest: Arc<BenchIngest<<MemoryShelf as Shelf>::Bucket>>,
    /// Its objects.
    pub shelf: MemoryShelf,
    /// Its time.
    pub clock: Arc<SimulatedClock>,
}

impl Measured {
    /// Opens and migrates the database of `url`.
    pub async fn open(url: &str, handlers: usize) -> Result<Self, Failure> {
        let connections = u32::try_from(handlers).unwrap_or(u32::MAX).max(8);
        let store =
            Store::open(url, StoreOptions { connections, ..StoreOptions::default() }).await.map_err(no_store)?;
        store.migrate().await.map_err(no_store)?;
        let shelf = MemoryShelf::default();
        let clock = Arc::new(SimulatedClock::at(DateTime::UNIX_EPOCH));
        let ingest = Ingest::new(shelf.0.clone(), store, clock.clone(), Limits::default(), Judging::default());
        Ok(Self { ingest: Arc::new(ingest), shelf, clock })
    }

    /// Sends heartbeats through the handler.
    pub async fn take(
        &self,
        beats: Vec<Beat>,
        plan: stationkeeper::bench::Plan,
    ) -> Result<stationkeeper::bench::Figures, Failure> {
        let beats = beats.into_iter();
        stationkeeper::bench::run(self.ingest.clone(), &self.shelf, &self.clock, beats, plan, |_| ()).await
    }
}

fn no_store(error: StoreError) -> Failure {
    Failure::of(Exit::Unavailable, &error)
}

/// The middle one; of an even number the lower middle. Zero of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// Runs a program of the bench: what it returns is its one line on standard output.
pub fn main(work: impl Future<Output = Result<serde_json::Value, Failure>>) -> std::process::ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    match runtime.block_on(work).and_then(|figures| stationkeeper::failure::print_json(&figures)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_a_value_that_was_measured() {
        for (values, expected) in [(vec![], 0.0), (vec![3.0], 3.0), (vec![9.0, 1.0], 1.0), (vec![9.0, 1.0, 2.0], 2.0)] {
            assert_eq!(median(values.clone()), expected, "{values:?}");
        }
    }
}
