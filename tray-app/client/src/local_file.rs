//! This PC's own heartbeat. Lab Station replaces the file every minute: whoever keeps it open costs a heartbeat.

use std::path::PathBuf;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use stationkeeper_telemetry::{HostName, Limits, normalize_heartbeat};
use stationkeeper_tray_view::LocalCard;

/// What a look brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// The file is as it was.
    Same,
    /// It says something new.
    New,
    /// There is none; the last that was read is kept.
    Absent,
    /// It cannot be read, or not to the end; the last that was read is kept.
    Unreadable,
}

/// The file, and the last that could be read of it.
#[derive(Debug)]
pub struct LocalFile {
    path: PathBuf,
    seen: Option<(SystemTime, u64)>,
    card: Option<LocalCard>,
}

impl LocalFile {
    /// Not looked at yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, seen: None, card: None }
    }

    /// The last that could be read.
    pub fn card(&self) -> Option<&LocalCard> {
        self.card.as_ref()
    }

    /// The host that it names.
    pub fn host(&self) -> Option<&HostName> {
        self.card.as_ref().map(|card| &card.snapshot.host)
    }

    /// Looks whether it changed, and reads it if so: opened, read to its end and closed in one go. On Windows the standard library opens with
    /// all sharing, deletion included, so that the file can be replaced meanwhile.
    pub async fn look(&mut self, now: DateTime<Utc>) -> Looked {
        let Ok(about) = tokio::fs::metadata(&self.path).await else { return Looked::Absent };
        let written = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let mark = (written, about.len());
        if self.seen == Some(mark) {
            return Looked::Same;
        }
        let limits = Limits::default();
        if limits.check_size(about.len()).is_err() {
            self.seen = Some(mark);
            return Looked::Unreadable;
        }
        let Ok(bytes) = tokio::fs::read(&self.path).await else { return Looked::Unreadable };
        // Torn or not, it is not read again before it changes.
        self.seen = Some(mark);
        match normalize_heartbeat(&bytes, None, now, &limits) {
            Ok(snapshot) => {
                self.card = Some(LocalCard { snapshot, written_at: written.into() });
                Looked::New
            }
            Err(rejection) => {
                tracing::debug!(reason = rejection.reason.as_str(), "this PC's heartbeat file cannot be read now");
                Looked::Unreadable
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    const WHOLE: &[u8] = include_bytes!("../../../tests/corpus/lab-12x45/LAB-WS07/heartbeat-20261124T084249Z.json");

    fn now() -> DateTime<Utc> {
        "2027-01-01T10:00:00Z".parse().unwrap()
    }

    /// As Lab Station does it: another file takes its place, with a time of its own.
    fn replace(path: &Path, bytes: &[u8], second: u64) {
        let beside = path.with_extension("tmp");
        std::fs::write(&beside, bytes).unwrap();
        let file = std::fs::File::options().write(true).open(&beside).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + second)).unwrap();
        drop(file);
        std::fs::rename(&beside, path).unwrap();
    }

    /// Statement 67.
    #[tokio::test]
    async fn a_torn_or_absent_file_keeps_the_last_good_card() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heartbeat.json");
        let mut file = LocalFile::new(path.clone());
        assert_eq!((file.look(now()).await, file.card().is_some()), (Looked::Absent, false));
        replace(&path, WHOLE, 0);
        assert_eq!(file.look(now()).await, Looked::New);
        let card = file.card().cloned().unwrap();
        assert_eq!(card.written_at.timestamp(), 1_790_000_000, "its age is that of the file");
        assert_eq!(file.host(), Some(&card.snapshot.host));
        assert_eq!(file.look(now()).await, Looked::Same, "it is not opened again");

        for (second, bytes) in [(60, &WHOLE[..WHOLE.len() / 2]), (61, b"".as_slice()), (62, b"\0\0\0\0"), (63, b"[]")] {
            replace(&path, bytes, second);
            assert_eq!(file.look(now()).await, Looked::Unreadable);
            assert_eq!(file.look(now()).await, Looked::Same, "once is enough");
            assert_eq!(file.card(), Some(&card));
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!((file.look(now()).await, file.card()), (Looked::Absent, Some(&card)));
        replace(&path, WHOLE, 120);
        assert_eq!(file.look(now()).await, Looked::New);
        assert_eq!(file.card().unwrap().written_at.timestamp(), 1_790_000_120);
    }

    #[tokio::test]
    async fn what_is_no_heartbeat_by_its_size_alone_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heartbeat.json");
        let huge = std::fs::File::create(&path).unwrap();
        huge.set_len(1 << 32).unwrap();
        assert_eq!(LocalFile::new(path).look(now()).await, Looked::Unreadable);
    }
}
