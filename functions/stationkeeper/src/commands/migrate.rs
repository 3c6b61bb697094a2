//! `migrate`: brings the database to the newest schema.

use stationkeeper_store::{Store, StoreOptions};

use crate::cli::Place;
use crate::failure::{Exit, Failure, print_line};
use crate::place;

/// Runs `migrate`.
pub async fn run(place: &Place) -> Result<Option<Exit>, Failure> {
    let connections = place::connections(place)?;
    place::make_folder(&connections.data)?;
    let cannot = |error: stationkeeper_store::StoreError| Failure::of(Exit::Unavailable, &error);
    let store = match &connections.database {
        Some(url) => Store::open(url, StoreOptions::default()).await.map_err(cannot)?,
        None => Store::sqlite(&connections.database_file(), StoreOptions::default()).await.map_err(cannot)?,
    };
    let ran = store.migrate().await.map_err(|error| Failure::of(Exit::Failed, &error))?;
    if ran.is_empty() {
        print_line(format_args!("{}: up to date.", store.describe()))?;
    }
    for step in ran {
        print_line(format_args!("{}: ran {} {}", store.describe(), step.version, step.description))?;
    }
    store.close().await;
    Ok(None)
}
