//! A small file system in memory, that can be filled and made read-only. Gone when this is dropped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::mariadb_server::{is_root, run};

/// The file that takes up the room.
const BALLAST: &str = "ballast";

/// The file system.
#[derive(Debug)]
pub struct Tmpfs {
    folder: TempDir,
}

impl Tmpfs {
    /// One of so many MiB.
    ///
    /// # Panics
    /// Where it cannot be mounted: that takes root, or sudo without a password.
    pub fn of_mib(size: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        run(as_root("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}m,mode=0777"), "tmpfs"])
            .arg(folder.path()));
        Self { folder }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes up the room that is left, to the last byte.
    ///
    /// # Panics
    /// Where something else than the room is in the way.
    pub fn fill(&self) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.ballast()).expect("a file");
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![0; size];
            loop {
                match file.write(&piece) {
                    Ok(written) if written > 0 => {}
                    Ok(_) => break,
                    Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                    Err(error) => panic!("cannot fill {}: {error}", self.path().display()),
                }
            }
        }
    }

    /// Gives the room back.
    ///
    /// # Panics
    /// Where it was not filled.
    pub fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    /// Lets nobody write, or everybody again. Nobody may have a file open for writing.
    ///
    /// # Panics
    /// Where somebody has.
    pub fn set_read_only(&self, read_only: bool) {
        let how = if read_only { "remount,ro" } else { "remount,rw" };
        run(as_root("mount").args(["-o", how]).arg(self.path()));
    }

    fn ballast(&self) -> PathBuf {
        self.path().join(BALLAST)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: whoever still has a file there lets go in a moment.
        let _ = as_root("umount").arg("-l").arg(self.folder.path()).output();
    }
}

fn as_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("-n").arg(program);
    command
}
