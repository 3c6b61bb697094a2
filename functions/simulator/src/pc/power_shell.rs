//! What a client asks of PowerShell: a handful of scripts that read, make or remove a file. It is no interpreter.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a script does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Script {
    /// Prints the file as base64.
    Base64(String),
    /// Prints the file as text.
    Text(String),
    /// Makes an empty file.
    Make(String),
    /// Removes it.
    Remove(String),
    /// Says whether it is there.
    Exists(String),
    /// Anything else.
    Unknown(String),
}

/// The script of `powershell`'s arguments. `None`: there is none, or it is no base64 of UTF-16.
pub(crate) fn script(arguments: &[String]) -> Option<Script> {
    let named = |argument: &String, name: &str| argument.eq_ignore_ascii_case(name);
    let encoded = arguments.iter().position(|argument| {
        ["-encodedcommand", "-enc", "-ec", "-e", "/encodedcommand"].iter().any(|name| named(argument, name))
    });
    if let Some(place) = encoded {
        let bytes = STANDARD.decode(arguments.get(place + 1)?).ok()?;
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        return Some(read(&String::from_utf16(&units).ok()?));
    }
    let plain = arguments.iter().position(|argument| ["-command", "-c"].iter().any(|name| named(argument, name)))?;
    Some(read(&arguments[plain + 1..].join(" ")))
}

fn read(script: &str) -> Script {
    let word = script.trim().to_lowercase();
    let path = path(script);
    let to_base64 = word.contains("[convert]::tobase64string(") || word.contains("[system.convert]::tobase64string(");
    match path {
        Some(path) if to_base64 && (word.contains("::readallbytes(") || word.contains("io.file]::open(")) => {
            Script::Base64(path)
        }
        Some(path) if word.starts_with("get-content ") => Script::Text(path),
        Some(path) if word.starts_with("new-item ") && word.contains("-itemtype file") => Script::Make(path),
        Some(path) if word.starts_with("remove-item ") => Script::Remove(path),
        Some(path) if word.starts_with("test-path ") => Script::Exists(path),
        _ => Script::Unknown(script.trim().to_owned()),
    }
}

/// The path that a script names: the first text in quotes with a drive, or the first word with one.
fn path(script: &str) -> Option<String> {
    let with_drive = |text: &&str| text.get(1..3) == Some(":\\") || text.get(1..3) == Some(":/");
    let quoted = ['\'', '"'].iter().find_map(|quote| script.split(*quote).skip(1).step_by(2).find(with_drive));
    quoted.or_else(|| script.split_whitespace().find(with_drive)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(script: &str) -> Vec<String> {
        let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
        vec!["-NoProfile".to_owned(), "-EncodedCommand".to_owned(), STANDARD.encode(bytes)]
    }

    #[test]
    fn scripts_are_known_by_what_they_do() {
        let path = r"C:\LabStation\data\x".to_owned();
        for (text, script) in [
            (
                r"[Convert]::ToBase64String([IO.File]::ReadAllBytes('C:\LabStation\data\x'))",
                Script::Base64(path.clone()),
            ),
            (
                r"$f=[IO.File]::Open('C:\LabStation\data\x','Open','Read');[Convert]::ToBase64String($m.ToArray())",
                Script::Base64(path.clone()),
            ),
            (r#"Get-Content -Raw "C:\LabStation\data\x""#, Script::Text(path.clone())),
            (r"Get-Content C:\LabStation\data\x -Raw", Script::Text(path.clone())),
            (r"New-Item -ItemType File -Force 'C:\LabStation\data\x'", Script::Make(path.clone())),
            (r"Remove-Item -Force 'C:\LabStation\data\x'", Script::Remove(path.clone())),
            (r"Test-Path 'C:\LabStation\data\x'", Script::Exists(path)),
            ("Get-Process", Script::Unknown("Get-Process".to_owned())),
            (r"Invoke-Expression 'C:\x'", Script::Unknown(r"Invoke-Expression 'C:\x'".to_owned())),
        ] {
            assert_eq!(super::script(&encoded(text)), Some(script), "{text}");
        }
        assert_eq!(script(&["-EncodedCommand".to_owned(), "§".to_owned()]), None);
        assert_eq!(script(&[]), None);
    }
}
