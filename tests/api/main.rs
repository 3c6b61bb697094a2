//! The API does what its document says: Schemathesis, a program that is not ours, reads the document and asks everything that it
//! describes, and much that it does not. No answer may be a server's error, of a status or a shape that the document does not know, or
//! let somebody in without a token.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use stationkeeper_tests::programs::{Running, command, variable};
use stationkeeper_tests::up::{Up, data_folder};

/// Asked with as much as a test has time for; the same seed asks the same.
const ASKED: [&str; 14] = [
    // Its answer ends with the connection; the gateway's own tests listen to it.
    "--exclude-operation-id=listen",
    // Nothing is there without a bucket elsewhere; tests/end_to_end has one.
    "--exclude-operation-id=receive_bucket_event",
    // What must hold between two fields (an end after its start) is said by an error, and not by a schema.
    "--exclude-checks=positive_data_acceptance",
    "--phases=examples,coverage,fuzzing",
    "--max-examples=10",
    "--seed=1",
    "--generation-database=none",
    "--no-shrink",
    "--continue-on-failure",
    "--request-timeout=60",
    "--workers=2",
    "--warnings=off",
    "--no-color",
    "--output-sanitize=true",
];

/// A station that sleeps or restarts, as those that are released do, is told as 502, or as 500 at three addresses of the older service.
const SETTINGS: &str = r#"
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 502, 504]

[[operations]]
include-operation-id = ["run_command", "old_poll_heartbeat", "old_set_local_mode"]
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 500]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_the_api_is_one_that_its_document_describes() {
    let python = variable("STATIONKEEPER_TEST_PYTHON").expect(
        "STATIONKEEPER_TEST_PYTHON is not set: run tests/run, or give a python that has what tests/requirements.txt pins",
    );
    let folder = data_folder();
    std::fs::write(folder.path().join("schemathesis.toml"), SETTINGS).unwrap();
    let data = folder.path().join("data");
    let mut program = command("stationkeeper");
    program.args(["up", "--json", "--demo", "4", "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--data"]);
    // Without it no login can be kept, which is a 503.
    program.arg(&data).env("OPS_SECRETS_KEY", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=");
    let running = Running::start(program, "stationkeeper up", &data.with_extension("log"));
    let up = Up::answering(running, &data, Duration::from_secs(120));
    let document = up.get("/api/openapi.json").await.json();
    let operations: usize =
        document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    let page = up.line["page"].as_str().unwrap();
    let said = Command::new(Path::new(&python).with_file_name("schemathesis"))
        .args(["run", &format!("{page}/api/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {}", up.token())])
        .args(ASKED)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{text}\n{}", String::from_utf8_lossy(&said.stderr));
    let tested = format!("Tested: {}", operations - 3);
    assert!(text.contains(&tested), "all of {operations} but two, and the document itself: {text}");
    let well: Value = up.get_openly("/health").await.json();
    assert_eq!(well["db"], true, "{well}");
    up.terminate();
}
