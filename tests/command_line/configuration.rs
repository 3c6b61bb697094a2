//! Configuration: what is wrong in it and where, and settings written and read back.

use stationkeeper_tests::binary::{run, run_in};
use tempfile::TempDir;

use crate::words;

fn file(folder: &TempDir, text: &str) -> std::path::PathBuf {
    let path = folder.path().join("stationkeeper.toml");
    std::fs::write(&path, text).expect("a file");
    path
}

#[test]
fn what_is_wrong_is_said_with_its_line_its_column_and_the_nearest_key() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, parts) in [
        (
            "[alerts]\nintervall_seconds = 60\n",
            &["line 2, column 1", "intervall_seconds", "did you mean `interval_seconds`"][..],
        ),
        ("[alert]\ninterval_seconds = 60\n", &["line 1, column 2", "did you mean `alerts`"]),
        ("listne = \"127.0.0.1:80\"\ndata = \"x\"\n", &["line 1, column 1", "did you mean `listen`"]),
        ("[alerts]\ninterval_seconds = \"often\"\n", &["line 2, column 20", "string"]),
        ("[alerts]\ninterval_seconds = 5\n", &["alerts.interval_seconds = 5", "from 10 to 3600"]),
        ("[alerts\n", &["line 1, column 8"]),
        ("listen = \"nowhere\"\n", &["line 1, column 10"]),
        ("data = \"x\"\n[alerts]\ninterval_seconds = 60\n", &["two files"]),
    ] {
        let path = file(&folder, text);
        let ran = run(words(&[&"config", &"check", &path]));
        let said = ran.refused(78);
        assert!(said.contains(path.to_str().expect("a path of text")), "it names the file: {said}");
        for part in parts {
            assert!(said.contains(part), "{text:?} is answered by {part:?}, not {said:?}");
        }
        let applied = run(words(&[&"config", &"apply", &path, &"--data", &folder.path()]));
        assert_eq!(applied.refused(78), said, "apply says what check says");
    }
    let lost = run(words(&[&"config", &"check", &folder.path().join("lost.toml")]));
    assert!(lost.refused(78).contains("lost.toml"), "{}", lost.stderr);
}

#[test]
fn a_connection_file_that_is_wrong_stops_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(&folder, "databse = \"sqlite:x\"\n");
    for arguments in [
        words(&[&"status", &"--config", &path]),
        words(&[&"migrate", &"--config", &path]),
        words(&[&"up", &"--config", &path]),
    ] {
        let ran = run_in(folder.path(), arguments);
        let said = ran.refused(78);
        assert!(said.contains("line 1, column 1") && said.contains("did you mean `database`"), "{said}");
    }
}

#[test]
fn what_is_right_is_said_too() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, kind) in [("listen = \"127.0.0.1:80\"\n", "connections"), ("[history]\nraw = \"json\"\n", "settings")] {
        let ran = run(words(&[&"config", &"check", &file(&folder, text)])).succeeded();
        assert!(ran.text().contains("nothing is wrong") && ran.text().contains(kind), "{}", ran.text());
    }
}

#[test]
fn settings_that_were_applied_are_printed_and_can_be_applied_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    run(words(&[&"migrate", &"--data", &data])).succeeded();
    let printed = || run(words(&[&"config", &"apply", &"--data", &data])).succeeded().text();
    let defaults = printed();
    let path = file(
        &folder,
        "[alerts]\nnot_ready_after_seconds = 300\n\n[ignored_issue_codes]\nLAB-WS01 = [\"autostart_missing\"]\n",
    );
    let said = run(words(&[&"config", &"apply", &path, &"--data", &data])).succeeded().text();
    assert!(said.starts_with("Applied to"), "{said}");
    let applied = printed();
    assert!(applied.contains("not_ready_after_seconds = 300") && applied.contains("autostart_missing"), "{applied}");
    assert_ne!(applied, defaults);
    run(words(&[&"config", &"apply", &file(&folder, &applied), &"--data", &data])).succeeded();
    assert_eq!(printed(), applied, "what is printed is such a file");
    run(words(&[&"config", &"apply", &file(&folder, &defaults), &"--data", &data])).succeeded();
    assert_eq!(printed(), defaults);
}

#[test]
fn connections_are_not_kept_in_the_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(&folder, "listen = \"127.0.0.1:80\"\n");
    let ran = run(words(&[&"config", &"apply", &path, &"--data", &folder.path()]));
    assert!(ran.refused(78).contains("--config"), "{}", ran.stderr);
}

#[test]
fn a_migration_runs_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let migrate = || run(words(&[&"migrate", &"--data", &folder.path()])).succeeded().text();
    assert!(migrate().contains(": ran 1 "), "each step is named");
    assert!(migrate().contains("up to date"));
}

#[test]
fn a_table_of_reservations_that_cannot_be_one_is_said_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let listen = ["up", "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--data", "data"];
    for url in ["postgresql://ops:s3cret@db/booking", "mysql://ops:s3cret@db", "sqlite:booking.sqlite"] {
        let ran = run_in(folder.path(), [&listen[..], &["--reservations-database", url]].concat());
        let said = ran.refused(78);
        assert!(said.contains("--reservations-database") && !said.contains("s3cret"), "{said}");
    }
}
