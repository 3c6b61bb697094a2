use super::*;
use crate::orchestrator::testing::*;
use crate::orchestrator::{Decision, EndWish, PowerMode, Side, StartWish, WakeOptions};
use crate::testing::{host, instant, reservation};

fn start() -> Run {
    let Decision::Run(run) = Lab::with(&["R 10:00:00 11:00:00"]).decide(instant("09:58:00")) else { panic!("not due") };
    run
}

fn ending(power: Option<PowerMode>) -> Run {
    let mut lab = Lab::with(&["R 10:00:00 11:00:00"]).did(&["R scheduled:1 prepare completed 0 09:58:02"]);
    lab.after_end.power = power;
    let Decision::Run(run) = lab.decide(instant("11:01:00")) else { panic!("not due") };
    run
}

fn told(next: &Next) -> String {
    match next {
        Next::Issue { operation, .. } => format!("{} {}", operation.action, operation.attempt),
        Next::WaitForHeartbeat { newer_than, until } => {
            format!("wait after {} until {}", newer_than.format("%H:%M:%S"), until.format("%H:%M:%S"))
        }
        Next::Settle { outcome, .. } => format!("settle {}", outcome.status.as_str()),
        Next::Finished(finished) => {
            let closing = |one: &Operation| {
                let code = one.response_code.map_or("-".to_owned(), |code| code.to_string());
                format!(" {} {} {code}", one.action, one.status.as_str())
            };
            let closings: String = finished.closings.iter().map(closing).collect();
            format!("{}{closings}: {}", if finished.success { "well" } else { "badly" }, finished.message)
        }
    }
}

fn at(run: &Run, lab: &Lab, now: &str) -> String {
    let known = Known { state: &lab.state, held: lab.held };
    told(&next(run, &lab.operations, &known, &[], &lab.timing, instant(now)))
}

fn lab(beat: &str, operations: &[&str]) -> Lab {
    Lab::with(&[]).beats(beat, |_| {}).did(operations)
}

/// A wake that took packets.
fn woken(mut lab: Lab) -> Lab {
    for wake in lab.operations.iter_mut().filter(|one| one.action == Action::Wake) {
        wake.packets = Some(2);
    }
    lab
}

#[test]
fn point_9_a_station_that_is_up_is_prepared_at_once_and_one_that_was_woken_after_a_fresh_heartbeat() {
    let wake = "R scheduled:1 wake completed 200 09:58:00 09:58:40";
    assert_eq!(at(&start(), &lab("09:57:30", &[]), "09:58:00"), "wake 1");
    assert_eq!(at(&start(), &lab("09:57:30", &[wake]), "09:58:40"), "prepare 1");
    for (shows, beat, now, expected) in [
        ("only an older heartbeat", "09:57:30", "09:58:40", "wait after 09:58:00 until 10:01:40"),
        ("a newer one", "09:58:41", "09:58:42", "prepare 1"),
        (
            "none in time",
            "09:57:30",
            "10:01:40",
            "badly scheduler:start failed 502: The station answers, but sent no heartbeat since it was woken",
        ),
    ] {
        assert_eq!(at(&start(), &woken(lab(beat, &[wake])), now), expected, "{shows}");
    }
    let mut unheard = woken(Lab::with(&[]).did(&[wake]));
    unheard.state = crate::StationState::unheard(host(), instant("09:00:00"));
    assert_eq!(at(&start(), &unheard, "09:58:40"), "prepare 1", "nobody there would send one");
    // It answers still, while it reboots.
    let run = Run { heartbeat_after: Some(instant("09:58:30")), ..start() };
    assert_eq!(at(&run, &lab("09:58:10", &[wake]), "09:58:40"), "wait after 09:58:30 until 10:01:40");
    assert_eq!(at(&run, &lab("09:59:00", &[wake]), "09:59:10"), "prepare 1");
}

#[test]
fn a_run_ends_with_its_last_step_or_with_the_first_that_failed() {
    let wake = "R scheduled:1 wake completed 200 09:57:50";
    let prepare = |end: &str| format!("R scheduled:1 prepare {end} 09:58:02");
    for (operations, expected) in [
        (vec![wake.to_owned(), prepare("completed 0")], "well scheduler:start completed 200: Done"),
        (vec![wake.to_owned(), prepare("completed 1")], "well scheduler:start completed 200: Done"),
        (vec![wake.to_owned(), prepare("failed 2")], "badly scheduler:start failed 502: prepare failed"),
        (vec![wake.to_owned(), prepare("unknown -")], "badly scheduler:start failed 502: prepare failed"),
        (vec!["R scheduled:1 wake failed 504 09:58:00".to_owned()], "badly scheduler:start failed 502: wake failed"),
        // Of another run, and of another reservation.
        (
            vec!["R asked:k wake failed 504 09:57:00".to_owned(), "S scheduled:1 wake failed 504 09:57:00".to_owned()],
            "wake 1",
        ),
    ] {
        let operations: Vec<_> = operations.iter().map(String::as_str).collect();
        assert_eq!(at(&start(), &lab("09:57:30", &operations), "09:59:00"), expected, "{operations:?}");
    }
    let release = "R scheduled:1 release completed 1 11:01:00";
    let shutdown = ending(Some(PowerMode::Shutdown));
    assert_eq!(at(&shutdown, &lab("11:00:30", &[]), "11:01:00"), "release 1");
    assert_eq!(at(&shutdown, &lab("11:00:30", &[release]), "11:01:05"), "power:shutdown 1");
    assert_eq!(at(&ending(None), &lab("11:00:30", &[release]), "11:01:05"), "well scheduler:end completed 200: Done");
    let nothing = Run { parts: vec![Part { work: Vec::new(), ..start().parts.remove(0) }], ..start() };
    assert_eq!(
        at(&nothing, &lab("09:57:30", &[]), "09:58:00"),
        "well scheduler:start completed 200: There is nothing to do"
    );
}

#[test]
fn point_1_a_turnover_prepares_for_the_next_whatever_became_of_the_release() {
    let due = Lab::with(&["R 10:00:00 11:00:00", "S 11:00:00 12:00:00"])
        .did(&["R scheduled:1 prepare completed 0 09:58:02"])
        .beats("10:59:30", |_| {});
    let Decision::Run(run) = due.decide(instant("11:00:00")) else { panic!("not due") };
    assert!(run.is_turnover());
    assert_eq!(at(&run, &due, "11:00:00"), "release 1");
    let rest = ["S scheduled:1 wake completed 200 11:00:10", "S scheduled:1 prepare completed 0 11:00:11"];
    for (release, expected) in [
        ("completed 0", "well scheduler:end completed 200 scheduler:start completed 200: Done"),
        ("failed -", "badly scheduler:end failed 502 scheduler:start completed 200: release failed"),
        ("unknown -", "badly scheduler:end failed 502 scheduler:start completed 200: release failed"),
    ] {
        let release = format!("R scheduled:1 release {release} 11:00:00");
        let lab = lab("10:59:30", &[&release]);
        assert_eq!(at(&run, &lab, "11:00:10"), "wake 1", "{release}");
        assert_eq!(at(&run, &lab.did(&rest), "11:00:20"), expected, "{release}");
    }
}

#[test]
fn point_4_and_5_what_is_over_stopped_or_blocked_begins_no_further_step() {
    let wake = "R scheduled:1 wake completed 200 09:58:00";
    let over = "badly scheduler:start failed 502: The reservation is over";
    assert_eq!(at(&start(), &lab("10:59:00", &[wake]), "10:59:59"), "prepare 1");
    assert_eq!(at(&start(), &lab("10:59:00", &[wake]), "11:00:00"), over);
    let id = |id: &str| crate::ReservationId(id.to_owned());
    let stopped = |run: &Run, done: &[&str], stop: Stop| {
        let lab = lab("09:57:30", done);
        let known = Known { state: &lab.state, held: false };
        told(&next(run, &lab.operations, &known, &[stop], &lab.timing, instant("09:58:10")))
    };
    let cancelled = "badly scheduler:start failed 502: The reservation was cancelled";
    let by_ana = || Stop::Asked { by: "ana".to_owned() };
    assert_eq!(stopped(&start(), &[wake], Stop::Cancelled(id("R"))), cancelled);
    assert_eq!(stopped(&start(), &[wake], Stop::Cancelled(id("S"))), "prepare 1", "another one");
    assert_eq!(stopped(&ending(None), &[], Stop::Cancelled(id("R"))), "release 1", "it is released all the same");
    assert_eq!(stopped(&start(), &[wake], by_ana()), "badly scheduler:start failed 502: Stopped by ana");
    let running = "R scheduled:1 prepare running - 09:58:00";
    assert_eq!(
        stopped(&start(), &[wake, running], by_ana()),
        "wait after 09:58:00 until 10:05:30",
        "what was begun is settled"
    );
    let refuse = |refusal| {
        let run = start();
        let row = refused(&run, &run.parts[0], refusal, "no station for that lab", instant("09:58:00"));
        (row.action, row.status, row.response_code)
    };
    assert_eq!(refuse(Refusal::UnknownStation), (Action::SchedulerStart, OperationStatus::Failed, Some(404)));
    assert_eq!(refuse(Refusal::BadRequest), (Action::SchedulerStart, OperationStatus::Failed, Some(400)));
    // What the first heartbeat after the wake shows.
    let held = woken(Lab::with(&[]).beats("09:59:00", |said| said.local_mode_enabled = Some(true)).did(&[wake]));
    let blocked = "badly scheduler:start blocked_local_mode -: The station is held in local mode";
    assert_eq!(at(&start(), &held, "09:59:10"), blocked);
    let mut overridden = start();
    overridden.parts[0].overridden = Some(crate::orchestrator::Override {
        reservation_id: crate::ReservationId("R".to_owned()),
        by: "ana".to_owned(),
        reason: None,
        at: instant("09:50:00"),
    });
    let known = Known { state: &held.state, held: false };
    let Next::Issue { operation, .. } =
        next(&overridden, &held.operations, &known, &[], &held.timing, instant("09:59:10"))
    else {
        panic!("not issued")
    };
    assert_eq!((operation.action, operation.ordered_by), (Action::Prepare, OrderedBy::Person("ana".to_owned())));
}

#[test]
fn point_8_a_step_that_nobody_saw_end_is_settled_by_the_station_and_not_sent_again() {
    let wake = "R scheduled:1 wake completed 200 09:57:50";
    let prepare = "R scheduled:1 prepare running - 09:58:00";
    let orphaned = |beat: &str, done: Option<(&str, bool)>| {
        Lab::with(&[]).did(&[wake, prepare]).beats(beat, |said| {
            said.last_prepare = done.and_then(|(at, success)| {
                went_well(at).map(|went| stationkeeper_telemetry::SessionOperation { success: Some(success), ..went })
            });
        })
    };
    for (shows, lab, now, expected) in [
        ("nothing heard", orphaned("09:57:30", None), "09:59:00", "wait after 09:58:00 until 10:05:30"),
        ("it went well", orphaned("09:59:00", Some(("09:58:30", true))), "09:59:10", "settle completed"),
        ("it did not do all of it", orphaned("09:59:00", Some(("09:58:30", false))), "09:59:10", "settle unknown"),
        (
            "an older one",
            orphaned("09:59:00", Some(("08:00:00", true))),
            "09:59:10",
            "wait after 09:58:00 until 10:05:30",
        ),
        ("its time is up, and it says nothing of it", orphaned("10:00:36", None), "10:00:40", "settle failed"),
        ("nobody tells", orphaned("09:57:30", None), "10:05:30", "settle unknown"),
    ] {
        assert_eq!(at(&start(), &lab, now), expected, "{shows}");
    }
    let again = lab("09:57:30", &["R scheduled:1 wake running - 09:58:00"]);
    assert_eq!(at(&start(), &again, "10:00:00"), "settle unknown");
    // A wake may be repeated; that it finds the station up says nothing, since the first one woke it.
    let again = lab("09:57:30", &["R scheduled:1 wake unknown - 09:58:00 09:59:00"]);
    assert_eq!(at(&start(), &again, "09:59:00"), "wake 2");
    let mut second = operation("R scheduled:1 wake completed 200 09:59:00 09:59:01");
    second.attempt = 2;
    let mut woken = again;
    woken.operations.push(second);
    assert_eq!(at(&start(), &woken, "09:59:02"), "wait after 09:58:00 until 10:02:01");
}

#[test]
fn point_7_and_8_a_request_makes_one_run_that_is_closed_by_no_row_of_the_schedule() {
    let wish = EndWish {
        release: Some((Some(0), vec!["--user=LABUSER".to_owned()])),
        power: Some((PowerMode::Shutdown, Vec::new())),
    };
    let no_power = EndWish { power: None, ..wish.clone() };
    let timeouts = |work: Vec<Work>| {
        work.iter()
            .map(|work| match work {
                Work::Release { reboot_timeout_seconds, .. } => format!("release {reboot_timeout_seconds:?}"),
                other => other.action().to_string(),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(timeouts(wish.work()), ["release None", "power:shutdown"]);
    assert_eq!(timeouts(no_power.work()), ["release Some(15)"]);
    assert_eq!(StartWish::default().work(), []);
    let asked = |key: &str| {
        let wish = StartWish { wake: Some(WakeOptions::default()), prepare: Some((90, Vec::new())) };
        let part = Part::asked(&reservation("R", "10:00:00", "11:00:00"), Side::Start, key, wish.work());
        Run { host: host(), ordered_by: OrderedBy::Person("ana".to_owned()), heartbeat_after: None, parts: vec![part] }
    };
    let first = |key: &str| {
        let lab = lab("09:57:30", &[]);
        let known = Known { state: &lab.state, held: false };
        match next(&asked(key), &[], &known, &[], &lab.timing, instant("09:58:00")) {
            Next::Issue { operation, .. } => operation,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(first("k").id, first("k").id, "a second POST opens no second row");
    assert_ne!(first("k").id, first("l").id);
    assert_eq!(first("k").ordered_by, OrderedBy::Person("ana".to_owned()));
    let done = ["R asked:k wake completed 200 09:58:00", "R asked:k prepare completed 0 09:58:01"];
    assert_eq!(at(&asked("k"), &lab("09:57:30", &done), "09:58:10"), "well: Done");
    assert_eq!(at(&asked("l"), &lab("09:57:30", &[]), "11:00:00"), "badly: The reservation is over");
}
