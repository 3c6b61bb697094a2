//! WinRM against a station by script: how a command goes, and what each fault is called.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod station;

use std::time::Duration;

use station::{PASSWORD, Reply, Station, Takes, USER, fault, output, soap, target};
use stationkeeper_station_link::winrm::{CertificatePolicy, CodePage, Credential, Login, WinRm, WinRmError};
use stationkeeper_station_link::{CommandOutcome, Power, PowerMode, StationCommand, StationPath, StatusJson};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

fn status() -> StationCommand {
    StationCommand::StatusJson(StatusJson::default())
}

fn shutdown(reason: &str) -> StationCommand {
    StationCommand::Power(Power { reason: Some(reason.parse().unwrap()), ..Power::new(PowerMode::Shutdown) })
}

fn nothing(_: &str, _: usize, _: &str) -> Option<Reply> {
    None
}

const WHOLE: &str = "Create Command Receive Signal Delete";

/// A hung test ends.
async fn run(
    station: &Station,
    command: &StationCommand,
) -> Result<stationkeeper_station_link::winrm::CommandReport, WinRmError> {
    let target = station.target().await;
    tokio::time::timeout(Duration::from_secs(60), WinRm::new().run(&target, command)).await.expect("it ends by itself")
}

#[tokio::test]
async fn a_command_is_one_shell_on_one_connection() {
    for takes in [Takes::Negotiate, Takes::Ntlm] {
        let station = Station::start(takes, nothing).await;
        let report = run(&station, &shutdown("Remote order & more")).await.unwrap();
        assert_eq!((report.exit_code, report.outcome, report.stdout.as_str()), (0, CommandOutcome::Done, "done\r\n"));
        assert_eq!(station.actions(), WHOLE);
        station.seen(|seen| {
            assert_eq!(seen.connections, 1);
            let command = &seen.requests[1];
            assert!(command.contains(r"<rsp:Command>C:\LabStation\LabStation.exe</rsp:Command>"), "{command}");
            let arguments = "power shutdown &quot;--reason=Remote order &amp; more&quot;";
            assert!(command.contains(&format!("<rsp:Arguments>{arguments}</rsp:Arguments>")), "{command}");
            assert!(seen.requests.iter().all(|request| !request.contains(PASSWORD)));
        });
    }
}

#[tokio::test]
async fn basic_sends_the_password_where_it_is_taken() {
    let station = Station::start(Takes::Basic, nothing).await;
    let basic = stationkeeper_station_link::winrm::WinRmTarget { login: Login::Basic, ..station.target().await };
    assert_eq!(WinRm::new().run(&basic, &status()).await.unwrap().exit_code, 0);
    let error = run(&station, &status()).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.7 refuses the login: it takes Basic alone");
    let ntlm = Station::start(Takes::Negotiate, nothing).await;
    let basic = stationkeeper_station_link::winrm::WinRmTarget { login: Login::Basic, ..ntlm.target().await };
    let error = WinRm::new().run(&basic, &status()).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.7 refuses the login: it does not take Basic, but Negotiate");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_shown() {
    for (takes, login) in [(Takes::Negotiate, Login::Ntlm), (Takes::Ntlm, Login::Ntlm), (Takes::Basic, Login::Basic)] {
        let station = Station::start(takes, nothing).await;
        let credential = Credential::new(USER, "hunter2 hunter2");
        let wrong = stationkeeper_station_link::winrm::WinRmTarget { login, credential, ..station.target().await };
        let error = WinRm::new().run(&wrong, &status()).await.unwrap_err();
        assert_eq!(error.to_string(), "127.0.0.7 refuses the login: wrong user or password");
        assert!(!format!("{error:?} {wrong:?}").contains("hunter2"));
        assert_eq!(station.actions(), "");
    }
    let nobody = Station::start(Takes::Nobody, nothing).await;
    let error = run(&nobody, &status()).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.7 refuses the login: it offers no way to log in");
}

#[tokio::test]
async fn an_exit_code_is_an_outcome() {
    for (code, command, outcome) in [
        (0, status(), CommandOutcome::Done),
        (1, status(), CommandOutcome::DoneWithWarnings),
        (1, shutdown("x"), CommandOutcome::NotDone),
        (2, shutdown("x"), CommandOutcome::Failed),
        (3_221_225_786, status(), CommandOutcome::Failed),
    ] {
        let answers = move |action: &str, _: usize, _: &str| {
            (action == "Receive").then(|| Reply::Body(output(b"", b"no\r\n", Some(code))))
        };
        let station = Station::start(Takes::Negotiate, answers).await;
        let report = run(&station, &command).await.unwrap();
        assert_eq!((report.outcome, report.stderr.as_str()), (outcome, "no\r\n"), "{code}");
    }
}

#[tokio::test]
async fn long_output_comes_in_many_answers_and_in_its_code_page() {
    // 400 KB in pieces that cut characters and lines where they fall.
    let text = "sesi\u{a2}n de Mar\u{a1}a: \u{b5}rea 1\r\n"
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect::<Vec<u8>>()
        .repeat(16_000);
    let whole = text.clone();
    let answers = move |action: &str, before: usize, _: &str| {
        let piece = text.chunks(100_001).nth(before)?;
        let is_last = (before + 1) * 100_001 >= text.len();
        (action == "Receive").then(|| Reply::Body(output(piece, b"", is_last.then_some(0))))
    };
    let station = Station::start(Takes::Negotiate, answers).await;
    let report = run(&station, &status()).await.unwrap();
    assert_eq!(report.stdout, "sesión de María: Área 1\r\n".repeat(16_000));
    let receives = station.actions().matches("Receive").count();
    assert_eq!(receives, whole.len().div_ceil(100_001));
    station.seen(|seen| assert!(seen.requests[0].contains(r#"<w:Option Name="WINRS_CODEPAGE">850</w:Option>"#)));
    let utf_8 = stationkeeper_station_link::winrm::WinRmTarget {
        code_page: CodePage::new(65001).unwrap(),
        ..station.target().await
    };
    let _ = WinRm::new().run(&utf_8, &status()).await;
    station.seen(|seen| assert!(seen.requests.iter().any(|request| request.contains(r#"WINRS_CODEPAGE">65001<"#))));
}

#[tokio::test]
async fn a_station_that_has_nothing_to_say_yet_is_asked_again() {
    let answers = |action: &str, before: usize, _: &str| match (action, before) {
        ("Receive", 0..3) => Some(fault("w:TimedOut", 2_150_858_793, "The operation timed out.")),
        _ => None,
    };
    let station = Station::start(Takes::Negotiate, answers).await;
    assert_eq!(run(&station, &status()).await.unwrap().exit_code, 0);
    assert_eq!(station.actions(), "Create Command Receive Receive Receive Receive Signal Delete");
}

#[tokio::test]
async fn a_file_comes_back_byte_for_byte() {
    let file: Vec<u8> = b"\xef\xbb\xbf{\"host\":\"LAB-\xc3\x91AND\xc3\x9a01\"}".repeat(40);
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &file);
    let console: String =
        text.as_bytes().chunks(80).map(|line| format!("{}\r\n", String::from_utf8_lossy(line))).collect();
    let answers = move |action: &str, _: usize, _: &str| {
        (action == "Receive").then(|| Reply::Body(output(console.as_bytes(), b"", Some(0))))
    };
    let station = Station::start(Takes::Negotiate, answers).await;
    let path: StationPath = StationPath::HEARTBEAT.parse().unwrap();
    assert_eq!(WinRm::new().read_file(&station.target().await, &path).await.unwrap(), file);

    let gone = |action: &str, _: usize, _: &str| {
        (action == "Receive").then(|| Reply::Body(output(b"", b"Could not find\r\n file", Some(1))))
    };
    let station = Station::start(Takes::Negotiate, gone).await;
    let error = WinRm::new().read_file(&station.target().await, &path).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read {path} of 127.0.0.7: PowerShell exits with 1: Could not find file")
    );
}

#[tokio::test]
async fn each_fault_has_its_name_and_the_shell_is_closed() {
    let hangs = |at: &'static str| move |action: &str, _: usize, _: &str| (action == at).then_some(Reply::Silence);
    let closes = |at: &'static str| move |action: &str, _: usize, _: &str| (action == at).then_some(Reply::Close);
    let garbage = |at: &'static str| {
        move |action: &str, _: usize, _: &str| (action == at).then(|| Reply::Raw(200, "<<garbage".into()))
    };
    let breaks = |at: &'static str| {
        move |action: &str, _: usize, _: &str| (action == at).then(|| Reply::Raw(500, "oops".into()))
    };
    let noise = |at: &'static str| move |action: &str, _: usize, _: &str| (action == at).then_some(Reply::Noise);
    let refuses = |at: &'static str| {
        move |action: &str, _: usize, _: &str| (action == at).then(|| fault("w:AccessDenied", 5, "Access is denied."))
    };
    type Answers = Box<dyn Fn(&str, usize, &str) -> Option<Reply> + Send + Sync>;
    let cases: Vec<(&str, Answers, &str, bool, &str)> = vec![
        ("never answers", Box::new(hangs("Create")), "station_timeout", false, "Create"),
        ("hangs up", Box::new(closes("Create")), "station_unreachable", false, "Create"),
        ("answers garbage", Box::new(garbage("Create")), "station_not_winrm", false, "Create"),
        ("answers 500", Box::new(breaks("Create")), "station_not_winrm", false, "Create"),
        ("makes noise", Box::new(noise("Create")), "station_not_winrm", false, "Create"),
        ("refuses a shell", Box::new(refuses("Create")), "station_fault", false, "Create"),
        ("refuses the command", Box::new(refuses("Command")), "station_fault", false, "Create Command Delete"),
        ("never says that it began", Box::new(hangs("Command")), "outcome_unknown", true, "Create Command Delete"),
        (
            "loses the reply to the command",
            Box::new(closes("Command")),
            "outcome_unknown",
            true,
            "Create Command Delete",
        ),
        ("confirms with garbage", Box::new(garbage("Command")), "outcome_unknown", true, "Create Command Delete"),
        ("confirms with noise", Box::new(noise("Command")), "outcome_unknown", true, "Create Command Delete"),
        ("breaks at the command", Box::new(breaks("Command")), "outcome_unknown", true, "Create Command Delete"),
        ("dies in mid-command", Box::new(closes("Receive")), "outcome_unknown", true, WHOLE),
        ("falls silent in mid-command", Box::new(hangs("Receive")), "outcome_unknown", true, WHOLE),
        ("forgets the command", Box::new(refuses("Receive")), "outcome_unknown", true, WHOLE),
    ];
    for (shows, answers, code, may_have_acted, actions) in cases {
        let station = Station::start(Takes::Negotiate, answers).await;
        let error = run(&station, &shutdown("x")).await.unwrap_err();
        assert_eq!((error.code(), error.may_have_acted()), (code, may_have_acted), "{shows}: {error}");
        assert!(error.to_string().contains("127.0.0.7"), "{error}");
        assert_eq!(station.actions(), actions, "{shows}");
    }
}

#[tokio::test]
async fn a_command_that_outlives_its_time_is_ended() {
    let answers = |action: &str, _: usize, _: &str| {
        (action == "Receive").then(|| {
            std::thread::sleep(Duration::from_millis(50));
            fault("w:TimedOut", 2_150_858_793, "The operation timed out.")
        })
    };
    let station = Station::start(Takes::Negotiate, answers).await;
    let target = station.target().await;
    let error = WinRm::new().run_within(&target, &status(), Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, WinRmError::TimedOut { .. }) && error.may_have_acted(), "{error}");
    let actions = station.actions();
    assert!(actions.starts_with("Create Command Receive") && actions.ends_with("Signal Delete"), "{actions}");
}

#[tokio::test]
async fn a_station_that_floods_is_stopped() {
    let answers = |action: &str, _: usize, _: &str| {
        (action == "Receive").then(|| Reply::Body(output(&[b'x'; 110_000], b"", None)))
    };
    let station = Station::start(Takes::Negotiate, answers).await;
    let error = run(&station, &status()).await.unwrap_err();
    assert_eq!(error.to_string(), "the command on 127.0.0.7 wrote more than 16 MiB and was ended");
    assert!(station.actions().ends_with("Signal Delete"));
    let endless =
        |action: &str, _: usize, _: &str| (action == "Create").then(|| Reply::Raw(200, soap(&"x".repeat(600_000))));
    let station = Station::start(Takes::Negotiate, endless).await;
    let error = run(&station, &status()).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.7 does not answer like WinRM: its answer does not end");
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_shell() {
    let answers = |action: &str, _: usize, _: &str| (action == "Receive").then_some(Reply::Silence);
    let station = Station::start(Takes::Negotiate, answers).await;
    let (winrm, target) = (WinRm::new(), station.target().await);
    let given_up = tokio::time::timeout(Duration::from_millis(700), winrm.run(&target, &status())).await;
    assert!(given_up.is_err());
    winrm.close().await;
    assert_eq!(station.actions(), WHOLE);
}

#[tokio::test]
async fn a_connection_that_was_closed_in_between_logs_in_again() {
    // The answer to the command comes whole, and then the connection ends.
    let answers = |action: &str, before: usize, _: &str| match (action, before) {
        ("Receive", 0) => Some(Reply::Body(output(b"one ", b"", None))),
        ("Receive", 1) => Some(Reply::Raw(401, String::new())),
        ("Receive", 2) => Some(Reply::Body(output(b"two", b"", Some(0)))),
        _ => None,
    };
    let station = Station::start(Takes::Negotiate, answers).await;
    assert_eq!(run(&station, &status()).await.unwrap().stdout, "one two");
}

#[tokio::test]
async fn a_certificate_is_taken_by_pin_by_authority_or_not() {
    let station = Station::start(Takes::Negotiate, nothing).await;
    let other = Station::start(Takes::Negotiate, nothing).await;
    let pinned = |station: &Station| CertificatePolicy::pin(&station.fingerprint).unwrap();
    let authority = |station: &Station| CertificatePolicy::authority(station.pem.as_bytes()).unwrap();
    for (shows, policy, said) in [
        ("its pin", pinned(&station), None),
        ("its authority", authority(&station), None),
        ("another pin", pinned(&other), Some("it is not the pinned one")),
        ("another authority", authority(&other), Some("")),
        ("the public authorities", CertificatePolicy::Roots, Some("")),
    ] {
        let ran = WinRm::new().run(&target(station.address, policy).await, &status()).await;
        match said {
            None => assert_eq!(ran.unwrap().exit_code, 0, "{shows}"),
            Some(said) => {
                let error = ran.unwrap_err();
                assert_eq!(error.code(), "station_certificate", "{shows}: {error}");
                assert!(error.to_string().contains(said), "{shows}: {error}");
            }
        }
    }
    // By its authority it must also name the host.
    let mut elsewhere = target(station.address, authority(&station)).await;
    let networks: stationkeeper_station_link::ManagementNetworks = "127.0.0.0/16".parse().unwrap();
    struct Renamed(std::net::IpAddr);
    impl stationkeeper_station_link::Resolve for Renamed {
        async fn resolve(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Ok(vec![self.0])
        }
    }
    for (name, trusted) in [("localhost", true), ("lab-ws99", false)] {
        elsewhere.address = networks.check(name, &Renamed(station.address.ip())).await.unwrap();
        assert_eq!(WinRm::new().run(&elsewhere, &status()).await.is_ok(), trusted, "{name}");
    }
}

#[tokio::test]
async fn nobody_home_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.7:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target = target(address, CertificatePolicy::Roots).await;
    let error = WinRm::new().run(&target, &status()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.may_have_acted(), error.is_passing()),
        ("station_unreachable", false, true),
        "{error}"
    );
}

#[tokio::test]
async fn whoever_speaks_no_tls_is_no_station() {
    let listener = TcpListener::bind("127.0.0.7:0").await.unwrap();
    let target = target(listener.local_addr().unwrap(), CertificatePolicy::Roots).await;
    let speaks = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        // Kept open: the answer is what ends it.
        std::future::pending::<()>().await;
    };
    let winrm = WinRm::new();
    let command = status();
    tokio::select! {
        error = winrm.run(&target, &command) => assert_eq!(error.unwrap_err().code(), "station_not_winrm"),
        () = speaks => {}
    }
}

#[tokio::test]
async fn whoever_takes_connections_and_is_silent_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.7:0").await.unwrap();
    let target = target(listener.local_addr().unwrap(), CertificatePolicy::Roots).await;
    let error = WinRm::new().run(&target, &status()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot reach 127.0.0.7: no connection over TLS within 2 s; is it on, and does WinRM listen?"
    );
}
