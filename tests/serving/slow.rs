//! Whoever is slow, silent or reads nothing loses their connection, and nobody else notices.

use std::time::Duration;

use futures_util::future::join_all;
use stationkeeper_gateway::ServeLimits;
use stationkeeper_tests::http::post;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clients::{connect_from, head, rest, trickle};
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(30);

fn limits() -> ServeLimits {
    let time = Duration::from_secs(3);
    ServeLimits { head: time, body: time, handshake: time, unread: time, grace: time, ..ServeLimits::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_that_send_a_byte_a_second_hurt_nobody_and_are_ended() {
    let world = World::start(limits()).await;
    let whole = head("GET", "/api/v1/stations", &world.token, "");
    let posting = head("POST", "/api/v1/alerts/x/acknowledge", &world.token, "Content-Length: 1000\r\n");
    let heads = (0..100).map(async |_| {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        trickle(&mut stream, &whole, 8).await;
        String::from_utf8(rest(&mut stream, PATIENCE).await).unwrap()
    });
    let bodies = (0..100).map(async |_| {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(posting.as_bytes()).await.unwrap();
        trickle(&mut stream, "{\"note\": \"          ", 8).await;
        String::from_utf8(rest(&mut stream, PATIENCE).await).unwrap()
    });
    let others = async {
        for _ in 0..20 {
            world.answers_others().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (heads, bodies, ()) = tokio::join!(join_all(heads), join_all(bodies), others);
    for said in heads {
        assert!(!said.contains("200 OK"), "a head that is not whole is not answered: {said}");
    }
    // A reset may overtake the answer, where bytes come that nobody reads any more: most hear it.
    let told = bodies.iter().filter(|said| !said.is_empty()).collect::<Vec<_>>();
    assert!(!told.is_empty());
    for said in told {
        assert!(said.starts_with("HTTP/1.1 408") && said.contains("connection: close"), "{said}");
        assert!(said.contains("\"code\":\"body_too_slow\"") && said.contains("\"requestId\""), "{said}");
    }
    world.answers_others().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stops_is_answered_408() {
    let world = World::start(limits()).await;
    for (path, kind) in [
        ("/api/v1/alerts/x/acknowledge", "application/json"),
        ("/api/winrm", "application/json"),
        ("/lab-manager/login", "application/x-www-form-urlencoded"),
    ] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let head = head("POST", path, &world.token, &format!("Content-Type: {kind}\r\nContent-Length: 1000\r\n"));
        stream.write_all(format!("{head}token").as_bytes()).await.unwrap();
        let said = String::from_utf8(rest(&mut stream, PATIENCE).await).unwrap();
        assert!(said.starts_with("HTTP/1.1 408") && said.contains("body_too_slow"), "{path}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_not_used_is_closed_and_one_that_is_goes_on() {
    let world = World::start(ServeLimits { head: Duration::from_secs(6), ..limits() }).await;
    let mut silent = TcpStream::connect(world.address).await.unwrap();
    let mut used = TcpStream::connect(world.address).await.unwrap();
    for _ in 0..4 {
        used.write_all(head("GET", "/livez", "", "").as_bytes()).await.unwrap();
        let mut said = [0; 15];
        used.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"HTTP/1.1 200 OK");
        while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(2), used.read(&mut [0; 4096])).await {}
    }
    assert_eq!(rest(&mut silent, PATIENCE).await, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_when_all_places_are_taken_waits_for_one_and_gets_it() {
    let world = World::start(ServeLimits { connections: 8, connections_of_one: 9, ..limits() }).await;
    let silent = join_all((0..8).map(|_| TcpStream::connect(world.address))).await;
    let answer = world.ask("GET", "/livez", "").await.unwrap();
    assert_eq!(answer.status, 200, "the silent ones were closed meanwhile");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_take_all_places() {
    let world = World::start(ServeLimits { connections: 8, connections_of_one: 4, ..ServeLimits::default() }).await;
    let mut greedy = Vec::new();
    for _ in 0..4 {
        let mut stream = connect_from([127, 0, 0, 2], world.address, None).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: lab\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        greedy.push(stream);
    }
    let mut fifth = connect_from([127, 0, 0, 2], world.address, None).await.unwrap();
    assert_eq!(rest(&mut fifth, Duration::from_secs(15)).await, b"", "closed at once");
    let mut other = connect_from([127, 0, 0, 3], world.address, None).await.unwrap();
    other.write_all(b"GET /livez HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut other, PATIENCE).await.starts_with(b"HTTP/1.1 200"));
    drop(greedy.pop());
    stationkeeper_tests::waiting::until("a place that was given back", PATIENCE, async || {
        let mut again = connect_from([127, 0, 0, 2], world.address, None).await.unwrap();
        let _ = again.write_all(b"GET /livez HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n").await;
        rest(&mut again, PATIENCE).await.starts_with(b"HTTP/1.1 200").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_nothing_of_its_answer_is_dropped() {
    let world = World::start(ServeLimits { unread_bytes: 4 << 10, ..limits() }).await;
    let mut stream = connect_from([127, 0, 0, 1], world.address, Some(4 << 10)).await.unwrap();
    stream.write_all(head("GET", "/api/openapi.json", &world.token, "").as_bytes()).await.unwrap();
    let whole = world.ask("GET", "/api/openapi.json", &world.token).await.unwrap().body.len();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let read = rest(&mut stream, PATIENCE).await.len();
    assert!(0 < read && read < whole / 2, "{read} of {whole} bytes");
    world.answers_others().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_one_mebibyte_is_413_however_it_is_sent() {
    let world = World::start(limits()).await;
    let headers = [("X-Lab-Manager-Token", world.token.as_str())];
    for (length, status) in [(1 << 20, 404), ((1 << 20) + 1, 413)] {
        let body = format!("{{\"note\": \"x\"{}}}", " ".repeat(length - 13));
        assert_eq!(body.len(), length);
        let answer = post(&world.base(), "/api/v1/alerts/x/acknowledge", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{length}: {}", answer.text());
    }
    let mut chunked = TcpStream::connect(world.address).await.unwrap();
    let head = head("POST", "/api/v1/alerts/x/acknowledge", &world.token, "Transfer-Encoding: chunked\r\n");
    chunked.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..17 {
        chunked.write_all(format!("10000\r\n{}\r\n", " ".repeat(1 << 16)).as_bytes()).await.unwrap();
    }
    let mut said = [0; 12];
    chunked.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_ends_within_its_grace_whatever_clients_do() {
    let limits = ServeLimits { head: PATIENCE * 4, body: PATIENCE * 4, ..limits() };
    let world = World::start(limits).await;
    let (mut half, mut slow, mut listens, mut idle) = tokio::try_join!(
        TcpStream::connect(world.address),
        TcpStream::connect(world.address),
        TcpStream::connect(world.address),
        TcpStream::connect(world.address),
    )
    .unwrap();
    half.write_all(b"GET / HT").await.unwrap();
    let posting = head("POST", "/api/v1/alerts/x/acknowledge", &world.token, "Content-Length: 1000\r\n");
    slow.write_all(posting.as_bytes()).await.unwrap();
    listens.write_all(head("GET", "/api/v1/events", &world.token, "").as_bytes()).await.unwrap();
    assert!(listens.read(&mut [0; 4096]).await.unwrap() > 0);
    idle.write_all(head("GET", "/livez", "", "").as_bytes()).await.unwrap();
    assert!(idle.read(&mut [0; 4096]).await.unwrap() > 0);
    let took = world.stop().await;
    assert!(took < PATIENCE, "{took:?}");
    for mut stream in [half, slow, listens, idle] {
        rest(&mut stream, PATIENCE).await;
    }
}
