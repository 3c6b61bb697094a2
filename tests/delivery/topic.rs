//! An SNS topic behind which a queue listens; both are not ours.

use std::path::Path;

use serde_json::Value;
use stationkeeper_tests::mail_server::script;
use stationkeeper_tests::programs::{Running, command, stationkeeper_says};
use stationkeeper_tests::up::{Up, data_folder};
use stationkeeper_tests::waiting::{PATIENCE, until};

/// What `topic_service.py` says.
fn said(program: &mut Running) -> Value {
    let line = program.first_line(PATIENCE);
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn start(arguments: &[&str], log: &Path) -> Running {
    let mut command = script("topic_service.py");
    command.args(arguments);
    Running::start(command, "topic service", log)
}

#[tokio::test]
async fn what_is_published_to_a_topic_reaches_who_subscribed() {
    let folder = data_folder();
    let log = |name: &str| folder.path().join(name);
    let mut service = start(&["serve"], &log("service.log"));
    let places = said(&mut service);
    let text = |name: &str| places[name].as_str().unwrap().to_owned();
    let data = log("lab");
    std::fs::create_dir(&data).unwrap();
    let settings = log("settings.toml");
    let receiver = |name: &str, topic: &str| {
        format!("[notifications.receivers.{name}]\nchannel = \"sns\"\ntopic_arn = \"{topic}\"\nlanguage = \"es\"\n")
    };
    let whole = [
        receiver("standard", &text("topic")),
        receiver("ordered", &text("fifo")),
        receiver("lost", &format!("{}-lost", text("topic"))),
    ];
    std::fs::write(&settings, whole.concat()).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    stationkeeper_says(&["migrate", "--database", &format!("sqlite:{}", path(&data.join("stationkeeper.sqlite")))]);
    stationkeeper_says(&["config", "apply", &path(&settings), "--data", &path(&data)]);
    let mut up = command("stationkeeper");
    up.args(["up", "--json", "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .env("AWS_ENDPOINT_URL", text("endpoint"))
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let up = Up::answering(Running::start(up, "stationkeeper up", &log("up.log")), &data, PATIENCE);
    let test = |receiver: &str| {
        let said = stationkeeper_says(&["notifications", "test", receiver, "--json", "--data", &path(&data)]);
        serde_json::from_str::<Value>(&said).unwrap()["id"].as_str().unwrap().to_owned()
    };
    for (receiver, queue) in [("standard", "queue"), ("ordered", "fifo_queue")] {
        let id = test(receiver);
        let mut listening = start(&["receive", &text("endpoint"), &text(queue)], &log(&format!("{receiver}.log")));
        let published = said(&mut listening);
        assert_eq!(published["MessageAttributes"]["id"]["Value"], id.as_str(), "{published}");
        assert_eq!(published["MessageAttributes"]["kind"]["Value"], "test", "{published}");
        assert!(published["Subject"].as_str().unwrap().starts_with("[Stationkeeper] "), "{published}");
        assert!(published["Message"].as_str().unwrap().contains("UTC"), "{published}");
    }
    let lost = test("lost");
    let row = until("a topic that is not there is given up", PATIENCE, async || {
        let listed = stationkeeper_says(&["notifications", "--state", "dead", "--json", "--data", &path(&data)]);
        listed.lines().next().map(|line| serde_json::from_str::<Value>(line).unwrap())
    })
    .await;
    assert_eq!(row["id"], lost.as_str());
    assert!(row["last_error"].as_str().unwrap().contains("NotFound"), "{row}");
    until("/health tells of it", PATIENCE, async || {
        let health = up.get("/health").await.json();
        (health["status"] == "degraded" && health["parts"]["notifications"]["ok"] == false).then_some(())
    })
    .await;
    up.terminate();
}
