//! What the person chose. None of it is a secret.

use serde::{Deserialize, Serialize};
use stationkeeper_api::Language;

use crate::Look;

/// All choices; what a file does not name is as it is without one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What is told.
    pub notify: NotifyAbout,
    /// Starts with the desktop.
    pub starts_at_login: bool,
    /// In which language.
    pub language: LanguageChoice,
    /// How the icon looks.
    pub icon: Look,
}

/// What the person is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyAbout {
    /// Stations of their laboratories that go down.
    pub down: bool,
    /// Reservations at risk within half an hour.
    pub at_risk: bool,
    /// Forced logoffs on this PC.
    pub forced_logoffs: bool,
    /// Stations that are well again.
    pub recovered: bool,
}

impl Default for NotifyAbout {
    fn default() -> Self {
        Self { down: true, at_risk: true, forced_logoffs: true, recovered: false }
    }
}

/// The language that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LanguageChoice {
    /// That of the desktop.
    #[default]
    System,
    /// English.
    En,
    /// Spanish.
    Es,
}

impl LanguageChoice {
    /// The language, with that of the desktop as `es_ES.UTF-8` or `es-ES`.
    pub fn language(self, desktop: &str) -> Language {
        match self {
            Self::En => Language::En,
            Self::Es => Language::Es,
            Self::System => Language::accepted(&desktop.replace(['_', '.'], "-")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_only_what_was_chosen() {
        for (file, chosen) in [
            ("{}", Some(Settings::default())),
            (
                r#"{"notify":{"recovered":true},"icon":"monochrome","language":"es"}"#,
                Some(Settings {
                    notify: NotifyAbout { recovered: true, ..NotifyAbout::default() },
                    icon: Look::Monochrome,
                    language: LanguageChoice::Es,
                    ..Settings::default()
                }),
            ),
            (r#"{"token":"x"}"#, None),
            (r#"{"language":"fr"}"#, None),
        ] {
            assert_eq!(serde_json::from_str::<Settings>(file).ok(), chosen, "{file}");
        }
    }

    #[test]
    fn the_desktops_language_counts_until_one_is_chosen() {
        for (choice, desktop, language) in [
            (LanguageChoice::System, "es_ES.UTF-8", Language::Es),
            (LanguageChoice::System, "es-MX", Language::Es),
            (LanguageChoice::System, "C", Language::En),
            (LanguageChoice::System, "", Language::En),
            (LanguageChoice::Es, "en_GB", Language::Es),
            (LanguageChoice::En, "es_ES", Language::En),
        ] {
            assert_eq!(choice.language(desktop), language, "{choice:?} {desktop}");
        }
    }
}
