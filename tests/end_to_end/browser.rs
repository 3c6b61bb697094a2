//! The status page as a person has it: in a real browser.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::boto::{boto3_puts, put};
use crate::harness::programs::with_input;
use crate::harness::station::{heartbeat, newest_key};
use crate::harness::up::{Up, data_folder};
use crate::harness::{SOON, now, variable};

fn seen_in_browser(page: &str, token: &str) -> Value {
    let python = variable("STATIONKEEPER_TEST_PYTHON").expect(
        "STATIONKEEPER_TEST_PYTHON is not set: run tests/run, or give a python that has what tests/requirements.txt pins",
    );
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("end_to_end/harness/page_in_browser.py");
    let mut command = Command::new(python);
    command.arg(script).env("NO_PROXY", "127.0.0.1");
    let output = with_input(command, json!({ "page": page, "token": token }).to_string().as_bytes());
    assert!(output.status.success(), "the browser: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("what was seen")
}

#[tokio::test]
async fn a_person_logs_in_sees_the_stations_and_logs_out() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    for host in ["LAB-01", "LAB-02"] {
        boto3_puts(&up.access, &[put(&newest_key(host), &heartbeat(host, now()))]);
        up.station(host, SOON, |station| station["state"] == "ready").await;
    }
    let seen = seen_in_browser(up.line["page"].as_str().unwrap(), up.token());
    assert_eq!(seen["stations"], json!(["LAB-01", "LAB-02"]), "{seen}");
    assert_eq!(seen["states"], json!(["Ready", "Ready"]), "{seen}");
    assert!(!seen["problem"].as_str().unwrap().is_empty(), "a wrong token is refused in words: {seen}");
    assert_ne!(seen["form_title"], seen["title"], "{seen}");
    assert_eq!(seen["after_logout"], seen["form_title"], "{seen}");
    assert_ne!(seen["light"], seen["dark"], "the page follows the person's colour scheme: {seen}");
    assert_eq!(seen["wider_than_a_phone"], false, "{seen}");
    // The form itself is answered by 401; a browser remarks on that and on nothing else.
    let console = seen["console"].as_array().unwrap();
    let others: Vec<_> = console.iter().filter(|line| !line.as_str().unwrap().contains("401 (Unauthorized)")).collect();
    assert!(others.is_empty(), "nothing is refused, nothing is missing: {others:?}");
    up.terminate();
}
