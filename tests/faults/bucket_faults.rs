//! A bucket that refuses, breaks off, alters and dawdles: what it holds arrives in the end, and nobody else waits for it.

use std::time::Duration;

use stationkeeper_tests::faulty_s3::Fault;

use crate::outside::Lab;
use stationkeeper_tests::waiting::until;

/// Long enough for a loaded computer.
const PATIENCE: Duration = Duration::from_secs(30);

/// One object meets `fault` on its first two tries; the heartbeats of the others arrive meanwhile, and its own after them.
async fn costs_nothing(fault: Fault) {
    let lab = Lab::over_sqlite().await;
    lab.between.breaks("LAB-BAD", fault, Some(2));
    lab.upload("LAB-BAD", 1).await;
    lab.upload("LAB-01", 3).await;
    lab.until_rows("LAB-01", 3, PATIENCE).await;
    assert_eq!(lab.rows("LAB-BAD").await, 0, "{fault:?}: it has not healed yet, so it cannot be there");
    lab.upload("LAB-02", 3).await;
    lab.until_rows("LAB-02", 3, PATIENCE).await;
    lab.until_rows("LAB-BAD", 1, PATIENCE).await;

    assert_eq!(lab.between.assert_a_second_between_tries(), 2, "{fault:?}: it was met twice");
    assert_eq!(lab.between.tries("LAB-BAD").len(), 3, "{fault:?}: two that failed, and the one that did not");
    for name in ["LAB-01", "LAB-02"] {
        assert_eq!(lab.between.tries(name).len(), 3, "{fault:?}: each object of {name} is asked for once");
    }
    lab.assert_nothing_lost(0).await;
    lab.until_named(&[], Duration::from_secs(5)).await;
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_403_costs_nothing() {
    costs_nothing(Fault::Refused(403, "AccessDenied")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_there_a_moment_later_costs_nothing() {
    costs_nothing(Fault::Refused(404, "NoSuchKey")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_costs_nothing() {
    costs_nothing(Fault::Refused(500, "InternalError")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_503_with_slow_down_costs_nothing() {
    costs_nothing(Fault::Refused(503, "SlowDown")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset_costs_nothing() {
    costs_nothing(Fault::Reset).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_body_costs_nothing() {
    costs_nothing(Fault::HalfBody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_body_that_passes_for_a_whole_one_costs_nothing() {
    costs_nothing(Fault::ShortBody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_body_costs_nothing() {
    costs_nothing(Fault::OtherByte).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_body_from_a_bucket_without_checksums_costs_nothing() {
    costs_nothing(Fault::OtherByteWithoutChecksums).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_etag_costs_nothing() {
    costs_nothing(Fault::OtherEtag).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_every_100_ms_holds_nobody_up_and_has_an_end() {
    let lab = Lab::over_sqlite().await;
    lab.between.breaks("LAB-BAD", Fault::Trickle(Duration::from_millis(100)), Some(1));
    for name in ["LAB-BAD", "LAB-BAD2", "LAB-BAD3"] {
        lab.upload(name, 1).await;
    }
    // In the same batch, and in those after it.
    for round in 1..=4 {
        lab.upload("LAB-01", 1).await;
        lab.until_rows("LAB-01", round, Duration::from_secs(10)).await;
        assert_eq!(lab.rows("LAB-BAD").await, 0, "it still comes, byte by byte");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for name in ["LAB-BAD", "LAB-BAD2", "LAB-BAD3"] {
        lab.until_rows(name, 1, PATIENCE + PATIENCE).await;
    }
    let slow = lab.between.tries("LAB-BAD");
    assert_eq!(slow.len(), 6, "each was cut off, and came at the second try");
    assert!(slow.last().unwrap().at - slow[0].at >= Duration::from_secs(10), "a slow object has its time");
    assert_eq!(lab.between.assert_a_second_between_tries(), 3);
    lab.assert_nothing_lost(0).await;
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_403_is_named_and_not_hammered_and_forgotten_once_it_is_healed() {
    let lab = Lab::over_sqlite().await;
    lab.until_named(&[], Duration::from_secs(5)).await;
    lab.between.breaks("LAB-BAD", Fault::Refused(403, "AccessDenied"), None);
    lab.upload("LAB-BAD", 1).await;
    lab.until_named(&["bucket"], Duration::from_secs(5)).await;
    let seconds = 10;
    for _ in 0..seconds {
        // What the others bring does not make it forgotten.
        lab.upload("LAB-01", 1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(lab.named().await, ["bucket"]);
    }
    let problem = lab.vitals.borrow().bucket_problem.clone().unwrap();
    assert!(problem.contains("AccessDenied") && problem.contains("LAB-BAD"), "who is logged in reads why: {problem}");
    let tries = lab.between.tries("LAB-BAD").len();
    assert!((2..=5).contains(&tries), "ever less often: {tries} tries in {seconds} s");
    lab.between.heals();
    lab.until_rows("LAB-BAD", 1, PATIENCE).await;
    lab.until_named(&[], Duration::from_secs(5)).await;
    lab.between.assert_a_second_between_tries();
    lab.assert_nothing_lost(0).await;
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_away_as_a_whole_loses_nothing_and_nothing_is_put_aside_but_what_is_unreadable() {
    let lab = Lab::over_sqlite().await;
    lab.between.breaks("/", Fault::Refused(503, "SlowDown"), None);
    for name in ["LAB-01", "LAB-02", "LAB-03", "LAB-04"] {
        lab.upload(name, 25).await;
    }
    lab.upload_bytes("stations/LAB-05/heartbeat.json", b"{\"host\":\"LAB-05\",").await;
    lab.until_named(&["bucket"], Duration::from_secs(5)).await;
    until("each was tried twice", PATIENCE, async || (lab.between.asked().len() > 200).then_some(())).await;
    assert_eq!(lab.store.count_heartbeats(None).await.unwrap(), 0);
    lab.between.heals();
    lab.assert_nothing_lost(1).await;
    assert!(lab.between.assert_a_second_between_tries() > 200, "enough went wrong");
    lab.until_named(&[], Duration::from_secs(5)).await;
    lab.end().await;
}
