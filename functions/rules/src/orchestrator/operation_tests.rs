use super::*;
use crate::testing::{host, instant};

#[test]
fn every_word_is_read_back_as_what_it_stood_for() {
    let words = ["wake", "prepare", "release", "power:shutdown", "power:hibernate", "scheduler:start", "scheduler:end"];
    assert_eq!(Action::ALL.map(Action::as_str), words);
    for action in Action::ALL {
        assert_eq!(Action::parse(action.as_str()), Some(action));
        let json = serde_json::to_string(&action).expect("a word");
        assert_eq!(serde_json::from_str::<Action>(&json).expect("the word"), action);
    }
    for status in OperationStatus::ALL {
        assert_eq!(OperationStatus::parse(status.as_str()), Some(status));
    }
    for by in [OrderedBy::Schedule, OrderedBy::Rule(Rule::NotReady), OrderedBy::Person("ana: lab 2".to_owned())] {
        assert_eq!(OrderedBy::parse(&by.to_string()), Some(by));
    }
    for run in [
        RunId::Scheduled(3),
        RunId::Asked("a:b".to_owned()),
        RunId::Asked(String::new()),
        RunId::Verdict(OperationStatus::GaveUp, 5),
    ] {
        assert_eq!(RunId::parse(&run.to_string()), Some(run));
    }
    for nonsense in ["", "power", "power:reboot", "Wake", "scheduled", "scheduled:x", "gave_up:-1", "other:1"] {
        assert_eq!(Action::parse(nonsense), None, "{nonsense}");
        assert_eq!(RunId::parse(nonsense), None, "{nonsense}");
        assert_eq!(OrderedBy::parse(nonsense), None, "{nonsense}");
    }
    assert_eq!(PowerMode::parse("reboot"), None);
}

#[test]
fn point_8_two_who_open_the_same_operation_open_one_row() {
    let id = |reservation: &str, run: &str, action, attempt| {
        OperationId::derive(&ReservationId(reservation.to_owned()), &RunId::parse(run).expect("a run"), action, attempt)
    };
    let first = id("R", "asked:key-1", Action::Prepare, 1);
    assert_eq!(first, id("R", "asked:key-1", Action::Prepare, 1));
    assert_eq!(first.0.len(), 32);
    let others = [
        id("S", "asked:key-1", Action::Prepare, 1),
        id("R", "asked:key-2", Action::Prepare, 1),
        id("R", "scheduled:1", Action::Prepare, 1),
        id("R", "asked:key-1", Action::Release, 1),
        id("R", "asked:key-1", Action::Prepare, 2),
        id("R\n6", "asked:k", Action::Prepare, 1),
        id("R", "asked:k\nprepare\n1", Action::Prepare, 1),
    ];
    for (number, other) in others.iter().enumerate() {
        assert_ne!(&first, other);
        assert!(!others[..number].contains(other));
    }
}

#[test]
fn outcomes_have_the_codes_that_the_table_has_always_had() {
    use OperationStatus::{Completed, Failed, Unknown};
    for (outcome, status, code, message) in [
        (Outcome::reachable(2), Completed, Some(200), "Host reachable"),
        (Outcome::no_answer(3), Failed, Some(504), "Host did not respond to ping"),
        (Outcome::not_sent("no MAC address is known"), Failed, None, "no MAC address is known"),
        (Outcome::exited(Ending::Done, 0), Completed, Some(0), "Done"),
        (Outcome::exited(Ending::DoneWithWarnings, 1), Completed, Some(1), "Done with warnings (exit code 1)"),
        (Outcome::exited(Ending::NotDone, 1), Failed, Some(1), "The station refused (exit code 1)"),
        (Outcome::exited(Ending::Failed, 2), Failed, Some(2), "Failed (exit code 2)"),
        (Outcome::unknown("the reply was lost"), Unknown, None, "the reply was lost"),
    ] {
        assert_eq!((outcome.status, outcome.response_code, outcome.message.as_str()), (status, code, message));
    }
}

#[test]
fn an_operation_is_settled_once_and_says_whether_it_may_have_reached_the_station() {
    let reservation_id = ReservationId("R".to_owned());
    let open = |action| Operation {
        id: OperationId::derive(&reservation_id, &RunId::Scheduled(1), action, 1),
        reservation_id: reservation_id.clone(),
        host: host(),
        lab: None,
        run: RunId::Scheduled(1),
        action,
        attempt: 1,
        status: OperationStatus::Running,
        success: None,
        response_code: None,
        message: None,
        packets: None,
        started_at: instant("10:00:00"),
        finished_at: None,
        ordered_by: OrderedBy::Schedule,
    };
    assert!(open(Action::Release).may_have_reached_station());
    assert!(!open(Action::Wake).may_have_reached_station());
    for (outcome, success, reached) in [
        (Outcome::exited(Ending::DoneWithWarnings, 1), true, true),
        (Outcome::exited(Ending::Failed, 2), false, true),
        (Outcome::unknown("lost"), false, true),
        (Outcome::not_sent("refused"), false, false),
    ] {
        let settled = open(Action::Release).settled(outcome, instant("10:00:30"));
        assert_eq!((settled.success, settled.may_have_reached_station()), (Some(success), reached));
        let again = settled.clone().settled(Outcome::exited(Ending::Done, 0), instant("10:01:00"));
        assert_eq!(again, settled);
    }
    // A clock that was set back does not end an operation before it began.
    let back = open(Action::Wake).settled(Outcome::reachable(0), instant("09:59:00"));
    assert_eq!(back.finished_at, Some(instant("10:00:00")));
}
