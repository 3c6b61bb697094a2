//! What the app remembers: choices, the gateway that it is connected to, and where its window stood. None of it is a secret.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stationkeeper_tray_view::pairing::{Fingerprint, GatewayUrl};
use stationkeeper_tray_view::{Person, Settings};

/// To which gateway, as whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Where it is.
    pub gateway: GatewayUrl,
    /// The certificate that was pinned when the app was paired, by its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    /// Whose token it is; none: the older service knows nobody.
    pub person: Option<Person>,
}

impl Connection {
    /// One that was just made.
    pub fn new(gateway: GatewayUrl, certificate: Option<Fingerprint>, person: Option<Person>) -> Self {
        Self { gateway, certificate: certificate.map(|one| one.to_string()), person }
    }

    /// The pinned certificate. One that cannot be read trusts nobody: it stands for a pin that somebody broke.
    pub fn pinned(&self) -> Option<Fingerprint> {
        self.certificate.as_deref().map(|text| text.parse().unwrap_or(Fingerprint([0; 32])))
    }
}

/// Where the window stood, in pixels of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// From the left.
    pub x: i32,
    /// From the top.
    pub y: i32,
    /// Without its frame.
    pub width: u32,
    /// Without its frame.
    pub height: u32,
}

/// The folder of all of it.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, if need be, for this user alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&path)?;
        only_mine(&path, 0o700)?;
        Ok(Self(path))
    }

    /// A file in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The choices; those of a file that cannot be read are as without one.
    pub fn settings(&self) -> Settings {
        self.read("settings.json").unwrap_or_default()
    }

    /// Keeps the choices.
    ///
    /// # Errors
    /// The file cannot be written; so it is with all below.
    pub fn keep_settings(&self, settings: &Settings) -> io::Result<()> {
        self.write("settings.json", settings)
    }

    /// The gateway; none: the app is not connected.
    pub fn connection(&self) -> Option<Connection> {
        self.read("connection.json")
    }

    /// Keeps the gateway, or forgets it.
    pub fn keep_connection(&self, connection: Option<&Connection>) -> io::Result<()> {
        match connection {
            Some(connection) => self.write("connection.json", connection),
            None => gone(&self.at("connection.json")),
        }
    }

    /// Where the window stood.
    pub fn place(&self) -> Option<Place> {
        self.read("window.json")
    }

    /// Keeps where it stands.
    pub fn keep_place(&self, place: Place) -> io::Result<()> {
        self.write("window.json", &place)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let bytes = match std::fs::read(self.at(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(name, error = &error as &dyn std::error::Error, "a file cannot be read");
                return None;
            }
        };
        serde_json::from_slice(&bytes)
            .inspect_err(|error| {
                tracing::warn!(name, error = error as &dyn std::error::Error, "a file says nothing that is known");
            })
            .ok()
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        replace(&self.at(name), &serde_json::to_vec_pretty(value)?)
    }
}

/// Whole or not at all, and for this user alone.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    // A name that somebody else made is not written through.
    gone(&beside)?;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&beside, path)
}

/// Removes a file that may be gone already.
pub fn gone(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn only_mine(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// The profile's folders are the user's own already.
#[cfg(not(unix))]
fn only_mine(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use stationkeeper_tray_view::{LanguageChoice, Role};

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path().join("app")).unwrap();
        (temporary, folder)
    }

    #[test]
    fn what_was_kept_is_read_again_and_what_is_broken_counts_as_absent() {
        let (_temporary, folder) = folder();
        assert_eq!((folder.settings(), folder.connection(), folder.place()), (Settings::default(), None, None));
        let settings = Settings { language: LanguageChoice::Es, ..Settings::default() };
        folder.keep_settings(&settings).unwrap();
        let person = Person { name: "ana".to_owned(), role: Role::Instructor, labs: None };
        let gateway: GatewayUrl = "https://lab.example:8443".parse().unwrap();
        let connection = Connection::new(gateway, Some(Fingerprint([7; 32])), Some(person));
        folder.keep_connection(Some(&connection)).unwrap();
        let place = Place { x: -5, y: 7, width: 360, height: 620 };
        folder.keep_place(place).unwrap();
        assert_eq!((folder.settings(), folder.place()), (settings, Some(place)));
        assert_eq!(folder.connection(), Some(connection.clone()));
        assert_eq!(connection.pinned(), Some(Fingerprint([7; 32])));

        folder.keep_connection(None).unwrap();
        folder.keep_connection(None).unwrap();
        std::fs::write(folder.at("settings.json"), b"{\"token\": 1}").unwrap();
        assert_eq!((folder.settings(), folder.connection()), (Settings::default(), None));
    }

    #[test]
    fn a_pin_that_was_broken_trusts_nobody() {
        let text = r#"{"gateway":"https://lab.example","certificate":"zz","person":null}"#;
        let connection: Connection = serde_json::from_str(text).unwrap();
        assert_eq!(connection.pinned(), Some(Fingerprint([0; 32])));
    }

    #[cfg(unix)]
    #[test]
    fn files_are_for_this_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (_temporary, folder) = folder();
        folder.keep_settings(&Settings::default()).unwrap();
        folder.keep_settings(&Settings::default()).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder.at("settings.json")), mode(&folder.0)), (0o600, 0o700));
    }
}
