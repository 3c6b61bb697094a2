//! Trains a dictionary for raw heartbeats: `cargo run --release -p stationkeeper-store --example train_dictionary -- DIR OUT [BYTES]`.
//!
//! Takes every file below DIR whose name begins with `heartbeat` (layout of `stationkeeper simulate --out DIR`), in order of path,
//! so that the same files give the same dictionary. BYTES is its greatest size, 16384 by default.

use std::error::Error;
use std::path::{Path, PathBuf};

/// More samples make training slower and the dictionary no better.
const MOST_SAMPLES: usize = 4_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: train_dictionary DIR OUT [BYTES]".into());
    };
    let size = arguments.next().map_or(Ok(16_384), |size| size.parse())?;
    let mut files = Vec::new();
    collect(Path::new(&folder), &mut files)?;
    files.sort();
    let step = files.len().div_ceil(MOST_SAMPLES).max(1);
    let samples = files.iter().step_by(step).map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let dictionary = stationkeeper_store::train_dictionary(&samples, size)?;
    std::fs::write(&out, &dictionary)?;
    println!("{out}: {} bytes, trained on {} of {} heartbeats", dictionary.len(), samples.len(), files.len());
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("heartbeat")) {
            files.push(path);
        }
    }
    Ok(())
}
