//! Tokens, pairing codes, reservations as people list them, and the audit log.

use std::collections::BTreeSet;

use serde_json::json;
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_store::{
    AuditAction, AuditCursor, AuditEntry, AuditFilter, Author, Labs, NewApiToken, PairingCode, ReservationCursor,
    ReservationFilter, TokenGrant, TokenRole,
};

use super::{at, host, sha256};
use crate::Lab;

fn grant(name: &str) -> TokenGrant {
    let labs = Labs::Of(BTreeSet::from(["óptica".to_owned(), "redes".to_owned()]));
    TokenGrant { name: name.to_owned(), role: TokenRole::Instructor, labs }
}

pub async fn a_token_keeps_its_labs(lab: Lab) {
    for (id, labs) in [("t1", grant("ana").labs), ("t2", Labs::All)] {
        let grant = TokenGrant { labs, ..grant("ana") };
        let token = NewApiToken { id: id.to_owned(), grant, sha256: sha256(id.as_bytes()), created_at: at(0) };
        lab.store.insert_token(&token).await.unwrap();
        assert_eq!(lab.store.token_by_sha256(&token.sha256).await.unwrap().unwrap().token, token);
    }
}

pub async fn a_pairing_code_is_good_once_and_for_a_while(lab: Lab) {
    let code = |text: &str, second: i64| PairingCode {
        sha256: sha256(text.as_bytes()),
        grant: grant(text),
        created_at: at(second),
        expires_at: at(second + 600),
    };
    let take = async |text: &str, second: i64| {
        let mut work = lab.store.begin().await.unwrap();
        let grant = work.tokens().take(&sha256(text.as_bytes()), at(second)).await.unwrap();
        work.commit().await.unwrap();
        grant.map(|grant| grant.name)
    };
    let mut work = lab.store.begin().await.unwrap();
    for (text, second) in [("one", 0), ("two", 0), ("one", 0)] {
        work.tokens().offer(&code(text, second)).await.unwrap();
    }
    work.commit().await.unwrap();
    assert_eq!(take("three", 1).await, None);
    assert_eq!(take("one", 599).await.as_deref(), Some("one"));
    assert_eq!(take("one", 599).await, None, "once");
    assert_eq!(take("two", 600).await, None, "no longer");
    let has_expired = async |text: &str, second: i64| {
        let mut work = lab.store.begin().await.unwrap();
        work.tokens().has_expired(&sha256(text.as_bytes()), at(second)).await.unwrap()
    };
    assert!(!has_expired("two", 599).await && has_expired("two", 600).await);
    assert!(!has_expired("one", 600).await, "it was used in time");
    assert!(!has_expired("three", 600).await, "nobody made it");
    let mut work = lab.store.begin().await.unwrap();
    work.tokens().offer(&code("two", 700)).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(take("two", 701).await.as_deref(), Some("two"), "what had expired is forgotten");
    let mut work = lab.store.begin().await.unwrap();
    work.tokens().offer(&code("four", 800)).await.unwrap();
    work.tokens().offer(&code("five", 1_400 + 86_399)).await.unwrap();
    work.commit().await.unwrap();
    assert!(has_expired("four", 1_400 + 86_399).await, "known for a day");
    let mut work = lab.store.begin().await.unwrap();
    work.tokens().offer(&code("six", 1_400 + 86_400)).await.unwrap();
    work.commit().await.unwrap();
    assert!(!has_expired("four", 1_400 + 86_400).await, "and no longer");
}

pub async fn the_audit_log_is_read_in_pages_and_pruned(lab: Lab) {
    let author = |name: &str| Author {
        name: name.to_owned(),
        role: Some(TokenRole::Operator),
        request_id: Some("r1".to_owned()),
    };
    let first = AuditEntry::done(&author("ana"), AuditAction::SilenceSet, "s1", at(0)).with(json!({ "reason": "ñ" }));
    let second = AuditEntry::done(&author("ben"), AuditAction::ReservationPut, "R-1", at(0)).of(Some(&host("LAB-01")));
    let third = AuditEntry::done(&Author::of_command_line(None), AuditAction::TokenRevoke, "t1", at(5));
    let mut work = lab.store.begin().await.unwrap();
    work.audit().append(&[first.clone(), second.clone(), third.clone(), first.clone()]).await.unwrap();
    work.commit().await.unwrap();
    let read = async |filter: AuditFilter, after: Option<&AuditEntry>, limit: u32| {
        let cursor = after.map(|entry| AuditCursor { at: entry.at, id: entry.id.clone() });
        lab.store.audit_log(&filter, cursor.as_ref(), limit).await.unwrap()
    };
    let all = read(AuditFilter::default(), None, 10).await;
    let mut of_one_instant = vec![first.clone(), second.clone()];
    of_one_instant.sort_by(|one, other| other.id.cmp(&one.id));
    assert_eq!(all, [vec![third.clone()], of_one_instant].concat(), "each once, the newest first");
    for taken in 1..=2 {
        assert_eq!(read(AuditFilter::default(), Some(&all[taken - 1]), 1).await, all[taken..=taken]);
    }
    for (filter, expected) in [
        (AuditFilter { actor: Some("ana".to_owned()), ..AuditFilter::default() }, &first),
        (AuditFilter { action: Some(AuditAction::ReservationPut), ..AuditFilter::default() }, &second),
        (AuditFilter { target: Some("t1".to_owned()), ..AuditFilter::default() }, &third),
        (AuditFilter { host: Some(host("LAB-01")), ..AuditFilter::default() }, &second),
    ] {
        assert_eq!(read(filter.clone(), None, 10).await, [expected.clone()], "{filter:?}");
    }
    assert_eq!(lab.store.prune_audit(at(5), 10).await.unwrap().rows, 2);
    assert_eq!(read(AuditFilter::default(), None, 10).await, [third]);
}

pub async fn reservations_are_filtered_and_read_in_pages(lab: Lab) {
    let one = |id: &str, name: &str, start: i64, status| Reservation {
        id: ReservationId(id.to_owned()),
        lab: (name != "LAB-03").then(|| "redes".to_owned()),
        host: host(name),
        start_at: at(start),
        end_at: at(start + 100),
        status,
        who: None,
    };
    let all = [
        one("a", "LAB-01", 0, ReservationStatus::Completed),
        one("b", "LAB-02", 50, ReservationStatus::Cancelled),
        one("c", "LAB-03", 50, ReservationStatus::Confirmed),
        one("d", "LAB-01", 500, ReservationStatus::Confirmed),
    ];
    let mut work = lab.store.begin().await.unwrap();
    work.states().ensure(&["LAB-01", "LAB-02", "LAB-03"].map(host), at(0)).await.unwrap();
    work.reservations().save(&all).await.unwrap();
    work.commit().await.unwrap();
    let ids = async |filter: ReservationFilter, window: (i64, i64), after: Option<&Reservation>, limit: u32| {
        let cursor = after.map(|one| ReservationCursor { start_at: one.start_at, id: one.id.clone() });
        let window = (at(window.0), at(window.1));
        let found = lab.store.reservations_filtered(&filter, window, cursor.as_ref(), limit).await.unwrap();
        found.into_iter().map(|one| one.id.0).collect::<Vec<_>>()
    };
    let any = ReservationFilter::default;
    assert_eq!(ids(any(), (0, 1_000), None, 10).await, ["a", "b", "c", "d"]);
    assert_eq!(ids(any(), (101, 499), None, 10).await, ["b", "c"]);
    assert_eq!(ids(any(), (0, 1_000), Some(&all[1]), 1).await, ["c"]);
    let of_host = ReservationFilter { host: Some(host("LAB-01")), ..any() };
    assert_eq!(ids(of_host, (0, 1_000), None, 10).await, ["a", "d"]);
    let of_lab = ReservationFilter { lab: Some("redes".to_owned()), ..any() };
    assert_eq!(ids(of_lab, (0, 1_000), None, 10).await, ["a", "b", "d"]);
    let statuses = vec![ReservationStatus::Completed, ReservationStatus::Cancelled];
    assert_eq!(ids(ReservationFilter { statuses, ..any() }, (0, 1_000), None, 10).await, ["a", "b"]);
}
