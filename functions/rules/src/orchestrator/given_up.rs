//! `wake_failed`, `prepare_failed` and `release_failed`: what is not tried any more is an alert, until it is done after all.

use super::{Action, GaveUp, Operation, OperationStatus, Side};
use crate::evaluate::{open, resolve};
use crate::{Alert, AlertKey, Cause, Rule, Transition};

/// The alert of what was given up; none: it stands already.
pub fn alert_of(gave_up: &GaveUp, unresolved: &[Alert]) -> Option<Transition> {
    let rule = match (gave_up.side, gave_up.failed) {
        (Side::Start, Some(Action::Wake)) => Rule::WakeFailed,
        (Side::Start, _) => Rule::PrepareFailed,
        (Side::End, _) => Rule::ReleaseFailed,
    };
    let key = AlertKey {
        rule,
        host: Some(gave_up.record.host.clone()),
        reservation_id: Some(gave_up.reservation_id.clone()),
    };
    let cause = Cause::GivenUp {
        step: gave_up.failed.map(|step| step.as_str().to_owned()),
        runs: gave_up.attempts,
        message: gave_up.message.clone(),
    };
    let stands = unresolved.iter().any(|alert| alert.key == key);
    (!stands).then(|| open(key, gave_up.record.started_at, cause))
}

/// The alerts that are over because this was done: those of its own reservation, and with a prepare what an earlier reservation left.
pub fn done_after_all(operation: &Operation, unresolved: &[Alert]) -> Vec<Transition> {
    let Some(at) = operation.finished_at.filter(|_| operation.status == OperationStatus::Completed) else {
        return Vec::new();
    };
    let is_over = |alert: &&Alert| {
        let own = alert.key.reservation_id.as_ref() == Some(&operation.reservation_id);
        match alert.key.rule {
            Rule::WakeFailed => own && matches!(operation.action, Action::Wake | Action::Prepare),
            Rule::PrepareFailed => own && operation.action == Action::Prepare,
            Rule::ReleaseFailed => {
                (own && matches!(operation.action, Action::Release)) || operation.action == Action::Prepare
            }
            _ => false,
        }
    };
    let cause = || Cause::DoneAfterAll { step: operation.action.as_str().to_owned() };
    let of_host = |alert: &&Alert| alert.key.host.as_ref() == Some(&operation.host);
    unresolved.iter().filter(of_host).filter(is_over).map(|alert| resolve(alert, at, cause())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Lab, operation};
    use super::super::{Decision, Timing};
    use super::*;
    use crate::testing::instant;
    use crate::unresolved_after;

    fn given_up(operations: &[&str]) -> GaveUp {
        let mut lab = Lab::with(&["R 10:00:00 11:00:00"]).did(operations).beats("09:50:00", |_| {});
        lab.timing = Timing { attempts: 1, ..Timing::default() };
        let at = if operations.iter().any(|one| one.contains("release")) { "11:20:00" } else { "10:10:00" };
        match lab.decide(instant(at)) {
            Decision::GaveUp(gave_up) => gave_up,
            other => panic!("{other:?}"),
        }
    }

    const WAKE: &[&str] =
        &["R scheduled:1 wake failed 504 09:58:00", "R scheduled:1 scheduler:start failed 502 09:59:00"];
    const PREPARE: &[&str] =
        &["R scheduled:1 prepare failed 3 09:58:00", "R scheduled:1 scheduler:start failed 502 09:59:00"];
    const RELEASE: &[&str] =
        &["R scheduled:1 prepare completed 0 09:58:00", "R scheduled:1 release unknown - 11:01:00"];

    #[test]
    fn the_step_that_failed_last_names_the_rule() {
        for (operations, rule) in
            [(WAKE, Rule::WakeFailed), (PREPARE, Rule::PrepareFailed), (RELEASE, Rule::ReleaseFailed)]
        {
            let gave_up = given_up(operations);
            let opened = alert_of(&gave_up, &[]).expect("an alert");
            assert_eq!(opened.key.rule, rule);
            assert_eq!(opened.key.reservation_id, Some(gave_up.reservation_id.clone()));
            assert_eq!(opened.at, gave_up.record.started_at);
            let stands = unresolved_after(&[], std::slice::from_ref(&opened));
            assert_eq!(alert_of(&gave_up, &stands), None, "one at a time");
        }
    }

    #[test]
    fn it_is_over_when_it_is_done_after_all() {
        for (operations, done, over) in [
            (WAKE, "R asked:1 wake completed 200 10:20:00", true),
            (WAKE, "R asked:1 prepare completed 0 10:20:00", true),
            (WAKE, "R asked:1 wake failed 504 10:20:00", false),
            (WAKE, "S asked:1 wake completed 200 10:20:00", false),
            (PREPARE, "R asked:1 wake completed 200 10:20:00", false),
            (PREPARE, "R asked:1 prepare completed 0 10:20:00", true),
            (RELEASE, "R asked:1 release completed 0 11:30:00", true),
            (RELEASE, "R asked:1 release running - 11:30:00", false),
            (RELEASE, "S scheduled:1 release completed 0 11:30:00", false),
            (RELEASE, "S scheduled:1 prepare completed 0 11:30:00", true),
        ] {
            let opened = alert_of(&given_up(operations), &[]).expect("an alert");
            let stands = unresolved_after(&[], std::slice::from_ref(&opened));
            let done_operation = operation(done);
            let moved = done_after_all(&done_operation, &stands);
            assert_eq!(!moved.is_empty(), over, "{operations:?}, {done}");
            assert!(moved.iter().all(|one| Some(one.at) == done_operation.finished_at));
        }
    }
}
