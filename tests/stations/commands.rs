//! Every command that a gateway gives.

use serde_json::{Value, json};
use stationkeeper_simulator::{Power, Role};
use stationkeeper_tests::simulated_stations::{SimulatedStations, WinRmClient, cmd, lab_station, ps};
use stationkeeper_tests::waiting::{PATIENCE, until};

const HEARTBEAT: &str = r"C:\LabStation\labstation\data\telemetry\heartbeat.json";
const EVENTS: &str = r"C:\LabStation\labstation\data\telemetry\session-guard-events.jsonl";

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_lab_station_answers_pywinrm() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let commands = [
        ("prepare-session --guard-grace=90", 0, "prepare-session: done"),
        ("prepare-session --user=newcomer", 1, "done with warnings"),
        ("session guard --grace=30", 0, "nobody else is logged on"),
        ("release-session", 0, "release-session: done"),
        ("release-session", 1, "the lab user was not logged on"),
        ("recovery reboot-if-needed", 1, "healthy"),
        ("status-json", 0, "\"schemaVersion\":\"1.0.0\""),
        ("power hibernate --delay=36000 \"--reason=Remote & order\"", 0, "power hibernate: in 36000 s"),
        ("power shutdown --delay=60", 1, ""),
    ];
    let said = lab.client(0).run(commands.iter().map(|(command, ..)| lab_station(command)).collect()).await;
    for ((command, exit_code, text), said) in commands.iter().zip(said) {
        let said = said.unwrap();
        assert_eq!(said.exit_code, *exit_code, "{command}: {said:?}");
        assert!(said.text().contains(text), "{command}: {}", said.text());
    }
    for (command, exit_code, complaint) in [
        (lab_station("account list"), 2, "unknown command: account list"),
        (lab_station("power reboot"), 2, "unknown command: power reboot"),
        (cmd("calc"), 1, "not recognized as an internal or external command"),
        (ps("Get-Process"), 1, "not recognized as the name of a cmdlet"),
    ] {
        let said = lab.client(0).one(command).await.unwrap();
        assert_eq!(said.exit_code, exit_code);
        assert!(String::from_utf8_lossy(&said.err).contains(complaint), "{said:?}");
    }
    assert_eq!(lab.stations.open_shells(&lab.host(0)), 0, "every shell is closed again");
    let beat = until("a heartbeat that shows it", PATIENCE, async || {
        lab.heartbeats(0).into_iter().find(|beat| beat["operations"]["lastPowerAction"]["mode"] == "shutdown")
    })
    .await;
    assert_eq!(beat["operations"]["lastPowerAction"]["success"], false, "refused: the other one is on its way");
    assert_eq!(beat["operations"]["lastPowerAction"]["reason"], "Remote & order", "a key of the older run stays");
    assert_eq!(beat["operations"]["lastPrepareSession"]["user"], "newcomer");
    assert_eq!(beat["operations"]["lastReleaseSession"]["success"], false);
    assert_eq!(beat["operations"]["lastSafeguardReboot"]["rebooted"], false);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prepare_takes_its_grace_and_logs_off_whoever_sits_there() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let host = lab.host(0);
    lab.stations.with_lab(|lab, now| lab.sit_down(&host, "Muñoz", now));
    // 90 s are a second and a half here; the client is told to ask again every second.
    let client = WinRmClient { wait: 1, patience: 15, ..lab.client(0) };
    let said = client.one(lab_station("prepare-session --guard-grace=90")).await.unwrap();
    assert_eq!(said.exit_code, 0);
    assert!(said.seconds >= 1.5, "{} s", said.seconds);
    assert!(
        said.out.windows(6).any(|bytes| bytes == b"Mu\xa4oz\r"),
        "in the code page of a console: {:?}",
        said.text()
    );
    let jobs = vec![
        ps(&format!("[Convert]::ToBase64String([IO.File]::ReadAllBytes('{EVENTS}'))")),
        ps(&format!("Get-Content -Raw -Encoding UTF8 '{EVENTS}'")),
    ];
    let read = lab.client(0).run(jobs).await;
    let line = decoded(&read[0].as_ref().unwrap().out);
    let event: Value = serde_json::from_slice(&line[3..]).unwrap();
    assert_eq!((&event["user"], &event["grace"], &event["force"]), (&json!("Muñoz"), &json!(90), &json!(true)));
    assert!(read[1].as_ref().unwrap().out.windows(6).any(|bytes| bytes == b"Mu\xa4oz\""));
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_that_is_fetched_is_the_file_byte_for_byte() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    until("a heartbeat", PATIENCE, async || lab.heartbeats(0).pop()).await;
    let script = format!("[Convert]::ToBase64String([IO.File]::ReadAllBytes('{HEARTBEAT}'))");
    let read = lab.client(0).one(ps(&script)).await.unwrap();
    let bytes = decoded(&read.out);
    assert_eq!(&bytes[..3], b"\xef\xbb\xbf");
    let beat: Value = serde_json::from_slice(&bytes[3..]).unwrap();
    assert!(lab.heartbeats(0).contains(&beat), "it is one that was uploaded");
    let missing = lab.client(0).one(ps(r"[Convert]::ToBase64String([IO.File]::ReadAllBytes('C:\x'))")).await.unwrap();
    assert_eq!((missing.exit_code, missing.out), (1, Vec::new()));
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_in_the_code_page_that_the_shell_asked_for() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let echo = |code_page| json!({ "do": "cmd", "command": "echo", "arguments": ["ñ Á ®"], "code_page": code_page });
    let said = lab.client(0).run([437, 850, 65_001].map(echo).to_vec()).await;
    let bytes = [b"\xa4 ? ?\r\n".as_slice(), b"\xa4 \xb5 \xa9\r\n", "ñ Á ®\r\n".as_bytes()];
    for (said, bytes) in said.into_iter().zip(bytes) {
        assert_eq!(said.unwrap().out, bytes);
    }
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_beyond_an_envelope_comes_whole_and_in_order() {
    let lab = SimulatedStations::start(&[Role::Idle], 60.0).await;
    let host = lab.host(0);
    let text: String = (0..60_000).map(|line| format!("{line}\r\n")).collect();
    assert!(text.len() > 2 * 153_600);
    let path = r"C:\LabStation\labstation\labstation.log";
    lab.stations.with_lab(|lab, _| lab.put_file(&host, path, text.clone().into_bytes()));
    let said = lab.client(0).one(cmd(&format!("type {path}"))).await.unwrap();
    assert!(said.out == text.as_bytes(), "{} bytes", said.out.len());
    assert_eq!(said.exit_code, 0);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_command_is_asked_for_again_and_again() {
    let lab = SimulatedStations::start(&[Role::Idle], 1.0).await;
    let client = WinRmClient { wait: 1, patience: 15, ..lab.client(0) };
    let said = client.one(cmd("ping -n 5 127.0.0.1")).await.unwrap();
    assert_eq!(said.exit_code, 0);
    assert!(said.seconds >= 4.0, "longer than the station may let it wait for any one answer: {} s", said.seconds);
    assert!(said.text().contains("Pinging") && said.text().contains("Reply"), "{}", said.text());
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_mode_is_raised_and_lowered_by_a_file() {
    let lab = SimulatedStations::start(&[Role::Idle], 120.0).await;
    let flag = r"C:\LabStation\labstation\data\local-mode.flag";
    for (script, shown) in
        [(format!("New-Item -ItemType File -Force '{flag}'"), true), (format!("Remove-Item -Force '{flag}'"), false)]
    {
        assert_eq!(lab.client(0).one(ps(&script)).await.unwrap().exit_code, 0);
        until("a heartbeat that shows it", PATIENCE, async || {
            lab.heartbeats(0).pop().filter(|beat| beat["status"]["localModeEnabled"] == shown)
        })
        .await;
    }
    assert_eq!(lab.power(0), Power::On);
    lab.stop().await;
}

fn decoded(printed: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(printed.trim_ascii()).unwrap()
}
