//! Lists the commands that the window may call, and puts its page together: what is its own, and what it shares with the Lab Manager.

use std::path::Path;
use std::{fs, io};

use tauri_build::{AppManifest, Attributes};

/// The page's own files, and those that it shares; one list of names, because a page has one folder.
const PARTS: [&str; 3] = ["../ui", "../../functions/gateway/ui/shared", "../../functions/gateway/ui/vendor"];

const COMMANDS: [&str; 10] =
    ["view", "texts", "go", "act", "hold_over", "choose", "look_at", "connect", "disconnect", "hide"];

fn main() {
    if let Err(error) = assemble(Path::new("gen/ui")) {
        panic!("cannot put the page together: {error}");
    }
    let manifest = AppManifest::new().commands(&COMMANDS);
    if let Err(error) = tauri_build::try_build(Attributes::new().app_manifest(manifest)) {
        panic!("{error:#}");
    }
}

fn assemble(to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    for part in PARTS {
        println!("cargo:rerun-if-changed={part}");
        copy(Path::new(part), to)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, name) = (entry.as_ref().map(fs::DirEntry::path), entry.as_ref().map(fs::DirEntry::file_name));
        let (Ok(path), Ok(name)) = (path, name) else { continue };
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
