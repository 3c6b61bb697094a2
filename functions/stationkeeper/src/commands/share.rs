//! `status --from DIR`: the table from a mounted share, without any server.

use std::path::{Path, PathBuf};

use stationkeeper_pipeline::clock::{Clock, SystemClock};
use stationkeeper_telemetry::{HostName, Limits, normalize_heartbeat};

use crate::commands::summary::Line;
use crate::failure::{Exit, Failure};

/// Where a heartbeat lies below a station's folder: the share itself, its parents, and flat copies.
const PLACES: [&str; 5] = [
    "data/telemetry/heartbeat.json",
    "labstation/data/telemetry/heartbeat.json",
    "LabStation/data/telemetry/heartbeat.json",
    "telemetry/heartbeat.json",
    "heartbeat.json",
];

/// Reads every station below `dir`: the lines, and a sentence for each that has none.
pub fn read(dir: &Path) -> Result<(Vec<Line>, Vec<String>), Failure> {
    let entries = std::fs::read_dir(dir).map_err(|error| {
        Failure::because(Exit::NoInput, format_args!("cannot read the folder {}", dir.display()), &error)
    })?;
    let mut stations: Vec<(HostName, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| Some((HostName::parse(entry.file_name().to_str()?).ok()?, entry.path())))
        .collect();
    stations.sort();
    let (mut lines, mut sentences) = (Vec::new(), Vec::new());
    for (host, folder) in stations {
        match heartbeat(&folder) {
            None => sentences.push(format!("Heartbeat not found on {host}. Ensure the LabStation share is published.")),
            Some(path) => match line(&path, &host) {
                Ok(line) => lines.push(line),
                Err(said) => sentences.push(format!("Heartbeat of {host} is unreadable: {said}.")),
            },
        }
    }
    Ok((lines, sentences))
}

/// The station's heartbeat, or the newest of a recorded lab's.
fn heartbeat(folder: &Path) -> Option<PathBuf> {
    PLACES.iter().map(|place| folder.join(place)).find(|path| path.is_file()).or_else(|| {
        let recorded = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
        recorded
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.starts_with("heartbeat-") && name.ends_with(".json")
            })
            .max()
    })
}

fn line(path: &Path, host: &HostName) -> Result<Line, String> {
    let limits = Limits::default();
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    limits.check_size(size).map_err(|rejection| rejection.detail)?;
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let snapshot = normalize_heartbeat(&bytes, Some(host), SystemClock.now(), &limits)
        .map_err(|rejection| format!("{}: {}", rejection.reason.as_str(), rejection.detail))?;
    Ok(Line::of(&snapshot, None))
}
