use serde_json::json;

use super::*;
use crate::testing::{Stage, at, more_time, reservation, station, wake};
use crate::{Link, NotifyAbout, PauseLength, Zones};

/// A timeline: what is told at each instant, as titles.
struct Watch {
    stage: Stage,
    notices: Notices,
}

impl Watch {
    fn from(mut stage: Stage, time: &str) -> Self {
        stage.at(time);
        let mut notices = Notices::default();
        assert_eq!(notices.observe(&stage.scene()), [], "what was so at the start is not told");
        Self { stage, notices }
    }

    fn at(&mut self, time: &str) -> Vec<Notice> {
        self.stage.at(time);
        self.notices.observe(&self.stage.scene())
    }

    /// Titles at `time`, and once what was gathered is told.
    fn titles(&mut self, time: &str) -> Vec<String> {
        let mut told = self.at(time);
        while let Some(next) = self.notices.next_at().filter(|next| *next <= at(time) + GATHERING) {
            self.stage.at(&next.format("%H:%M:%S").to_string());
            told.extend(self.notices.observe(&self.stage.scene()));
        }
        told.into_iter().map(|notice| notice.title).collect()
    }
}

fn stations(count: usize) -> Vec<stationkeeper_api::StationView> {
    (1..=count).map(|number| station(&format!("WS{number}"), "Redes", "ready")).collect()
}

#[test]
fn a_station_that_goes_down_is_told_once_and_with_what_is_booked() {
    let mut watch = Watch::from(Stage::of("10:00:00", stations(2)), "10:00:00");
    watch.stage.world.reservations = vec![reservation("R-1", "WS1", "11:00:00", "12:00:00")];
    watch.stage.is("WS1", "down");
    watch.stage.world.stations[0].cause =
        serde_json::from_value(json!({ "code": "nothing_newer", "since": "2026-11-24T09:57:00Z" })).unwrap();
    assert_eq!(watch.at("10:00:10"), [], "it is held for a moment");
    assert_eq!(watch.notices.next_at(), Some(at("10:00:13")));
    let told = watch.at("10:00:13");
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].title.as_str(), told[0].body.as_str()),
        ("WS1 went down", "no heartbeat since 09:57 · WS1 is booked at 11:00")
    );
    assert_eq!(told[0].opens.to_string(), "show:WS1");
    let buttons: Vec<_> = told[0].buttons.iter().map(|button| button.command.to_string()).collect();
    assert_eq!((buttons.join(" "), told[0].is_urgent), ("show:WS1 pause-60".to_owned(), false));
    assert_eq!(watch.titles("10:01:00"), [""; 0]);
}

#[test]
fn what_passes_within_a_moment_is_not_told_and_neither_is_a_recovery_unless_switched_on() {
    for (recovered, told) in [(false, vec![]), (true, vec!["WS1 is well again"])] {
        let mut watch = Watch::from(Stage::of("10:00:00", stations(1)), "10:00:00");
        watch.stage.settings.notify = NotifyAbout { recovered, ..NotifyAbout::default() };
        watch.stage.is("WS1", "down");
        assert_eq!(watch.at("10:00:01"), []);
        watch.stage.is("WS1", "ready");
        // It went down and came back in the same moment: of both, only what still holds is told.
        assert_eq!(watch.titles("10:00:02"), told, "recovered {recovered}");
    }
}

#[test]
fn what_was_so_at_the_start_or_while_nobody_looked_is_compared_with_what_was_known_last() {
    let mut stage = Stage::of("10:00:00", stations(3));
    stage.is("WS1", "down");
    let mut watch = Watch::from(stage, "10:00:00");
    assert_eq!(watch.titles("10:00:10"), [""; 0], "it was down before");
    watch.stage.away("10:00:10");
    watch.stage.is("WS2", "down");
    assert_eq!(watch.titles("10:05:00"), [""; 0], "offline nothing is a fact");
    watch.stage.world.link = crate::Link::Reached(at("10:06:00"));
    assert_eq!(watch.titles("10:06:00"), ["WS2 went down"]);
}

#[test]
fn an_app_that_starts_offline_compares_with_what_it_hears_first() {
    let mut stage = Stage::of("10:00:00", stations(1));
    stage.away("09:00:00");
    let mut watch = Watch::from(stage, "10:00:00");
    watch.stage.world.link = crate::Link::Reached(at("10:01:00"));
    watch.stage.is("WS1", "down");
    assert_eq!(watch.titles("10:01:00"), [""; 0]);
}

/// Statement 70.
#[test]
fn five_stations_down_at_once_are_one_notification() {
    let mut watch = Watch::from(Stage::of("10:00:00", stations(6)), "10:00:00");
    for (second, name) in ["WS1", "WS2", "WS3", "WS4", "WS5"].into_iter().enumerate() {
        watch.stage.is(name, "down");
        // They come one by one, half a second apart.
        assert_eq!(watch.at(&format!("10:00:0{}", 1 + second / 2)), []);
    }
    let told = watch.at("10:00:04");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].title.as_str(), told[0].body.as_str()),
        ("5 stations went down", "WS1 · WS2 · WS3 · WS4 · WS5")
    );
    assert_eq!(told[0].opens, Command::Open);
    assert_eq!(watch.titles("10:00:10"), [""; 0]);
}

#[test]
fn a_station_is_told_of_once_in_ten_minutes_and_an_hour_holds_four() {
    let mut watch = Watch::from(Stage::of("10:00:00", stations(9)), "10:00:00");
    let mut flap = |time: &str, name: &str| {
        watch.stage.is(name, "ready");
        watch.titles(time);
        watch.stage.is(name, "down");
        let (hours, rest) = time.split_at(6);
        watch.titles(&format!("{hours}{:02}", rest.parse::<u32>().unwrap() + 10)).len()
    };
    for (time, name, told) in [
        ("10:01:00", "WS1", 1),
        ("10:05:00", "WS1", 0),
        ("10:10:49", "WS1", 0), // told at 10:01:13: not yet ten minutes ago
        ("10:11:30", "WS1", 1),
        ("10:20:00", "WS2", 1),
        ("10:21:00", "WS3", 1),
        ("10:22:00", "WS4", 0), // the fifth
        ("11:00:49", "WS5", 0), // the first of the hour is not an hour old
        ("11:02:00", "WS6", 1),
        ("11:03:00", "WS7", 0),
    ] {
        assert_eq!(flap(time, name), told, "{time} {name}");
    }
}

#[test]
fn two_at_once_are_one_where_the_hour_has_room_for_one() {
    let mut watch = Watch::from(Stage::of("10:00:00", stations(6)), "10:00:00");
    for (time, name) in [("10:01:00", "WS1"), ("10:02:00", "WS2"), ("10:03:00", "WS3")] {
        watch.stage.is(name, "down");
        assert_eq!(watch.titles(time).len(), 1);
    }
    watch.stage.is("WS4", "down").is("WS5", "down");
    assert_eq!(watch.titles("10:04:00"), ["2 stations went down"]);
}

#[test]
fn a_reservation_within_half_an_hour_is_at_risk_when_its_station_is_down_or_an_alert_says_so() {
    let alert = |state: &str| {
        serde_json::from_value(json!({
            "id": "a", "rule": "local_session_before_reservation", "severity": "warning", "host": "WS1", "reservation_id": "R-1",
            "state": state, "opened_at": "2026-11-24T10:00:00Z", "cause": { "code": "by_hand" }, "cause_text": "x",
        }))
        .unwrap()
    };
    for (starts, state, alerts, told) in [
        ("10:30:10", "attention", vec![alert("open")], vec!["R-1 is at risk"]),
        ("10:30:11", "attention", vec![alert("open")], vec![]),
        ("10:30:10", "attention", vec![alert("acknowledged")], vec![]),
        ("10:30:10", "attention", vec![], vec![]),
        // Both at once are one: that the station is down says when it is booked.
        ("10:30:10", "down", vec![], vec!["WS1 went down"]),
    ] {
        let mut watch = Watch::from(Stage::of("10:00:00", stations(1)), "10:00:00");
        watch.stage.world.reservations = vec![reservation("R-1", "WS1", starts, "12:00:00")];
        watch.stage.is("WS1", state).world.alerts = alerts;
        assert_eq!(watch.titles("10:00:10"), told, "{starts} {state}");
    }
}

#[test]
fn a_reservation_that_was_at_risk_when_the_app_heard_first_is_not_told() {
    let mut stage = Stage::of("10:00:00", stations(1));
    stage.away("09:50:00");
    let mut watch = Watch::from(stage, "10:00:00");
    watch.stage.world.link = Link::Reached(at("10:00:05"));
    watch.stage.world.reservations = vec![reservation("R-1", "WS1", "10:20:00", "12:00:00")];
    watch.stage.is("WS1", "down");
    assert_eq!(watch.titles("10:00:05"), [""; 0]);
    watch.stage.world.reservations.push(reservation("R-2", "WS1", "10:25:00", "12:00:00"));
    watch.stage.world.link = Link::Reached(at("10:00:20"));
    assert_eq!(watch.titles("10:00:20"), ["R-2 is at risk"], "it was not so at the start");
}

#[test]
fn what_the_gateway_sees_in_the_way_is_told_in_its_words_unless_it_is_ones_own_hold() {
    for (code, owner, told) in [
        ("given_up", None, vec!["R-1 is at risk"]),
        ("local_mode", Some("luis"), vec!["R-1 is at risk"]),
        ("local_mode", None, vec!["R-1 is at risk"]),
        ("local_mode", Some("ana"), vec![]),
        ("given_up", Some("ana"), vec!["R-1 is at risk"]),
    ] {
        let mut watch = Watch::from(Stage::of("10:00:00", stations(1)), "10:00:00");
        let mut near = reservation("R-1", "WS1", "10:20:00", "12:00:00");
        near.at_risk = serde_json::from_value(json!([{ "code": code, "text": "as the gateway says" }])).unwrap();
        watch.stage.world.reservations = vec![near];
        watch.stage.world.stations[0].hold = owner.map(|owner| {
            serde_json::from_value(json!({
                "host": "WS1", "state": "held", "enabled": true, "owner": owner, "ordered_at": "2026-11-24T09:00:00Z",
            }))
            .unwrap()
        });
        assert_eq!(watch.at("10:00:10"), []);
        let notices = watch.at("10:00:13");
        let titles: Vec<_> = notices.iter().map(|notice| notice.title.as_str()).collect();
        assert_eq!(titles, told, "{code} {owner:?}");
        let worded = notices.iter().all(|notice| notice.body == "as the gateway says · WS1 is booked at 10:20");
        assert!(worded, "{notices:?}");
    }
}

#[test]
fn one_that_comes_near_is_told_though_its_station_was_down_all_the_time() {
    let mut stage = Stage::of("10:00:00", stations(1));
    stage.is("WS1", "down").world.reservations = vec![reservation("R-1", "WS1", "10:40:00", "12:00:00")];
    let mut watch = Watch::from(stage, "10:00:00");
    assert_eq!(watch.titles("10:09:59"), [""; 0]);
    assert_eq!(watch.titles("10:10:05"), ["R-1 is at risk"]);
    assert_eq!(watch.titles("10:25:00"), [""; 0], "once");
}

fn at_the_station() -> Stage {
    let mut stage = Stage::of("10:00:00", stations(2));
    stage.is_on("WS1").world.reservations = vec![reservation("R-2042", "WS1", "10:50:00", "12:20:00")];
    stage
}

/// Statement 71: also while notifications are off, and after four in the hour.
#[test]
fn whoever_sits_here_is_told_ten_and_two_minutes_before_they_are_asked_to_leave() {
    for paused in [false, true] {
        let mut watch = Watch::from(at_the_station(), "10:00:00");
        if paused {
            watch.stage.paused_until = Some(PauseLength::UntilTomorrow.until(&Zones::default(), watch.stage.now));
        }
        assert_eq!(watch.notices.next_at(), Some(at("10:36:30")), "asked at 10:46:30");
        assert_eq!(watch.at("10:36:29"), []);
        let told = watch.at("10:36:30");
        assert_eq!(told[0].title, "You will be asked to leave in 10 min");
        assert_eq!(told[0].body, "R-2042 on this PC, at 10:50. You will be asked to leave at 10:46.");
        let buttons: Vec<_> = told[0].buttons.iter().map(|button| button.command.to_string()).collect();
        assert_eq!(buttons, ["leaving:WS1", "more-time:WS1"]);
        assert!(told[0].is_urgent);
        assert_eq!(watch.at("10:40:00"), []);
        assert_eq!(watch.notices.next_at(), Some(at("10:44:30")));
        assert_eq!(watch.at("10:44:30")[0].title, "You will be asked to leave in 2 min");
        assert_eq!(watch.at("10:45:00"), []);
        assert_eq!(watch.at("10:47:00"), []);
    }
}

#[test]
fn a_pc_that_slept_is_told_what_is_left() {
    let mut watch = Watch::from(at_the_station(), "10:00:00");
    assert_eq!(watch.titles("10:41:30"), ["You will be asked to leave in 5 min"]);
    let mut watch = Watch::from(at_the_station(), "10:00:00");
    assert_eq!(watch.titles("10:45:00"), ["You will be asked to leave in 1 min 30 s"]);
}

#[test]
fn more_time_moves_it_and_an_empty_pc_hears_nothing() {
    let mut watch = Watch::from(at_the_station(), "10:00:00");
    assert_eq!(watch.titles("10:36:30").len(), 1);
    watch.stage.world.requests =
        vec![more_time("m", "WS1", "R-2042", "granted", json!({ "until": "2026-11-24T10:48:30Z" }))];
    assert_eq!(watch.titles("10:38:30"), ["You will be asked to leave in 10 min"]);
    assert_eq!(watch.titles("10:46:30"), ["You will be asked to leave in 2 min"]);

    let mut empty = at_the_station();
    empty.local.as_mut().unwrap().snapshot.local_session_active = Some(false);
    let mut watch = Watch::from(empty, "10:00:00");
    assert_eq!(watch.titles("10:36:30"), [""; 0]);
}

#[test]
fn offline_it_is_told_without_buttons_that_could_only_fail() {
    let mut watch = Watch::from(at_the_station(), "10:00:00");
    watch.stage.away("10:30:00");
    let told = watch.at("10:36:30");
    assert_eq!((told.len(), told[0].buttons.len()), (1, 0));
}

#[test]
fn a_forced_logoff_on_this_pc_is_told_with_its_reason() {
    let logoff = |time: &str, message: Option<&str>, source: Option<&str>| {
        Some(stationkeeper_telemetry::ForcedLogoff {
            timestamp: Some(at(time)),
            user: Some("profesora".to_owned()),
            session_id: None,
            grace: None,
            force: None,
            message: message.map(str::to_owned),
            source: source.map(str::to_owned),
            state: None,
            success: None,
        })
    };
    for (message, source, body) in [
        (Some("The lab is booked"), Some("session-guard"), "The lab is booked"),
        (None, Some("session-guard"), "Ordered by session-guard"),
        (None, None, "The station did not say why."),
    ] {
        let mut stage = Stage::of("10:00:00", stations(1));
        stage.is_on("WS1").local.as_mut().unwrap().snapshot.last_forced_logoff = logoff("09:59:59", None, None);
        let mut watch = Watch::from(stage, "10:00:00");
        assert_eq!(watch.titles("10:00:30"), [""; 0], "before the app began");
        watch.stage.local.as_mut().unwrap().snapshot.last_forced_logoff = logoff("10:01:00", message, source);
        assert_eq!(watch.at("10:01:10"), []);
        let told = watch.at("10:01:13");
        assert_eq!((told[0].title.as_str(), told[0].body.as_str()), ("profesora was logged off on this PC", body));
        assert_eq!(watch.titles("10:20:00"), [""; 0], "once");
    }
}

#[test]
fn the_result_of_what_was_asked_is_told_and_what_others_asked_is_not() {
    for (state, more, title, body) in [
        ("done", json!({ "settled_at": "2026-11-24T10:02:12Z" }), "WS1 woke up", "It took 1 min 12 s, as you asked."),
        ("failed", json!({ "message": "it did not answer" }), "WS1 could not be woken", "it did not answer"),
        ("expired", json!({}), "WS1 could not be woken", "Nobody took it up in time."),
    ] {
        let mut watch = Watch::from(Stage::of("10:00:00", stations(2)), "10:00:00");
        watch.notices.asked(&crate::testing::host("WS1"), "mine", at("10:01:00"));
        let pending = || json!({});
        watch.stage.world.actions = vec![
            wake("mine", "WS1", "claimed", "10:01:00", pending()),
            wake("theirs", "WS2", "claimed", "10:01:00", pending()),
        ];
        assert_eq!(watch.titles("10:01:01"), [""; 0]);
        watch.stage.world.actions =
            vec![wake("mine", "WS1", state, "10:01:00", more), wake("theirs", "WS2", "done", "10:01:00", pending())];
        assert_eq!(watch.at("10:02:12"), []);
        let told = watch.at("10:02:15");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].title.as_str(), told[0].body.as_str()), (title, body));
    }
}

#[test]
fn what_one_did_oneself_is_no_news() {
    let mut stage = Stage::of("10:00:00", stations(1));
    stage.is("WS1", "down").settings.notify.recovered = true;
    let mut watch = Watch::from(stage, "10:00:00");
    watch.notices.asked(&crate::testing::host("WS1"), "mine", at("10:01:00"));
    watch.stage.world.actions = vec![wake("mine", "WS1", "withdrawn", "10:01:00", json!({}))];
    watch.stage.is("WS1", "ready");
    assert_eq!(watch.titles("10:02:00"), [""; 0], "neither that it is well again nor that the wake was withdrawn");
}

#[test]
fn an_answer_of_an_operator_is_told() {
    for (state, more, title) in [
        ("granted", json!({ "until": "2026-11-24T10:52:00Z", "answered_by": "luis" }), "You may stay until 10:52."),
        ("refused", json!({ "answered_by": "luis" }), "luis did not agree: the session starts as planned."),
        ("expired", json!({}), "Nobody answered in time: the session starts as planned."),
    ] {
        let mut watch = Watch::from(Stage::of("10:00:00", stations(1)), "10:00:00");
        watch.notices.asked(&crate::testing::host("WS1"), "m", at("10:01:00"));
        watch.stage.world.requests = vec![more_time("m", "WS1", "R-1", "asked", json!({}))];
        assert_eq!(watch.titles("10:01:00"), [""; 0]);
        watch.stage.world.requests = vec![more_time("m", "WS1", "R-1", state, more)];
        assert_eq!(watch.titles("10:02:00"), [title]);
    }
}

#[test]
fn a_pause_drops_what_happens_in_it() {
    let mut watch = Watch::from(Stage::of("10:00:00", stations(2)), "10:00:00");
    watch.stage.paused_until = Some(at("10:30:00"));
    watch.stage.is("WS1", "down");
    assert_eq!(watch.titles("10:10:00"), [""; 0]);
    assert_eq!(watch.titles("10:31:00"), [""; 0], "it is not made up for");
    watch.stage.is("WS2", "down");
    assert_eq!(watch.titles("10:32:00"), ["WS2 went down"]);
}

#[test]
fn different_things_at_once_are_told_by_their_titles() {
    let mut watch = Watch::from(Stage::of("10:00:00", stations(4)), "10:00:00");
    watch.notices.asked(&crate::testing::host("WS4"), "mine", at("10:00:00"));
    watch.stage.world.actions = vec![wake("mine", "WS4", "done", "10:00:00", json!({}))];
    watch.stage.is("WS1", "down").is("WS2", "down");
    assert_eq!(watch.at("10:01:00"), []);
    let told = watch.at("10:01:03");
    assert_eq!((told.len(), told[0].title.as_str()), (1, "3 things happened"));
    assert_eq!(told[0].body, "WS4 woke up · WS1 went down · WS2 went down");
}
