//! Normalizing a heartbeat against parsing the same bytes into a `serde_json::Value`, in turns.

use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Parser;
use cpu_time::ThreadTime;
use serde_json::{Value, json};
use stationkeeper::bench::Recording;
use stationkeeper::failure::Failure;
use stationkeeper_bench::{Beat, median};
use stationkeeper_telemetry::{Limits, normalize_heartbeat};

/// Compares the normalizer with serde_json, over the heartbeats of some labs.
#[derive(Parser)]
struct Arguments {
    /// Folders of labs, DIR/HOST/heartbeat-….json
    #[arg(required = true)]
    labs: Vec<PathBuf>,
    /// How often all of them are read
    #[arg(long, default_value_t = 200)]
    rounds: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    stationkeeper_bench::main(async move { measure(&arguments) })
}

fn measure(arguments: &Arguments) -> Result<Value, Failure> {
    let mut beats: Vec<Beat> = Vec::new();
    for lab in &arguments.labs {
        beats.extend(Recording::read(lab)?.repeated(1, None)?);
    }
    beats.retain(|beat| normalize(beat, beat.at).is_some());
    // A byte order mark is the normalizer's business; serde_json takes the text behind it.
    let texts: Vec<&[u8]> =
        beats.iter().map(|beat| beat.body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&beat.body)).collect();
    let ours = || {
        timed(|| {
            for beat in &beats {
                black_box(normalize(black_box(beat), beat.at));
            }
        })
    };
    let theirs = || {
        timed(|| {
            for text in &texts {
                black_box(serde_json::from_slice::<Value>(black_box(text)).ok());
            }
        })
    };
    let mut measured: [Vec<f64>; 2] = Default::default();
    let mut ratios = Vec::new();
    for round in 0..arguments.rounds {
        let (mine, other) = if round % 2 == 0 {
            let mine = ours();
            (mine, theirs())
        } else {
            let other = theirs();
            (ours(), other)
        };
        ratios.push(mine.as_secs_f64() / other.as_secs_f64());
        measured[0].push(mine.as_secs_f64() * 1e6 / beats.len() as f64);
        measured[1].push(other.as_secs_f64() * 1e6 / beats.len() as f64);
    }
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let [mine, other] = measured;
    Ok(json!({
        "heartbeats": beats.len(), "bytes_per_heartbeat": bytes / beats.len().max(1),
        "normalize_us": median(mine), "value_us": median(other), "ratio": median(ratios),
    }))
}

fn normalize(beat: &Beat, at: DateTime<Utc>) -> Option<stationkeeper_telemetry::Snapshot> {
    normalize_heartbeat(&beat.body, Some(&beat.host), at, &Limits::default()).ok()
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = ThreadTime::now();
    work();
    started.elapsed()
}
