//! `normalize` and `decode-event` give the answers of the corpus, each with its exit code.

use serde_json::Value;
use stationkeeper_tests::binary::{run, run_with_input};
use stationkeeper_tests::{corpus, corpus_json};

use crate::words;

/// When the corpus was received.
const NOW: &str = "2026-11-24T12:00:00Z";

fn entries(folder: &str) -> Vec<Value> {
    let manifest = corpus_json(&format!("{folder}/manifest.json"));
    let entries = manifest.as_array().expect("a list").clone();
    assert!(entries.len() > 40, "{folder} is there");
    entries
}

fn text<'v>(entry: &'v Value, name: &str) -> &'v str {
    entry[name].as_str().unwrap_or_else(|| panic!("{name} in {entry}"))
}

/// `{"rejected":{"reason","detail"}}` with this reason and a sentence.
fn assert_rejected(shows: &str, answer: &Value, reason: &str) {
    let rejected = answer["rejected"].as_object().unwrap_or_else(|| panic!("{shows}: {answer}"));
    assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1), "{shows}: {answer}");
    assert_eq!(rejected.len(), 2, "{shows}: {answer}");
    assert_eq!(rejected["reason"], reason, "{shows}: {answer}");
    assert!(rejected["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{shows}: {answer}");
}

#[test]
fn every_golden_file_means_what_is_expected() {
    for entry in entries("golden") {
        let file = corpus(&format!("golden/{}", text(&entry, "file")));
        let kind = text(&entry, "kind").replace('_', "-");
        let host = text(&entry, "object_key_host");
        let ran = run(words(&[&"normalize", &"--kind", &kind, &"--host", &host, &"--now", &NOW, &file])).succeeded();
        let expected = corpus_json(&format!("golden/{}", text(&entry, "expected")));
        assert_eq!(ran.json(), expected, "{}", ran.line);
        assert_eq!(ran.stderr, "", "{}", ran.line);
    }
}

#[test]
fn every_hostile_file_is_accepted_or_rejected_as_its_manifest_says() {
    for entry in entries("hostile") {
        let file = corpus(&format!("hostile/{}", text(&entry, "file")));
        let host = text(&entry, "object_key_host");
        // A host may begin with a dash or a dot, or be empty: it is one word with its flag.
        let host = format!("--host={host}");
        let ran = run(words(&[&"normalize", &"--kind", &"heartbeat", &host, &"--now", &NOW, &file]));
        assert_eq!(ran.stderr, "", "{}", ran.line);
        match text(&entry, "expect").split_once(':') {
            Some(("reject", reason)) => {
                assert_eq!(ran.code, Some(65), "{}: {}", ran.line, ran.text());
                assert_rejected(&ran.line, &ran.json(), reason);
            }
            _ => {
                assert_eq!(ran.code, Some(0), "{}: {}", ran.line, ran.text());
                assert_eq!(ran.json(), corpus_json(&format!("hostile/{}", text(&entry, "expected"))), "{}", ran.line);
            }
        }
    }
}

#[test]
fn every_event_of_a_bucket_means_what_is_expected() {
    for entry in entries("bucket-events") {
        let file = corpus(&format!("bucket-events/{}", text(&entry, "file")));
        let ran = run(words(&[&"decode-event", &file]));
        assert_eq!(ran.code.map(i64::from), entry["exit"].as_i64(), "{}: {}", ran.line, ran.text());
        assert_eq!(ran.stderr, "", "{}", ran.line);
        let (mut answer, mut expected) =
            (ran.json(), corpus_json(&format!("bucket-events/{}", text(&entry, "expected"))));
        // The detail is free text: ours says something, the corpus leaves it open.
        if let Some(rejected) = answer["rejected"].as_object_mut() {
            let detail = rejected.remove("detail");
            assert!(detail.as_ref().and_then(Value::as_str).is_some_and(|detail| !detail.is_empty()), "{}", ran.line);
        }
        if let Some(rejected) = expected["rejected"].as_object_mut() {
            rejected.remove("detail");
        }
        assert_eq!(answer, expected, "{}", ran.line);
    }
}

#[test]
fn a_dash_is_standard_input() {
    let heartbeat = std::fs::read(corpus("golden/hb_baseline_bom.json")).expect("the corpus is there");
    let host = ["normalize", "--kind", "heartbeat", "--host", "LAB-WS01", "--now", NOW, "-"];
    let ran = run_with_input(host, &heartbeat).succeeded();
    assert_eq!(ran.json(), corpus_json("golden/hb_baseline_bom.expected.json"));
    let event = std::fs::read(corpus("bucket-events/s3_one_record.json")).expect("the corpus is there");
    let ran = run_with_input(["decode-event", "-"], &event).succeeded();
    assert_eq!(ran.json(), corpus_json("bucket-events/s3_one_record.expected.json"));
    let ran = run_with_input(["normalize", "--kind", "heartbeat", "-"], b"");
    assert_eq!(ran.code, Some(65));
    assert_rejected(&ran.line, &ran.json(), "empty_file");
}

#[test]
fn what_a_file_is_and_whose_is_told_by_where_it_lies() {
    let folder = tempfile::tempdir().expect("a folder");
    let station = folder.path().join("stations/LAB-WS01");
    std::fs::create_dir_all(&station).expect("a folder");
    for (golden, name) in [
        ("hb_baseline_bom.json", "heartbeat.json"),
        ("status_json_file.json", "status.json"),
        ("ev_bom_lf.jsonl", "session-guard-events.jsonl"),
        ("ini_utf16le_bom.ini", "service-state.ini"),
    ] {
        let path = station.join(name);
        std::fs::copy(corpus(&format!("golden/{golden}")), &path).expect("copied");
        let ran = run(words(&[&"normalize", &"--now", &NOW, &path])).succeeded();
        let expected = golden.rsplit_once('.').expect("a name").0;
        assert_eq!(ran.json(), corpus_json(&format!("golden/{expected}.expected.json")), "{name}");
    }
    let elsewhere = folder.path().join("stations/LAB-WS02");
    std::fs::create_dir_all(&elsewhere).expect("a folder");
    std::fs::copy(station.join("heartbeat.json"), elsewhere.join("heartbeat.json")).expect("copied");
    let ran = run(words(&[&"normalize", &"--now", &NOW, &elsewhere.join("heartbeat.json")]));
    assert_eq!(ran.code, Some(65));
    assert_rejected(&ran.line, &ran.json(), "host_mismatch");
}

#[test]
fn thirty_megabytes_are_refused_by_their_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("heartbeat.json");
    let file = std::fs::File::create(&path).expect("a file");
    // Sparse, and more than memory holds: whoever reads it first does not come back.
    for bytes in [30 * 1024 * 1024, 1 << 40] {
        file.set_len(bytes).expect("a sparse file");
        let ran = run(words(&[&"normalize", &"--host", &"LAB-WS01", &path]));
        assert_eq!(ran.code, Some(65), "{}", ran.stderr);
        assert_rejected(&ran.line, &ran.json(), "too_large");
    }
}

#[test]
fn standard_input_is_read_up_to_the_limit() {
    let blanks = vec![b' '; 30 * 1024 * 1024];
    for arguments in [&["normalize", "--kind", "heartbeat", "-"][..], &["normalize", "--kind", "events", "-"]] {
        let ran = run_with_input(arguments, &blanks);
        assert_eq!(ran.code, Some(65), "{}: {}", ran.line, ran.stderr);
        assert_rejected(&ran.line, &ran.json(), "too_large");
    }
}

#[test]
fn a_status_needs_a_host_from_somewhere() {
    let ran =
        run(words(&[&"normalize", &"--kind", &"status", &"--now", &NOW, &corpus("golden/status_json_file.json")]));
    assert_eq!(ran.code, Some(65));
    assert_rejected(&ran.line, &ran.json(), "missing_field");
}
