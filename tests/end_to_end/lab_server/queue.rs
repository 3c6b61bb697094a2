//! Events from a queue: repeated, out of order, killed between commit and delete, of objects that are not there, and with a database that goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use serde_json::Value;
use stationkeeper_tests::conservation::Conservation;
use stationkeeper_tests::exchange::{read_answer, read_question};
use stationkeeper_tests::mariadb_server::MariaDbServer;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{shuffled, upload};
use crate::harness::cloud::{Cloud, REDELIVERED, event, event_of};
use crate::harness::database::Database;
use crate::harness::programs::stationkeeper_says;
use crate::harness::station::{heartbeat, newest_key};
use crate::harness::up::{Up, data_folder};
use crate::harness::{PATIENCE, now, until};

#[tokio::test(flavor = "multi_thread")]
async fn each_message_three_times_and_out_of_order_is_as_good_as_once() {
    let (folder, database) = (data_folder(), Database::empty().await);
    let cloud = Cloud::serve(folder.path(), 5);
    let accepted = upload(&cloud, 6, 20).await;
    let events: Vec<_> = accepted.iter().map(event).collect();
    let three_times = shuffled([events.clone(), events.clone(), events].concat(), 3);
    cloud.send(&three_times).await;
    let up = cloud.up(folder.path(), &database.url, &[]);
    cloud.comes_to(0, 0, REDELIVERED).await;
    let health = up.get_openly("/health").await;
    assert_eq!(health.status, 200, "{}", health.text());
    up.terminate();
    Conservation::of(&database.url)
        .accepted(accepted)
        .observed("deliveries", three_times.len() as u64)
        .at_least("deliveries", 360)
        .at_least("history", 80)
        .at_least("quarantined", 12)
        .at_least("state_documents", 24)
        .holds()
        .await;
}

/// Stands before the queue service and lets no delete through: whoever asks waits for ever.
struct NoDelete {
    endpoint: String,
    asked: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

impl NoDelete {
    async fn before(endpoint: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind = endpoint.strip_prefix("http://").unwrap().to_owned();
        let asked = Arc::new(AtomicU64::new(0));
        let (mut serving, counted) = (JoinSet::new(), asked.clone());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(hand_on(stream, behind.clone(), counted.clone()));
            }
        });
        Self { endpoint: format!("http://{address}"), asked, _serving: serving }
    }
}

async fn hand_on(mut stream: TcpStream, behind: String, asked: Arc<AtomicU64>) {
    while let Ok(Some(question)) = read_question(&mut stream).await {
        if String::from_utf8_lossy(&question.bytes()).contains("DeleteMessageBatch") {
            asked.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        let Ok(mut server) = TcpStream::connect(&behind).await else { return };
        if server.write_all(&question.bytes()).await.is_err() {
            return;
        }
        let Ok(answer) = read_answer(&mut server, &question.method).await else { return };
        if stream.write_all(&[answer.head.bytes(), answer.body].concat()).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_commit_and_delete_nothing_is_lost_or_twice() {
    let (folder, database) = (data_folder(), Database::empty().await);
    let cloud = Cloud::serve(folder.path(), 20);
    let before = NoDelete::before(&cloud.endpoint).await;
    let accepted = upload(&cloud, 5, 3).await;
    cloud.send(&accepted.iter().map(event).collect::<Vec<_>>()).await;
    let mut kills = 0;
    while kills < 2 {
        let deletes = before.asked.load(Ordering::SeqCst);
        let arguments = ["--database", &database.url, "--queue", &cloud.queue];
        let program = cloud.launch(folder.path(), &arguments, &[("AWS_ENDPOINT_URL_SQS", &before.endpoint)]);
        let up = Up::answering(program, folder.path(), PATIENCE);
        // The queue is asked to delete what is committed: it has not, and will not. The second time all of it comes again.
        until("a delete", REDELIVERED, async || (before.asked.load(Ordering::SeqCst) > deletes).then_some(())).await;
        assert!(!up.all("/api/v1/stations").await.is_empty(), "a delete comes after the commit");
        up.program.kill();
        kills += 1;
    }
    assert_eq!(cloud.depths().await, (15, 0), "nothing was deleted");
    let up = cloud.up(folder.path(), &database.url, &[]);
    cloud.comes_to(0, 0, REDELIVERED).await;
    up.terminate();
    Conservation::of(&database.url)
        .accepted(accepted)
        .observed("kills", kills)
        .at_least("kills", 2)
        .at_least("history", 15)
        .holds()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_there_comes_back_alone_then_lies_among_the_dead_letters_and_can_be_brought_back() {
    let (folder, database) = (data_folder(), Database::empty().await);
    // At 0, 1, 3 and 7 s, then no more.
    let cloud = Cloud::serve(folder.path(), 4);
    let at = now() - TimeDelta::minutes(1);
    let deleted = cloud.put(&newest_key("LAB-09"), &heartbeat("LAB-09", at)).await;
    cloud.delete(&deleted).await;
    let mut accepted = upload(&cloud, 3, 4).await;
    let mut events: Vec<_> = accepted.iter().map(event).collect();
    // Announced, and there only later, or much later, or never again.
    for name in ["LAB-07", "LAB-08"] {
        events.push(event_of(&newest_key(name), None, now()));
    }
    events.push(event(&deleted));
    cloud.send(&events).await;
    let up = cloud.up(folder.path(), &database.url, &[]);
    accepted.push(cloud.put(&newest_key("LAB-07"), &heartbeat("LAB-07", at)).await);
    up.station("LAB-07", PATIENCE, |station| !station["timestamp_utc"].is_null()).await;
    cloud.comes_to(0, 2, REDELIVERED).await;

    let queue = ["--queue", cloud.queue.as_str(), "--json"];
    let status =
        || -> Value { serde_json::from_str(&says(&cloud, &[&["queue", "status"], &queue[..]].concat())).unwrap() };
    assert_eq!((&status()["waiting"], &status()["dead_letters"]["waiting"]), (&0.into(), &2.into()));
    until("/health tells of dead letters", PATIENCE, async || {
        let health = up.get_openly("/health").await;
        let problem = health.json()["parts"]["queue"]["problem"].as_str().unwrap_or_default().to_owned();
        (health.status == 503 && problem.contains("2 deliveries failed too often")).then_some(())
    })
    .await;

    accepted.push(cloud.put(&newest_key("LAB-08"), &heartbeat("LAB-08", at)).await);
    let said: Value = serde_json::from_str(&says(&cloud, &[&["queue", "redrive"], &queue[..]].concat())).unwrap();
    assert_eq!((&said["redriven"], &said["left"]), (&2.into(), &0.into()), "{said}");
    up.station("LAB-08", PATIENCE, |station| !station["timestamp_utc"].is_null()).await;
    cloud.comes_to(0, 1, REDELIVERED).await;
    up.terminate();
    Conservation::of(&database.url).accepted(accepted).at_least("history", 11).at_least("quarantined", 3).holds().await;
}

/// What `stationkeeper` says with the account of the cloud.
fn says(cloud: &Cloud, arguments: &[&str]) -> String {
    let mut command = crate::harness::programs::command("stationkeeper");
    command.args(arguments);
    for (name, value) in [
        ("AWS_ENDPOINT_URL", cloud.endpoint.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "any"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
    ] {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_no_message_dies() {
    let folder = data_folder();
    let mut server = tokio::task::spawn_blocking(|| MariaDbServer::start(&[])).await.unwrap();
    let cloud = Cloud::serve(folder.path(), 3);
    let up = cloud.up(folder.path(), &server.url(), &[]);
    let first = upload(&cloud, 2, 2).await;
    cloud.send(&first.iter().map(event).collect::<Vec<_>>()).await;
    cloud.comes_to(0, 0, PATIENCE).await;
    tokio::task::block_in_place(|| server.stop("TERM"));
    let second = upload(&cloud, 5, 5).await;
    cloud.send(&second.iter().map(event).collect::<Vec<_>>()).await;
    until("/health names the database", PATIENCE, async || {
        (up.get_openly("/health").await.json()["parts"]["database"]["ok"] == false).then_some(())
    })
    .await;
    // Longer than three receives would take.
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    assert_eq!(cloud.depths().await, (25, 0), "all of them wait");
    tokio::task::block_in_place(|| server.again());
    cloud.comes_to(0, 0, REDELIVERED).await;
    up.terminate();
    // What was overwritten before it was announced again counts as well.
    Conservation::of(server.url()).accepted(first).accepted(second).at_least("history", 20).holds().await;
    tokio::task::spawn_blocking(|| drop(server)).await.unwrap();
}

#[test]
fn a_command_for_a_queue_wants_one() {
    let ran = stationkeeper_tests::binary::run(["queue", "status"]);
    assert!(ran.refused(78).contains("no queue is named"), "{}", ran.stderr);
    assert!(stationkeeper_says(&["queue", "redrive", "--help"]).contains("--limit"));
}
