//! Settings as a TOML file, and sentences about what is wrong in one.

use stationkeeper_rules::orchestrator::{ActionKind, ActionSettings};
use stationkeeper_rules::{Channel, NotificationSettings, Settings};

use stationkeeper_telemetry::HostName;

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
const SECTIONS: [&str; 9] = [
    "actions",
    "alerts",
    "reservations",
    "history",
    "ignored_issue_codes",
    "labs",
    "notifications",
    "orchestrator",
    "after_end",
];
/// Keys that no default shows, because they stand in tables of any name.
const INNER_KEYS: [&str; 19] = [
    "power",
    "channel",
    "to",
    "connection",
    "topic_arn",
    "language",
    "quiet_hours",
    "from",
    "time_zone",
    "receiver",
    "receivers",
    "routes",
    "rules",
    "severity",
    "labs",
    "people",
    "page_url",
    "max_attempts",
    "group_wait_seconds",
];

/// Every key of both kinds of file, for suggestions.
fn known_keys() -> Vec<String> {
    let mut keys: Vec<String> =
        ConnectionsFile::KEYS.iter().chain(&SECTIONS).chain(&INNER_KEYS).map(|key| (*key).to_owned()).collect();
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
    let (alerts, told, times) = (&settings.alerts, &settings.notifications, &settings.orchestrator);
    let limits = [
        ("alerts.interval_seconds", alerts.interval_seconds, 10, 3_600),
        ("alerts.missing_after_intervals", alerts.missing_after_intervals, 2, 1_000),
        ("alerts.stalled_min_stations", alerts.stalled_min_stations, 1, u32::MAX),
        ("alerts.quarantined_uploads", alerts.quarantined_uploads, 1, 100),
        ("alerts.quarantined_uploads_within_seconds", alerts.quarantined_uploads_within_seconds, 1, 86_400),
        ("history.retention_days", settings.history.retention_days, 1, 36_500),
        ("history.audit_retention_days", settings.history.audit_retention_days, 1, 36_500),
        ("orchestrator.start_lead_seconds", times.start_lead_seconds, 0, 7_200),
        ("orchestrator.end_delay_seconds", times.end_delay_seconds, 0, 7_200),
        ("orchestrator.lookback_seconds", times.lookback_seconds, 60, 172_800),
        ("orchestrator.guard_grace_seconds", times.guard_grace_seconds, 30, 3_600),
        ("orchestrator.attempts", times.attempts, 1, 100),
        ("orchestrator.fresh_seconds", times.fresh_seconds, 30, 3_600),
        ("orchestrator.ready_within_seconds", times.ready_within_seconds, 10, 3_600),
        ("orchestrator.settle_within_seconds", times.settle_within_seconds, 60, 7_200),
        ("actions.notice_seconds", settings.actions.notice_seconds, 0, 3_600),
        ("actions.quiet_before_reservation_seconds", settings.actions.quiet_before_reservation_seconds, 0, 7_200),
        ("actions.expires_after_seconds", settings.actions.expires_after_seconds, 30, 86_400),
        ("notifications.group_wait_seconds", told.group_wait_seconds, 0, 3_600),
        ("notifications.group_wait_most_seconds", told.group_wait_most_seconds, told.group_wait_seconds, 3_600),
        ("notifications.reminder_minutes", told.reminder_minutes, 1, 10_080),
        ("notifications.flapping_openings", told.flapping_openings, 2, 1_000),
        ("notifications.flapping_minutes", told.flapping_minutes, 1, 1_440),
        ("notifications.max_attempts", told.max_attempts, 1, 1_000),
    ];
    for (key, value, least, most) in limits {
        if !(least..=most).contains(&value) {
            return Err(format!("{key} = {value}: it must be from {least} to {most}"));
        }
    }
    check_actions(&settings.actions)?;
    check_notifications(told)
}

fn check_actions(actions: &ActionSettings) -> Result<(), String> {
    if let Some(host) =
        actions.stations.keys().find(|host| HostName::parse(host).map(|one| one.to_string()).as_ref() != Ok(*host))
    {
        return Err(format!("actions.stations.{host}: name a station as `stationkeeper status` does, in upper case"));
    }
    let of_stations = actions
        .stations
        .iter()
        .flat_map(|(host, policies)| policies.keys().map(move |rule| (format!("stations.{host}"), rule)));
    let of_all = actions.policies.keys().map(|rule| ("policies".to_owned(), rule));
    for (place, rule) in of_all.chain(of_stations) {
        if ActionKind::answering(*rule).is_none() {
            return Err(format!("actions.{place}.{rule}: nothing answers that rule"));
        }
    }
    Ok(())
}

fn check_notifications(told: &NotificationSettings) -> Result<(), String> {
    for (name, receiver) in &told.receivers {
        let place = format!("notifications.receivers.{name}");
        if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
            return Err(format!("{place}: the name of a receiver has from 1 to 100 characters, on one line"));
        }
        match &receiver.channel {
            Channel::Email { to } if to.is_empty() => return Err(format!("{place}: `to` names nobody")),
            Channel::Email { to } => {
                if let Some(address) = to.iter().find(|address| !is_address(address)) {
                    return Err(format!("{place}: `{}` is no mail address", address.escape_debug()));
                }
            }
            Channel::Webhook { connection } | Channel::Slack { connection } if connection.trim().is_empty() => {
                return Err(format!("{place}: `connection` is empty; name one that the delivery knows"));
            }
            Channel::Sns { topic_arn } if !topic_arn.starts_with("arn:") => {
                return Err(format!("{place}: `{}` is no ARN of a topic", topic_arn.escape_debug()));
            }
            Channel::Webhook { .. } | Channel::Slack { .. } | Channel::Sns { .. } => {}
        }
        if receiver.quiet_hours.is_some_and(|hours| hours.from == hours.to) {
            return Err(format!("{place}.quiet_hours: they begin and end at the same time; leave them out instead"));
        }
    }
    for (place, route) in told.routes.iter().enumerate() {
        if !told.receivers.contains_key(&route.receiver) {
            let known: Vec<&str> = told.receivers.keys().map(String::as_str).collect();
            let meant = nearest(&route.receiver, &known).map(|known| format!(": did you mean `{known}`?"));
            return Err(format!(
                "notifications.routes, number {}: there is no receiver `{}`{}",
                place + 1,
                route.receiver,
                meant.unwrap_or_default()
            ));
        }
    }
    if let Some(url) =
        told.page_url.as_deref().filter(|url| !["http://", "https://"].iter().any(|s| url.starts_with(s)))
    {
        return Err(format!("notifications.page_url = `{}`: it begins with https:// or http://", url.escape_debug()));
    }
    Ok(())
}

/// Whether it can stand in the head of a mail as it is: one `@` between what is not empty, nothing that separates or breaks a line.
fn is_address(text: &str) -> bool {
    let plain = text.chars().all(|one| !one.is_whitespace() && !one.is_control() && !",;<>()[]\"\\:".contains(one));
    plain
        && text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
        })
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

    /// A receiver `ops` by mail, with these lines in it and after it.
    fn told(inside: &str, after: &str) -> String {
        format!("[notifications.receivers.ops]\nchannel = \"email\"\nto = [\"ops@example.org\"]\n{inside}\n{after}")
    }

    #[test]
    fn who_is_told_is_read_whole() {
        let text = told(
            "language = \"es\"\nquiet_hours = { from = \"22:00\", to = \"07:00\", time_zone = \"Europe/Madrid\" }",
            "[[notifications.routes]]\nreceiver = \"ops\"\nrules = [\"not_ready\"]\nseverity = \"warning\"\nlabs = [\"redes\"]\n[labs.redes]\ntime_zone = \"America/Bogota\"",
        );
        let Ok(ConfigFile::Settings(settings)) = parse(&text) else { panic!("settings: {:?}", parse(&text)) };
        assert_eq!(
            settings.notifications.receivers["ops"].quiet_hours.map(|hours| hours.to.to_string()).as_deref(),
            Some("07:00")
        );
        assert_eq!(settings.time_zone(Some("redes")).to_string(), "America/Bogota");
        let written = toml::to_string(&*settings).expect("it can be written");
        let Ok(ConfigFile::Settings(again)) = parse(&written) else { panic!("{written}: {:?}", parse(&written)) };
        assert_eq!(again, settings, "what is printed can be applied again");
    }

    #[test]
    fn what_is_wrong_about_who_is_told_is_said_with_its_place() {
        let route = "[[notifications.routes]]\nreceiver = \"opps\"\n";
        for (text, said) in [
            (told("", route), "notifications.routes, number 1: there is no receiver `opps`: did you mean `ops`?"),
            (
                told("quiet_hours = { from = \"25:00\", to = \"07:00\" }", ""),
                "`25:00` is no time of day: write it as `07:30`",
            ),
            (
                told("quiet_hours = { from = \"07:00\", to = \"07:00\" }", ""),
                "notifications.receivers.ops.quiet_hours: they begin and end",
            ),
            (told("", "[labs.redes]\ntime_zone = \"Madrid\"\n"), "there is no time zone `Madrid`"),
            (told("colour = 1", ""), "unknown key `colour`"),
            (told("langauge = \"es\"", ""), "unknown key `langauge`: did you mean `language`?"),
            (
                told("", "[[notifications.routes]]\nreceiver = \"ops\"\nlab = [\"redes\"]\n"),
                "unknown key `lab`: did you mean `labs`?",
            ),
            (
                "[notifications.receivers.ops]\nchannel = \"email\"\nto = [\"a@b, c@d\"]\n".to_owned(),
                "notifications.receivers.ops: `a@b, c@d` is no mail address",
            ),
            (
                "[notifications.receivers.ops]\nchannel = \"email\"\nto = []\n".to_owned(),
                "notifications.receivers.ops: `to` names nobody",
            ),
            (
                "[notifications.receivers.ops]\nchannel = \"sns\"\ntopic_arn = \"x\"\n".to_owned(),
                "notifications.receivers.ops: `x` is no ARN of a topic",
            ),
            (
                "[notifications]\ngroup_wait_most_seconds = 5\n".to_owned(),
                "notifications.group_wait_most_seconds = 5: it must be from 90 to 3600",
            ),
            ("[notifications]\npage_url = \"stations\"\n".to_owned(), "notifications.page_url = `stations`"),
        ] {
            let error = parse(&text).expect_err(&text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn both_kinds_of_file_are_known_by_their_keys() {
        assert!(matches!(parse("listen = \"127.0.0.1:1\"\n"), Ok(ConfigFile::Connections(_))));
        assert!(matches!(parse("[history]\nraw = \"json\"\n"), Ok(ConfigFile::Settings(_))));
        assert!(matches!(parse(""), Ok(ConfigFile::Settings(_))));
    }
}
