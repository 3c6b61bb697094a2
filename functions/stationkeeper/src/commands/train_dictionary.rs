//! `train-dictionary`: a dictionary for the heartbeats that a lab sends, trained on simulated ones.

use chrono::DateTime;
use stationkeeper_simulator::{Document, Lab, LabPlan};
use stationkeeper_store::train_dictionary;

use crate::cli;
use crate::failure::{Exit, Failure, print_line};

/// Stations of the lab that it is trained on: every role several times, names unlike one another.
const STATIONS: usize = 56;
/// Minutes of it.
const MINUTES: u32 = 60;
/// Every n-th heartbeat is a sample: neighbours say the same.
const EVERY: usize = 4;

/// Runs `train-dictionary`.
pub fn run(arguments: &cli::TrainDictionary) -> Result<Option<Exit>, Failure> {
    let start = DateTime::from_timestamp(1_795_500_000, 0).unwrap_or_default();
    let lab = Lab::new(LabPlan::new(STATIONS, start, Some(MINUTES), arguments.seed))
        .map_err(|error| Failure::because(Exit::Failed, "cannot make a lab", &error))?;
    let samples: Vec<Vec<u8>> = lab
        .uploads()
        .filter(|upload| upload.document == Document::Heartbeat && upload.rejected.is_none())
        .step_by(EVERY)
        .map(|upload| upload.bytes)
        .collect();
    let dictionary = train_dictionary(&samples, arguments.size)
        .map_err(|error| Failure::because(Exit::Failed, "cannot train a dictionary", &error))?;
    std::fs::write(&arguments.out, &dictionary).map_err(|error| {
        Failure::because(Exit::CannotCreate, format_args!("cannot write {}", arguments.out.display()), &error)
    })?;
    print_line(format_args!(
        "{} bytes from {} heartbeats: {}",
        dictionary.len(),
        samples.len(),
        arguments.out.display()
    ))?;
    Ok(None)
}
