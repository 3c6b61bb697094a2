//! `GET /api/heartbeat/stream`.

use std::time::Duration;

use serde_json::{Value, json};
use stationkeeper_tests::waiting::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::row::holds;
use crate::service::{SECRET, Service};

const EVERY: (&str, &str) = ("OPS_HEARTBEAT_SSE_INTERVAL_SECONDS", "1");
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who listens.
struct Ear {
    stream: TcpStream,
    heard: String,
}

impl Ear {
    async fn at(service: &Service, path: &str) -> Self {
        let page = service.up.line["page"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let mut stream = TcpStream::connect(&page).await.unwrap();
        let asked = format!(
            "GET {path} HTTP/1.1\r\nHost: {page}\r\nX-Ops-Internal-Token: {SECRET}\r\nX-Request-ID: ear\r\n\r\n"
        );
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut ear = Self { stream, heard: String::new() };
        let head = ear.until("\r\n\r\n").await.to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream") && head.contains("cache-control: no-cache"), "{head}");
        ear
    }

    async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(end) {
                let rest = self.heard.split_off(at + end.len());
                return std::mem::replace(&mut self.heard, rest);
            }
            let mut bytes = [0; 65_536];
            let read =
                tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await.expect("it says something").unwrap();
            assert!(read > 0, "it ended after {}", self.heard);
            self.heard.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }

    /// The next event that is no comment.
    async fn next(&mut self) -> (String, Value) {
        loop {
            let block = self.until("\n\n").await;
            // Chunks of the transfer stand between the events.
            let line =
                |mark: &str| block.lines().find_map(|line| line.strip_prefix(mark).map(|rest| rest.trim().to_owned()));
            if let (Some(name), Some(data)) = (line("event:"), line("data:")) {
                return (name, serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}")));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_uploads_nothing_is_asked_for_whoever_listens() {
    let service = Service::start_slower_with(&[EVERY]).await;
    service.log_in().await;
    service.until_heartbeat().await;
    let name = service.host();
    let heartbeat = json!({ "heartbeat": { "host": service.lab.host(0), "timestamp": "<time>" }, "last_event": null, "host": name });
    let mut without =
        Ear::at(&service, &format!("/ops/api/heartbeat/stream?host={}&include_events=false", name.to_uppercase()))
            .await;
    let mut with = Ear::at(&service, &format!("/api/heartbeat/stream?host={name}")).await;
    for _ in 0..2 {
        for ear in [&mut without, &mut with] {
            let (event, data) = ear.next().await;
            assert_eq!(event, "heartbeat", "{data}");
            holds(&heartbeat, &data, "").unwrap_or_else(|place| panic!("{place} in {data}"));
        }
    }
    // Each reading is new: the station's own clock goes on, and nobody polls it beside.
    let (_, first) = without.next().await;
    let newer = async |ear: &mut Ear| loop {
        let (_, data) = ear.next().await;
        if data["heartbeat"]["timestamp"] != first["heartbeat"]["timestamp"] {
            return data;
        }
    };
    tokio::time::timeout(PATIENCE, newer(&mut without)).await.expect("a newer heartbeat");
    let store = service.up.store().await;
    until("what was read is kept", PATIENCE, async || {
        (store.count_heartbeats(Some(&service.lab.host(0))).await.unwrap() >= 2).then_some(())
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_an_event_and_the_stream_goes_on() {
    let service = Service::start_with(&[EVERY]).await;
    let name = service.host();
    let failed = |host: &str| json!({ "error": "Internal server error", "code": "INTERNAL_ERROR", "requestId": "ear", "host": host });
    let mut ears = Vec::new();
    // As the catalog has the name, however it was typed.
    for (typed, host) in [("LAB-OFF", "Lab-Off"), ("lab-nologin", "lab-nologin"), (name.as_str(), name.as_str())] {
        let mut ear = Ear::at(&service, &format!("/api/heartbeat/stream?host={typed}&include_events=0")).await;
        for _ in 0..2 {
            assert_eq!(ear.next().await, ("error".to_owned(), failed(host)));
        }
        ears.push(ear);
    }
    service.log_in().await;
    let mut ear = ears.pop().unwrap();
    let well = async { while ear.next().await.0 != "heartbeat" {} };
    tokio::time::timeout(PATIENCE, well).await.expect("the same stream goes on");
    service.stop().await;
}
