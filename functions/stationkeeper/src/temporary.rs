//! Folders that a command needs while it runs.

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};

/// A folder that is gone when the command ends.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes one in the system's temporary folder, named after the command that needs it.
    pub fn make(command: &str) -> Result<Self, Failure> {
        let name = format!("stationkeeper-{command}-{}-{}", std::process::id(), crate::place::now().timestamp_micros());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(|error| {
            Failure::because(Exit::CannotCreate, format_args!("cannot make the folder {}", path.display()), &error)
        })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What is left behind lies in the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
