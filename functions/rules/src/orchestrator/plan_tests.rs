//! Each test is named after its point of the list of what a schedule must get right.

use stationkeeper_telemetry::PowerAction;

use super::*;
use crate::ReservationStatus;
use crate::orchestrator::testing::*;
use crate::testing::instant;

const PREPARED: &str = "R scheduled:1 prepare completed 0 09:58:02 09:58:20";
const STARTED: &str = "R scheduled:1 scheduler:start completed 200 09:58:20";

fn check(lab: &Lab, table: &[(&str, &str)]) {
    for (now, expected) in table {
        assert_eq!(&lab.at(now), expected, "at {now}");
    }
}

#[test]
fn a_reservation_is_prepared_before_it_starts_and_released_after_it_ended() {
    let before = Lab::with(&["R 10:00:00 11:00:00"]);
    check(&before, &[("09:57:59", "nothing until 09:58:00"), ("09:58:00", "R scheduled:1: wake, prepare")]);
    let begun = Lab::with(&["R 10:00:00 11:00:00"]).did(&[PREPARED, STARTED]);
    check(
        &begun,
        &[
            ("09:59:00", "nothing until 11:01:00"),
            ("11:00:59", "nothing until 11:01:00"),
            ("11:01:00", "R scheduled:1: release+reboot:15"),
            ("17:00:00", "R scheduled:1: release+reboot:15"),
            ("17:00:01", "nothing until ever"), // six hours ago
        ],
    );
    let over = begun.did(&[
        "R scheduled:1 release completed 0 11:01:00 11:01:05",
        "R scheduled:1 scheduler:end completed 200 11:01:05",
    ]);
    check(&over, &[("11:01:06", "nothing until ever")]);
}

#[test]
fn point_1_neighbours_have_one_turnover_at_the_boundary() {
    let turnover = "R scheduled:1: release | S scheduled:1: wake, prepare";
    for (next, table) in [
        // Back to back: the second begins a moment later, and nobody loses what is theirs.
        ("S 11:00:00 12:00:00", [("10:58:00", "nothing until 11:00:00"), ("11:00:00", turnover)]),
        ("S 11:01:00 12:00:00", [("10:59:59", "nothing until 11:00:00"), ("11:00:00", turnover)]),
        // Time for the lead, not for a reboot.
        ("S 11:02:59 12:00:00", [("11:00:58", "nothing until 11:00:59"), ("11:00:59", turnover)]),
        // Time for both: the lease keeps them apart.
        ("S 11:03:00 12:00:00", [("11:00:59", "nothing until 11:01:00"), ("11:01:00", turnover)]),
        (
            "S 11:04:00 12:00:00",
            [("11:00:59", "nothing until 11:01:00"), ("11:01:00", "R scheduled:1: release+reboot:15")],
        ),
        // Booked into each other: the first one's end is the boundary.
        ("S 10:30:00 12:00:00", [("10:45:00", "nothing until 11:00:00"), ("11:00:00", turnover)]),
    ] {
        let lab = Lab::with(&["R 10:00:00 11:00:00", next]).did(&[PREPARED, STARTED]).beats("11:00:00", |_| {});
        check(&lab, &table);
    }
}

#[test]
fn point_1_nothing_is_prepared_before_the_one_before_has_gone() {
    // Whatever became of its start.
    for operations in [
        vec![],
        vec![PREPARED],
        vec!["R scheduled:1 scheduler:start failed 502 09:58:10"],
        vec!["R gave_up:5 scheduler:start gave_up - 10:20:00"],
        vec!["R blocked_local_mode:0 scheduler:start blocked_local_mode - 09:58:00"],
        vec![PREPARED, "R asked:k release completed 0 10:40:00"],
    ] {
        let lab = Lab::with(&["R 10:00:00 11:00:00", "S 11:00:00 12:00:00"]).did(&operations);
        for now in ["10:58:00", "10:59:59"] {
            let decision = lab.at(now);
            assert!(!decision.contains("S scheduled"), "{now} {operations:?}: {decision}");
        }
        assert!(lab.at("11:00:00").contains("S scheduled:1: wake, prepare"), "{operations:?}");
    }
}

#[test]
fn point_1_what_was_not_released_in_time_never_disturbs_the_next_one() {
    // The service was away from 10:30 to 11:59; the next one starts at noon, or has begun.
    let lab =
        |next: &str| Lab::with(&["R 10:00:00 11:00:00", next]).did(&[PREPARED, STARTED]).beats("11:59:00", |_| {});
    let turnover = "R scheduled:1: release | S scheduled:1: wake, prepare";
    assert_eq!(lab("S 12:00:00 13:00:00").at("11:59:00"), turnover);
    assert_eq!(lab("S 11:30:00 13:00:00").at("11:59:00"), turnover);
    // No reboot that would not be over in time.
    assert_eq!(lab("S 12:01:59 13:00:00").at("11:59:00"), "nothing until 11:59:59");
    assert_eq!(lab("S 12:02:00 13:00:00").at("11:59:00"), "R scheduled:1: release+reboot:15");
    // Once the next one is prepared, there is nothing left to release for the one before.
    let prepared = lab("S 11:30:00 13:00:00").did(&["S scheduled:1 prepare completed 0 11:28:00"]);
    check(&prepared, &[("11:59:00", "nothing until 13:01:00")]);
    // A station that is down cannot be released: the prepare cleans up.
    let down = Lab::with(&["R 10:00:00 11:00:00", "S 11:00:00 12:00:00"]).did(&[PREPARED]).beats("10:50:00", |_| {});
    check(&down, &[("11:00:00", "S scheduled:1: wake, prepare")]);
}

#[test]
fn point_2_exit_code_1_is_not_a_failure_and_what_reached_the_station_is_not_sent_again() {
    let warned = Lab::with(&["R 10:00:00 11:00:00"]).did(&["R scheduled:1 prepare completed 1 09:58:02"]);
    check(&warned, &[("09:59:30", "nothing until 11:01:00")]);
    for (shows, release, expected) in [
        ("done with warnings", "R scheduled:1 release completed 1 11:01:00", "nothing until ever"),
        ("broke off", "R scheduled:1 release failed 2 11:01:00", "R end gave_up after 1 (release)"),
        ("nobody knows", "R scheduled:1 release unknown - 11:01:00", "R end gave_up after 1 (release)"),
        ("never got there", "R scheduled:1 release failed - 11:01:00", "R scheduled:2: release+reboot:15"),
    ] {
        let closing = if release.contains("completed") { "completed 200" } else { "failed 502" };
        let closing = format!("R scheduled:1 scheduler:end {closing} 11:01:05");
        let lab = Lab::with(&["R 10:00:00 11:00:00"]).did(&[PREPARED, STARTED, release, &closing]);
        assert_eq!(lab.at("11:10:00"), expected, "{shows}");
    }
    // Of a prepare nobody knows whether it ran: a second one may log off the reservation's own user.
    let lost = Lab::with(&["R 10:00:00 11:00:00"]).did(&[
        "R scheduled:1 prepare unknown - 09:58:02 10:05:00",
        "R scheduled:1 scheduler:start failed 502 10:05:00",
    ]);
    check(&lost, &[("10:20:00", "R start gave_up after 1 (prepare)")]);
    // A later heartbeat tells.
    let lost = lost.beats("10:21:00", |said| said.last_prepare = went_well("09:58:30"));
    check(&lost, &[("10:21:10", "nothing until 11:01:00")]);
    // A power action is not repeated with its release.
    let mut half = Lab::with(&["R 10:00:00 11:00:00"]).did(&[
        PREPARED,
        "R scheduled:1 release completed 0 11:01:00",
        "R scheduled:1 power:shutdown failed - 11:01:30",
        "R scheduled:1 scheduler:end failed 502 11:01:40",
    ]);
    half.after_end.power = Some(crate::orchestrator::PowerMode::Shutdown);
    check(&half, &[("11:02:39", "nothing until 11:02:40"), ("11:02:40", "R scheduled:2: power:shutdown")]);
}

#[test]
fn point_3_waits_grow_then_it_is_given_up_with_one_record() {
    let mut lab = Lab::with(&["R 10:00:00 11:00:00"]);
    let mut now = instant("09:58:00");
    let mut began = Vec::new();
    for number in 1..=5 {
        let Decision::Run(run) = lab.decide(now) else { panic!("run {number} at {now}") };
        assert_eq!(run.parts[0].run, RunId::Scheduled(number));
        began.push(now.format("%H:%M:%S").to_string());
        let clock = now.format("%H:%M:%S");
        lab = lab.did(&[
            &format!("R scheduled:{number} wake failed 504 {clock}"),
            &format!("R scheduled:{number} scheduler:start failed 502 {clock}"),
        ]);
        if let Decision::Nothing { look_again_at: Some(at) } = lab.decide(now) {
            now = at;
        }
    }
    assert_eq!(began, ["09:58:00", "09:59:00", "10:01:00", "10:05:00", "10:13:00"]);
    let Decision::GaveUp(gave_up) = lab.decide(now) else { panic!("not given up") };
    assert_eq!((gave_up.attempts, gave_up.failed), (5, Some(Action::Wake)));
    assert_eq!(gave_up.record.message.as_deref(), Some("Given up after 5 runs"));
    assert_eq!(gave_up.record.status, OperationStatus::GaveUp);
    // Two who see it at once write one row, and with it one alert.
    let Decision::GaveUp(again) = lab.decide(now + TimeDelta::seconds(30)) else { panic!("not given up") };
    assert_eq!(gave_up.record.id, again.record.id);
    lab.operations.push(gave_up.record);
    check(&lab, &[("10:30:00", "nothing until ever"), ("11:30:00", "nothing until ever")]);
    // A person who does it by hand is not in vain: it is released at the end.
    let lab = lab.did(&["R asked:k prepare completed 0 10:40:00"]);
    check(&lab, &[("10:41:00", "nothing until 11:01:00"), ("11:01:00", "R scheduled:1: release+reboot:15")]);
}

#[test]
fn point_3_an_end_is_given_up_too_and_never_before_it_is_due() {
    let mut operations = vec![PREPARED.to_owned(), STARTED.to_owned()];
    for (number, clock) in [(1, "11:01:00"), (2, "11:02:00"), (3, "11:04:00"), (4, "11:08:00"), (5, "11:16:00")] {
        operations.push(format!("R scheduled:{number} release failed - {clock}"));
        operations.push(format!("R scheduled:{number} scheduler:end failed 502 {clock}"));
    }
    let operations: Vec<_> = operations.iter().map(String::as_str).collect();
    let lab = Lab::with(&["R 10:00:00 11:00:00"]).did(&operations);
    check(&lab, &[("11:16:00", "R end gave_up after 5 (release)")]);
    let recorded = lab.did(&["R gave_up:5 scheduler:end gave_up - 11:16:00"]);
    check(&recorded, &[("11:30:00", "nothing until ever")]);
    let early = Lab::with(&["R 10:00:00 11:00:00"]).did(&[PREPARED, "R asked:k release failed 2 10:30:00"]);
    check(&early, &[("10:31:00", "nothing until 11:01:00"), ("11:01:00", "R end gave_up after 0 (release)")]);
}

#[test]
fn point_4_what_is_over_is_never_started() {
    let lab = Lab::with(&["R 10:00:00 11:00:00"]);
    check(
        &lab,
        &[
            ("10:59:59", "R scheduled:1: wake, prepare"),
            ("11:00:00", "nothing until ever"),
            ("11:00:01", "nothing until ever"),
            ("23:00:00", "nothing until ever"),
        ],
    );
    for status in [ReservationStatus::Cancelled, ReservationStatus::Completed] {
        let lab = Lab::with(&["R 10:00:00 11:00:00"]).status("R", status);
        check(&lab, &[("09:58:00", "nothing until ever"), ("10:30:00", "nothing until ever")]);
    }
    // It lies within the one before, and is over when that has gone.
    let within = Lab::with(&["R 10:00:00 12:00:00", "S 10:30:00 11:00:00"]).did(&[PREPARED]);
    check(&within, &[("10:30:00", "nothing until 12:01:00"), ("10:59:59", "nothing until 12:01:00")]);
    // One that has been running for longer than the lookback may be used by somebody.
    let long = Lab::with(&["R 01:00:00 23:00:00"]);
    check(&long, &[("07:00:00", "R scheduled:1: wake, prepare"), ("07:00:01", "nothing until ever")]);
}

#[test]
fn point_5_local_mode_and_a_local_session_block_the_start() {
    let start = "R scheduled:1: wake, prepare";
    for (shows, beat, mode, session, held, expected) in [
        ("neither", "09:57:30", false, false, false, start),
        ("local mode", "09:57:30", true, false, false, "R start blocked_local_mode until 11:00:00"),
        ("local mode of a silent station", "08:00:00", true, false, false, "R start blocked_local_mode until 11:00:00"),
        (
            "local mode that was just ordered",
            "09:57:30",
            false,
            false,
            true,
            "R start blocked_local_mode until 11:00:00",
        ),
        ("a session", "09:57:30", false, true, false, "R start blocked_local_session until 11:00:00"),
        ("a session of a station that fell silent", "08:00:00", false, true, false, start),
    ] {
        let mut lab = Lab::with(&["R 10:00:00 11:00:00"]).beats(beat, |said| {
            said.local_mode_enabled = Some(mode);
            said.local_session_active = Some(session);
        });
        lab.held = held;
        assert_eq!(lab.at("09:58:00"), expected, "{shows}");
        assert_eq!(lab.at("09:57:59"), "nothing until 09:58:00", "{shows}: not yet due");
        if let Decision::Blocked(blocked) = lab.decide(instant("09:58:00")) {
            let Decision::Blocked(again) = lab.decide(instant("09:58:01")) else { panic!("blocked still") };
            assert_eq!(blocked.record.id, again.record.id, "{shows}: one row, one alert");
            assert_eq!(blocked.record.action, Action::SchedulerStart);
        }
    }
}

#[test]
fn point_5_an_override_records_who_said_so() {
    let overridden = |id: &str, at: &str, by: &str| Override {
        reservation_id: ReservationId(id.to_owned()),
        by: by.to_owned(),
        reason: Some("the exam cannot wait".to_owned()),
        at: instant(at),
    };
    let mut lab = Lab::with(&["R 10:00:00 11:00:00"]).beats("09:57:30", |said| said.local_mode_enabled = Some(true));
    lab.overrides = vec![overridden("S", "09:50:00", "eve")];
    assert_eq!(lab.at("09:58:00"), "R start blocked_local_mode until 11:00:00", "another reservation's");
    lab.overrides.extend([overridden("R", "09:50:00", "ben"), overridden("R", "09:55:00", "ana")]);
    let Decision::Run(run) = lab.decide(instant("09:58:00")) else { panic!("not begun") };
    assert_eq!(run.ordered_by, OrderedBy::Person("ana".to_owned()));
    assert_eq!(run.parts[0].overridden, Some(overridden("R", "09:55:00", "ana")));
}

#[test]
fn point_5_the_end_leaves_alone_whoever_is_at_the_station() {
    let ended = |mode, session| {
        Lab::with(&["R 10:00:00 11:00:00"]).did(&[PREPARED, STARTED]).beats("11:00:30", |said| {
            said.local_mode_enabled = Some(mode);
            said.local_session_active = Some(session);
        })
    };
    check(&ended(true, false), &[("11:01:00", "R end blocked_local_mode until ever")]);
    // The reservation's user is logged off; whoever sits there keeps the station.
    check(&ended(false, true), &[("11:01:00", "R scheduled:1: release")]);
    let mut shut = ended(false, true);
    shut.after_end.power = Some(crate::orchestrator::PowerMode::Shutdown);
    check(&shut, &[("11:01:00", "R scheduled:1: release")]);
    // The next one waits until they are gone, the release does not.
    let mut next = ended(false, true);
    next.reservations.extend(Lab::with(&["S 11:00:00 12:00:00"]).reservations);
    check(&next, &[("11:01:00", "R scheduled:1: release")]);
    let next =
        next.did(&["R scheduled:1 release completed 0 11:01:00", "R scheduled:1 scheduler:end completed 200 11:01:00"]);
    check(&next, &[("11:01:10", "S start blocked_local_session until 12:00:00")]);
}

#[test]
fn point_6_what_is_cancelled_while_active_is_released() {
    for status in [ReservationStatus::Cancelled, ReservationStatus::Completed] {
        let lab = Lab::with(&["R 10:00:00 11:00:00"]).did(&[PREPARED, STARTED]).status("R", status);
        check(
            &lab,
            &[
                ("09:59:00", "R scheduled:1: release+reboot:15"),
                ("10:30:00", "R scheduled:1: release+reboot:15"),
                ("12:00:00", "R scheduled:1: release+reboot:15"),
            ],
        );
        let done = lab
            .did(&["R scheduled:1 release completed 0 10:30:00", "R scheduled:1 scheduler:end completed 200 10:30:05"]);
        check(&done, &[("10:31:00", "nothing until ever"), ("11:01:00", "nothing until ever")]);
    }
    // Its prepare broke off half way: released all the same. It never got there: nothing to release.
    for (prepare, expected) in [("failed 2", "R scheduled:1: release+reboot:15"), ("failed -", "nothing until ever")] {
        let prepare = format!("R scheduled:1 prepare {prepare} 09:58:00");
        let lab = Lab::with(&["R 10:00:00 11:00:00"]).did(&[&prepare]).status("R", ReservationStatus::Cancelled);
        check(&lab, &[("10:10:00", expected)]);
    }
    // Shortly before the next: no reboot.
    let next = Lab::with(&["R 10:00:00 11:00:00", "S 10:32:00 11:00:00"])
        .did(&[PREPARED])
        .status("R", ReservationStatus::Cancelled)
        .beats("10:30:00", |_| {});
    check(
        &next,
        &[
            ("10:29:30", "nothing until 10:30:00"),
            ("10:30:00", "R scheduled:1: release | S scheduled:1: wake, prepare"),
        ],
    );
    // Moved away after it was prepared.
    let moved = Lab::with(&["R 15:00:00 16:00:00"]).did(&[PREPARED, STARTED]);
    check(&moved, &[("10:00:00", "R scheduled:1: release+reboot:15")]);
    let moved = moved
        .did(&["R scheduled:1 release completed 0 10:00:00", "R scheduled:1 scheduler:end completed 200 10:00:00"]);
    check(&moved, &[("10:01:00", "nothing until 14:58:00"), ("14:58:00", "R scheduled:2: wake, prepare")]);
}

#[test]
fn point_7_a_power_action_replaces_the_reboot() {
    let mut lab = Lab::with(&["R 10:00:00 11:00:00"]).did(&[PREPARED, STARTED]);
    lab.after_end = AfterEnd { reboot: true, power: Some(crate::orchestrator::PowerMode::Shutdown), ..lab.after_end };
    check(&lab, &[("11:01:00", "R scheduled:1: release, power:shutdown")]);
    lab.after_end = AfterEnd { reboot: false, power: None, ..lab.after_end };
    check(&lab, &[("11:01:00", "R scheduled:1: release")]);
    // It is off already: that ends it, and nothing is sent.
    let off = Lab::with(&["R 10:00:00 11:00:00"]).did(&[PREPARED, STARTED]).beats("10:30:00", |said| {
        said.last_power_action = Some(PowerAction {
            timestamp: Some(instant("10:30:00")),
            mode: Some("shutdown".to_owned()),
            forced: None,
            wake_ready: Some(true),
            success: Some(true),
            delay: None,
            reason: None,
            wake_issues: None,
        });
    });
    check(&off, &[("11:01:00", "R scheduled:1: ")]);
}

#[test]
fn point_8_a_living_lease_leaves_nothing_to_do_and_a_dead_one_is_taken_up() {
    let mut lab = Lab::with(&["R 10:00:00 11:00:00"]);
    let Decision::Run(run) = lab.decide(instant("09:58:00")) else { panic!("not begun") };
    let Decision::Run(same) = lab.decide(instant("09:58:00")) else { panic!("not begun") };
    assert_eq!(run, same, "whoever asks");
    lab.open = Some(OpenRun { run, leased_until: instant("09:59:00") });
    check(
        &lab,
        &[
            ("09:58:01", "nothing until 09:59:00"),
            ("09:58:59", "nothing until 09:59:00"),
            ("09:59:00", "resume R scheduled:1: wake, prepare"),
            ("13:00:00", "resume R scheduled:1: wake, prepare"), // its rows are settled, whenever
        ],
    );
    let json = serde_json::to_string(&lab.open).expect("stored with the lease");
    assert_eq!(serde_json::from_str::<Option<OpenRun>>(&json).expect("read back"), lab.open);
    // What a person did counts.
    let by_hand = Lab::with(&["R 10:00:00 11:00:00"]).did(&["R asked:k prepare completed 0 09:50:00"]);
    check(&by_hand, &[("09:58:00", "nothing until 11:01:00")]);
    let in_vain = Lab::with(&["R 10:00:00 11:00:00"]).did(&["R asked:k wake failed 504 09:57:30"]);
    check(&in_vain, &[("09:58:00", "nothing until 09:58:30"), ("09:58:30", "R scheduled:1: wake, prepare")]);
    let ended = Lab::with(&["R 10:00:00 11:00:00"]).did(&[PREPARED, "R asked:e release completed 0 10:50:00"]);
    check(&ended, &[("10:55:00", "nothing until ever"), ("11:01:00", "nothing until ever")]);
}

#[test]
fn point_8_what_another_service_prepared_is_not_prepared_again() {
    let heard = |beat: &str, at: &'static str| {
        Lab::with(&["P 08:00:00 09:58:00", "R 10:00:00 11:00:00"])
            .beats(beat, move |said| said.last_prepare = went_well(at))
    };
    let lab = |at| heard("10:20:00", at);
    // Whoever prepared it has time to release it too, and that time shows in a heartbeat.
    check(&lab("09:58:10"), &[("10:20:10", "nothing until 11:06:00"), ("11:06:00", "nothing until ever")]);
    check(&heard("11:06:10", "09:58:10"), &[("11:06:20", "R scheduled:1: release+reboot:15")]);
    check(&lab("09:57:00"), &[("10:20:10", "P scheduled:1: release | R scheduled:1: wake, prepare")]); // of the one before
}

#[test]
fn point_8_what_somebody_else_released_is_not_released_again() {
    let lab = |released: &'static str| {
        Lab::with(&["R 10:00:00 11:00:00"]).beats("11:06:10", move |said| {
            said.last_prepare = went_well("09:58:10");
            said.last_release = went_well(released);
        })
    };
    check(&lab("11:00:40"), &[("11:06:20", "nothing until ever")]);
    check(&lab("09:00:00"), &[("11:06:20", "R scheduled:1: release+reboot:15")]); // that was for the one before
    let by_hand = lab("10:59:00").did(&[PREPARED]);
    check(&by_hand, &[("11:06:20", "nothing until ever")]);
    let ours = AfterEnd { power: Some(crate::orchestrator::PowerMode::Shutdown), ..AfterEnd::default() };
    let mut half_done = lab("11:01:05").did(&[
        PREPARED,
        "R scheduled:1 release completed 0 11:01:00 11:01:10",
        "R scheduled:1 power:shutdown failed - 11:01:10",
        "R scheduled:1 scheduler:end failed 502 11:01:10",
    ]);
    half_done.after_end = ours;
    check(&half_done, &[("11:06:20", "R scheduled:2: power:shutdown")]); // what is left of it is still ours to do
}

#[test]
fn point_9_a_station_that_reboots_is_not_taken_for_one_that_is_up() {
    let lab = |beat: &str| {
        Lab::with(&["R 10:00:00 11:00:00", "S 11:04:00 12:00:00"]).beats(beat, |_| {}).did(&[
            PREPARED,
            "R scheduled:1 release completed 0 11:01:00 11:01:55",
            "R scheduled:1 scheduler:end completed 200 11:01:55",
        ])
    };
    for (beat, after) in [("11:01:50", Some("11:02:10")), ("11:02:11", None)] {
        let Decision::Run(run) = lab(beat).decide(instant("11:02:12")) else { panic!("not begun") };
        assert_eq!(run.heartbeat_after, after.map(instant), "{beat}");
    }
}
