use serde_json::json;
use stationkeeper_api::Language;

use super::*;
use crate::testing::{Stage, at, host, reservation, station, wake};
use crate::{Role, World};

/// The menu as an outline: two blanks a level, `[id]` of what can be done, `(why)` where it cannot.
fn outline(entries: &[Entry], depth: usize) -> String {
    let blank = "  ".repeat(depth);
    entries
        .iter()
        .map(|entry| match entry {
            Entry::Separator => format!("{blank}--\n"),
            Entry::Text(text) => format!("{blank}{text}\n"),
            Entry::Action { command, text, off: None } => format!("{blank}{text} [{command}]\n"),
            Entry::Action { text, off: Some(off), .. } => format!("{blank}{text} ({off})\n"),
            Entry::Submenu { text, entries } => format!("{blank}{text} >\n{}", outline(entries, depth + 1)),
        })
        .collect()
}

fn count(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| **entry != Entry::Separator).count()
}

fn widest(entries: &[Entry]) -> usize {
    let below = entries.iter().filter_map(|entry| match entry {
        Entry::Submenu { entries, .. } => Some(widest(entries)),
        _ => None,
    });
    below.chain([count(entries)]).max().unwrap_or_default()
}

fn two_stations() -> Stage {
    let mut stage =
        Stage::of("10:42:00", vec![station("LAB-WS01", "Redes", "ready"), station("LAB-WS02", "Redes", "down")]);
    stage.world.reservations = vec![reservation("R-2043", "LAB-WS02", "11:00:00", "12:00:00")];
    stage
}

#[test]
fn an_instructor_has_the_worst_stations_at_hand() {
    let mut stage = two_stations();
    stage.is_on("LAB-WS01");
    assert_eq!(
        outline(&Menu::of(&stage.scene()).entries, 0),
        "Redes: 1 down
LAB-WS02 · Down >
  Wake [wake:LAB-WS02]
  Hold in local mode >
    30 min (blocks R-2043, 11:00)… [ask-hold-30:LAB-WS02]
    1 h (blocks R-2043, 11:00)… [ask-hold-60:LAB-WS02]
    Until the next booking [hold-next:LAB-WS02]
  Show [show:LAB-WS02]
All stations >
  LAB-WS01 · Ready [show:LAB-WS01]
  LAB-WS02 · Down >
    Wake [wake:LAB-WS02]
    Hold in local mode >
      30 min (blocks R-2043, 11:00)… [ask-hold-30:LAB-WS02]
      1 h (blocks R-2043, 11:00)… [ask-hold-60:LAB-WS02]
      Until the next booking [hold-next:LAB-WS02]
    Show [show:LAB-WS02]
--
Next: LAB-WS02 at 11:00 [show-upcoming]
I am leaving this PC [leaving:LAB-WS01]
Pause notifications >
  30 min [pause-30]
  1 h [pause-60]
  Until tomorrow [pause-tomorrow]
--
Open Stationkeeper [open]
Lab Manager [lab-manager]
Quit [quit]
"
    );
}

#[test]
fn what_a_role_may_not_do_is_absent() {
    let mut stage = two_stations();
    stage.is_on("LAB-WS01").role(Role::Viewer);
    let seen = outline(&Menu::of(&stage.scene()).entries, 0);
    for absent in ["wake:", "hold", "leaving"] {
        assert!(!seen.contains(absent), "{seen}");
    }
    assert!(seen.contains("[show:LAB-WS02]"), "{seen}");

    stage.role(Role::Instructor).world.person.as_mut().unwrap().labs = Some(vec!["Óptica".to_owned()]);
    let seen = outline(&Menu::of(&stage.scene()).entries, 0);
    assert!(!seen.contains("LAB-WS02"), "of another laboratory: {seen}");
}

#[test]
fn offline_actions_are_off_and_say_why() {
    let mut stage = two_stations();
    stage.is_on("LAB-WS01").away("10:38:00");
    let seen = outline(&Menu::of(&stage.scene()).entries, 0);
    assert!(seen.starts_with("Gateway not reached since 10:38\n"), "{seen}");
    assert!(seen.contains("Wake (needs the gateway)"), "{seen}");
    assert!(seen.contains("I am leaving this PC (needs the gateway)"), "{seen}");
    assert!(seen.contains("    30 min (blocks R-2043, 11:00)… (needs the gateway)"), "{seen}");
    for command in ["[wake:", "[hold", "[ask-hold", "[leaving"] {
        assert!(!seen.contains(command), "{seen}");
    }
}

#[test]
fn a_station_that_is_woken_can_be_left_alone() {
    let mut stage = two_stations();
    stage.world.actions = vec![wake("a1", "LAB-WS02", "claimed", "10:41:50", json!({}))];
    let seen = outline(&Menu::of(&stage.scene()).entries, 0);
    assert!(seen.contains("Stop wake [stop-wake:LAB-WS02]") && !seen.contains("[wake:"), "{seen}");
}

#[test]
fn the_older_service_has_no_reservations_no_leaving_and_a_hold_without_an_end() {
    let mut stage = two_stations();
    stage.is_on("LAB-WS01");
    stage.world.mode = Mode::Limited;
    stage.world.person = None;
    let seen = outline(&Menu::of(&stage.scene()).entries, 0);
    assert!(seen.contains("  Local mode on [local-mode-on:LAB-WS02]"), "{seen}");
    for absent in ["Next:", "leaving", "lab-manager", "hold-"] {
        assert!(!seen.contains(absent), "{seen}");
    }
}

#[test]
fn whoever_is_not_paired_finds_the_way_to_it() {
    let mut stage = Stage::of("10:42:00", vec![]);
    stage.world = World::nothing(Link::Unpaired);
    assert_eq!(
        outline(&Menu::of(&stage.scene()).entries, 0),
        "Not connected to a lab yet
Connect… [show-pairing]
--
Pause notifications >
  30 min [pause-30]
  1 h [pause-60]
  Until tomorrow [pause-tomorrow]
--
Open Stationkeeper [open]
Quit [quit]
"
    );
}

/// Statement 62.
#[test]
fn the_menu_never_exceeds_twelve_entries_with_forty_stations_in_five_laboratories() {
    for (labs, each) in [(1, 40), (5, 8), (5, 40), (40, 1), (20, 20), (1, 1), (0, 0)] {
        for language in Language::ALL {
            let stations = (0..labs * each).map(|number| {
                let state = ["down", "attention", "waking", "ready"][number % 4];
                station(&format!("LAB-WS{number:03}"), &format!("Lab {}", number % labs.max(1)), state)
            });
            let mut stage = Stage::of("10:42:00", stations.collect());
            stage.language = language;
            stage.is_on("LAB-WS001");
            if labs > 0 {
                stage.world.reservations = vec![reservation("R-1", "LAB-WS000", "11:00:00", "12:00:00")];
            }
            for link in [Link::Reached(at("10:42:00")), Link::TokenRefused] {
                stage.world.link = link;
                let menu = Menu::of(&stage.scene());
                assert!(count(&menu.entries) <= 12, "{labs} × {each}: {}", outline(&menu.entries, 0));
                assert!(widest(&menu.entries) <= LEVEL + 1, "{labs} × {each}");
            }
        }
    }
}

#[test]
fn a_station_that_sleeps_on_purpose_is_woken_from_the_list_of_all() {
    let mut stage =
        Stage::of("10:42:00", vec![station("LAB-WS01", "Redes", "ready"), station("LAB-WS02", "Redes", "off")]);
    let seen = outline(&Menu::of(&stage.scene()).entries, 0);
    assert!(seen.contains("  LAB-WS02 · Off >\n    Wake [wake:LAB-WS02]\n"), "{seen}");
    stage.world.actions = vec![wake("a1", "LAB-WS02", "claimed", "10:41:50", json!({}))];
    let seen = outline(&Menu::of(&stage.scene()).entries, 0);
    assert!(seen.contains("    Stop wake [stop-wake:LAB-WS02]\n"), "{seen}");
    stage.role(Role::Viewer).world.actions.clear();
    let seen = outline(&Menu::of(&stage.scene()).entries, 0);
    assert!(seen.contains("  LAB-WS02 · Off [show:LAB-WS02]\n"), "a viewer wakes nothing: {seen}");
}

#[test]
fn a_level_that_is_full_leads_to_all_of_them() {
    let stations = (0..40).map(|number| station(&format!("LAB-WS{number:02}"), "Redes", "ready")).collect();
    let seen = outline(&Menu::of(&Stage::of("10:42:00", stations).scene()).entries, 0);
    assert!(seen.contains("  LAB-WS14 · Ready [show:LAB-WS14]\n  Open to see all 40 [open]\n"), "{seen}");
}

#[test]
fn a_hold_of_ones_own_can_be_ended_and_anothers_cannot() {
    for (owner, role, ends) in
        [("ana", Role::Instructor, true), ("luis", Role::Instructor, false), ("luis", Role::Operator, true)]
    {
        let mut stage = two_stations();
        stage.role(role);
        let held = &mut stage.world.stations[1];
        held.hold = serde_json::from_value(json!({
            "host": "LAB-WS02", "state": "held", "enabled": true, "owner": owner,
            "ordered_at": "2026-11-24T10:00:00Z", "expires_at": "2026-11-24T12:30:00Z",
        }))
        .unwrap();
        let seen = outline(&Menu::of(&stage.scene()).entries, 0);
        assert_eq!(seen.contains("[end-hold:LAB-WS02]"), ends, "{owner} {role:?}: {seen}");
    }
}

#[test]
fn the_nearest_reservation_breaks_a_tie_and_the_calm_are_not_listed() {
    let names = ["WS1", "WS2", "WS3", "WS4", "WS5"];
    let states = ["attention", "attention", "down", "ready", "off"];
    let mut stations: Vec<_> = names.iter().zip(states).map(|(name, state)| station(name, "Redes", state)).collect();
    stations[1].next_reservation =
        serde_json::from_value(json!({ "id": "R", "start": "2026-11-24T11:00:00Z", "end": "2026-11-24T12:00:00Z" }))
            .unwrap();
    let stage = Stage::of("10:42:00", stations);
    let order: Vec<_> = worst(&stage.scene()).into_iter().map(|station| station.host.clone()).collect();
    assert_eq!(order, [host("WS3"), host("WS2"), host("WS1")]);
}
