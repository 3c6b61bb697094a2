//! A code becomes a token; what goes wrong on the way is told apart.

use std::time::Duration;

use sha2::{Digest, Sha256};
use stationkeeper_api::Language;
use stationkeeper_store::{Labs, PairingCode as KeptCode, TokenGrant, TokenRole};
use stationkeeper_tests::up::{Up, data_folder};
use stationkeeper_tests::waiting::now;
use stationkeeper_tray_client::{found_at, pair};
use stationkeeper_tray_view::pairing::PairingProblem;
use stationkeeper_tray_view::{Mode, Role};

use crate::tray::{code, gateway, page};

/// Statement 64.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_becomes_a_token_once_and_wrong_addresses_wrong_codes_and_expired_ones_are_told_apart() {
    let folder = data_folder();
    let up = Up::start(&folder.path().join("data"));
    let here = gateway(&page(&up));
    let found = found_at(&here, None).await.unwrap();
    assert_eq!((found.mode, found.stations), (Mode::Full, Some(0)));
    assert!(found.version.is_some());

    let offered = code(&up, "tray of Ana", "instructor").await;
    let paired = pair(&here, &offered, None).await.unwrap();
    assert_eq!((paired.person.name.as_str(), paired.person.role), ("tray of Ana", Role::Instructor));
    assert!(!format!("{paired:?}").contains(paired.token.secret()), "a token is not shown");

    let expired = "AAAABBBB";
    let kept = KeptCode {
        sha256: Sha256::digest(expired).into(),
        grant: TokenGrant { name: "late".to_owned(), role: TokenRole::Viewer, labs: Labs::All },
        created_at: now() - chrono::TimeDelta::minutes(11),
        expires_at: now() - chrono::TimeDelta::minutes(1),
    };
    let store = up.store().await;
    let mut work = store.begin().await.unwrap();
    work.tokens().offer(&kept).await.unwrap();
    work.commit().await.unwrap();

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let mut sentences = std::collections::BTreeSet::new();
    for (at, typed, problem) in [
        (page(&up), offered.as_str(), PairingProblem::WrongCode),
        (page(&up), "ZZZZ-ZZZZ", PairingProblem::WrongCode),
        (page(&up), expired, PairingProblem::ExpiredCode),
        (closed, "ZZZZ-ZZZZ", PairingProblem::NoAnswer),
        (up.access.endpoint.clone(), "ZZZZ-ZZZZ", PairingProblem::NotAGateway),
    ] {
        let failed = pair(&gateway(&at), &typed.parse().unwrap(), None).await.unwrap_err();
        assert_eq!(failed, problem, "{at} {typed}");
        sentences.insert(failed.text(Language::En, "the gateway"));
    }
    assert_eq!(sentences.len(), 4, "{sentences:?}");
    for _ in 0..12 {
        let _ = pair(&here, &"ZZZZ-ZZZZ".parse().unwrap(), None).await;
    }
    let slowed = pair(&here, &"ZZZZ-ZZZZ".parse().unwrap(), None).await;
    assert!(matches!(slowed, Err(PairingProblem::Wait { seconds: 1.. })), "{slowed:?}");
    assert!(up.terminate() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_told_as_such() {
    let failed = found_at(&gateway("https://gateway.invalid"), None).await.unwrap_err();
    assert_eq!(failed, PairingProblem::Name);
}
