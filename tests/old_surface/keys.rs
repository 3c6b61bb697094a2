//! The store of logins, between the older service's library and ours.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use stationkeeper_simulator::Role;
use stationkeeper_tests::mail_server::script;
use stationkeeper_tests::programs::{command, with_input};
use stationkeeper_tests::simulated_stations::SimulatedStations;
use stationkeeper_tests::up::data_folder;

use crate::service::{KEY, Service, others};

fn by_theirs(doing: &str, key: &str, path: &Path, input: &str) -> Output {
    let mut program = script("fernet_store.py");
    program.args([doing, key]).arg(path);
    with_input(program, input.as_bytes())
}

fn read_by_theirs(key: &str, path: &Path) -> Value {
    let output = by_theirs("read", key, path, "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_key_is_rotated_in_a_store_that_the_older_service_wrote_and_it_reads_the_new_one() {
    let folder = data_folder();
    let (store, new_key) = (folder.path().join("winrm-credentials.json"), folder.path().join("next.key"));
    let logins = json!({
        "lab-7": { "user": "labadmin", "password": "Contraseña: 1", "further": [1] },
        "127.0.9.1": { "user": "LAB\\ops", "password": " p4ss " },
    });
    assert!(by_theirs("write", KEY, &store, &logins.to_string()).status.success());
    let before = std::fs::read(&store).unwrap();
    let rotate = |key: &str, new_key: &Path| {
        let mut program = command("stationkeeper");
        program.args(["hosts", "rotate-key", "--data"]).arg(folder.path()).arg("--new-key-file").arg(new_key);
        program.envs([("OPS_SECRETS_KEY", key), ("OPS_CREDENTIALS_PATH", store.to_str().unwrap())]);
        program.output().unwrap()
    };
    // By another key than theirs nothing changes, and nothing is left behind.
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert!(!rotate(other, &folder.path().join("other.key")).status.success());
    assert_eq!(std::fs::read(&store).unwrap(), before);

    let rotated = rotate(KEY, &new_key);
    let said = format!("{}{}", String::from_utf8_lossy(&rotated.stdout), String::from_utf8_lossy(&rotated.stderr));
    assert!(rotated.status.success(), "{said}");
    let fresh = std::fs::read_to_string(&new_key).unwrap().trim().to_owned();
    for secret in [KEY, &fresh, "Contraseña: 1", "p4ss"] {
        assert!(!said.contains(secret), "{said}");
    }
    assert_eq!(read_by_theirs(&fresh, &store), logins, "all of each login is as it was");
    assert!(!by_theirs("read", KEY, &store, "").status.success(), "the old key opens it no more");
    let document: Value = serde_json::from_slice(&std::fs::read(&store).unwrap()).unwrap();
    assert_eq!((&document["further"], &document["credentials"]["lab-7"]["note"]), (&json!(true), &json!(1)));
    let backups: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let backup = backups.iter().find(|path| path.to_string_lossy().ends_with(".backup")).expect("a backup");
    assert_eq!(std::fs::read(backup).unwrap(), before);
    assert_eq!(read_by_theirs(KEY, backup), logins);
    assert!(!rotate(&fresh, &folder.path().join("none").join("key")).status.success(), "a key that cannot be written");
    assert_eq!(read_by_theirs(&fresh, &store), logins);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_stored_here_is_read_by_the_older_service() {
    let lab = SimulatedStations::start(&[Role::Idle], 1.0).await;
    let service = Service::of(lab, &others(), &[]).await;
    let login = json!({ "credentialRef": "LAB-7", "user": " labadmin ", "password": " Contraseña: 2 " });
    assert_eq!(service.post("/api/hosts/winrm-credentials", &login).await.status, 200);
    let kept = read_by_theirs(KEY, &service.files().credentials);
    assert_eq!(kept, json!({ "lab-7": { "user": "labadmin", "password": " Contraseña: 2 " } }));
    service.stop().await;
}
