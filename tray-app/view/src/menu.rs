//! The menu: at most twelve entries apart from separators, whatever the laboratories.

use std::collections::BTreeMap;

use serde::Serialize;
use stationkeeper_api::{StationView, StationWord};
use stationkeeper_telemetry::HostName;

use crate::command::{Command, HoldLength, PauseLength};
use crate::tooltip::{next_line, shortened, summary, word};
use crate::window::{hold_choices, running_wake, wake_command};
use crate::words::{say, why};
use crate::{Link, Mode, Scene};

/// Stations that stand in the menu by themselves.
const WORST: usize = 3;
/// Entries of one level below; an entry that opens the rest comes after them.
const LEVEL: usize = 15;
/// No entry is longer; a menu as wide as a screen is none.
const LENGTH: usize = 60;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A line between.
    Separator,
    /// Says something, does nothing.
    Text(String),
    /// Does something.
    Action {
        /// Its id.
        command: Command,
        /// What stands there.
        text: String,
        /// Why it cannot be done now; none: it can.
        off: Option<String>,
    },
    /// Has entries of its own.
    Submenu {
        /// What stands there.
        text: String,
        /// Below it.
        entries: Vec<Entry>,
    },
}

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Menu {
    /// From top to bottom.
    pub entries: Vec<Entry>,
}

fn act(command: Command, text: String) -> Entry {
    Entry::Action { command, text: shortened(&text, LENGTH), off: None }
}

impl Menu {
    /// Of a scene.
    pub fn of(scene: &Scene<'_>) -> Self {
        let language = scene.language;
        let mut entries = vec![Entry::Text(shortened(&summary(scene), LENGTH))];
        if matches!(scene.world.link, Link::Unpaired | Link::TokenRefused | Link::CertificateRefused) {
            entries.push(act(Command::ShowPairing, say(language, "connect", &[])));
        }
        entries.extend(worst(scene).into_iter().map(|station| of_station(scene, station)));
        if let Some(all) = all_stations(scene) {
            entries.push(all);
        }
        entries.push(Entry::Separator);
        if scene.world.mode == Mode::Full
            && let Some(next) = next_line(scene)
        {
            entries.push(act(Command::ShowUpcoming, next));
        }
        if let Some(leaving) = leaving(scene) {
            entries.push(leaving);
        }
        entries.push(pause(scene));
        entries.push(Entry::Separator);
        entries.push(act(Command::Open, say(language, "open", &[])));
        if scene.world.mode == Mode::Full && scene.world.link != Link::Unpaired {
            entries.push(act(Command::OpenLabManager, say(language, "lab_manager", &[])));
        }
        entries.push(act(Command::Quit, say(language, "quit", &[])));
        Self { entries }
    }
}

/// The worst of the person's stations, the nearest reservation first.
fn worst<'a>(scene: &Scene<'a>) -> Vec<&'a StationView> {
    let rank = |station: &StationView| match station.state {
        StationWord::Down => Some(0),
        StationWord::Attention => Some(1),
        StationWord::Waking => Some(2),
        StationWord::Late => Some(3),
        _ => None,
    };
    let mut worst: Vec<_> = scene.world.mine().filter_map(|one| Some((rank(one)?, one))).collect();
    worst.sort_by_key(|(rank, station)| {
        let next = station.next_reservation.as_ref().map(|next| next.start);
        (*rank, next.is_none(), next, station.host.clone())
    });
    worst.into_iter().take(WORST).map(|(_, station)| station).collect()
}

fn offline_reason(scene: &Scene<'_>) -> Option<String> {
    scene.is_offline().then(|| say(scene.language, "off_offline", &[]))
}

fn of_station(scene: &Scene<'_>, station: &StationView) -> Entry {
    let language = scene.language;
    let off = offline_reason(scene);
    let host = || station.host.clone();
    let title = match why(language, station, scene.zones) {
        Some(why) => format!("{} · {why}", station.host),
        None => format!("{} · {}", station.host, word(language, station.state)),
    };
    let action = |command: Command, text: String| Entry::Action { command, text, off: off.clone() };
    let mut entries = Vec::new();
    if scene.world.may_act(station) {
        if running_wake(scene, station).is_some() {
            entries.push(action(Command::StopWake(host()), say(language, "stop_wake", &[])));
        } else if let Some(command) = wake_command(scene, station) {
            entries.push(action(command, say(language, "wake", &[])));
        }
        entries.extend(hold(scene, station, off.as_deref()));
    }
    entries.push(act(Command::Show(host()), say(language, "show", &[])));
    Entry::Submenu { text: shortened(&title, LENGTH), entries }
}

fn hold(scene: &Scene<'_>, station: &StationView, off: Option<&str>) -> Option<Entry> {
    let choices = hold_choices(scene, station);
    let mut entries = choices.into_iter().map(|choice| Entry::Action {
        command: choice.command,
        text: shortened(&choice.text, LENGTH),
        off: off.map(str::to_owned),
    });
    let title = say(scene.language, "hold", &[]);
    match entries.len() {
        0 => None,
        1 => entries.next(),
        _ => Some(Entry::Submenu { text: title, entries: entries.collect() }),
    }
}

/// Laboratories, below them stations; with one laboratory its stations at once.
fn all_stations(scene: &Scene<'_>) -> Option<Entry> {
    let language = scene.language;
    let mut labs: BTreeMap<(bool, &str), Vec<&StationView>> = BTreeMap::new();
    for station in scene.world.mine() {
        let lab = station.lab.as_deref();
        labs.entry((lab.is_none(), lab.unwrap_or_default())).or_default().push(station);
    }
    // What sleeps is woken from here; whatever else is to be done with a station, its card offers.
    let named = |station: &StationView| {
        let sleeps = wake_command(scene, station).is_some() || running_wake(scene, station).is_some();
        match sleeps {
            true => of_station(scene, station),
            false => {
                let title = format!("{} · {}", station.host, word(language, station.state));
                act(Command::Show(station.host.clone()), title)
            }
        }
    };
    let level = |stations: &[&StationView]| {
        let entries = stations.iter().map(|station| named(station)).collect();
        cut(scene, entries, stations.len())
    };
    let count = scene.world.mine().count();
    let entries = match labs.len() {
        0 => return None,
        1 => level(labs.values().next()?),
        _ => {
            let submenus = labs.iter().map(|((nameless, lab), stations)| {
                let name = if *nameless { say(language, "no_lab", &[]) } else { (*lab).to_owned() };
                Entry::Submenu { text: shortened(&name, LENGTH), entries: level(stations) }
            });
            cut(scene, submenus.collect(), count)
        }
    };
    Some(Entry::Submenu { text: say(language, "all_stations", &[]), entries })
}

/// What fits on a level, and the way to all `count` of them.
fn cut(scene: &Scene<'_>, mut entries: Vec<Entry>, count: usize) -> Vec<Entry> {
    if entries.len() > LEVEL {
        entries.truncate(LEVEL);
        entries.push(act(Command::Open, say(scene.language, "open_to_see", &[("count", &count.to_string())])));
    }
    entries
}

fn leaving(scene: &Scene<'_>) -> Option<Entry> {
    let host: &HostName = scene.own_host?;
    if scene.world.mode == Mode::Limited || !scene.is_station() {
        return None;
    }
    // Whoever has no token may still read that they would need the gateway; a viewer may not say so at all.
    let may = match scene.own_station() {
        Some(station) => scene.world.may_act(station),
        None => scene.world.person.is_none(),
    };
    may.then(|| Entry::Action {
        command: Command::Leaving(host.clone()),
        text: say(scene.language, "leaving_this_pc", &[]),
        off: offline_reason(scene),
    })
}

fn pause(scene: &Scene<'_>) -> Entry {
    let language = scene.language;
    if let Some(until) = scene.paused_until.filter(|_| scene.is_paused()) {
        let time = scene.zones.moment(None, until, scene.now);
        return act(Command::Resume, say(language, "resume", &[("time", &time)]));
    }
    let entries = PauseLength::ALL.into_iter().map(|length| {
        let text = match length {
            PauseLength::HalfHour => say(language, "half_hour", &[]),
            PauseLength::Hour => say(language, "one_hour", &[]),
            PauseLength::UntilTomorrow => say(language, "until_tomorrow", &[]),
        };
        act(Command::Pause(length), text)
    });
    Entry::Submenu { text: say(language, "pause", &[]), entries: entries.collect() }
}

/// What a length of a hold is called.
pub(crate) fn length_text(scene: &Scene<'_>, length: HoldLength) -> String {
    match length {
        HoldLength::HalfHour => say(scene.language, "half_hour", &[]),
        HoldLength::Hour => say(scene.language, "one_hour", &[]),
        HoldLength::UntilNext => say(scene.language, "until_next", &[]),
    }
}

#[cfg(test)]
#[path = "menu_tests.rs"]
mod tests;
