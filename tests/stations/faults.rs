//! What a test can let go wrong with a station, and what pywinrm says of it.

use serde_json::{Value, json};
use stationkeeper::stations::Fault;
use stationkeeper_simulator::{Power, Role};
use stationkeeper_tests::simulated_stations::{SimulatedStations, WinRmClient, cmd, lab_station};
use stationkeeper_tests::waiting::{PATIENCE, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_station_fails_as_it_is_told_and_answers_again_afterwards() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let host = lab.host(0);
    let client = WinRmClient { wait: 1, patience: 2, ..lab.client(0) };
    for (fault, errors) in [
        (Fault::NeverAnswers, ["ConnectTimeout", "ConnectionError", "ReadTimeout"].as_slice()),
        (Fault::Hangs, &["ReadTimeout"]),
        (Fault::Garbage, &["ConnectionError"]),
        (Fault::MeaninglessBody, &["ParseError", "StopIteration"]),
        (Fault::Unauthorized, &["InvalidCredentialsError", "KeyError", "PermissionError"]),
        (Fault::ServerError, &["WinRMTransportError"]),
    ] {
        lab.stations.set_fault(&host, Some(fault));
        let error = client.one(cmd("hostname")).await.unwrap_err();
        assert!(errors.iter().any(|name| error.starts_with(name)), "{fault:?}: {error}");
        lab.stations.set_fault(&host, None);
        assert_eq!(lab.client(0).one(cmd("hostname")).await.unwrap().exit_code, 0, "after {fault:?}");
    }
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pc_that_falls_in_mid_command_takes_the_connection_with_it() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    lab.stations.set_fault(&lab.host(0), Some(Fault::DiesInCommand));
    let error = lab.client(0).one(lab_station("prepare-session")).await.unwrap_err();
    assert!(is_cut(&error), "{error}");
    assert_eq!(lab.power(0), Power::Off);
    until("a refused connection", PATIENCE, async || {
        std::net::TcpStream::connect(lab.address(0)).is_err().then_some(())
    })
    .await;
    assert_eq!(lab.stations.open_shells(&lab.host(0)), 0);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_during_prepare_leaves_no_trace_of_it() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let host = lab.host(0);
    lab.stations.set_fault(&host, Some(Fault::RebootsDuringPrepare));
    lab.stations.with_lab(|lab, now| lab.sit_down(&host, "ana", now));
    let error = lab.client(0).one(lab_station("prepare-session --guard-grace=600")).await.unwrap_err();
    assert!(is_cut(&error), "{error}");
    lab.stations.set_fault(&host, None);
    until("a PC that is back", PATIENCE, async || (lab.power(0) == Power::On).then_some(())).await;
    let before = lab.heartbeats(0).len();
    let beat = until("a heartbeat", PATIENCE, async || lab.heartbeats(0).get(before).cloned()).await;
    assert_eq!(beat["operations"]["lastPrepareSession"], Value::Array(Vec::new()));
    assert_eq!(beat["status"]["localSessionActive"], false, "nobody is logged on after a restart");
    assert_eq!(lab.client(0).one(cmd("hostname")).await.unwrap().exit_code, 0);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_does_not_undo_the_command() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    lab.stations.set_fault(&lab.host(0), Some(Fault::ReplyLost));
    assert_eq!(lab.client(0).one(cmd("hostname")).await.unwrap().exit_code, 0, "other commands are answered");
    let error = lab.client(0).one(lab_station("power shutdown")).await.unwrap_err();
    assert!(is_cut(&error), "{error}");
    until("a PC that is off", PATIENCE, async || (lab.power(0) == Power::Off).then_some(())).await;
    lab.stop().await;
}

/// A connection that broke without a word, as the client sees it before or after it has sent all it wanted.
fn is_cut(error: &str) -> bool {
    ["ConnectionError", "SSLError"].iter().any(|name| error.starts_with(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_windows_refuses_is_refused() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let unknown = lab.client(0).one(json!({ "do": "unknown_shell" })).await.unwrap_err();
    assert!(unknown.starts_with("WSManFaultError") && unknown.contains("shell was not found"), "{unknown}");
    let unknown = lab.client(0).one(json!({ "do": "unknown_command" })).await.unwrap_err();
    assert!(unknown.starts_with("WSManFaultError") && unknown.contains("no command"), "{unknown}");
    let long = format!("echo {}", "x".repeat(600_000));
    let error = lab.client(0).one(cmd(&long)).await.unwrap_err();
    assert!(error.starts_with("WinRMTransportError") && error.contains("413"), "{error}");

    let leaving = json!({ "do": "cmd", "command": "hostname", "leave_open": true });
    let open: Vec<_> = lab.client(0).run(vec![leaving.clone(); 30]).await;
    assert!(open.iter().all(Result::is_ok));
    assert_eq!(lab.stations.open_shells(&lab.host(0)), 30);
    let error = lab.client(0).one(leaving).await.unwrap_err();
    assert!(error.contains("maximum number of 30 concurrent shells"), "{error}");
    lab.stop().await;
}
