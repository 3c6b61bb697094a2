//! Whoever guesses tokens is slowed down, and whoever changes things without end is held back; nobody else notices.

use stationkeeper_gateway::{GatewayOptions, InternalToken, ServeLimits};
use stationkeeper_store::TokenRole;
use stationkeeper_tests::http::request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::clients::{connect_from, head};
use crate::world::World;

/// What one address may try in a minute.
const ALLOWED: usize = 120;
const STATIONS: &str = "/api/v1/stations";

async fn with_internal() -> World {
    let internal = InternalToken::new(InternalToken::HEADER, "between-proxy-and-gateway");
    World::start_with(GatewayOptions { internal, ..GatewayOptions::default() }).await
}

/// Status and code.
async fn refused(world: &World, name: &str, value: &str, path: &str) -> (u16, String) {
    let answer = request("GET", &world.base(), path, &[(name, value)]).await.unwrap();
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_tokens_are_slowed_down_by_whatever_header_they_come_and_right_ones_are_taken_at_once() {
    let world = with_internal().await;
    let names = ["Authorization", "X-Lab-Manager-Token", InternalToken::HEADER];
    let right = [format!("Bearer {}", world.token), world.token.clone(), "between-proxy-and-gateway".to_owned()];
    for number in 0..ALLOWED {
        let name = names[number % 3];
        let guess = format!("Bearer sk_{number}");
        let path = if number % 2 == 0 { STATIONS } else { "/ops/api/v1/alerts" };
        assert_eq!(refused(&world, name, &guess, path).await, (401, "unauthenticated".to_owned()), "{number}");
    }
    for name in names {
        for path in [STATIONS, "/api/v1/nothing"] {
            let said = refused(&world, name, "Bearer sk_x", path).await;
            assert_eq!(said, (429, "too_many_attempts".to_owned()), "{name} {path}");
        }
    }
    let mut stream = connect_from([127, 0, 0, 1], world.address, None).await.unwrap();
    stream.write_all(head("GET", STATIONS, "sk_x", "Connection: close\r\n").as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    let waits = said.lines().find_map(|line| line.strip_prefix("retry-after: ")).expect("when to come back");
    assert!((1..=60).contains(&waits.parse::<u32>().unwrap()), "{waits}");
    for (name, right) in names.iter().zip(&right) {
        let answer = request("GET", &world.base(), STATIONS, &[(*name, right.as_str())]).await.unwrap();
        assert_eq!(answer.status, 200, "the right one is taken at once: {name}");
    }
    assert_eq!(
        refused(&world, "Authorization", "Bearer sk_x", STATIONS).await.0,
        429,
        "and others are not forgiven for it"
    );
    let nobody = request("GET", &world.base(), STATIONS, &[]).await.unwrap();
    assert_eq!(nobody.status, 401, "who sends none guesses nothing");
    let mut elsewhere = connect_from([127, 0, 0, 2], world.address, None).await.unwrap();
    elsewhere.write_all(head("GET", STATIONS, "sk_x", "").as_bytes()).await.unwrap();
    let mut said = [0; 12];
    elsewhere.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 401", "another address has its own count");
    world.pass(61);
    assert_eq!(refused(&world, "Authorization", "Bearer sk_x", STATIONS).await.0, 401, "a minute later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_tokens_among_right_ones_are_a_program_that_was_forgotten_and_stay_401() {
    let world = World::start(ServeLimits::default()).await;
    for round in 0..5 {
        for _ in 0..ALLOWED / 2 {
            assert_eq!(world.ask("GET", STATIONS, "sk_old").await.unwrap().status, 401, "{round}");
        }
        assert_eq!(world.ask("GET", STATIONS, &world.token).await.unwrap().status, 200, "{round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_beside_a_right_one_is_refused_and_is_no_guess_but_for_a_proxys_secret() {
    let world = with_internal().await;
    let right = format!("Bearer {}", world.token);
    let beside = async |name: &str| {
        let headers = [("Authorization", right.as_str()), (name, "sk_x")];
        request("GET", &world.base(), STATIONS, &headers).await.unwrap().status
    };
    for number in 0..=ALLOWED {
        assert_eq!(beside("X-Lab-Manager-Token").await, 401, "{number}");
    }
    for number in 0..ALLOWED {
        assert_eq!(beside(InternalToken::HEADER).await, 401, "{number}");
    }
    assert_eq!(beside(InternalToken::HEADER).await, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_guess_counts_once_however_many_layers_ask() {
    let world = World::start(ServeLimits::default()).await;
    for number in 0..ALLOWED {
        let headers = [("X-Lab-Manager-Token", "sk_x"), ("Idempotency-Key", "a")];
        let answer = request("POST", &world.base(), "/api/v1/silences", &headers).await.unwrap();
        assert_eq!(answer.status, 401, "{number}");
    }
    let answer = world.ask("POST", "/api/v1/silences", "sk_x").await.unwrap();
    assert_eq!(answer.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_codes_logins_and_tokens_do_not_stand_in_for_one_another() {
    let world = World::start(ServeLimits::default()).await;
    let pair = async || {
        stationkeeper_tests::http::post(&world.base(), "/api/v1/pair", &[], br#"{"code":"AAAA-AAAA"}"#).await.status
    };
    for _ in 0..10 {
        assert_eq!(pair().await, 401);
    }
    assert_eq!(pair().await, 429, "a code is short: ten in a minute");
    assert_eq!(world.ask("GET", STATIONS, &world.token).await.unwrap().status, 200);
    assert_eq!(world.ask("GET", STATIONS, "sk_x").await.unwrap().status, 401);
    world.pass(61);
    for _ in 0..=ALLOWED {
        world.ask("GET", STATIONS, "sk_x").await.unwrap();
    }
    assert_eq!(world.ask("GET", STATIONS, "sk_x").await.unwrap().status, 429);
    assert_eq!(pair().await, 401, "codes are counted by themselves");
    let form = format!("token={}", world.token);
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    let login = stationkeeper_tests::http::post(&world.base(), "/lab-manager/login", &kind, form.as_bytes()).await;
    assert_eq!(login.status, 204, "who knows the token logs in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_changes_things_without_end_is_held_back_and_others_are_not() {
    let world = World::start(ServeLimits::default()).await;
    let (wild, calm) =
        (world.add_token("wild", TokenRole::Operator).await, world.add_token("calm", TokenRole::Operator).await);
    let mut stream = connect_from([127, 0, 0, 1], world.address, None).await.unwrap();
    let change = head("POST", "/api/v1/alerts/x/acknowledge", &wild, "Content-Length: 0\r\n");
    let mut statuses = Vec::new();
    let mut said = String::new();
    let mut piece = [0; 16 << 10];
    for _ in 0..3_001 {
        stream.write_all(change.as_bytes()).await.unwrap();
        said.clear();
        while !said.ends_with('}') {
            let count = stream.read(&mut piece).await.unwrap();
            said.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
        statuses.push(said[9..12].to_owned());
    }
    assert!(statuses[..3_000].iter().all(|status| status == "404"), "no such alert");
    assert!(said.contains("\"code\":\"too_many_changes\"") && said.contains("retry-after: "), "{said}");
    assert_eq!(world.ask("GET", STATIONS, &wild).await.unwrap().status, 200, "it may look");
    assert_eq!(world.ask("POST", "/api/v1/alerts/x/acknowledge", &calm).await.unwrap().status, 404);
    world.pass(61);
    assert_eq!(world.ask("POST", "/api/v1/alerts/x/acknowledge", &wild).await.unwrap().status, 404);
}
