//! The gateway's own client against the stations that pywinrm vouches for.

use std::time::Duration;

use stationkeeper::stations::Fault;
use stationkeeper_simulator::{Power as Doing, Role};
use stationkeeper_station_link::wake::{WakeRequest, interfaces, plan, send};
use stationkeeper_station_link::winrm::{CertificatePolicy, CodePage, Credential, Login, Timings, WinRm, WinRmTarget};
use stationkeeper_station_link::{
    AllowedCommands, CommandOutcome, ManagementNetworks, Probe, StationCommand, StationPath, SystemResolver,
    probe_until,
};
use stationkeeper_tests::simulated_stations::{PASSWORD, SimulatedStations, USER};
use stationkeeper_tests::waiting::{PATIENCE, until};

async fn target(lab: &SimulatedStations, place: usize) -> WinRmTarget {
    let networks: ManagementNetworks = "127.0.0.0/8".parse().unwrap();
    let at = lab.address(place);
    let second = Duration::from_secs(1);
    WinRmTarget {
        address: networks.check(&at.ip().to_string(), &SystemResolver).await.unwrap(),
        port: at.port(),
        credential: Credential::new(USER, PASSWORD),
        login: Login::Ntlm,
        certificate: CertificatePolicy::authority(&std::fs::read(lab.certificate(place)).unwrap()).unwrap(),
        code_page: CodePage::default(),
        timings: Timings { connect: 5 * second, operation: 2 * second, grace: 3 * second, closing: 4 * second },
    }
}

fn command(words: &[&str]) -> StationCommand {
    StationCommand::parse(words[0], &words[1..], &AllowedCommands::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_runs_by_ntlm_and_by_basic() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let ntlm = target(&lab, 0).await;
    let basic = WinRmTarget { login: Login::Basic, ..ntlm.clone() };
    for target in [&ntlm, &basic] {
        for (words, exit_code, outcome, said) in [
            (&["prepare-session", "--guard-grace=90"][..], 0, CommandOutcome::Done, "prepare-session: done"),
            (&["prepare-session", "--user=newcomer2"], 1, CommandOutcome::DoneWithWarnings, "done with warnings"),
            (&["session", "guard", "--grace=30"], 0, CommandOutcome::Done, "nobody else is logged on"),
            (&["recovery", "reboot-if-needed"], 1, CommandOutcome::NotDone, "healthy"),
            (&["status-json"], 0, CommandOutcome::Done, "\"schemaVersion\":\"1.0.0\""),
        ] {
            let report = WinRm::new().run(target, &command(words)).await.unwrap();
            let seen = (report.exit_code, report.outcome);
            assert!(report.stdout.contains(said), "{words:?}: {}", report.stdout);
            if target.login == Login::Ntlm {
                assert_eq!(seen, (exit_code, outcome), "{words:?}: {}{}", report.stdout, report.stderr);
            }
        }
    }
    assert_eq!(lab.stations.open_shells(&lab.host(0)), 0, "every shell is closed again");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_back_byte_for_byte_and_local_mode_is_one() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    until("a heartbeat", PATIENCE, async || lab.heartbeats(0).first().cloned()).await;
    let (winrm, target) = (WinRm::new(), target(&lab, 0).await);
    let heartbeat: StationPath = StationPath::HEARTBEAT.parse().unwrap();
    let bytes = winrm.read_file(&target, &heartbeat).await.unwrap();
    assert_eq!(bytes[..3], [0xef, 0xbb, 0xbf]);
    let read: serde_json::Value = serde_json::from_slice(&bytes[3..]).unwrap();
    assert_eq!(read["host"], lab.host(0).as_str());
    let missing: StationPath = r"C:\LabStation\labstation\data\nothing.json".parse().unwrap();
    assert_eq!(winrm.read_file(&target, &missing).await.unwrap_err().code(), "station_file");
    for enabled in [true, true, false, false] {
        let report = winrm.run(&target, &StationCommand::SetLocalMode { enabled }).await.unwrap();
        assert_eq!(report.outcome, CommandOutcome::Done, "{enabled}: {}", report.stderr);
        until("a heartbeat that shows it", PATIENCE, async || {
            lab.heartbeats(0).last().filter(|beat| beat["status"]["localModeEnabled"] == enabled).cloned()
        })
        .await;
    }
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_was_shut_down_is_woken_by_its_address() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let target = target(&lab, 0).await;
    let off = command(&["power", "shutdown", "--reason=Remote & order"]);
    assert_eq!(WinRm::new().run(&target, &off).await.unwrap().outcome, CommandOutcome::Done);
    until("a PC that is off", PATIENCE, async || (lab.power(0) == Doing::Off).then_some(())).await;
    until("a refused connection", PATIENCE, async || {
        std::net::TcpStream::connect(lab.address(0)).is_err().then_some(())
    })
    .await;
    let error = WinRm::new().run(&target, &command(&["status-json"])).await.unwrap_err();
    assert_eq!(error.code(), "station_unreachable");
    let mac = lab.mac(0).map(|byte| format!("{byte:02x}")).join(":");
    let request = WakeRequest {
        address: target.address.ipv4(),
        ports: vec![lab.stations.wake_port()],
        ..WakeRequest::new(mac.parse().unwrap())
    };
    let plan = plan(&request, &interfaces().unwrap(), &"127.0.0.0/8".parse().unwrap(), None);
    assert!(send(&request, &plan, 1).await.unwrap().packets > 0);
    assert!(probe_until(&target.address, target.port, Probe::Tcp, PATIENCE).await.answered());
    assert_eq!(WinRm::new().run(&target, &command(&["status-json"])).await.unwrap().exit_code, 0);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_station_has_its_name() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let target = target(&lab, 0).await;
    let host = lab.host(0);
    for (fault, words, code) in [
        (Fault::NeverAnswers, &["status-json"][..], "station_unreachable"),
        (Fault::Hangs, &["status-json"], "station_timeout"),
        (Fault::Garbage, &["status-json"], "station_not_winrm"),
        (Fault::MeaninglessBody, &["status-json"], "station_not_winrm"),
        (Fault::Unauthorized, &["status-json"], "station_unauthorized"),
        (Fault::ServerError, &["status-json"], "station_not_winrm"),
        (Fault::RebootsDuringPrepare, &["prepare-session"], "outcome_unknown"),
        (Fault::ReplyLost, &["release-session", "--reboot"], "outcome_unknown"),
        (Fault::DiesInCommand, &["prepare-session"], "outcome_unknown"),
    ] {
        lab.stations.set_fault(&host, None);
        assert!(probe_until(&target.address, target.port, Probe::Tcp, PATIENCE).await.answered());
        until("a station in good order", PATIENCE, async || {
            WinRm::new().run(&target, &command(&["status-json"])).await.ok()
        })
        .await;
        lab.stations.set_fault(&host, Some(fault));
        let error = WinRm::new().run(&target, &command(words)).await.unwrap_err();
        assert_eq!(error.code(), code, "{fault:?}: {error}");
        assert!(!error.to_string().contains(PASSWORD));
        lab.stations.set_fault(&host, None);
        if lab.power(0) == Doing::Off {
            break;
        }
    }
    lab.stop().await;
}
