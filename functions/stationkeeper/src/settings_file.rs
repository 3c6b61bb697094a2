//! Settings as a TOML file, and sentences about what is wrong in one.

use stationkeeper_rules::Settings;

use crate::connections::ConnectionsFile;

/// What a file turned out to be.
#[derive(Debug)]
pub enum ConfigFile {
    /// Connections: for `--config`.
    Connections(ConnectionsFile),
    /// Settings: for `config apply`.
    Settings(Box<Settings>),
}

/// Sections of a settings file.
const SECTIONS: [&str; 4] = ["alerts", "reservations", "history", "ignored_issue_codes"];

/// Every key of both kinds of file, for suggestions.
fn known_keys() -> Vec<String> {
    let mut keys: Vec<String> = ConnectionsFile::KEYS.iter().chain(&SECTIONS).map(|key| (*key).to_owned()).collect();
    if let Ok(toml::Value::Table(defaults)) = toml::Value::try_from(Settings::default()) {
        for section in defaults.values().filter_map(toml::Value::as_table) {
            keys.extend(section.keys().cloned());
        }
    }
    keys
}

/// Reads a file of either kind; the error is a sentence with line and column.
pub fn parse(text: &str) -> Result<ConfigFile, String> {
    let keys = known_keys();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let table: toml::Table = toml::from_str(text).map_err(|error| explain(text, &error, &keys))?;
    let is_settings =
        table.keys().any(|key| nearest(key, &SECTIONS).is_some() && !ConnectionsFile::KEYS.contains(&key.as_str()));
    let is_connections = table.keys().any(|key| ConnectionsFile::KEYS.contains(&key.as_str()));
    if is_settings && is_connections {
        let said = "connections (data, database, listen, s3_listen) and settings stand in two files: the first is for --config, \
                    the second for `config apply`";
        return Err(said.to_owned());
    }
    if is_connections {
        return toml::from_str(text).map(ConfigFile::Connections).map_err(|error| explain(text, &error, &keys));
    }
    let settings: Settings = toml::from_str(text).map_err(|error| explain(text, &error, &keys))?;
    check(&settings)?;
    Ok(ConfigFile::Settings(Box::new(settings)))
}

/// What types cannot say.
fn check(settings: &Settings) -> Result<(), String> {
    let alerts = &settings.alerts;
    let limits = [
        ("alerts.interval_seconds", alerts.interval_seconds, 10, 3_600),
        ("alerts.missing_after_intervals", alerts.missing_after_intervals, 2, 1_000),
        ("alerts.stalled_min_stations", alerts.stalled_min_stations, 1, u32::MAX),
        ("history.retention_days", settings.history.retention_days, 1, 36_500),
        ("history.audit_retention_days", settings.history.audit_retention_days, 1, 36_500),
    ];
    for (key, value, least, most) in limits {
        if !(least..=most).contains(&value) {
            return Err(format!("{key} = {value}: it must be from {least} to {most}"));
        }
    }
    Ok(())
}

/// A sentence: where, what, and the nearest known key where one is unknown.
pub fn explain(text: &str, error: &toml::de::Error, keys: &[&str]) -> String {
    let message = error.message().trim();
    let place = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        format!("line {line}, column {column}: ")
    });
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let said = match unknown {
        Some(key) => match nearest(key, keys) {
            Some(known) => format!("unknown key `{key}`: did you mean `{known}`?"),
            None => format!("unknown key `{key}`"),
        },
        None => message.to_owned(),
    };
    format!("{}{said}", place.unwrap_or_default())
}

fn nearest<'k>(key: &str, keys: &[&'k str]) -> Option<&'k str> {
    keys.iter()
        .map(|known| (strsim::damerau_levenshtein(key, known), *known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, said) in [
            (
                "[alerts]\nintervall_seconds = 60\n",
                "line 2, column 1: unknown key `intervall_seconds`: did you mean `interval_seconds`?",
            ),
            ("[alert]\ninterval_seconds = 60\n", "line 1, column 2: unknown key `alert`: did you mean `alerts`?"),
            ("[alerts]\ninterval_seconds = 5\n", "alerts.interval_seconds = 5: it must be from 10 to 3600"),
            ("[history]\nraw = \"gzip\"\n", "line 2, column 7: unknown variant `gzip`, expected `zstd` or `json`"),
        ] {
            assert_eq!(parse(text).expect_err(text), said);
        }
        let mixed = parse("data = \"x\"\n[alerts]\ninterval_seconds = 60\n").expect_err("two kinds");
        assert!(mixed.contains("two files"), "{mixed}");
    }

    #[test]
    fn both_kinds_of_file_are_known_by_their_keys() {
        assert!(matches!(parse("listen = \"127.0.0.1:1\"\n"), Ok(ConfigFile::Connections(_))));
        assert!(matches!(parse("[history]\nraw = \"json\"\n"), Ok(ConfigFile::Settings(_))));
        assert!(matches!(parse(""), Ok(ConfigFile::Settings(_))));
    }
}
