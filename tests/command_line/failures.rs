//! What cannot be done is said in one sentence, with an exit code of its own, and without a secret or a backtrace.

use std::net::TcpListener;
use std::process::Stdio;

use stationkeeper_tests::binary::{Ran, finish, run, run_in, stationkeeper};
use stationkeeper_tests::corpus;

use crate::words;

#[test]
fn a_wrong_flag_is_said_with_the_nearest_right_one() {
    for (arguments, said) in [
        (&["normalise"][..], "normalize"),
        (&["replay", "lab", "--dublicate", "30"], "--duplicate"),
        (&["replay", "lab", "--duplicate", "101"], "101"),
        (&["replay", "lab", "--late", "-1"], "-1"),
        (&["replay", "lab", "--shuffle", "x"], "x"),
        (&["simulate", "--stations", "0", "--minutes", "1", "--out", "x"], "0"),
        (&["simulate", "--stations", "1", "--minutes", "1"], "--out"),
        (&["up", "--demo", "0"], "0"),
        (&["up", "--speed", "2"], "--demo"),
        (&["up", "--listen", "nowhere"], "nowhere"),
        (&["normalize", "--now", "yesterday", "heartbeat.json"], "yesterday"),
        (&["normalize", "--kind", "heart", "x"], "heartbeat"),
        (&["raw", "LAB-WS01", "today"], "today"),
        (&["alerts", "--state", "closed"], "resolved"),
        (&["completions", "tcsh"], "bash"),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.text().as_str()), (Some(2), ""), "{}: {}", ran.line, ran.stderr);
        assert!(ran.stderr.contains(said), "{}: says {said}, not\n{}", ran.line, ran.stderr);
    }
    let ran = run([""; 0]);
    assert_eq!(ran.code, Some(2), "nothing at all");
    assert!(ran.stderr.contains("replay"), "it shows what there is");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let lost = folder.path().join("lost.json");
    let lost = lost.to_str().expect("a path of text");
    for arguments in [
        &["normalize", "--kind", "heartbeat", lost][..],
        &["decode-event", lost],
        &["replay", lost],
        &["status", "--from", lost],
    ] {
        let ran = run(arguments);
        let said = ran.refused(66);
        assert!(said.contains(lost), "{said}");
    }
    let ran = run(["normalize", "README"]);
    assert!(ran.refused(66).contains("--kind"), "{}", ran.stderr);
    let ran = run(["replay", folder.path().to_str().expect("a path of text")]);
    assert!(ran.refused(66).contains("there is no station in"), "{}", ran.stderr);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").expect("a file");
    let below = file.join("below");
    for arguments in [
        words(&[&"up", &"--listen", &"127.0.0.1:0", &"--s3-listen", &"127.0.0.1:0", &"--data", &below]),
        words(&[
            &"up",
            &"--demo",
            &"2",
            &"--listen",
            &"127.0.0.1:0",
            &"--s3-listen",
            &"127.0.0.1:0",
            &"--data",
            &below,
        ]),
        words(&[&"migrate", &"--data", &below]),
        words(&[&"station", &"add", &"LAB-WS01", &"--data", &below]),
        words(&[&"simulate", &"--stations", &"1", &"--minutes", &"1", &"--out", &below]),
    ] {
        let ran = run(arguments);
        assert!(ran.refused(73).contains(below.to_str().expect("a path of text")), "{}", ran.stderr);
    }
}

#[test]
fn a_port_in_use_is_said_with_the_flag_that_chooses_another() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    for (flag, other) in [("--listen", "--s3-listen"), ("--s3-listen", "--listen")] {
        let data = folder.path().join("data");
        let ran = run(words(&[&"up", &flag, &address, &other, &"127.0.0.1:0", &"--data", &data]));
        let said = ran.refused(69);
        assert!(said.contains(&address) && said.contains(flag), "{said}");
        assert!(!data.exists(), "nothing was touched");
    }
}

/// No failure shows the password of a URL, however wrong the URL is.
fn assert_no_secret(ran: &Ran) {
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
}

#[test]
fn a_wrong_database_is_said_without_its_password() {
    // A port that was free a moment ago: nobody answers there.
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let lab = corpus("lab-10x30");
    for url in [
        format!("mysql://stationkeeper:hunter2@{closed}/stationkeeper"),
        "mysql://stationkeeper:hunter2@name.invalid/stationkeeper".to_owned(),
        "postgres://stationkeeper:hunter2@db.example/stationkeeper".to_owned(),
        "stationkeeper:hunter2@db.example".to_owned(),
        "mysql://stationkeeper:hunter2@db.example:port/stationkeeper".to_owned(),
        format!("sqlite:{}/no/such/folder/lab.sqlite", folder.path().display()),
    ] {
        for arguments in [
            words(&[&"replay", &lab, &"--database", &url]),
            words(&[&"status", &"--database", &url]),
            words(&[&"migrate", &"--data", &folder.path().join("data"), &"--database", &url]),
        ] {
            let ran = finish(&mut stationkeeper(arguments));
            let said = ran.refused(69);
            assert!(said.contains("database"), "{said}");
            assert!(!said.contains("the database: cannot open"), "nothing is said twice: {said}");
            assert_no_secret(&ran);
        }
    }
    let mut by_environment = stationkeeper(["status"]);
    by_environment.env("STATIONKEEPER_DATABASE_URL", format!("mysql://stationkeeper:hunter2@{closed}/stationkeeper"));
    let ran = finish(&mut by_environment);
    ran.refused(69);
    assert_no_secret(&ran);
    let help = finish(stationkeeper(["status", "--help"]).env("STATIONKEEPER_DATABASE_URL", "mysql://a:hunter2@b/c"));
    assert!(!help.text().contains("hunter2"), "nor does the help");
}

#[test]
fn a_file_that_is_no_database_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("stationkeeper.sqlite"),
        "this is no database, but it is long enough to be read as one",
    )
    .expect("a file");
    let ran = run(words(&[&"status", &"--data", &folder.path()]));
    assert!(ran.refused(69).contains("database"), "{}", ran.stderr);
}

#[test]
fn commands_that_read_say_where_they_looked() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["status"][..],
        &["alerts"],
        &["ack", "3f2a"],
        &["resolve", "3f2a"],
        &["raw", "LAB-WS01", "2026-11-24T09:00:09Z"],
        &["config", "apply"],
    ] {
        let ran = run_in(folder.path(), arguments);
        let said = ran.refused(66);
        assert!(said.contains("stationkeeper-data") && said.contains("--data"), "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "reading makes nothing");
}

#[test]
fn a_name_that_no_station_can_have_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    for host in ["../etc", "", "a/b", "LAB\nWS01"] {
        let ran = run(words(&[&"station", &"add", &host, &"--data", &folder.path()]));
        ran.refused(65);
    }
}

#[test]
fn a_replay_does_not_mix_two_labs() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("lab.sqlite").display());
    let arguments = words(&[&"replay", &corpus("lab-10x30"), &"--json", &"--database", &url]);
    run(&arguments).succeeded();
    let again = run(&arguments);
    assert!(again.refused(65).contains("empty database"), "{}", again.stderr);
}

#[test]
fn a_scenario_that_is_none_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let station = folder.path().join("LAB-WS01");
    std::fs::create_dir_all(&station).expect("a folder");
    std::fs::copy(corpus("golden/hb_baseline_bom.json"), station.join("heartbeat-20261124T090009Z.json"))
        .expect("copied");
    std::fs::write(folder.path().join("scenario.json"), "{\"start_utc\":").expect("a file");
    let ran = run(words(&[&"replay", &folder.path()]));
    assert!(ran.refused(65).contains("scenario"), "{}", ran.stderr);
}

#[test]
fn whoever_stops_reading_is_not_shown_a_panic() {
    let golden = corpus("golden/hb_baseline_bom.json");
    for arguments in [
        words(&[&"normalize", &"--host", &"LAB-WS01", &"--now", &"2026-11-24T12:00:00Z", &golden]),
        words(&[&"decode-event", &corpus("bucket-events/s3_one_record.json")]),
        words(&[&"status", &"--from", &corpus("lab-10x30")]),
        words(&[&"status", &"--json", &"--from", &corpus("lab-10x30")]),
        words(&[&"completions", &"bash"]),
        words(&[&"replay", &corpus("lab-10x30"), &"--json"]),
        words(&[&"config", &"check", &corpus("../Cargo.lock.absent")]),
    ] {
        let mut command = stationkeeper(arguments);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(command);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{said}");
    }
}
