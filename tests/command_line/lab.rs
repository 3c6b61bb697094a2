//! Commands over a whole lab: the table from a share, simulated files, and the bytes of a heartbeat given back.

use std::collections::BTreeMap;
use std::path::Path;

use stationkeeper_tests::binary::run;
use stationkeeper_tests::corpus;
use stationkeeper_tests::database::blocking;
use stationkeeper_tests::tables::Tables;

use crate::words;

#[test]
fn a_share_is_read_without_any_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let share = folder.path().join("share");
    for place in [
        "LAB-WS01/data/telemetry",
        "LAB-WS02/labstation/data/telemetry",
        "LAB-WS03",
        "LAB-WS04/data/telemetry",
        "LAB-WS05/data/telemetry",
    ] {
        std::fs::create_dir_all(share.join(place)).expect("a folder");
    }
    let heartbeat = std::fs::read_to_string(corpus("golden/hb_no_bom.json")).expect("the corpus is there");
    assert!(heartbeat.contains("LAB-WS01"));
    std::fs::write(share.join("LAB-WS01/data/telemetry/heartbeat.json"), &heartbeat).expect("a file");
    let second = heartbeat.replace("LAB-WS01", "LAB-WS02");
    std::fs::write(share.join("LAB-WS02/labstation/data/telemetry/heartbeat.json"), second).expect("a file");
    std::fs::write(share.join("LAB-WS04/data/telemetry/heartbeat.json"), "{\"host\":").expect("a file");
    std::fs::write(share.join("notes.txt"), "no station").expect("a file");

    let ran = run(words(&[&"status", &"--from", &share])).succeeded();
    let text = ran.text();
    let mut lines = text.lines();
    let headings: Vec<_> = lines.next().expect("headings").split_whitespace().collect();
    let expected = [
        "Host",
        "Updated",
        "Ready",
        "LocalMode",
        "LocalUsers",
        "NicIssues",
        "SleepCompliant",
        "HibernateCompliant",
        "LastPrepare",
        "LastPowerAction",
        "LastPowerMode",
        "LastForcedLogoffUser",
    ];
    assert_eq!(headings, expected);
    let hosts: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(hosts, ["LAB-WS01", "LAB-WS02"]);
    for host in ["LAB-WS03", "LAB-WS05"] {
        let sentence = format!("Heartbeat not found on {host}. Ensure the LabStation share is published.");
        assert!(ran.stderr.lines().any(|line| line == sentence), "{sentence} in\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("Heartbeat of LAB-WS04 is unreadable: truncated_json"), "{}", ran.stderr);

    let rows = run(words(&[&"status", &"--json", &"--from", &share])).succeeded().json();
    let hosts: Vec<_> = rows.as_array().expect("a list").iter().map(|row| row["host"].clone()).collect();
    assert_eq!(hosts, ["LAB-WS01", "LAB-WS02"]);
}

/// Every file below a folder, by its path there.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    found
}

#[test]
fn the_same_seed_writes_the_same_bytes_and_another_seed_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let simulated = |name: &str, seed: &str| {
        let out = folder.path().join(name);
        run(words(&[&"simulate", &"--stations", &"9", &"--minutes", &"12", &"--seed", &seed, &"--out", &out]))
            .succeeded();
        files(&out)
    };
    let (one, same, other) = (simulated("one", "5"), simulated("same", "5"), simulated("other", "6"));
    assert_eq!(one.keys().collect::<Vec<_>>(), same.keys().collect::<Vec<_>>());
    assert!(one == same, "the same seed, the same bytes");
    assert!(one != other, "another seed, other bytes");
    assert!(one.contains_key("scenario.json") && one.contains_key("truth.jsonl"));
    assert!(one.keys().any(|name| name.starts_with("LAB-WS09/heartbeat-")), "every station writes");
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("mine"), "x").expect("a file");
    let ran = run(words(&[&"simulate", &"--stations", &"2", &"--minutes", &"2", &"--out", &folder.path()]));
    assert!(ran.refused(73).contains("not empty"), "{}", ran.stderr);
    assert_eq!(files(folder.path()).len(), 1, "nothing was written");
}

#[test]
fn every_heartbeat_is_given_back_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("lab.sqlite").display());
    let lab = corpus("lab-10x30");
    run(words(&[&"replay", &lab, &"--json", &"--database", &url])).succeeded();
    let mut given = 0;
    for (name, bytes) in files(&lab) {
        let Some((host, file)) = name.split_once('/') else { continue };
        let Some(stamp) = file.strip_prefix("heartbeat-").and_then(|file| file.strip_suffix(".json")) else { continue };
        // Some of each station are enough: what is compressed alike is given back alike.
        if !stamp.ends_with("5Z") && !bytes.starts_with(b"\xEF\xBB\xBF") {
            continue;
        }
        let heartbeat: serde_json::Value =
            serde_json::from_slice(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes)).expect("a heartbeat");
        let timestamp = heartbeat["timestamp"].as_str().expect("a timestamp");
        let ran = run(words(&[&"raw", &host, &timestamp, &"--database", &url])).succeeded();
        assert!(ran.stdout == bytes, "{name}");
        assert!(ran.stderr.contains(&format!("{} bytes, SHA-256 ", bytes.len())), "{}", ran.stderr);
        given += 1;
        if given == 40 {
            break;
        }
    }
    assert!(given > 20, "{given} heartbeats were compared");
    let lost = run(words(&[&"raw", &"LAB-WS01", &"2026-11-24T09:59:59Z", &"--database", &url]));
    assert!(lost.refused(66).contains("there is no heartbeat of LAB-WS01 at 2026-11-24T09:59:59Z"), "{}", lost.stderr);
}

#[test]
fn alerts_of_a_lab_are_listed_filtered_and_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("lab.sqlite").display());
    // Cut off while something is wrong: the share of a lab whose scenario ends early.
    let lab = folder.path().join("lab");
    run(words(&[&"simulate", &"--stations", &"14", &"--minutes", &"20", &"--seed", &"3", &"--out", &lab])).succeeded();
    run(words(&[&"replay", &lab, &"--json", &"--database", &url])).succeeded();
    let alerts = |flags: &[&str]| {
        let mut arguments = words(&[&"alerts", &"--json", &"--database", &url]);
        arguments.extend(words(&flags.iter().map(|flag| flag as &dyn AsRef<std::ffi::OsStr>).collect::<Vec<_>>()));
        run(arguments).succeeded().json_lines()
    };
    let all = alerts(&["--state", "any"]);
    let (open, resolved) = (alerts(&[]), alerts(&["--state", "resolved"]));
    assert!(!open.is_empty(), "something is wrong at the end of this lab");
    assert_eq!(all.len(), open.len() + resolved.len());
    let missing = alerts(&["--state", "any", "--rule", "heartbeat_missing"]);
    assert!(missing.iter().all(|alert| alert["rule"] == "heartbeat_missing"));
    let ran = run(words(&[&"alerts", &"--rule", &"heartbeat_lost", &"--database", &url]));
    assert!(ran.refused(65).contains("heartbeat_missing"), "{}", ran.stderr);

    let id = open[0]["id"].as_str().expect("an id");
    let acknowledged = run(words(&[&"ack", &id, &"--by", &"ana", &"--note", &"on it", &"--json", &"--database", &url]));
    assert_eq!(acknowledged.succeeded().json()["state"], "acknowledged");
    assert_eq!(alerts(&["--state", "acknowledged"]).len(), 1);
    assert_eq!(alerts(&["--state", "open"]).len(), open.len() - 1);
    // Whoever watches the page learns of it as of any other change.
    let told = blocking(async { Tables::open(&url).await.unwrap().without("updates", &[]).await.unwrap() });
    let told =
        told.iter().filter_map(|row| row["payload"].as_deref()).filter(|payload| payload.contains("acknowledged"));
    assert_eq!(told.filter(|payload| payload.contains(id)).count(), 1);
    let nobody = run(words(&[&"ack", &"zzzz", &"--by", &"ana", &"--database", &url]));
    assert!(matches!(nobody.code, Some(65 | 66)), "{nobody:?}");
    nobody.refused(nobody.code.unwrap_or_default());

    let table = run(words(&[&"status", &"--database", &url])).succeeded().text();
    assert_eq!(table.lines().count(), 15, "14 stations and a heading");
}

#[test]
fn the_past_of_a_station_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("lab.sqlite").display());
    let lab = folder.path().join("lab");
    let start = "2026-11-24T08:00:00Z";
    let of_lab: [&dyn AsRef<std::ffi::OsStr>; 9] =
        [&"simulate", &"--stations", &"14", &"--minutes", &"30", &"--start", &start, &"--out", &lab];
    run(words(&of_lab)).succeeded();
    run(words(&[&"replay", &lab, &"--json", &"--database", &url])).succeeded();
    let history = |host: &str, flags: &[&str]| {
        let mut arguments = words(&[&"station", &"history", &host, &"--database", &url]);
        arguments.extend(flags.iter().map(Into::into));
        run(arguments)
    };
    let window = ["--from", start, "--until", "2026-11-24T08:30:00Z"];
    let kept = |host: &str| files(&lab.join(host)).keys().filter(|name| name.starts_with("heartbeat-")).count();
    let told = history("lab-ws01", &[&window[..], &["--buckets", "30", "--json"]].concat()).succeeded().json();
    let buckets = told["buckets"].as_array().expect("a list");
    let heartbeats: u64 = buckets.iter().filter_map(|one| one["heartbeats"].as_u64()).sum();
    assert_eq!((buckets.len(), &told["bucket_seconds"]), (30, &60.into()));
    let gaps = told["gaps"].as_array().expect("a list");
    assert_eq!((gaps.len(), &gaps[0]["to_at"]), (1, &serde_json::Value::Null), "since the lab ended it is silent");
    assert_eq!(usize::try_from(heartbeats).expect("few"), kept("LAB-WS01"));
    let text = history("LAB-WS01", &window).succeeded().text();
    assert!(
        text.starts_with(&format!("LAB-WS01 from {start} to 2026-11-24T08:30:00Z: {heartbeats} heartbeats")),
        "{text}"
    );
    assert!(text.lines().any(|line| line.contains("  ready")), "{text}");
    for (host, flags, exit, says) in [
        ("LAB-WS99", &window[..], 66, "there is no station LAB-WS99"),
        ("LAB-WS01", &["--from", start, "--until", start], 65, "from is before to"),
        ("LAB-WS01", &["--from", "2026-01-01T00:00:00Z", "--until", start], 65, "at most 31 days apart"),
    ] {
        let ran = history(host, flags);
        assert!(ran.refused(exit).contains(says), "{}", ran.stderr);
    }
}
