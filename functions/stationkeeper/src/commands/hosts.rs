//! `hosts …`: the catalog and the logins of its stations, for whoever has the database and the key.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value, json};
use stationkeeper_gateway::{
    CatalogChange, CatalogFiles, ChangeHostError, CredentialError, CredentialStore, SecretsKey,
};
use stationkeeper_station_link::ManagementNetworks;
use stationkeeper_store::{Author, CatalogHost, CatalogSource, Store, StoreError};

use crate::cli::{AddHost, HostsCommand, Place};
use crate::failure::{Exit, Failure, print_json, print_line};
use crate::{older_service, place};

/// Longest password, in bytes.
const LONGEST_PASSWORD: u64 = 4_096;

/// Runs `hosts …`.
pub async fn run(command: &HostsCommand) -> Result<Option<Exit>, Failure> {
    match command {
        HostsCommand::List { place, json } => list(place, *json).await,
        HostsCommand::Add(asked) => add(asked).await,
        HostsCommand::Remove { place, host } => {
            let store = place::existing_store(place).await?;
            Hand::new().on(&store).retire(host).await.map_err(refused)?;
            print_line(format_args!("{host} is out of use; its history stays"))?;
            Ok(None)
        }
        HostsCommand::Credentials { place, reference, user } => {
            let store = credentials(place)?;
            match (reference, user) {
                (Some(reference), Some(user)) => keep(&store, reference, user).await,
                _ => references(&store).await,
            }
        }
        HostsCommand::RotateKey { place, new_key_file } => rotate(&credentials(place)?, new_key_file).await,
    }
}

async fn list(place: &Place, as_json: bool) -> Result<Option<Exit>, Failure> {
    let store = place::existing_store(place).await?;
    let catalog = store.catalog().await.map_err(|error: StoreError| Failure::of(Exit::Unavailable, &error))?;
    if as_json {
        print_json(&catalog.iter().map(line).collect::<Vec<_>>())?;
        return Ok(None);
    }
    let columns = ["Host", "Address", "Labs", "MAC", "Status", "Source"];
    let mut rows = vec![columns.map(str::to_owned)];
    for host in &catalog {
        let source = host.access.source.map_or("-", CatalogSource::as_str);
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        rows.push([
            host.name().to_owned(),
            or_dash(&host.entry.address),
            host.access.labs.join(", "),
            or_dash(&host.entry.mac),
            host.entry.status.as_str().to_owned(),
            source.to_owned(),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        print_line(cells.join("  ").trim_end())?;
    }
    Ok(None)
}

fn line(host: &CatalogHost) -> Value {
    json!({
        "host": host.entry.host,
        "name": host.name(),
        "address": host.entry.address,
        "mac": host.entry.mac,
        "labs": host.access.labs,
        "credential_ref": host.credential_ref(),
        "mode": host.access.mode,
        "pin": host.access.pin.map(hex::encode),
        "status": host.entry.status.as_str(),
        "source": host.access.source.map(CatalogSource::as_str),
    })
}

async fn add(asked: &AddHost) -> Result<Option<Exit>, Failure> {
    let connections = place::connections(&asked.place)?;
    place::make_folder(&connections.data)?;
    let store = place::open_store(&connections).await?;
    let mut fields = Map::new();
    for (name, value) in [
        ("name", json!(asked.host)),
        ("address", json!(asked.address)),
        ("mac", json!(asked.mac)),
        ("labs", json!(asked.labs)),
        ("credential_ref", json!(asked.credential_ref)),
        ("certificate_sha256", json!(asked.pin)),
    ] {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    }
    let detail = json!({ "address": asked.address, "labs": asked.labs });
    let row = Hand::new().on(&store).add(fields, detail).await.map_err(refused)?;
    print_line(format_args!("{} is in the catalog, at {}", row.name(), asked.address))?;
    Ok(None)
}

/// Somebody at the command line, with the files that the environment names.
struct Hand {
    files: CatalogFiles,
    author: Author,
    networks: ManagementNetworks,
}

impl Hand {
    fn new() -> Self {
        let (files, author) = (older_service::catalog_files(), Author::of_command_line(None));
        Self { files, author, networks: ManagementNetworks::default() }
    }

    fn on<'a>(&'a self, store: &'a Store) -> CatalogChange<'a> {
        let Self { files, author, networks } = self;
        CatalogChange { store, files, networks, author, now: place::now() }
    }
}

fn refused(error: ChangeHostError) -> Failure {
    let exit = match &error {
        ChangeHostError::Entry(_) | ChangeHostError::Exists(_) => Exit::Rejected,
        ChangeHostError::Unknown(_) => Exit::NoInput,
        ChangeHostError::Catalog(_) => Exit::Unavailable,
    };
    Failure::of(exit, &error)
}

fn credentials(place: &Place) -> Result<CredentialStore, Failure> {
    older_service::credential_store(&place::connections(place)?.data)
}

async fn references(store: &CredentialStore) -> Result<Option<Exit>, Failure> {
    for (reference, readable) in store.references().await.map_err(failed)? {
        let said = if readable { "" } else { "   not to be decrypted by this key" };
        print_line(format_args!("{reference}{said}"))?;
    }
    Ok(None)
}

async fn keep(store: &CredentialStore, reference: &str, user: &str) -> Result<Option<Exit>, Failure> {
    let mut password = String::new();
    std::io::stdin()
        .take(LONGEST_PASSWORD)
        .read_to_string(&mut password)
        .map_err(|error| Failure::because(Exit::NoInput, "cannot read the password from standard input", &error))?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.trim().is_empty() || user.trim().is_empty() || reference.trim().is_empty() {
        return Err(Failure::new(Exit::Rejected, "a login has a reference, a user and a password (on standard input)"));
    }
    store.save(reference, user, password, place::now()).await.map_err(failed)?;
    print_line(format_args!("The login '{}' is kept in {}", reference.trim().to_lowercase(), store.path.display()))?;
    Ok(None)
}

async fn rotate(store: &CredentialStore, new_key_file: &Path) -> Result<Option<Exit>, Failure> {
    let new = new_key(new_key_file)?;
    let (backup, count) = store.rotate(&new, place::now()).await.map_err(failed)?;
    print_line(format_args!(
        "{count} logins are encrypted by the key in {}; what was there before is {}",
        new_key_file.display(),
        backup.display()
    ))?;
    print_line(
        "Start the gateway with the new key, and keep file and key together: without either, no login can be read.",
    )?;
    Ok(None)
}

fn new_key(path: &Path) -> Result<SecretsKey, Failure> {
    let cannot = |doing: &str, error: &std::io::Error| {
        Failure::because(Exit::CannotCreate, format_args!("cannot {doing} {}", path.display()), error)
    };
    match std::fs::read_to_string(path) {
        Ok(text) => SecretsKey::parse(&text).ok_or_else(|| {
            let said = format!("{} holds no key: it is 32 random bytes in base64 for URLs", path.display());
            Failure::new(Exit::Configuration, said)
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = SecretsKey::generate()
                .map_err(|error| Failure::because(Exit::Failed, "cannot get random bytes", &error))?;
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path).map_err(|error| cannot("write", &error))?;
            std::io::Write::write_all(&mut file, format!("{}\n", key.text()).as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(|error| cannot("write", &error))?;
            Ok(key)
        }
        Err(error) => Err(cannot("read", &error)),
    }
}

fn failed(error: CredentialError) -> Failure {
    let exit = match &error {
        CredentialError::NoKey => Exit::Configuration,
        CredentialError::OtherKey(_) | CredentialError::Document { .. } => Exit::Rejected,
        CredentialError::Read { .. } => Exit::NoInput,
        CredentialError::Write(_) => Exit::CannotCreate,
        CredentialError::Random(_) => Exit::Failed,
    };
    Failure::of(exit, &error)
}
