//! What was told, is on its way, or was given up.

use std::path::Path;

use serde_json::{Value, json};
use stationkeeper_pipeline::clock::{Clock, SystemClock};
use stationkeeper_store::{Settlement, Store, StoreOptions};
use stationkeeper_tests::binary::run;
use stationkeeper_tests::database::blocking;

use crate::words;

const SETTINGS: &str = "[notifications.receivers.ops]\nchannel = \"email\"\nto = [\"ops@example.org\"]\n\
    [notifications.receivers.chat]\nchannel = \"slack\"\nconnection = \"chat\"\nlanguage = \"es\"\n";

/// A data folder whose settings name two receivers.
fn lab() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("settings.toml");
    std::fs::write(&settings, SETTINGS).expect("a file");
    let database = format!("sqlite:{}", folder.path().join("stationkeeper.sqlite").display());
    run(words(&[&"migrate", &"--database", &database])).succeeded();
    run(words(&[&"config", &"apply", &settings, &"--data", &folder.path()])).succeeded();
    folder
}

/// Gives up, or settles as it is said, whatever is owed to a receiver.
fn settle(data: &Path, receiver: &str, settlement: &Settlement) {
    blocking(async {
        let file = data.join("stationkeeper.sqlite");
        let store = Store::sqlite(&file, StoreOptions::default()).await.expect("it opens");
        let now = SystemClock.now();
        let until = now + chrono::TimeDelta::minutes(1);
        for claimed in store.claim_notifications(receiver, now, until, 100).await.expect("readable") {
            assert!(store.settle_notification(&claimed, settlement, now).await.expect("writable"));
        }
        store.close().await;
    });
}

fn states(listed: &[Value]) -> Vec<(&str, &str)> {
    let text = |value: &'_ Value| value.as_str().expect("a text").to_owned();
    let mut pairs: Vec<_> = listed.iter().map(|one| (text(&one["receiver"]), text(&one["state"]))).collect();
    pairs.sort();
    let known = |word: String| {
        ["chat", "ops", "pending", "sent", "dead"].into_iter().find(|one| *one == word).expect("a known word")
    };
    pairs.into_iter().map(|(receiver, state)| (known(receiver), known(state))).collect()
}

#[test]
fn a_test_message_is_owed_and_its_way_can_be_followed() {
    let folder = lab();
    let data = folder.path();
    let listed = |state: &str| {
        run(words(&[&"notifications", &"--state", &state, &"--json", &"--data", &data])).succeeded().json_lines()
    };
    assert_eq!(run(words(&[&"notifications", &"--data", &data])).succeeded().text(), "No such notifications.\n");
    let owed = run(words(&[&"notifications", &"test", &"ops", &"--json", &"--data", &data])).succeeded().json();
    assert_eq!(owed["receiver"], "ops");
    run(words(&[&"notifications", &"test", &"ops", &"--data", &data])).succeeded();
    run(words(&[&"notifications", &"test", &"chat", &"--data", &data])).succeeded();
    let all = listed("any");
    assert_eq!(states(&all), [("chat", "pending"), ("ops", "pending"), ("ops", "pending")]);
    let first = all.iter().find(|one| one["id"] == owed["id"]).expect("what was said is listed");
    assert_eq!(
        (&first["kind"], &first["attempts"], &first["last_error"], &first["subject"]),
        (&json!("test"), &json!(0), &Value::Null, &json!("[Stationkeeper] Test message"))
    );

    settle(data, "chat", &Settlement::Sent);
    settle(data, "ops", &Settlement::Dead { error: "550 no such\u{1b}[31m user".to_owned(), reached: Vec::new() });
    assert_eq!(states(&listed("any")), [("chat", "sent"), ("ops", "dead"), ("ops", "dead")]);
    assert_eq!(states(&listed("dead")), [("ops", "dead"), ("ops", "dead")]);
    let table = run(words(&[&"notifications", &"--state", &"dead", &"--data", &data])).succeeded().text();
    assert!(table.contains("550 no such") && !table.contains('\u{1b}'), "{table}");
}

#[test]
fn what_was_given_up_is_sent_again_one_or_all() {
    let folder = lab();
    let data = folder.path();
    let dead = Settlement::Dead { error: "550".to_owned(), reached: Vec::new() };
    let ids: Vec<String> = (0..3)
        .map(|_| {
            let owed = run(words(&[&"notifications", &"test", &"ops", &"--json", &"--data", &data])).succeeded().json();
            owed["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    let early = run(words(&[&"notifications", &"retry", &ids[0], &"--data", &data]));
    assert!(early.refused(66).contains("was given up"), "it is still on its way: {}", early.stderr);
    settle(data, "ops", &dead);
    let one = run(words(&[&"notifications", &"retry", &&ids[0][..12], &"--json", &"--data", &data])).succeeded();
    assert_eq!(one.json(), json!({ "retried": 1 }));
    let all = run(words(&[&"notifications", &"retry", &"--all", &"--json", &"--data", &data])).succeeded();
    assert_eq!(all.json(), json!({ "retried": 2 }));
    let none = run(words(&[&"notifications", &"retry", &"--all", &"--data", &data])).succeeded();
    assert!(none.text().starts_with("None was given up"), "{}", none.text());
    let listed = run(words(&[&"notifications", &"--json", &"--data", &data])).succeeded().json_lines();
    assert_eq!(states(&listed), [("ops", "pending"); 3]);
}

#[test]
fn what_cannot_be_is_said_in_a_sentence() {
    let folder = lab();
    let data = folder.path();
    let unknown = run(words(&[&"notifications", &"test", &"nobody", &"--data", &data]));
    assert!(unknown.refused(66).contains("there are: chat, ops"), "{}", unknown.stderr);
    let lost = run(words(&[&"notifications", &"retry", &"abc", &"--data", &data]));
    assert!(lost.refused(66).contains("notifications --state dead"), "{}", lost.stderr);
    assert_eq!(run(words(&[&"notifications", &"retry", &"--data", &data])).code, Some(2), "one, or all");

    let file = folder.path().join("connections.toml");
    for (text, said) in [
        (
            "STATIONKEEPER_SMTP_URI = \"smtp://ann:s3cret@mail.example.org\"\n",
            "no connection variable STATIONKEEPER_SMTP_URI",
        ),
        ("STATIONKEEPER_SMTP_URL = 25\n", "STATIONKEEPER_SMTP_URL is no text"),
        ("STATIONKEEPER_SMTP_URL = \"smtp://ann:s3cret@mail.example.org\n", "invalid basic string"),
        ("STATIONKEEPER_SMTP_URL = \"smtp://ann:s3cret@mail.example.org\"\n", "STATIONKEEPER_SMTP_FROM is of no use"),
        ("STATIONKEEPER_CONNECTION_CHAT_URL = \"http://hooks.example.org/s3cret\"\n", "plain HTTP to another computer"),
    ] {
        std::fs::write(&file, text).expect("a file");
        let up = words(&[
            &"up",
            &"--listen",
            &"127.0.0.1:0",
            &"--s3-listen",
            &"127.0.0.1:0",
            &"--data",
            &data,
            &"--connections-file",
            &file,
        ]);
        let ran = run(up);
        let refused = ran.refused(78);
        assert!(refused.contains(said) && !refused.contains("s3cret"), "{text}: {refused}");
    }
}
