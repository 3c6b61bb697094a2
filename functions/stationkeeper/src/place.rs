//! Opening what a command works on.

use std::path::Path;

use stationkeeper_pipeline::clock::{Clock, SystemClock};
use stationkeeper_store::{Store, StoreOptions};
use stationkeeper_telemetry::HostName;

use crate::cli::Place;
use crate::connections::{Connections, DATA_FOLDER, DEMO_FOLDER};
use crate::failure::{Exit, Failure};

/// Connections for a command that reads what `up` writes: the default folder or, where only a demo was run, the demo's.
pub fn connections(place: &Place) -> Result<Connections, Failure> {
    let default =
        if !Path::new(DATA_FOLDER).exists() && Path::new(DEMO_FOLDER).exists() { DEMO_FOLDER } else { DATA_FOLDER };
    Connections::resolve(place, None, None, default)
}

/// Opens the database of `up` for another command. It must be there.
pub async fn existing_store(place: &Place) -> Result<Store, Failure> {
    let connections = connections(place)?;
    let file = connections.database_file();
    if connections.database.is_none() && !file.exists() {
        let said = format!(
            "there is no database at {}: start `stationkeeper up` first, or say where it is by --data or --database",
            file.display()
        );
        return Err(Failure::new(Exit::NoInput, said));
    }
    open_store(&connections).await
}

/// Opens the database (a file in the data folder is made) and brings it up to date.
pub async fn open_store(connections: &Connections) -> Result<Store, Failure> {
    let store = match &connections.database {
        Some(url) => Store::open(url, StoreOptions::default()).await,
        None => Store::sqlite(&connections.database_file(), StoreOptions::default()).await,
    }
    .map_err(|error| Failure::of(Exit::Unavailable, &error))?;
    store.migrate().await.map_err(|error| Failure::of(Exit::Unavailable, &error))?;
    Ok(store)
}

/// Makes the data folder, for its owner alone: it holds access keys.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| {
        Failure::because(Exit::CannotCreate, format_args!("cannot make the folder {}", path.display()), &error)
    })
}

/// A host from the command line.
pub fn host(text: &str) -> Result<HostName, Failure> {
    HostName::parse(text)
        .map_err(|error| Failure::because(Exit::Rejected, format_args!("{text:?} is no station"), &error))
}

/// Now, for what a person does.
pub fn now() -> chrono::DateTime<chrono::Utc> {
    SystemClock.now()
}
