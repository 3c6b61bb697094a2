//! `hosts`: the catalog and the logins of its stations.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use stationkeeper_tests::programs::{command, with_input};

fn hosts(data: &Path, arguments: &[&str], environment: &[(&str, &Path)], input: &str) -> Output {
    let (verb, rest) = arguments.split_first().expect("a verb");
    let mut hosts = command("stationkeeper");
    hosts.args(["hosts", verb, "--data"]).arg(data).args(rest).envs(environment.iter().copied());
    with_input(hosts, input.as_bytes())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_station_is_added_listed_and_taken_out_of_use() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = folder.path().join("hosts.json");
    let environment = [("OPS_DYNAMIC_CONFIG", overlay.as_path())];
    let run = |arguments: &[&str]| hosts(folder.path(), arguments, &environment, "");
    let added = run(&["add", "lab-ws01", "--address", "10.20.0.7", "--lab", "optics", "--lab", "redes"]);
    assert!(added.status.success(), "{}", said(&added));
    let written: Value = serde_json::from_slice(&std::fs::read(&overlay).unwrap()).unwrap();
    assert_eq!(
        (&written["hosts"][0]["name"], &written["hosts"][0]["labs"]),
        (&json!("lab-ws01"), &json!(["optics", "redes"]))
    );
    for (arguments, code, text) in [
        (&["add", "LAB-WS01", "--address", "x"][..], 65, "host LAB-WS01 already exists"),
        (&["add", "a b", "--address", "x"], 65, "name must contain only"),
        (&["remove", "LAB-WS02"], 66, "host 'LAB-WS02' not found"),
    ] {
        let refused = run(arguments);
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}");
        assert!(said(&refused).contains(text), "{arguments:?}: {}", said(&refused));
    }
    let shown = run(&["list"]);
    assert!(said(&shown).contains("lab-ws01  10.20.0.7  optics, redes  -    active  api"), "{}", said(&shown));
    assert!(run(&["remove", "LAB-WS01"]).status.success());
    let listed: Value = serde_json::from_slice(&run(&["list", "--json"]).stdout).unwrap();
    assert_eq!((&listed[0]["host"], &listed[0]["status"]), (&json!("LAB-WS01"), &json!("retired")));
    let written: Value = serde_json::from_slice(&std::fs::read(&overlay).unwrap()).unwrap();
    assert_eq!(written, json!({ "hosts": [] }));
}

#[test]
fn logins_are_kept_and_their_key_is_changed_without_telling_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("key"), folder.path().join("next-key"));
    std::fs::write(&old, "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=\n").unwrap();
    let by = |key: &Path, arguments: &[&str], input: &str| {
        hosts(folder.path(), arguments, &[("OPS_SECRETS_KEY_FILE", key)], input)
    };
    let without = hosts(folder.path(), &["credentials", "lab", "--user", "labadmin"], &[], "s3cret\n");
    assert_eq!(without.status.code(), Some(78), "{}", said(&without));
    let kept = by(&old, &["credentials", "LAB", "--user", "labadmin"], "s3cret\n");
    assert!(kept.status.success(), "{}", said(&kept));
    let blank = by(&old, &["credentials", "lab", "--user", "labadmin"], "\n");
    assert_eq!(blank.status.code(), Some(65), "{}", said(&blank));
    let new_text = new.to_str().unwrap();
    let rotated = by(&old, &["rotate-key", "--new-key-file", new_text], "");
    assert!(rotated.status.success() && said(&rotated).contains("1 logins"), "{}", said(&rotated));
    let key = std::fs::read_to_string(&new).unwrap();
    assert!(said(&by(&new, &["credentials"], "")).starts_with("lab\n"));
    assert!(said(&by(&old, &["credentials"], "")).contains("not to be decrypted by this key"));
    let again = by(&old, &["rotate-key", "--new-key-file", new_text], "");
    assert_eq!(again.status.code(), Some(65), "all or nothing: {}", said(&again));
    for output in [&kept, &rotated, &again] {
        assert!(!said(output).contains("s3cret") && !said(output).contains(key.trim()), "{}", said(output));
    }
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.filter(|name| name.ends_with(".backup")).count(), 1);
}
