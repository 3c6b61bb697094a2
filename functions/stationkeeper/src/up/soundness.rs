//! The files of `up`: what their examination found is said once and counted, and what comes to light later is looked into.

use std::path::PathBuf;
use std::time::Duration;

use stationkeeper_sqlite_file::{CheckOutcome, Depth, Prepared, check, kept_aside, suspect};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::failure::chain;
use crate::up::vitals::Observed;

/// How long a start looks for damage in one file: two of them, and all the rest, fit into two seconds.
pub const BUDGET: Duration = Duration::from_millis(600);
/// Between two looks because something fails.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A file in use.
#[derive(Debug, Clone)]
pub struct OwnFile {
    /// `bucket` or `database`.
    pub name: &'static str,
    /// Where it lies.
    pub path: PathBuf,
    /// Its examination came to an end.
    pub is_checked: bool,
}

impl OwnFile {
    /// Says and counts what an examination found.
    pub fn prepared(name: &'static str, path: PathBuf, prepared: &Prepared) -> Self {
        let what = if name == "bucket" { "the bucket's file" } else { "the database's file" };
        for (kind, happened) in
            [("torn_log", prepared.findings.torn_log.is_some()), ("set_aside", prepared.set_aside.is_some())]
        {
            if happened {
                metrics::counter!("stationkeeper_damaged_files_total", "file" => name, "kind" => kind).increment(1);
            }
        }
        for sentence in prepared.sentences(what) {
            tracing::error!(file = name, "{sentence}");
        }
        Self { name, path, is_checked: prepared.findings.is_checked }
    }
}

/// Names of all that was set aside of these files.
pub fn set_aside(files: &[OwnFile]) -> Vec<String> {
    files.iter().flat_map(|file| kept_aside(&file.path)).collect()
}

/// Ends when a file turns out to be damaged, which is remembered for the next opening. Looks at once where the time of the start was
/// not enough; whenever deliveries come back, since the cause may be a page that cannot be read; and when the bucket meets such a page
/// itself, which no delivery tells of.
pub async fn watch_files(
    files: Vec<OwnFile>,
    mut observed: watch::Receiver<Observed>,
    mut bucket_damage: Option<watch::Receiver<u64>>,
    stop: CancellationToken,
) {
    let mut to_check: Vec<_> = files.iter().filter(|file| !file.is_checked).cloned().collect();
    loop {
        for file in &to_check {
            match check(&file.path, Depth::Pages, None).await {
                Ok(CheckOutcome::Damaged(why)) => {
                    tracing::error!(file = file.name, why, "a file in use is damaged; it is set aside and rebuilt");
                    if let Err(error) = suspect(&file.path) {
                        tracing::error!(error = chain(&error), "cannot remember that a file is damaged");
                    }
                    return;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(error = chain(&error), "cannot check a file in use"),
            }
        }
        if !to_check.is_empty() {
            to_check.clear();
            wait(LOOK_EVERY, &stop).await;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            seen = observed.wait_for(Observed::fails) => if seen.is_err() { return },
            () = grows(&mut bucket_damage) => {}
        }
        to_check.clone_from(&files);
    }
}

async fn grows(count: &mut Option<watch::Receiver<u64>>) {
    let has_grown = match count {
        Some(count) => count.changed().await.is_ok(),
        None => false,
    };
    if !has_grown {
        std::future::pending::<()>().await;
    }
}

async fn wait(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}
