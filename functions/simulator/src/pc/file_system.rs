//! The files of a PC that somebody at a distance reads or writes.

/// A path as Windows takes it: letter case and the direction of slashes do not matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FilePath(String);

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Heartbeat,
    Status,
    Events,
    ServiceState,
    LocalModeFlag,
    /// Any other file.
    Other(FilePath),
}

/// Where Lab Station writes; the second is the mirror of older versions.
const ROOTS: [&str; 2] = [r"c:\labstation\labstation\data\", r"c:\labstation\data\"];

impl FilePath {
    pub fn new(path: &str) -> Self {
        Self(path.trim().trim_matches(['"', '\'']).replace('/', r"\").to_lowercase())
    }

    /// The program that runs stations, with or without its ending.
    pub fn is_lab_station(&self) -> bool {
        self.0.trim_end_matches(".exe") == r"c:\labstation\labstation"
    }

    pub fn named(&self) -> Named {
        let below = ROOTS.iter().find_map(|root| self.0.strip_prefix(root));
        match below {
            Some(r"telemetry\heartbeat.json") => Named::Heartbeat,
            Some(r"telemetry\session-guard-events.jsonl") => Named::Events,
            Some("status.json") => Named::Status,
            Some("service-state.ini") => Named::ServiceState,
            Some("local-mode.flag") => Named::LocalModeFlag,
            _ => Named::Other(self.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_any_spelling_of_its_path() {
        for (path, named) in [
            (r"C:\LabStation\labstation\data\telemetry\heartbeat.json", Named::Heartbeat),
            ("c:/labstation/data/telemetry/HEARTBEAT.json", Named::Heartbeat),
            ("\"C:\\LabStation\\data\\local-mode.flag\"", Named::LocalModeFlag),
            (r"C:\LabStation\labstation\data\telemetry\session-guard-events.jsonl", Named::Events),
            (r"C:\LabStation\labstation\data\service-state.ini", Named::ServiceState),
            (r"C:\LabStation\data\status.json", Named::Status),
            (r"D:\x", Named::Other(FilePath::new(r"d:\x"))),
        ] {
            assert_eq!(FilePath::new(path).named(), named, "{path}");
        }
        assert!(FilePath::new(r"C:\LabStation\LabStation.exe").is_lab_station());
        assert!(!FilePath::new("LabStation.exe").is_lab_station(), "it is in no search path");
    }
}
