//! Holds, and what instructors ask for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use stationkeeper_rules::ReservationId;
use stationkeeper_rules::requests::{InstructorRequest, LocalModeOrder, RequestId, RequestKind, RequestState};
use stationkeeper_store::{RequestCursor, RequestFilter};

use super::{at, heard, host, with_stations};
use crate::Lab;

const LONG: Duration = Duration::from_secs(600);

fn hold(name: &str, second: i64, expires_at: Option<DateTime<Utc>>) -> LocalModeOrder {
    LocalModeOrder {
        request_id: Some(RequestId(format!("hold of {name}"))),
        expires_at,
        next_attempt_at: Some(at(second)),
        ..LocalModeOrder::new(host(name), true, "ana", Some("a class «in situ»".to_owned()), at(second))
    }
}

async fn order(lab: &Lab, order: &LocalModeOrder) {
    let mut work = lab.store.begin().await.unwrap();
    work.states().order_local_mode(order).await.unwrap();
    work.commit().await.unwrap();
}

async fn stations(lab: &Lab) {
    let ready = stationkeeper_rules::StationWord::Ready;
    with_stations(&lab.store, &["LAB-01", "LAB-02", "LAB-03"].map(|name| heard(name, at(0), ready))).await;
}

pub async fn a_station_is_told_by_one_and_by_the_next_once_that_one_is_gone(lab: Lab) {
    stations(&lab).await;
    let (name, other) = (host("LAB-01"), lab.again(stationkeeper_store::StoreOptions::default()).await);
    assert!(!lab.store.claim_local_mode(&name, "one", LONG).await.unwrap(), "nothing is wanted of it");
    order(&lab, &hold("LAB-01", 1, None)).await;
    let (one, two) =
        tokio::join!(lab.store.claim_local_mode(&name, "one", LONG), other.claim_local_mode(&name, "two", LONG));
    assert!(one.unwrap() ^ two.unwrap(), "one of them");
    order(&lab, &hold("LAB-01", 2, Some(at(60)))).await;
    assert!(
        !other.claim_local_mode(&name, "three", LONG).await.unwrap(),
        "whoever tells it of the older order goes on"
    );
    let mut work = lab.store.begin().await.unwrap();
    for claimant in ["one", "two"] {
        work.states().give_back_local_mode(&name, claimant).await.unwrap();
    }
    work.commit().await.unwrap();
    assert!(other.claim_local_mode(&name, "three", Duration::ZERO).await.unwrap());
    assert!(lab.store.claim_local_mode(&name, "four", LONG).await.unwrap(), "its time was over");
    let mut work = lab.store.begin().await.unwrap();
    work.states().give_back_local_mode(&name, "three").await.unwrap();
    work.commit().await.unwrap();
    assert!(!lab.store.claim_local_mode(&name, "five", LONG).await.unwrap(), "it was not theirs any more");
    other.close().await;
}

pub async fn how_a_station_took_an_order_is_not_written_over_another_order(lab: Lab) {
    stations(&lab).await;
    let first = hold("LAB-01", 1, Some(at(600)));
    order(&lab, &first).await;
    let settle = async |settled: &LocalModeOrder| {
        let mut work = lab.store.begin().await.unwrap();
        let is_same = work.states().settle_local_mode(settled).await.unwrap();
        work.commit().await.unwrap();
        is_same
    };
    let failed = first.clone().failed("it does not answer".to_owned(), at(2));
    assert!(settle(&failed).await);
    assert_eq!(lab.store.local_mode_order(&host("LAB-01")).await.unwrap(), Some(failed.clone()));
    // Meanwhile its end was moved: that stays.
    let longer = LocalModeOrder { expires_at: Some(at(900)), ..failed };
    order(&lab, &longer).await;
    let applied = first.clone().applied(at(3));
    assert!(settle(&applied).await);
    let stands = lab.store.local_mode_order(&host("LAB-01")).await.unwrap().unwrap();
    assert_eq!(stands, LocalModeOrder { expires_at: Some(at(900)), ..applied.clone() });
    let ended = stands.ended("eva", at(4));
    order(&lab, &ended).await;
    assert!(!settle(&applied).await, "something else is wanted by now");
    assert_eq!(lab.store.local_mode_orders().await.unwrap(), [ended]);
}

pub async fn what_is_still_to_be_done_about_local_mode_is_found(lab: Lab) {
    stations(&lab).await;
    let set = |name| hold(name, 1, Some(at(600))).applied(at(2));
    let for_good = LocalModeOrder::new(host("LAB-02"), true, "ana", None, at(1));
    let ended = hold("LAB-03", 1, Some(at(600))).ended("ana", at(5));
    for one in [&set("LAB-01"), &for_good, &ended] {
        order(&lab, one).await;
    }
    assert_eq!(lab.store.open_local_mode_orders().await.unwrap(), [set("LAB-01"), ended.clone()]);
    order(&lab, &ended.applied(at(6))).await;
    assert_eq!(lab.store.open_local_mode_orders().await.unwrap(), [set("LAB-01")]);
}

fn request(name: &str, by: &str, kind: RequestKind, second: i64) -> InstructorRequest {
    InstructorRequest {
        id: RequestId::derive(kind, &host(name), by, &second.to_string()),
        kind,
        host: host(name),
        reservation_id: Some(ReservationId("R".to_owned())),
        asked_by: by.to_owned(),
        asked_at: at(second),
        reason: Some("«un momento»".to_owned()),
        minutes: Some(10),
        until: Some(at(600)),
        state: RequestState::Asked,
        expires_at: Some(at(300)),
        shown_at: None,
        seen_at: None,
        answered_at: None,
        answered_by: None,
        note: None,
    }
}

async fn save(lab: &Lab, requests: &[InstructorRequest]) {
    let mut work = lab.store.begin().await.unwrap();
    for request in requests {
        work.requests().save(request).await.unwrap();
    }
    work.commit().await.unwrap();
}

pub async fn a_request_keeps_who_asked_and_what_became_of_it(lab: Lab) {
    let asked = request("LAB-01", "ana", RequestKind::MoreTime, 1);
    save(&lab, std::slice::from_ref(&asked)).await;
    assert_eq!(lab.store.request(&asked.id).await.unwrap(), Some(asked.clone()));
    let answered = asked.clone().answered(true, "eva", Some("sí".to_owned()), at(60)).unwrap();
    let by_another = InstructorRequest { asked_by: "eva".to_owned(), asked_at: at(9), ..answered.clone() };
    save(&lab, &[by_another]).await;
    assert_eq!(lab.store.request(&asked.id).await.unwrap(), Some(answered));
    assert_eq!(lab.store.request(&RequestId("nobody's".to_owned())).await.unwrap(), None);
}

pub async fn requests_are_filtered_read_in_pages_and_pruned(lab: Lab) {
    let kept = [
        request("LAB-01", "ana", RequestKind::MoreTime, 1),
        request("LAB-01", "eva", RequestKind::Leaving, 2),
        InstructorRequest {
            state: RequestState::Granted,
            minutes: None,
            ..request("LAB-02", "ana", RequestKind::Hold, 3)
        },
        request("LAB-01", "ana", RequestKind::MoreTime, 4),
    ];
    save(&lab, &kept).await;
    let seconds = async |filter: &RequestFilter, after: Option<&RequestCursor>, limit| {
        let found = lab.store.requests(filter, after, limit).await.unwrap();
        found.iter().map(|one| (one.asked_at - at(0)).num_seconds()).collect::<Vec<_>>()
    };
    let all = RequestFilter::default();
    for (filter, expected) in [
        (all.clone(), vec![4, 3, 2, 1]),
        (RequestFilter { host: Some(host("LAB-01")), ..all.clone() }, vec![4, 2, 1]),
        (RequestFilter { kind: Some(RequestKind::MoreTime), ..all.clone() }, vec![4, 1]),
        (RequestFilter { states: vec![RequestState::Granted, RequestState::Ended], ..all.clone() }, vec![3]),
    ] {
        assert_eq!(seconds(&filter, None, 10).await, expected, "{filter:?}");
    }
    let after = RequestCursor { asked_at: at(3), id: kept[2].id.clone() };
    assert_eq!(seconds(&all, Some(&after), 1).await, [2]);
    let mut work = lab.store.begin().await.unwrap();
    let of_ana = work.requests().of_person(RequestKind::MoreTime, &host("LAB-01"), "ana", at(2)).await.unwrap();
    drop(work);
    assert_eq!(of_ana, [kept[3].clone()]);
    let mut work = lab.store.begin().await.unwrap();
    let granted = async |work: &mut stationkeeper_store::Transaction, name: &str, second| {
        work.requests().granted(&host(name), at(second)).await.unwrap().len()
    };
    assert_eq!(granted(&mut work, "LAB-02", 599).await, 1);
    assert_eq!((granted(&mut work, "LAB-02", 600).await, granted(&mut work, "LAB-01", 1).await), (0, 0));
    drop(work);
    lab.store.prune_audit(at(3), 100).await.unwrap();
    assert_eq!(seconds(&all, None, 10).await, [4, 3]);
}
