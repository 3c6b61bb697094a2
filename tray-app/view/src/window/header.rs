//! How old everything is, and what to do about it.

use serde::Serialize;

use crate::words::say;
use crate::{Command, Freshness, Link, Mode, Scene, span_text};

/// The line that says how old what is shown is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Age {
    /// `Live`.
    Live(String),
    /// `Delayed · 12 s old`.
    Delayed(String),
    /// `4 min old`.
    Old(String),
}

/// What stands above all while the gateway is away, or does not let the person in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Banner {
    /// What is the matter.
    pub title: String,
    /// What that means, and when it is tried again.
    pub text: Option<String>,
    /// What can be done.
    pub action: Option<(Command, String)>,
}

/// Above every part of the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Header {
    /// Of everything that the gateway told.
    pub age: Age,
    /// While something is wrong with the link.
    pub banner: Option<Banner>,
    /// What is missing, with the older service.
    pub limited: Option<String>,
}

impl Header {
    /// Of a scene.
    pub fn of(scene: &Scene<'_>) -> Self {
        let language = scene.language;
        let age = match scene.world.link.freshness(scene.now) {
            _ if matches!(scene.world.link, Link::TokenRefused | Link::CertificateRefused) => {
                Age::Old(say(language, "no_access", &[]))
            }
            Freshness::Live(_) => Age::Live(say(language, "live", &[])),
            Freshness::Delayed(age) => Age::Delayed(say(language, "delayed", &[("age", &span_text(age))])),
            Freshness::Offline(Some(since)) => {
                Age::Old(say(language, "old", &[("age", &span_text(scene.now - since))]))
            }
            Freshness::Offline(None) => Age::Old(say(language, "never_reached", &[])),
        };
        let limited = (scene.world.mode == Mode::Limited).then(|| say(language, "limited", &[]));
        Self { age, banner: banner(scene), limited }
    }
}

fn banner(scene: &Scene<'_>) -> Option<Banner> {
    let language = scene.language;
    let connect = |key: &str| Some((Command::ShowPairing, say(language, key, &[])));
    let said = |key: &str| say(language, key, &[]);
    let banner = match scene.world.link {
        Link::Unpaired => {
            Banner { title: said("unpaired"), text: Some(said("unpaired_text")), action: connect("connect") }
        }
        Link::TokenRefused => {
            Banner { title: said("pair_again"), text: Some(said("pair_again_text")), action: connect("connect_again") }
        }
        Link::CertificateRefused => Banner {
            title: said("certificate_changed_short"),
            text: Some(said("certificate_changed")),
            action: connect("connect_again"),
        },
        Link::Connecting => return None,
        link => {
            let Freshness::Offline(since) = link.freshness(scene.now) else { return None };
            let title = match since {
                Some(at) => say(language, "away_since", &[("time", &scene.zones.moment(None, at, scene.now))]),
                None => said("away"),
            };
            let mut sentences = Vec::new();
            if let Some(at) = since {
                sentences.push(say(language, "may_be_wrong", &[("age", &span_text(scene.now - at))]));
            }
            if let Link::Away { next_try_at, .. } = link {
                let left = span_text(next_try_at - scene.now);
                sentences.push(say(language, "next_try", &[("span", &left)]));
            }
            let text = (!sentences.is_empty()).then(|| sentences.join(" "));
            Banner { title, text, action: Some((Command::TryNow, said("try_now"))) }
        }
    };
    Some(banner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Stage, at, station};

    /// Statement 66, the words of it.
    #[test]
    fn offline_the_window_says_since_when_and_when_it_tries_again() {
        let mut stage = Stage::of("10:42:00", vec![station("LAB-WS01", "Redes", "ready")]);
        let header = Header::of(&stage.scene());
        assert_eq!((header.age, header.banner), (Age::Live("Live".to_owned()), None));

        stage.now = at("10:42:12");
        assert_eq!(Header::of(&stage.scene()).age, Age::Delayed("Delayed · 12 s old".to_owned()));
        assert_eq!(Header::of(&stage.scene()).banner, None);

        stage.now = at("10:42:00");
        stage.away("10:38:00");
        let header = Header::of(&stage.scene());
        assert_eq!(header.age, Age::Old("4 min old".to_owned()));
        let banner = header.banner.unwrap();
        assert_eq!(banner.title, "Gateway not reached since 10:38");
        assert_eq!(banner.text.as_deref(), Some("This list is 4 min old and may be wrong. Next try in 12 s."));
        assert_eq!(banner.action, Some((Command::TryNow, "Try now".to_owned())));
    }

    #[test]
    fn whoever_is_not_let_in_is_led_to_pairing() {
        let mut stage = Stage::of("10:42:00", vec![]);
        for (link, title) in [
            (Link::Unpaired, "Not connected to a lab yet"),
            (Link::TokenRefused, "Access was withdrawn: connect again"),
            (Link::CertificateRefused, "The gateway's certificate has changed"),
        ] {
            stage.world.link = link;
            let banner = Header::of(&stage.scene()).banner.unwrap();
            let age = if link == Link::Unpaired { "Not reached yet" } else { "No access" };
            assert_eq!(Header::of(&stage.scene()).age, Age::Old(age.to_owned()));
            assert_eq!((banner.title.as_str(), banner.action.map(|one| one.0)), (title, Some(Command::ShowPairing)));
        }
    }

    #[test]
    fn the_older_service_is_named() {
        let mut stage = Stage::of("10:42:00", vec![]);
        assert_eq!(Header::of(&stage.scene()).limited, None);
        stage.world.mode = Mode::Limited;
        assert!(Header::of(&stage.scene()).limited.unwrap().starts_with("Limited: ops-worker"));
    }
}
