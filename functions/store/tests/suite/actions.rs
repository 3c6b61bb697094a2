//! What is proposed or wanted of stations.

use std::time::Duration;

use chrono::TimeDelta;
use stationkeeper_rules::orchestrator::{
    ActionId, ActionKind, ActionSettings, ActionState, Claim, OrderedBy, StationAction, asked,
};
use stationkeeper_rules::{AlertId, ReservationId, Rule};
use stationkeeper_store::{ActionCursor, ActionFilter, CommandOutput};

use super::{at, host};
use crate::Lab;

const MINUTE: Duration = Duration::from_secs(60);

fn action(on: &str, key: &str, second: i64) -> StationAction {
    asked(&host(on), ActionKind::Wake, "ana", key, &ActionSettings::default(), at(second))
}

async fn add(lab: &Lab, actions: &[StationAction]) {
    let mut work = lab.store.begin().await.unwrap();
    work.actions().add(actions).await.unwrap();
    work.commit().await.unwrap();
}

async fn save(lab: &Lab, action: &StationAction) {
    let mut work = lab.store.begin().await.unwrap();
    work.actions().save(action, MINUTE).await.unwrap();
    work.commit().await.unwrap();
}

pub async fn an_action_is_ordered_once_and_kept_as_it_moves(lab: Lab) {
    let proposed = StationAction {
        kind: ActionKind::SessionGuard,
        state: ActionState::Proposed,
        ordered_by: OrderedBy::Rule(Rule::StaleForcedLogoff),
        alert_id: Some(AlertId("a-1".to_owned())),
        reservation_id: Some(ReservationId("R".to_owned())),
        ..action("LAB-01", "k", 10)
    };
    add(&lab, &[proposed.clone()]).await;
    add(&lab, &[StationAction { state: ActionState::Pending, ..proposed.clone() }]).await;
    let read = async || lab.store.action(&proposed.id, at(100)).await.unwrap().unwrap();
    assert_eq!((read().await.action, read().await.output), (proposed.clone(), None), "it is there, and stays as it is");
    let unknown = ActionId("x".to_owned());
    assert_eq!(lab.store.known_actions(&[proposed.id.clone(), unknown.clone()]).await.unwrap(), [proposed.id.clone()]);
    assert_eq!(lab.store.action(&unknown, at(0)).await.unwrap(), None);

    let claimed = StationAction {
        state: ActionState::Claimed,
        approved_by: Some("ben".to_owned()),
        not_before: at(20),
        claim: Some(Claim { by: "gw-1".to_owned(), until: at(0) }),
        issued_at: Some(at(21)),
        ..proposed.clone()
    };
    save(&lab, &claimed).await;
    let kept = read().await.action;
    let until = kept.claim.as_ref().unwrap().until;
    assert!(until > at(150) && until <= at(160), "a minute by the database's clock, from whatever now is: {until}");
    assert_eq!(StationAction { claim: claimed.claim.clone(), ..kept }, claimed);

    let done = StationAction {
        state: ActionState::Done,
        claim: None,
        settled_at: Some(at(30)),
        message: Some("getan ✓".to_owned()),
        ..claimed
    };
    let output = CommandOutput { exit_code: Some(0), stdout: "ñ\r\n".to_owned(), ..CommandOutput::default() };
    let mut work = lab.store.begin().await.unwrap();
    work.actions().save(&done, MINUTE).await.unwrap();
    work.actions().keep_output(&done.id, &output).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!((read().await.action, read().await.output), (done.clone(), Some(output)));
    assert_eq!(lab.store.actions_by_id(&[done.id.clone(), unknown], at(0)).await.unwrap(), [done]);
}

pub async fn a_claim_is_lengthened_by_whoever_has_it(lab: Lab) {
    let claim = |by: &str| Some(Claim { by: by.to_owned(), until: at(0) });
    let wake = StationAction { state: ActionState::Claimed, claim: claim("gw-1"), ..action("LAB-01", "k", 10) };
    add(&lab, &[StationAction { state: ActionState::Pending, claim: None, ..wake.clone() }]).await;
    save(&lab, &wake).await;
    assert!(!lab.store.renew_claim(&wake.id, "gw-2", MINUTE).await.unwrap());
    assert!(lab.store.renew_claim(&wake.id, "gw-1", Duration::ZERO).await.unwrap());
    let left = lab.store.action(&wake.id, at(0)).await.unwrap().unwrap().action.claim.unwrap().until - at(0);
    assert!(left <= TimeDelta::zero(), "whoever comes next need not wait: {left}");
    save(&lab, &StationAction { state: ActionState::Withdrawn, claim: None, settled_at: Some(at(20)), ..wake.clone() })
        .await;
    assert!(!lab.store.renew_claim(&wake.id, "gw-1", MINUTE).await.unwrap(), "somebody stopped it");
}

pub async fn actions_are_filtered_read_in_pages_and_pruned(lab: Lab) {
    let over = |action: StationAction, second| StationAction {
        state: ActionState::Failed,
        settled_at: Some(at(second)),
        ..action
    };
    let all = [
        action("LAB-02", "c", 30),
        over(StationAction { alert_id: Some(AlertId("a-1".to_owned())), ..action("LAB-01", "b", 20) }, 25),
        StationAction { reservation_id: Some(ReservationId("R".to_owned())), ..action("LAB-01", "a", 10) },
    ];
    add(&lab, &all).await;
    let list = async |filter: &ActionFilter, after: Option<&StationAction>, limit: u32| {
        let after = after.map(|one| ActionCursor { ordered_at: one.ordered_at, id: one.id.clone() });
        let found = lab.store.actions(filter, after.as_ref(), limit, at(40)).await.unwrap();
        found.into_iter().map(|one| one.action).collect::<Vec<_>>()
    };
    assert_eq!(list(&ActionFilter::default(), None, 10).await, all, "the newest first");
    assert_eq!(list(&ActionFilter::default(), Some(&all[0]), 1).await, all[1..2]);
    for (filter, expected) in [
        (ActionFilter { host: Some(host("LAB-01")), ..ActionFilter::default() }, &all[1..]),
        (ActionFilter { states: vec![ActionState::Pending, ActionState::Failed], ..ActionFilter::default() }, &all[..]),
        (ActionFilter { states: vec![ActionState::Done], ..ActionFilter::default() }, &[]),
        (ActionFilter { alerts: vec![AlertId("a-1".to_owned())], ..ActionFilter::default() }, &all[1..2]),
        (ActionFilter { reservation_id: Some(ReservationId("R".to_owned())), ..ActionFilter::default() }, &all[2..]),
    ] {
        assert_eq!(list(&filter, None, 10).await, expected, "{filter:?}");
    }
    assert_eq!(lab.store.open_actions(at(40)).await.unwrap(), [all[2].clone(), all[0].clone()], "the oldest first");
    let mut work = lab.store.begin().await.unwrap();
    assert_eq!(work.actions().open_of(&host("LAB-01"), at(40)).await.unwrap(), all[2..]);
    drop(work);
    lab.store.prune_audit(at(35), 100).await.unwrap();
    assert_eq!(list(&ActionFilter::default(), None, 10).await, [all[0].clone(), all[2].clone()], "what waits is kept");
}
