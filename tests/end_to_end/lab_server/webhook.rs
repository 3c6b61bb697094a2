//! Events by webhook: who may send them, in which shapes, and that the answer comes after the commit.

use std::path::Path;

use chrono::TimeDelta;
use serde_json::{Value, json};
use stationkeeper_tests::conservation::{Accepted, Conservation};
use stationkeeper_tests::http::{Answer, post};
use stationkeeper_tests::mariadb_server::MariaDbServer;

use super::upload;
use crate::harness::cloud::{Cloud, event, event_of};
use crate::harness::database::Database;
use crate::harness::station::{heartbeat, newest_key};
use crate::harness::up::{Up, data_folder};
use crate::harness::{PATIENCE, now};

const TOKEN: &str = "7d1f0a5c9b3e4826aa51";

/// `up` without a queue; the token is in a file.
fn up(cloud: &Cloud, data: &Path, database: &str) -> Up {
    let token = data.with_extension("token");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let arguments = ["--database", database, "--events-token-file", token.to_str().unwrap()];
    Up::answering(cloud.launch(data, &arguments, &[]), data, PATIENCE)
}

async fn say(up: &Up, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    post(up.line["page"].as_str().unwrap(), "/events/s3", headers, body).await
}

async fn say_by_token(up: &Up, body: &str) -> Answer {
    say(up, &[("Authorization", &format!("Bearer {TOKEN}"))], body.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_token_of_events_opens_it_and_a_body_has_its_limit() {
    let (folder, database) = (data_folder(), Database::empty().await);
    let cloud = Cloud::serve(folder.path(), 5);
    let up = up(&cloud, folder.path(), &database.url);
    let object = cloud.put(&newest_key("LAB-01"), &heartbeat("LAB-01", now())).await;
    let body = event(&object);
    let admin = format!("Bearer {}", up.token());
    for (shows, headers) in [
        ("no token", &[][..]),
        ("another token", &[("Authorization", "Bearer 7d1f0a5c9b3e4826aa52")]),
        ("the admin's", &[("Authorization", admin.as_str())]),
        ("an empty one", &[("Authorization", "Bearer ")]),
    ] {
        let answer = say(&up, headers, body.as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("unauthenticated")), "{shows}");
    }
    assert_eq!(up.get("/api/v1/stations").await.json()["items"], json!([]), "nothing was taken");
    assert_eq!(up.get_with("/api/v1/stations", &[("Authorization", &format!("Bearer {TOKEN}"))]).await.status, 401);
    assert_eq!(up.get("/events/s3").await.status, 405);
    assert_eq!(say_by_token(&up, &" ".repeat(1 << 21)).await.status, 413);
    assert_eq!(say_by_token(&up, " ").await.status, 400);

    let answer = say_by_token(&up, &body).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "taken": true })));
    // No waiting: the answer came after the commit.
    let stations = up.get("/api/v1/stations").await.json();
    assert_eq!(stations["items"][0]["host"], "LAB-01", "{stations}");
    assert!(!up.program.log().contains(TOKEN), "no token in the log");
    up.terminate();
    Conservation::of(&database.url).accepted([object]).at_least("history", 1).holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_shape_is_taken_once_and_what_nobody_can_read_is_put_aside() {
    let (folder, database) = (data_folder(), Database::empty().await);
    let cloud = Cloud::serve(folder.path(), 5);
    let up = up(&cloud, folder.path(), &database.url);
    let accepted = upload(&cloud, 4, 6).await;
    let mut sent = 0;
    for (place, object) in accepted.iter().enumerate() {
        let plain: Value = serde_json::from_str(&event(object)).unwrap();
        let body = match place % 3 {
            // As MinIO and RustFS send it.
            0 => json!({ "EventName": "s3:ObjectCreated:Put", "Key": format!("lab/{}", object.object.key),
                         "Records": plain["Records"] }),
            1 => json!({ "Type": "Notification", "Message": plain.to_string() }),
            _ => plain,
        };
        for _ in 0..2 {
            assert_eq!(say_by_token(&up, &body.to_string()).await.status, 200);
            sent += 1;
        }
    }
    for body in ["{", "{\"Records\": [{}]}"] {
        for _ in 0..2 {
            assert_eq!(say_by_token(&up, body).await.status, 200, "it would come back for ever: {body}");
        }
    }
    let aside = up.all("/api/v1/quarantine").await;
    let deliveries = aside.iter().filter(|row| row["key"].as_str().unwrap().starts_with("delivery/webhook-"));
    assert_eq!(deliveries.count(), 2, "each once: {aside:?}");
    up.terminate();
    Conservation::of(&database.url)
        .accepted(accepted)
        .observed("sent", sent)
        .at_least("sent", 48)
        .at_least("history", 16)
        .holds()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_there_is_asked_for_again_for_a_minute_and_then_recorded_as_missing() {
    let (folder, database) = (data_folder(), Database::empty().await);
    let cloud = Cloud::serve(folder.path(), 5);
    let up = up(&cloud, folder.path(), &database.url);
    let key = newest_key("LAB-01");
    let fresh = event_of(&key, None, now());
    let answer = say_by_token(&up, &fresh).await;
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("object_not_taken")));
    let object = cloud.put(&key, &heartbeat("LAB-01", now())).await;
    assert_eq!(say_by_token(&up, &fresh).await.status, 200, "it is visible now");

    let old = event_of(&newest_key("LAB-02"), None, now() - TimeDelta::minutes(2));
    assert_eq!(say_by_token(&up, &old).await.status, 200, "whoever repeats it for ever sends nothing else");
    let row = up.quarantined(&newest_key("LAB-02"), PATIENCE).await;
    assert_eq!(row["reason"], "missing_object");
    up.terminate();
    let missing = Accepted::unanswered(newest_key("LAB-02"), b"");
    Conservation::of(&database.url).accepted([object, missing]).at_least("quarantined", 1).holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_it_answers_503_and_a_repeat_works() {
    let folder = data_folder();
    let mut server = tokio::task::spawn_blocking(|| MariaDbServer::start(&[])).await.unwrap();
    let cloud = Cloud::serve(folder.path(), 5);
    let up = up(&cloud, folder.path(), &server.url());
    let accepted = upload(&cloud, 2, 3).await;
    assert_eq!(say_by_token(&up, &event(&accepted[0])).await.status, 200);
    tokio::task::block_in_place(|| server.stop("TERM"));
    let mut refused = 0;
    for object in &accepted[1..] {
        let answer = say_by_token(&up, &event(object)).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        refused += 1;
    }
    tokio::task::block_in_place(|| server.again());
    for object in &accepted {
        stationkeeper_tests::waiting::until("a repeat that works", PATIENCE, async || {
            (say_by_token(&up, &event(object)).await.status == 200).then_some(())
        })
        .await;
    }
    up.terminate();
    Conservation::of(server.url())
        .accepted(accepted)
        .observed("refused", refused)
        .at_least("refused", 5)
        .at_least("history", 6)
        .holds()
        .await;
    tokio::task::spawn_blocking(|| drop(server)).await.unwrap();
}
