//! `simulate`: a simulated lab, written into a folder or uploaded.

use std::path::Path;

use chrono::{DateTime, Utc};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::s3::{Endpoint, S3Bucket};
use stationkeeper_simulator::{Document, Lab, LabPlan, Upload};
use stationkeeper_telemetry::{ObjectKey, ObjectKind};

use crate::cli;
use crate::failure::{Exit, Failure, chain};
use crate::place;
use crate::progress;
use crate::up::scaled_clock::ScaledClock;

/// Runs `simulate`.
pub async fn run(arguments: &cli::Simulate) -> Result<Option<Exit>, Failure> {
    match (&arguments.out, &arguments.upload) {
        (Some(dir), _) => write(arguments, dir),
        (None, Some(url)) => upload(arguments, url).await,
        (None, None) => Ok(()), // the command line does not let it happen
    }
    .map(|()| None)
}

fn lab(arguments: &cli::Simulate, start: DateTime<Utc>) -> Result<Lab, Failure> {
    Lab::new(LabPlan::new(arguments.stations as usize, start, Some(arguments.minutes), arguments.seed))
        .map_err(|error| Failure::because(Exit::Rejected, "cannot name so many stations", &error))
}

fn write(arguments: &cli::Simulate, dir: &Path) -> Result<(), Failure> {
    let cannot = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| {
            Failure::because(Exit::CannotCreate, format_args!("cannot write {}", path.display()), &error)
        }
    };
    std::fs::create_dir_all(dir).map_err(cannot(dir))?;
    if std::fs::read_dir(dir).map_err(cannot(dir))?.next().is_some() {
        return Err(Failure::new(Exit::CannotCreate, format!("{} is not empty: give a new folder", dir.display())));
    }
    let start = arguments.start.unwrap_or_else(|| DateTime::from_timestamp(1_795_507_200, 0).unwrap_or_default());
    let lab = lab(arguments, start)?;
    let expected = u64::from(arguments.stations) * u64::from(arguments.minutes);
    let bar = progress::bar(expected, "writing", false);
    let mut files = 0;
    for (path, bytes) in lab.files() {
        let path = dir.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot(folder))?;
        }
        std::fs::write(&path, bytes).map_err(cannot(&path))?;
        files += 1;
        bar.set_position(files);
    }
    bar.finish_and_clear();
    eprintln!("{files} files of {} stations: {}", arguments.stations, dir.display());
    Ok(())
}

async fn upload(arguments: &cli::Simulate, url: &str) -> Result<(), Failure> {
    let bucket = bucket(url)?;
    let clock = ScaledClock::starting_now(arguments.speed);
    let lab = lab(arguments, arguments.start.unwrap_or_else(place::now))?;
    let offset = clock.now() - lab.plan().start;
    let bar = progress::bar(u64::from(arguments.stations) * u64::from(arguments.minutes), "uploading", false);
    for upload in lab.uploads() {
        tokio::time::sleep(clock.until(upload.at + offset)).await;
        put(&bucket, upload).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Puts one document of a simulated station under its key.
pub async fn put(bucket: &S3Bucket, upload: Upload) -> Result<(), Failure> {
    let kind = kind(upload.document);
    let key = ObjectKey::latest(&upload.host, kind).into_string();
    bucket
        .client()
        .put_object()
        .bucket(bucket.name())
        .key(&key)
        .body(upload.bytes.into())
        .send()
        .await
        .map_err(|error| Failure::new(Exit::Unavailable, format!("cannot upload {key}: {}", chain(&error))))?;
    Ok(())
}

/// The kind of object that a document is put as.
pub fn kind(document: Document) -> ObjectKind {
    match document {
        Document::Heartbeat => ObjectKind::Heartbeat,
        Document::Status => ObjectKind::Status,
        Document::Events => ObjectKind::Events,
        Document::ServiceState => ObjectKind::ServiceState,
    }
}

/// `http(s)://HOST[:PORT]/BUCKET`, with the credentials that S3 tools read.
fn bucket(url: &str) -> Result<S3Bucket, Failure> {
    let wrong = || {
        let said = format!("{url:?} is no place to upload to: give http(s)://HOST[:PORT]/BUCKET");
        Failure::new(Exit::Rejected, said)
    };
    let (endpoint, name) = url.trim_end_matches('/').rsplit_once('/').ok_or_else(wrong)?;
    if !(endpoint.starts_with("http://") || endpoint.starts_with("https://")) || name.is_empty() {
        return Err(wrong());
    }
    let endpoint = Endpoint {
        url: endpoint.to_owned(),
        region: crate::environment::variable("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned()),
        access_key_id: crate::environment::required("AWS_ACCESS_KEY_ID")?,
        secret_access_key: crate::environment::required("AWS_SECRET_ACCESS_KEY")?,
    };
    Ok(S3Bucket::at(&endpoint, name.to_owned()).for_uploads())
}
