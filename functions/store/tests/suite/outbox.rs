//! What is owed, who delivers it, and what became of it.

use stationkeeper_rules::{AlertId, Cause, Message, MessageId, MessageKind, News, NewsEvent, Problem, Rule, Severity};
use stationkeeper_store::{NotificationState, OutboxSize, Settlement};

use super::{at, host};
use crate::Lab;

fn message(receiver: &str, second: i64) -> Message {
    let problem = Problem {
        alert_id: AlertId(format!("alert-{second}")),
        rule: Rule::HeartbeatMissing,
        severity: Severity::Critical,
        host: Some(host("LAB-01")),
        reservation_id: None,
        opened_at: at(second),
        cause: Cause::NothingNewer { since: at(second) },
        acknowledged_by: None,
    };
    let news =
        News { event: NewsEvent::Opened, at: at(second), cause: problem.cause.clone(), problem: problem.clone() };
    Message {
        id: MessageId::derive(receiver, MessageKind::Problem, [(&problem.alert_id, news.event, news.at)]),
        receiver: receiver.to_owned(),
        kind: MessageKind::Problem,
        lab: Some("electronics".to_owned()),
        made_at: at(second),
        news: vec![news],
        current: vec![problem],
    }
}

pub async fn a_message_is_owed_once_and_claimed_by_one(lab: Lab) {
    let (first, second) = (message("ops", 0), message("ops", 1));
    lab.store.owe_notifications(&[first.clone(), second.clone()]).await.unwrap();
    lab.store.owe_notifications(std::slice::from_ref(&first)).await.unwrap();
    lab.store.owe_notifications(&[message("lab", 2)]).await.unwrap();
    for (second, due) in [(-1, vec![]), (0, vec!["ops"]), (2, vec!["lab", "ops"])] {
        assert_eq!(lab.store.receivers_due(at(second)).await.unwrap(), due, "{second} s");
    }

    let (one, other) = tokio::join!(
        lab.store.claim_notifications("ops", at(5), at(65), 1),
        lab.store.claim_notifications("ops", at(5), at(65), 10)
    );
    let mut claimed: Vec<_> = one.unwrap().into_iter().chain(other.unwrap()).map(|one| one.message.unwrap()).collect();
    claimed.sort_by_key(|message| message.made_at);
    assert_eq!(claimed, [first, second], "each by one of the two");
    assert!(
        lab.store.claim_notifications("ops", at(64), at(200), 10).await.unwrap().is_empty(),
        "the claim still holds"
    );
    assert_eq!(lab.store.claim_notifications("ops", at(65), at(200), 10).await.unwrap().len(), 2, "it has ended");
}

pub async fn what_was_tried_is_tried_again_sent_or_dead(lab: Lab) {
    let messages: Vec<_> = (0..4).map(|second| message("ops", second)).collect();
    lab.store.owe_notifications(&messages).await.unwrap();
    let claimed = lab.store.claim_notifications("ops", at(10), at(70), 10).await.unwrap();
    let error = || "it answered 503".to_owned();
    for (one, settlement) in claimed.iter().zip([
        Settlement::Sent,
        Settlement::Failed { error: error(), next_attempt_at: at(30), reached: vec!["ann@example.org".to_owned()] },
        Settlement::Dead { error: error(), reached: vec![] },
        Settlement::Released { next_attempt_at: at(20) },
    ]) {
        assert!(lab.store.settle_notification(one, &settlement, at(11)).await.unwrap(), "{settlement:?}");
    }
    let all = lab.store.notifications(None, 10).await.unwrap();
    let rows: Vec<_> = all
        .iter()
        .map(|row| (row.message.made_at, row.state, row.attempts, row.next_attempt_at, row.settled_at))
        .collect();
    let (pending, sent, dead) = (NotificationState::Pending, NotificationState::Sent, NotificationState::Dead);
    assert_eq!(
        rows,
        [
            (at(3), pending, 0, at(20), None),
            (at(2), dead, 1, at(11), Some(at(11))),
            (at(1), pending, 1, at(30), None),
            (at(0), sent, 1, at(11), Some(at(11))),
        ]
    );
    assert_eq!(all[1].last_error.as_deref(), Some("it answered 503"));
    assert_eq!(
        lab.store.outbox_size().await.unwrap(),
        OutboxSize { pending: 2, oldest_pending_at: Some(at(1)), dead: 1 }
    );
    assert_eq!(lab.store.notifications(Some(dead), 10).await.unwrap(), all[1..2]);
    let again = lab.store.claim_notifications("ops", at(30), at(90), 10).await.unwrap();
    let reached: Vec<_> = again.iter().map(|one| (one.attempts, one.reached.as_slice())).collect();
    assert_eq!(reached, [(0, &[][..]), (1, &["ann@example.org".to_owned()][..])], "who has it is remembered");
}

pub async fn a_claim_that_ended_settles_nothing_but_what_was_sent(lab: Lab) {
    lab.store.owe_notifications(&[message("ops", 0)]).await.unwrap();
    let late = lab.store.claim_notifications("ops", at(0), at(60), 1).await.unwrap().remove(0);
    let next = lab.store.claim_notifications("ops", at(60), at(120), 1).await.unwrap().remove(0);
    let dead = Settlement::Dead { error: "late".to_owned(), reached: vec![] };
    assert!(!lab.store.settle_notification(&late, &dead, at(61)).await.unwrap(), "somebody else is at it");
    assert!(lab.store.settle_notification(&late, &Settlement::Sent, at(62)).await.unwrap(), "it was sent");
    assert!(!lab.store.settle_notification(&next, &Settlement::Sent, at(63)).await.unwrap(), "it was settled");
    let row = lab.store.notifications(None, 1).await.unwrap().remove(0);
    assert_eq!((row.state, row.settled_at), (NotificationState::Sent, Some(at(62))));
}

pub async fn dead_messages_are_owed_again_by_command(lab: Lab) {
    let messages: Vec<_> = (0..3).map(|second| message("ops", second)).collect();
    lab.store.owe_notifications(&messages).await.unwrap();
    for one in lab.store.claim_notifications("ops", at(10), at(70), 10).await.unwrap() {
        lab.store
            .settle_notification(&one, &Settlement::Dead { error: "gone".to_owned(), reached: vec![] }, at(11))
            .await
            .unwrap();
    }
    assert_eq!(lab.store.send_notifications_again(Some(&messages[1].id), at(20)).await.unwrap(), 1);
    assert_eq!(lab.store.send_notifications_again(Some(&messages[1].id), at(20)).await.unwrap(), 0, "it is owed");
    let claimed = lab.store.claim_notifications("ops", at(20), at(80), 10).await.unwrap();
    assert_eq!(claimed.iter().map(|one| (&one.id, one.attempts)).collect::<Vec<_>>(), [(&messages[1].id, 0)]);
    assert_eq!(lab.store.send_notifications_again(None, at(20)).await.unwrap(), 2);
    assert_eq!(lab.store.outbox_size().await.unwrap().dead, 0);
}

pub async fn a_row_that_holds_no_message_is_claimed_as_such(lab: Lab) {
    lab.store.owe_notifications(&[message("ops", 0), message("ops", 1)]).await.unwrap();
    lab.tamper("update notifications set content = '{' where made_at < '2026-11-24 08:00:00.5' or made_at = '2026-11-24T08:00:00.000000Z'").await;
    let claimed = lab.store.claim_notifications("ops", at(10), at(70), 10).await.unwrap();
    assert_eq!(claimed.iter().map(|one| one.message.is_ok()).collect::<Vec<_>>(), [false, true]);
}

pub async fn what_is_settled_is_forgotten_in_time_and_what_is_owed_never(lab: Lab) {
    let messages: Vec<_> = (0..3).map(|second| message("ops", second)).collect();
    lab.store.owe_notifications(&messages).await.unwrap();
    let claimed = lab.store.claim_notifications("ops", at(10), at(70), 2).await.unwrap();
    let dead = Settlement::Dead { error: "gone".to_owned(), reached: vec![] };
    for (one, settlement) in claimed.iter().zip([Settlement::Sent, dead]) {
        lab.store.settle_notification(one, &settlement, at(11)).await.unwrap();
    }
    for (before, left) in [(11, 3), (12, 1), (9_000, 1)] {
        lab.store.prune_audit(at(before), 100).await.unwrap();
        assert_eq!(lab.store.notifications(None, 10).await.unwrap().len(), left, "before {before} s");
    }
}
