//! Streams under load: one reader of what changes for all who listen, a bound for each, and places that nobody can take alone.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stationkeeper_gateway::{GatewayOptions, ServeLimits};
use stationkeeper_rules::{Latest, RawFormat, StationState};
use stationkeeper_store::{CatalogEntry, HostStatus, NewHeartbeat, TokenRole};
use stationkeeper_telemetry::{HostName, Limits, normalize_heartbeat};
use stationkeeper_tests::waiting::{PATIENCE, now, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::clients::{connect_from, head, rest};
use crate::world::World;

const EVENTS: &str = "/api/v1/events";
/// Things that happen, and how long each is: more than the system and the server keep for whoever does not read.
const COUNT: usize = 90;
const LENGTH: usize = 2_000;
/// How long a stream waits for its reader: all readers run beside the server here.
const UNREAD: Duration = Duration::from_secs(12);

/// One event of a stream.
#[derive(Debug)]
struct Heard {
    name: String,
    id: Option<String>,
    data: Value,
}

/// Somebody who listens over a socket.
struct Ear {
    stream: TcpStream,
    text: String,
}

impl Ear {
    async fn listen(to: SocketAddr, path: &str, token: &str, more: &str, receives: Option<u32>) -> Self {
        let mut stream = connect_from([127, 0, 0, 1], to, receives).await.unwrap();
        stream.write_all(head("GET", path, token, more).as_bytes()).await.unwrap();
        let mut ear = Self { stream, text: String::new() };
        let said = ear.up_to("\r\n\r\n").await.expect("a head");
        assert!(said.starts_with("HTTP/1.1 200") && said.contains("text/event-stream"), "{said}");
        ear
    }

    /// What comes up to a mark; none: the stream has ended.
    async fn up_to(&mut self, mark: &str) -> Option<String> {
        let mut looked = 0;
        let mut piece = vec![0; 16 << 10];
        loop {
            if let Some(at) = self.text[looked..].find(mark) {
                return Some(self.text.drain(..looked + at + mark.len()).collect());
            }
            looked = self.text.len().saturating_sub(mark.len());
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut piece)).await;
            let Ok(count @ 1..) = read.expect("something comes") else { return None };
            // All that is told here is ASCII.
            self.text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
    }

    /// The next event; each is a chunk of its own, or several are one: only its lines count.
    async fn next(&mut self) -> Option<Heard> {
        loop {
            let said = self.up_to("\n\n").await?;
            let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if let (Some(name), Some(data)) = (field("event:"), field("data:")) {
                let data = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {said}"));
                return Some(Heard { name: name.to_owned(), id: field("id:").map(str::to_owned), data });
            }
        }
    }

    /// The next of this name.
    async fn until(&mut self, name: &str) -> Option<Heard> {
        loop {
            let heard = self.next().await?;
            assert!(heard.name != "error", "{heard:?}");
            if heard.name == name {
                return Some(heard);
            }
        }
    }

    /// The numbers of what happened, up to the last or the end of the stream.
    async fn numbers(&mut self) -> Vec<u64> {
        let mut numbers = Vec::new();
        while numbers.last() != Some(&(COUNT as u64 - 1)) {
            let Some(heard) = self.until("station").await else { break };
            numbers.push(heard.data["number"].as_u64().unwrap());
        }
        numbers
    }
}

fn all() -> Vec<u64> {
    (0..COUNT as u64).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_five_hundred_listeners_twenty_read_nothing_and_the_others_hear_all_of_it_in_order_and_once() {
    let limits = ServeLimits { unread: UNREAD, unread_bytes: 8 << 10, ..stationkeeper::serving::limits() };
    let world = World::start(limits).await;
    let mut readers = Vec::new();
    let mut deaf = Vec::new();
    for number in 0..500 {
        let is_deaf = number % 25 == 0;
        let mut ear = Ear::listen(world.address, EVENTS, &world.token, "", is_deaf.then_some(4 << 10)).await;
        let id = ear.until("hello").await.unwrap().id.unwrap();
        if is_deaf { deaf.push((ear, id)) } else { readers.push(ear) }
    }
    assert_eq!((readers.len(), deaf.len()), (480, 20));
    let happens = async {
        for first in (0..COUNT).step_by(20) {
            world.happen(first, 20, LENGTH).await;
            world.answers_others().await;
        }
    };
    let mut hearing = JoinSet::new();
    for mut ear in readers {
        hearing.spawn(async move { (ear.numbers().await, ear) });
    }
    happens.await;
    let mut readers = Vec::new();
    for (numbers, ear) in hearing.join_all().await {
        assert_eq!(numbers, all());
        readers.push(ear);
    }
    tokio::time::sleep(UNREAD + Duration::from_secs(2)).await;
    let ended = join_all(deaf.iter_mut().map(|(ear, _)| async {
        let bytes = rest(&mut ear.stream, PATIENCE).await;
        String::from_utf8_lossy(&bytes).matches("event: station").count()
    }));
    for heard in ended.await {
        assert!(heard < COUNT, "a stream that nobody reads is cut off: {heard}");
    }
    for (_, id) in deaf {
        let more = format!("Last-Event-ID: {id}\r\n");
        let mut back = Ear::listen(world.address, EVENTS, &world.token, &more, None).await;
        assert_eq!(back.numbers().await, all(), "who comes back is told what they missed");
    }
    for mut ear in readers.into_iter().take(3) {
        world.happen(COUNT, 1, 1).await;
        assert_eq!(ear.until("station").await.unwrap().data["number"], COUNT, "the others listen still");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_token_cannot_take_all_places_of_streams_and_all_streams_not_those_of_other_requests() {
    let limits =
        ServeLimits { connections_of_one: 12, streams: 6, streams_of_one: 4, ..ServeLimits::of_connections(12) };
    let world = World::start(limits).await;
    station(&world, "LAB-01", "{}").await;
    let (greedy, other) =
        (world.add_token("greedy", TokenRole::Viewer).await, world.add_token("other", TokenRole::Viewer).await);
    let old = "/api/heartbeat/stream?host=LAB-01";
    let mut streams = Vec::new();
    for (token, path, granted) in [
        (&greedy, EVENTS, true),
        (&greedy, EVENTS, true),
        (&greedy, old, true),
        (&greedy, old, true),
        (&greedy, EVENTS, false),
        (&greedy, old, false),
        (&other, EVENTS, true),
        (&other, old, true),
        (&other, EVENTS, false),
    ] {
        if granted {
            streams.push(Ear::listen(world.address, path, token, "", None).await);
            continue;
        }
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(head("GET", path, token, "Connection: close\r\n").as_bytes()).await.unwrap();
        let said = String::from_utf8(rest(&mut stream, PATIENCE).await).unwrap();
        assert!(said.starts_with("HTTP/1.1 429") && said.contains("retry-after: "), "{path}: {said}");
        assert!(said.contains("\"code\":\"too_many_streams\""), "{path}: {said}");
    }
    world.answers_others().await;
    drop(streams.remove(0));
    // The server sees the end of a connection when it looks next.
    until("the place of a stream that ended", PATIENCE, async || {
        let answer = tokio::time::timeout(Duration::from_secs(1), world.ask("GET", EVENTS, &greedy)).await;
        // What is let in goes on, so that there is no end of it to wait for.
        answer.is_err().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_the_stream_of_a_station_is_cut_off_and_the_others_hear_it() {
    let limits = ServeLimits { unread: UNREAD, unread_bytes: 8 << 10, ..ServeLimits::default() };
    let heartbeat_every = Duration::from_millis(50);
    let world = World::start_with(GatewayOptions { limits, heartbeat_every, ..GatewayOptions::default() }).await;
    station(&world, "LAB-01", &json!({ "long": "x".repeat(8_000) }).to_string()).await;
    let path = "/api/heartbeat/stream?host=LAB-01";
    let mut deaf = Vec::new();
    for _ in 0..10 {
        deaf.push(Ear::listen(world.address, path, &world.token, "", Some(4 << 10)).await);
    }
    let mut readers = Vec::new();
    for _ in 0..40 {
        readers.push(Ear::listen(world.address, path, &world.token, "", None).await);
    }
    join_all(readers.iter_mut().map(async |ear| {
        for _ in 0..60 {
            let heard = ear.until("heartbeat").await.expect("it goes on");
            assert_eq!(heard.data["heartbeat"]["long"].as_str().map(str::len), Some(8_000));
        }
    }))
    .await;
    drop(readers);
    tokio::time::sleep(UNREAD + Duration::from_secs(2)).await;
    // A stream that goes on would have no end.
    join_all(deaf.iter_mut().map(|ear| rest(&mut ear.stream, PATIENCE))).await;
}

/// A station of the catalog, with a heartbeat.
async fn station(world: &World, name: &str, raw: &str) {
    let host = HostName::parse(name).unwrap();
    let entry = CatalogEntry {
        host: host.clone(),
        lab: None,
        address: None,
        mac: None,
        status: HostStatus::Active,
        created_at: now(),
    };
    let mut state = StationState::unheard(host.clone(), now());
    let heartbeat = stationkeeper_tests::station::heartbeat(name, now());
    let snapshot = normalize_heartbeat(&heartbeat, Some(&host), now(), &Limits::default()).unwrap();
    state.latest = Some(Latest { snapshot: snapshot.clone(), first_arrived_at: now() });
    let mut work = world.store.begin().await.unwrap();
    work.states().save_catalog(&[entry]).await.unwrap();
    work.states().save(&[state]).await.unwrap();
    let heartbeat = NewHeartbeat {
        snapshot: &snapshot,
        raw: raw.as_bytes(),
        sha256: Sha256::digest(raw.as_bytes()).into(),
        first_arrived_at: now(),
        arrived_at: now(),
        ingested_at: now(),
        reservation_id: None,
    };
    work.heartbeats().insert(&[heartbeat], RawFormat::Zstd).await.unwrap();
    work.commit().await.unwrap();
}
