//! `station add`: the access key by which a station uploads to the embedded bucket; `station history` stands beside.

use serde::Serialize;
use stationkeeper_embedded_bucket::{BucketError, BucketOptions, Credential, EmbeddedBucket};
use stationkeeper_store::{CatalogEntry, HostStatus};
use stationkeeper_telemetry::HostName;

use crate::cli::{Place, StationCommand};
use crate::commands::history;
use crate::connections::Connections;
use crate::environment;
use crate::failure::{Exit, Failure, print_json, print_line};
use crate::place;

#[derive(Serialize)]
struct Added<'a> {
    host: &'a HostName,
    endpoint: &'a str,
    bucket: &'a str,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    uplink_command: &'a str,
}

/// Runs `station …`.
pub async fn run(command: &StationCommand) -> Result<Option<Exit>, Failure> {
    match command {
        StationCommand::Add { place, host, lab, json } => add(place, host, lab.as_ref(), *json).await,
        StationCommand::History(arguments) => history::run(arguments).await,
    }
}

async fn add(place: &Place, host: &str, lab: Option<&String>, json: bool) -> Result<Option<Exit>, Failure> {
    let host = place::host(host)?;
    let connections = place::connections(place)?;
    let elsewhere = environment::variable("STATIONKEEPER_BUCKET").or_else(|| connections.elsewhere.bucket.clone());
    if let Some(bucket) = elsewhere {
        let said = format!("the bucket {bucket} is another server's: stations get their keys there");
        return Err(Failure::new(Exit::Configuration, said));
    }
    place::make_folder(&connections.data)?;
    let store = place::open_store(&connections).await?;
    let failed =
        |error: stationkeeper_store::StoreError| Failure::because(Exit::Unavailable, "cannot add the station", &error);
    let known = store.station(&host).await.map_err(failed)?;
    let entry = CatalogEntry {
        host: host.clone(),
        lab: lab.cloned().or_else(|| known.as_ref().and_then(|known| known.entry.lab.clone())),
        address: known.as_ref().and_then(|known| known.entry.address.clone()),
        mac: known.and_then(|known| known.entry.mac),
        status: HostStatus::Active,
        created_at: place::now(),
    };
    let mut transaction = store.begin().await.map_err(failed)?;
    transaction.states().save_catalog(&[entry]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;

    let no_bucket = |error: BucketError| Failure::because(Exit::Unavailable, "cannot make an access key", &error);
    let options = BucketOptions::default();
    let bucket = options.name.clone();
    let credential = credential(&connections, options, &host).await.map_err(no_bucket)?;
    let endpoint = connections.endpoint();
    let command = format!(
        "stationkeeper-uplink --folder C:\\LabStation\\labstation\\data --host {host} --endpoint {endpoint} --bucket {bucket}"
    );
    let added = Added {
        host: &host,
        endpoint: &endpoint,
        bucket: &bucket,
        access_key_id: &credential.access_key_id,
        secret_access_key: credential.secret.expose(),
        uplink_command: &command,
    };
    if json {
        print_json(&added)?;
    } else {
        print_line(format_args!("{host} may write below stations/{host}/ of the bucket {bucket} at {endpoint}, by"))?;
        print_line(format_args!("  AWS_ACCESS_KEY_ID={}", added.access_key_id))?;
        print_line(format_args!("  AWS_SECRET_ACCESS_KEY={}", added.secret_access_key))?;
        print_line("Any S3 client can upload; for example from the station's data folder:")?;
        print_line(format_args!(
            "  aws --endpoint-url {endpoint} s3 cp telemetry/heartbeat.json s3://{bucket}/stations/{host}/heartbeat.json"
        ))?;
    }
    Ok(None)
}

/// Of the file itself or, when a running `up` has it, beside that one.
async fn credential(
    connections: &Connections,
    options: BucketOptions,
    host: &HostName,
) -> Result<Credential, BucketError> {
    let file = connections.bucket_file();
    match EmbeddedBucket::open(&file, options.clone()).await {
        Ok(bucket) => {
            let credential = bucket.credential_for_station(host).await;
            bucket.close().await;
            credential
        }
        Err(BucketError::Locked { .. }) => EmbeddedBucket::credential_for_station_beside(&file, options, host).await,
        Err(error) => Err(error),
    }
}
