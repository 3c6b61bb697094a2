//! One line for all laboratories, and the tooltip that is made of it.

use stationkeeper_api::{Language, StationWord};

use crate::words::{counted, say};
use crate::{Freshness, Link, Mode, Scene};

/// What Windows shows of a tooltip, in UTF-16 units.
pub const TOOLTIP_LENGTH: usize = 64;

/// `Electrónica: 1 down, 2 need attention`, or why nothing is known. The first line of the menu, where a tray has no tooltip.
pub fn summary(scene: &Scene<'_>) -> String {
    let language = scene.language;
    if let Some(line) = away(scene) {
        return line;
    }
    let count = |word: StationWord| scene.world.mine().filter(|station| station.state == word).count();
    let (down, attention) = (count(StationWord::Down), count(StationWord::Attention));
    let mut parts = Vec::new();
    if down > 0 {
        parts.push(counted(language, "down_one", "down_more", down));
    }
    if attention > 0 {
        parts.push(counted(language, "attention_one", "attention_more", attention));
    }
    let counts = match parts.as_slice() {
        [] if scene.world.mine().next().is_none() => say(language, "no_stations", &[]),
        [] => say(language, "all_quiet", &[]),
        parts => parts.join(", "),
    };
    match the_lab(scene) {
        Some(lab) => say(language, "of_lab", &[("lab", &lab), ("counts", &counts)]),
        None => counts,
    }
}

fn away(scene: &Scene<'_>) -> Option<String> {
    let language = scene.language;
    Some(match scene.world.link {
        Link::Unpaired => say(language, "unpaired", &[]),
        Link::TokenRefused => say(language, "pair_again", &[]),
        Link::CertificateRefused => say(language, "certificate_changed_short", &[]),
        Link::Connecting => say(language, "connecting", &[]),
        link => match link.freshness(scene.now) {
            Freshness::Offline(Some(since)) => {
                say(language, "away_since", &[("time", &scene.zones.moment(None, since, scene.now))])
            }
            Freshness::Offline(None) => say(language, "away", &[]),
            Freshness::Live(_) | Freshness::Delayed(_) => return None,
        },
    })
}

/// The one laboratory that the line is about: that of all troubled stations, else that of all.
fn the_lab(scene: &Scene<'_>) -> Option<String> {
    let troubled = |word: StationWord| matches!(word, StationWord::Down | StationWord::Attention);
    let any = scene.world.mine().any(|station| troubled(station.state));
    let mut labs = scene.world.mine().filter(|one| !any || troubled(one.state)).map(|one| one.lab.as_deref());
    let first = labs.next()??;
    labs.all(|lab| lab == Some(first)).then(|| first.to_owned())
}

/// `Next: LAB-WS04 at 10:50`.
pub(crate) fn next_line(scene: &Scene<'_>) -> Option<String> {
    let next = scene.world.next_reservation(scene.now)?;
    let lab = scene.world.stations.iter().find(|one| one.host.as_str() == next.host)?.lab.as_deref();
    let time = scene.zones.moment(lab, next.start_at.0, scene.now);
    Some(say(scene.language, "next", &[("host", &next.host), ("time", &time)]))
}

/// At most [`TOOLTIP_LENGTH`]: the line, and below it the next reservation where there is room.
pub fn tooltip(scene: &Scene<'_>) -> String {
    let line = shortened(&summary(scene), TOOLTIP_LENGTH);
    let next = (!scene.is_offline() && scene.world.mode == Mode::Full).then(|| next_line(scene)).flatten();
    match next {
        Some(next) if units(&line) + 1 + units(&next) <= TOOLTIP_LENGTH => format!("{line}\n{next}"),
        _ => line,
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Its beginning, with an ellipsis where something is left out.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if units(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        if units(&kept) + character.len_utf16() + 1 > most {
            break;
        }
        kept.push(character);
    }
    format!("{}…", kept.trim_end())
}

/// The state of a station as a word of the language.
pub(crate) fn word(language: Language, word: StationWord) -> String {
    stationkeeper_api::word_text(language, word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Stage, reservation, station};

    #[test]
    fn the_line_says_what_needs_somebody_and_where() {
        for (stations, english, spanish) in [
            (vec![], "No stations", "Ningún puesto"),
            (vec![("Redes", "ready"), ("Redes", "off")], "Redes: all quiet", "Redes: todo tranquilo"),
            (vec![("Redes", "ready"), ("Óptica", "ready")], "all quiet", "todo tranquilo"),
            (
                vec![
                    ("Electrónica", "down"),
                    ("Electrónica", "attention"),
                    ("Electrónica", "attention"),
                    ("Óptica", "ready"),
                ],
                "Electrónica: 1 down, 2 need attention",
                "Electrónica: 1 caído, 2 necesitan atención",
            ),
            (vec![("Redes", "attention")], "Redes: 1 needs attention", "Redes: 1 necesita atención"),
            (vec![("Redes", "down"), ("Óptica", "down")], "2 down", "2 caídos"),
        ] {
            let stations: Vec<_> = stations
                .into_iter()
                .enumerate()
                .map(|(number, (lab, state))| station(&format!("WS{number}"), lab, state))
                .collect();
            let mut stage = Stage::of("10:42:00", stations);
            assert_eq!(summary(&stage.scene()), english);
            stage.language = Language::Es;
            assert_eq!(summary(&stage.scene()), spanish);
        }
    }

    #[test]
    fn offline_it_says_so_and_nothing_old() {
        let mut stage = Stage::of("10:42:00", vec![station("WS1", "Redes", "down")]);
        stage.world.reservations = vec![reservation("R-1", "WS1", "11:00:00", "12:00:00")];
        stage.away("10:38:00");
        assert_eq!(tooltip(&stage.scene()), "Gateway not reached since 10:38");
        for (link, english) in [
            (Link::Unpaired, "Not connected to a lab yet"),
            (Link::Connecting, "Connecting"),
            (Link::TokenRefused, "Access was withdrawn: connect again"),
            (Link::CertificateRefused, "The gateway's certificate has changed"),
        ] {
            stage.world.link = link;
            assert_eq!(tooltip(&stage.scene()), english);
        }
    }

    #[test]
    fn the_next_reservation_stands_below_where_there_is_room() {
        let lab = |name: &str| vec![station("LAB-WS04", name, "down"), station("LAB-WS05", name, "attention")];
        for (name, text) in [
            ("Electrónica", "Electrónica: 1 down, 1 needs attention\nNext: LAB-WS04 at 10:50"),
            ("Electrónica de potencia", "Electrónica de potencia: 1 down, 1 needs attention"),
        ] {
            let mut stage = Stage::of("10:42:00", lab(name));
            stage.world.reservations = vec![reservation("R-1", "LAB-WS04", "10:50:00", "12:00:00")];
            assert_eq!(tooltip(&stage.scene()), text);
        }
    }

    proptest! {
        #[test]
        fn a_tooltip_is_never_too_long(lab in "\\PC{0,90}", down in 0..999_usize, spanish: bool) {
            let stations = (0..down.min(40)).map(|number| station(&format!("WS{number}"), &lab, "down")).collect();
            let mut stage = Stage::of("10:42:00", stations);
            stage.language = if spanish { Language::Es } else { Language::En };
            let text = tooltip(&stage.scene());
            prop_assert!(text.encode_utf16().count() <= TOOLTIP_LENGTH, "{text}");
        }
    }
}
