//! Keys of requests: claimed by one, answered once, expired.

use stationkeeper_store::{ClaimTimes, KeyClaim, KeyedRequest};

use super::{at, sha256};
use crate::Lab;

fn request(token: &str, key: &str, said: &str, by: &str) -> KeyedRequest {
    KeyedRequest {
        token_id: token.to_owned(),
        key: key.to_owned(),
        sha256: sha256(said.as_bytes()),
        claimed_by: by.to_owned(),
    }
}

/// A lease of a minute, and a day until the key is unknown again.
fn times(second: i64) -> ClaimTimes {
    ClaimTimes { now: at(second), claimed_until: at(second + 60), expires_at: at(second + 86_400) }
}

pub async fn a_request_is_carried_out_by_one_and_its_answer_is_kept(lab: Lab) {
    let first = request("t1", "k1", "silence", "a");
    let again = request("t1", "k1", "silence", "b");
    assert_eq!(lab.store.claim_request(&first, times(0)).await.unwrap(), KeyClaim::Taken);
    assert_eq!(lab.store.claim_request(&again, times(1)).await.unwrap(), KeyClaim::InFlight { until: at(60) });
    assert!(!lab.store.keep_answer(&again, "not mine").await.unwrap(), "whoever has it answers it");
    assert!(lab.store.keep_answer(&first, "{\"ñ\":1}").await.unwrap());
    let answered = KeyClaim::Answered("{\"ñ\":1}".to_owned());
    for second in [2, 61, 86_399] {
        assert_eq!(lab.store.claim_request(&again, times(second)).await.unwrap(), answered, "after {second} s");
    }
    assert!(!lab.store.release_request(&first).await.unwrap(), "what is answered stays");
    let other = request("t1", "k1", "another silence", "c");
    assert_eq!(lab.store.claim_request(&other, times(3)).await.unwrap(), KeyClaim::OtherRequest);
    for (token, key) in [("t2", "k1"), ("t1", "K1")] {
        let elsewhere = request(token, key, "another silence", "d");
        assert_eq!(lab.store.claim_request(&elsewhere, times(3)).await.unwrap(), KeyClaim::Taken, "{token} {key}");
    }
}

pub async fn of_many_at_once_one_carries_the_request_out(lab: Lab) {
    let claims = (0..8).map(|number| {
        let store = lab.store.clone();
        tokio::spawn(async move {
            let one = request("t1", "k1", "silence", &number.to_string());
            loop {
                match store.claim_request(&one, times(0)).await {
                    Err(error) if error.is_conflict() => {}
                    claim => return claim.unwrap(),
                }
            }
        })
    });
    let mut taken = 0;
    for claim in claims.collect::<Vec<_>>() {
        match claim.await.unwrap() {
            KeyClaim::Taken => taken += 1,
            other => assert_eq!(other, KeyClaim::InFlight { until: at(60) }),
        }
    }
    assert_eq!(taken, 1);
}

pub async fn a_lease_that_ended_is_taken_over_and_its_late_holder_settles_nothing(lab: Lab) {
    let (first, second) = (request("t1", "k1", "silence", "a"), request("t1", "k1", "silence", "b"));
    assert_eq!(lab.store.claim_request(&first, times(0)).await.unwrap(), KeyClaim::Taken);
    assert_eq!(lab.store.claim_request(&second, times(59)).await.unwrap(), KeyClaim::InFlight { until: at(60) });
    assert_eq!(lab.store.claim_request(&second, times(60)).await.unwrap(), KeyClaim::Taken);
    assert!(!lab.store.keep_answer(&first, "late").await.unwrap());
    assert!(!lab.store.release_request(&first).await.unwrap());
    assert!(lab.store.release_request(&second).await.unwrap());
    assert_eq!(lab.store.claim_request(&first, times(61)).await.unwrap(), KeyClaim::Taken, "given back, it is free");
}

pub async fn a_key_expires_and_is_forgotten(lab: Lab) {
    let first = request("t1", "k1", "silence", "a");
    assert_eq!(lab.store.claim_request(&first, times(0)).await.unwrap(), KeyClaim::Taken);
    assert!(lab.store.keep_answer(&first, "done").await.unwrap());
    assert_eq!(lab.store.prune_request_keys(at(86_399), 100).await.unwrap().rows, 0);
    let other = request("t1", "k1", "another silence", "b");
    assert_eq!(lab.store.claim_request(&other, times(86_400)).await.unwrap(), KeyClaim::Taken, "a day later it is new");
    assert!(lab.store.keep_answer(&other, "done").await.unwrap());
    assert_eq!(lab.store.prune_request_keys(at(2 * 86_400), 100).await.unwrap().rows, 1);
    assert_eq!(lab.store.claim_request(&first, times(2 * 86_400)).await.unwrap(), KeyClaim::Taken);
}
