//! The log: a file a day in the system's folder for logs, of which the last five are kept.

use std::path::Path;

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

/// Ours in full, of everything else what went wrong.
const SAID: &str = "warn,stationkeeper_tray=info,stationkeeper_tray_client=info";

/// Writes it to `folder` from now on.
///
/// # Errors
/// The folder cannot be made, or the log was begun before.
pub fn to(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("stationkeeper-tray")
        .filename_suffix("log")
        .max_log_files(5)
        .build(folder)?;
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(SAID))
        .with_ansi(false)
        .with_writer(file)
        .try_init()
        .map_err(|error| -> Box<dyn std::error::Error> { error })
}
