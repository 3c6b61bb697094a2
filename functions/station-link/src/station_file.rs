//! Files of a station that are read over WinRM. Their bytes come back as they are: in base64, since a console would change them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A file on a station: an absolute path with a drive, of letters, digits, spaces and `_ - . ( )`, at most 240 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StationPath(String);

/// A path that is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no path of a station's file: write it like C:\\LabStation\\labstation\\data\\telemetry\\heartbeat.json"
)]
pub struct StationPathError(String);

impl StationPath {
    /// Where Lab Station keeps its heartbeat.
    pub const HEARTBEAT: &str = r"C:\LabStation\labstation\data\telemetry\heartbeat.json";
    /// Where it appends what the session guard did.
    pub const EVENTS: &str = r"C:\LabStation\labstation\data\telemetry\session-guard-events.jsonl";
    /// The heartbeat of an installation that has only the old folder.
    pub const LEGACY_HEARTBEAT: &str = r"C:\LabStation\data\telemetry\heartbeat.json";
    /// Its events.
    pub const LEGACY_EVENTS: &str = r"C:\LabStation\data\telemetry\session-guard-events.jsonl";

    /// The file whose presence is local mode.
    pub const LOCAL_MODE: &str = r"C:\LabStation\labstation\data\local-mode.flag";

    /// As Windows writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the folder (without a backslash at its end) holds it, at any depth.
    pub fn is_below(&self, folder: &str) -> bool {
        let (path, folder) = (self.0.to_lowercase(), folder.to_lowercase());
        path.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('\\'))
    }

    /// Opened so that the station can replace it meanwhile: a reader that holds the file would cost it a heartbeat.
    pub(crate) fn read_script(&self) -> String {
        let path = &self.0;
        format!(
            "$ErrorActionPreference='Stop';$ProgressPreference='SilentlyContinue';\
             $f=[IO.File]::Open('{path}','Open','Read','ReadWrite,Delete');\
             try{{$m=New-Object IO.MemoryStream;$f.CopyTo($m)}}finally{{$f.Close()}};\
             [Convert]::ToBase64String($m.ToArray())"
        )
    }
}

/// Makes the flag of local mode, or takes it away; either may have been done before.
pub(crate) fn local_mode_script(enabled: bool) -> String {
    let flag = StationPath::LOCAL_MODE;
    if enabled {
        format!("New-Item -ItemType File -Force -Path '{flag}' -ErrorAction Stop | Out-Null")
    } else {
        format!("Remove-Item -Force -Path '{flag}' -ErrorAction SilentlyContinue;if(Test-Path '{flag}'){{exit 1}}")
    }
}

impl FromStr for StationPath {
    type Err = StationPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || StationPathError(text.chars().filter(|c| !c.is_control()).take(300).collect());
        let text_with_backslashes = text.trim().replace('/', "\\");
        let (drive, rest) = text_with_backslashes.split_at_checked(3).ok_or_else(wrong)?;
        let drive_is_one = drive.chars().next().is_some_and(|c| c.is_ascii_alphabetic()) && drive.ends_with(":\\");
        // The quotation marks of PowerShell are of several kinds, so only letters, digits and these are taken.
        let part_is_one = |part: &str| {
            part.chars().all(|c| c.is_alphanumeric() || " _-.()".contains(c))
                && !part.trim().is_empty()
                && part.trim() == part
                && !part.ends_with('.')
        };
        if !drive_is_one || text.chars().count() > 240 || !rest.split('\\').all(part_is_one) {
            return Err(wrong());
        }
        Ok(Self(text_with_backslashes))
    }
}

impl fmt::Display for StationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The script as `powershell -EncodedCommand` wants it.
pub(crate) fn encoded(script: &str) -> String {
    let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    STANDARD.encode(bytes)
}

/// The bytes of a file, from what the console said. `None`: that is no base64.
pub(crate) fn decoded(console: &str) -> Option<Vec<u8>> {
    // A console may break lines where it likes.
    let text: String = console.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_has_a_grammar() {
        for good in [
            StationPath::HEARTBEAT,
            StationPath::EVENTS,
            StationPath::LEGACY_HEARTBEAT,
            StationPath::LEGACY_EVENTS,
            "D:/Lab Station (2)/data/heartbeat.json",
            r"C:\Estación\heartbeat.json",
        ] {
            assert_eq!(good.parse::<StationPath>().unwrap().as_str(), good.replace('/', "\\"), "{good}");
        }
        for bad in [
            "",
            "heartbeat.json",
            r"C:",
            r"C:\",
            r"C:\..\x",
            r"C:\a\..\b",
            r"C:\a\\b",
            r"C:\a\",
            r"\\SERVER\share\x",
            r"C:\a'b",
            "C:\\a’b",
            "C:\\a\nb",
            r"C:\a;b",
            r"C:\$env",
            r"C:\a:b",
            r"C:\*",
            r"ñC:\a",
            r"é:\a",
        ] {
            assert!(bad.parse::<StationPath>().is_err(), "{bad:?}");
        }
        assert!(format!("C:\\{}", "a".repeat(300)).parse::<StationPath>().is_err());
    }

    #[test]
    fn a_folder_holds_what_is_below_it() {
        let path: StationPath = StationPath::HEARTBEAT.parse().unwrap();
        for (folder, below) in
            [(r"C:\LabStation", true), (r"c:\labstation", true), (r"C:\LabStat", false), (r"D:\LabStation", false)]
        {
            assert_eq!(path.is_below(folder), below, "{folder}");
        }
    }

    #[test]
    fn a_script_is_utf_16_in_base64() {
        assert_eq!(encoded("dir"), "ZABpAHIA");
    }

    #[test]
    fn a_broken_line_of_base64_is_one_text() {
        assert_eq!(decoded("77u/\r\neyJh\r\nIjoxfQ==\r\n"), Some(b"\xef\xbb\xbf{\"a\":1}".to_vec()));
        assert_eq!(decoded("no base64!"), None);
    }

    proptest! {
        #[test]
        fn bytes_come_back_as_they_are(bytes in prop::collection::vec(any::<u8>(), 0..300), width in 1_usize..90) {
            let text = STANDARD.encode(&bytes);
            let lines: Vec<String> = text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
            prop_assert_eq!(decoded(&lines.join("\r\n")), Some(bytes));
        }

        #[test]
        fn no_path_leaves_its_quotes(text in r"C:\\\PC{1,40}") {
            if let Ok(path) = text.parse::<StationPath>() {
                let quotes = path.as_str().chars().filter(|c| "'\"`$‘’‚‛“”„".contains(*c)).count();
                prop_assert_eq!(quotes, 0);
            }
        }
    }
}
