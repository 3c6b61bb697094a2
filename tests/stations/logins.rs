//! Who may command a station, and which station it is.

use stationkeeper_simulator::Role;
use stationkeeper_tests::simulated_stations::{PASSWORD, SimulatedStations, WinRmClient, cmd};

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_the_password_is_let_in() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    for (transport, password, is_let_in) in [
        ("ntlm", PASSWORD, true),
        ("ntlm", "Contrasena: 1", false),
        ("ntlm", "", false),
        ("basic", PASSWORD, true),
        ("basic", "Contrasena: 1", false),
    ] {
        let client = WinRmClient { transport, password: password.to_owned(), ..lab.client(0) };
        let outcome = client.one(cmd("hostname")).await;
        match outcome {
            Ok(said) => assert_eq!((is_let_in, said.text().trim()), (true, lab.host(0).as_str()), "{transport}"),
            Err(error) => {
                assert!(!is_let_in, "{transport}: {error}");
                assert!(error.starts_with("InvalidCredentialsError"), "{error}");
            }
        }
    }
    assert_eq!(lab.stations.with_lab(|lab_, _| lab_.given(&lab.host(0))).len(), 2, "nothing ran for the others");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_shows_a_certificate_of_its_own() {
    let lab = SimulatedStations::start(&[Role::Idle, Role::Idle], 60.0).await;
    let own = WinRmClient { trust: Some(lab.certificate(0)), ..lab.client(0) };
    assert_eq!(own.one(cmd("hostname")).await.unwrap().text().trim(), lab.host(0).as_str());
    let other = WinRmClient { trust: Some(lab.certificate(1)), ..lab.client(0) };
    let error = other.one(cmd("hostname")).await.unwrap_err();
    assert!(error.starts_with("SSLError"), "{error}");
    lab.stop().await;
}
