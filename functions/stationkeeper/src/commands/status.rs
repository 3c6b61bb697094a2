//! `status`: the operators' table.

use stationkeeper_store::StationFilter;

use crate::cli;
use crate::commands::share;
use crate::commands::summary::{Line, table};
use crate::failure::{Exit, Failure, print_bytes, print_json};
use crate::place;

/// Stations read at once.
const PAGE: u32 = 1_000;

/// Runs `status`.
pub async fn run(arguments: &cli::Status) -> Result<Option<Exit>, Failure> {
    let (lines, sentences) = match &arguments.from {
        Some(dir) => share::read(dir)?,
        None => (from_database(arguments).await?, Vec::new()),
    };
    if arguments.json {
        print_json(&lines)?;
    } else {
        print_bytes(table(&lines).as_bytes())?;
    }
    for sentence in sentences {
        eprintln!("{sentence}");
    }
    Ok(None)
}

async fn from_database(arguments: &cli::Status) -> Result<Vec<Line>, Failure> {
    let store = place::existing_store(&arguments.place).await?;
    let mut lines = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .stations(&StationFilter::default(), after.as_ref(), PAGE)
            .await
            .map_err(|error| Failure::because(Exit::Unavailable, "cannot read the stations", &error))?;
        let full = page.len() == PAGE as usize;
        after = page.last().map(|station| station.state.host.clone());
        lines.extend(page.into_iter().map(|station| match &station.state.latest {
            Some(latest) => Line::of(&latest.snapshot, Some(station.state.word)),
            None => Line::unheard(station.state.host, station.state.word),
        }));
        if !full {
            return Ok(lines);
        }
    }
}
