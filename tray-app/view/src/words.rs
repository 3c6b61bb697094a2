//! Sentences of the tray app, from the catalogue that everything else uses, too (section `tray`).

use chrono::{DateTime, Utc};
use stationkeeper_api::{Cause, Language, StationView, issue_text, phrase};

use crate::Zones;

/// One of them, with its values.
pub(crate) fn say(language: Language, key: &str, values: &[(&str, &str)]) -> String {
    phrase(language, "tray", key, values)
}

/// The one of two that goes with a number.
pub(crate) fn counted(language: Language, one: &str, more: &str, count: usize) -> String {
    say(language, if count == 1 { one } else { more }, &[("count", &count.to_string())])
}

/// Why a station is as it is, short and in the laboratory's time; the gateway's own sentence where there is no shorter one.
pub(crate) fn why(language: Language, station: &StationView, zones: &Zones) -> Option<String> {
    let lab = station.lab.as_deref();
    let since = |at: DateTime<Utc>| zones.minute(lab, at);
    let cause = station.cause.as_ref()?;
    Some(match cause {
        Cause::NothingNewer { since: at } => say(language, "why_silent", &[("time", &since(*at))]),
        Cause::LocalSession { users, .. } if !users.is_empty() => {
            say(language, "why_session", &[("users", &users.join(", "))])
        }
        Cause::Issues { issues, codes, .. } if !issues.is_empty() => {
            let known = codes.first().and_then(|code| issue_text(language, code));
            let first = known.unwrap_or_else(|| issues[0].clone());
            match issues.len() {
                1 => first,
                all => say(language, "why_and_more", &[("issue", &first), ("count", &(all - 1).to_string())]),
            }
        }
        Cause::Busy { command, since: at } => say(language, "why_busy", &[("command", command), ("time", &since(*at))]),
        Cause::Waking { since: at } => say(language, "why_waking", &[("time", &since(*at))]),
        Cause::Late { since: at } => say(language, "why_late", &[("time", &since(*at))]),
        Cause::OffOnPurpose { at, .. } => say(language, "why_off", &[("time", &since(*at))]),
        _ => return station.cause_text.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::testing::{at, station};

    #[test]
    fn a_reason_is_short_and_in_the_laboratorys_time() {
        let madrid = Zones::everywhere("Europe/Madrid").unwrap();
        let issues = |issues: &[&str], codes: &[&str]| Cause::Issues {
            issues: issues.iter().map(|one| (*one).to_owned()).collect(),
            codes: codes.iter().map(|one| (*one).to_owned()).collect(),
            since: at("10:00:00"),
        };
        for (cause, english, spanish) in [
            (Cause::NothingNewer { since: at("10:29:00") }, "no heartbeat since 11:29", "sin señal desde las 11:29"),
            (issues(&["Odd"], &[]), "Odd", "Odd"),
            (
                issues(&["RDP", "B", "C"], &["rdp_extra_members"]),
                "Unexpected Remote Desktop users, and 2 more",
                "Usuarios inesperados de Escritorio remoto y 2 más",
            ),
            (
                Cause::LocalSession { users: vec!["profesora".to_owned()], start: at("11:00:00") },
                "local session: profesora",
                "sesión local: profesora",
            ),
            (Cause::ByHand, "as the gateway says", "as the gateway says"),
        ] {
            let mut one = station("LAB-WS01", "Redes", "attention");
            one.cause = Some(cause);
            one.cause_text = Some("as the gateway says".to_owned());
            assert_eq!(why(Language::En, &one, &madrid).as_deref(), Some(english));
            assert_eq!(why(Language::Es, &one, &madrid).as_deref(), Some(spanish));
        }
        assert_eq!(why(Language::En, &station("LAB-WS01", "Redes", "ready"), &madrid), None);
    }

    /// The code of this crate without its tests.
    fn code_in(folder: &std::path::Path) -> String {
        let mut code = String::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                code.push_str(&code_in(&path));
            } else if !path.to_string_lossy().ends_with("tests.rs") {
                let text = std::fs::read_to_string(path).unwrap();
                code.push_str(text.split("\n#[cfg(test)]\nmod tests {").next().unwrap());
            }
        }
        code
    }

    #[test]
    fn no_sentence_is_left_over_and_none_is_missing() {
        type Catalogue = BTreeMap<String, BTreeMap<String, String>>;
        let english: Catalogue = serde_json::from_str(include_str!("../../../functions/api/i18n/en.json")).unwrap();
        let code = code_in(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        let is_key =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
        let literals: BTreeSet<&str> = code.split('"').filter(|piece| is_key(piece)).collect();
        for key in english["tray"].keys() {
            assert!(literals.contains(key.as_str()), "nobody says tray.{key}");
        }
        // `say(…, "key"` and its kin, wherever a line was broken.
        let joined = code.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut asked = 0;
        for call in ["say(", "says(", "counted("] {
            for rest in joined.split(call).skip(1) {
                let arguments = rest.split(&[';', '&', '{'][..]).next().unwrap_or_default();
                let Some(key) = arguments.split('"').nth(1) else { continue };
                assert!(english["tray"].contains_key(key), "tray.{key} is not in the catalogue");
                asked += 1;
            }
        }
        assert!(asked > 60, "only {asked} calls were found");
    }
}
