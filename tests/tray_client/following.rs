//! What is known stays true: over events, cut connections, restarts, and until access is withdrawn.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use stationkeeper_api::{ActionState, LabView};
use stationkeeper_telemetry::HostName;
use stationkeeper_tests::http::request;
use stationkeeper_tests::programs::stationkeeper_says;
use stationkeeper_tests::up::{Ports, Up, data_folder};
use stationkeeper_tests::waiting::PATIENCE;
use stationkeeper_tests::wire::Wire;
use stationkeeper_tray_view::{Link, World};

use crate::tray::{LONG, Tray, api, page, paired};

fn is_reached(world: &World) -> bool {
    matches!(world.link, Link::Reached(_))
}

fn is_away(world: &World) -> bool {
    matches!(world.link, Link::Away { .. })
}

fn first_host(world: &World) -> HostName {
    world.stations[0].host.clone()
}

/// Somebody else does something at the gateway: says that they leave a station.
async fn somebody_leaves(up: &Up, host: &HostName) {
    let said = up.post(&format!("/api/v1/stations/{host}/leaving"), &json!({})).await;
    assert_eq!(said.status, 200, "{}", said.text());
}

fn says_leaving(world: &World, host: &HostName) -> bool {
    world.requests.iter().any(|request| &request.host == host)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_is_known_whole_a_wake_is_followed_to_its_end_and_a_hold_to_the_station() {
    let folder = data_folder();
    let up = Up::start_with(&folder.path().join("data"), &["--demo", "6"], LONG);
    let lab = up.all("/api/v1/stations").await[0]["lab"].as_str().unwrap().to_owned();
    let settings = folder.path().join("settings.toml");
    std::fs::write(&settings, format!("[labs.\"{lab}\"]\ntime_zone = \"Atlantic/Canary\"\n")).unwrap();
    let (file, data) = (settings.display().to_string(), folder.path().join("data").display().to_string());
    stationkeeper_says(&["config", "apply", &file, "--data", &data]);
    let paired = paired(&up, "tray of Ana", "instructor").await;
    let tray = Tray::start(api(&page(&up), &paired, None), Some(paired));
    let world = tray.until("six stations", |world| is_reached(world) && world.stations.len() == 6).await;
    let told: Vec<_> =
        up.all("/api/v1/stations").await.iter().map(|one| one["host"].as_str().unwrap().to_owned()).collect();
    assert_eq!(world.stations.iter().map(|one| one.host.to_string()).collect::<Vec<_>>(), told);
    assert!(!world.reservations.is_empty(), "a demo has reservations");
    assert_eq!(world.person.as_ref().unwrap().name, "tray of Ana");
    let canary = LabView { name: lab, time_zone: "Atlantic/Canary".to_owned() };
    assert_eq!(world.labs, [canary], "what the settings say of it");

    let host = first_host(&world);
    let ordered = tray.session.api().wake(&host).await.unwrap();
    tray.until("the wake's end", |world| {
        world.actions.iter().any(|action| {
            action.id == ordered.id
                && matches!(action.state, ActionState::Done | ActionState::Failed | ActionState::Expired)
        })
    })
    .await;

    let free = tray
        .until("a station whose next reservation is far", |world| {
            let now = tray.session.now();
            world
                .stations
                .iter()
                .any(|one| world.next_of(&one.host, now).is_none_or(|next| (next.start_at.0 - now).num_minutes() > 20))
        })
        .await;
    let now = tray.session.now();
    let host = free
        .stations
        .iter()
        .find(|one| free.next_of(&one.host, now).is_none_or(|next| (next.start_at.0 - now).num_minutes() > 20));
    let host = host.unwrap().host.clone();
    let order = stationkeeper_tray_client::HoldOrder { minutes: Some(10), ..Default::default() };
    let held = tray.session.api().hold(&host, &order).await.unwrap();
    assert_eq!((held.owner.as_str(), held.enabled), ("tray of Ana", true));
    tray.until("the hold", |world| world.station(&host).is_some_and(|one| one.hold.is_some())).await;
    tray.session.api().end_hold(&host).await.unwrap();
    tray.until("its end", |world| {
        world.station(&host).is_some_and(|one| one.hold.as_ref().is_none_or(|hold| !hold.enabled))
    })
    .await;
    tray.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_resumed_and_what_is_too_old_to_be_told_is_fetched_again() {
    let folder = data_folder();
    let up = Up::start_with(&folder.path().join("data"), &["--demo", "3"], LONG);
    let wire = Wire::to(&page(&up)).await;
    let paired = paired(&up, "tray of Ana", "instructor").await;
    let tray = Tray::start(api(&wire.address, &paired, None), Some(paired));
    let world = tray.until("three stations", |world| is_reached(world) && world.stations.len() == 3).await;
    let hosts: Vec<_> = world.stations.iter().map(|one| one.host.clone()).collect();
    somebody_leaves(&up, &hosts[0]).await;
    tray.until("what somebody did", |world| says_leaving(world, &hosts[0])).await;

    wire.cut();
    let away = tray.until("the loss", is_away).await;
    assert_eq!(away.stations.len(), 3, "what was known is kept");
    somebody_leaves(&up, &hosts[1]).await;
    let whole = || wire.asked("GET /api/v1/stations?limit").len();
    let before = whole();
    wire.mend();
    tray.session.try_now();
    tray.until("what was missed", |world| is_reached(world) && says_leaving(world, &hosts[1])).await;
    let streams = wire.asked("GET /api/v1/events");
    assert!(streams.len() >= 2 && streams.last().unwrap().to_lowercase().contains("last-event-id: "), "{streams:?}");
    assert_eq!(whole(), before, "resumed, not everything is fetched again");

    wire.cut();
    tray.until("the loss", is_away).await;
    somebody_leaves(&up, &hosts[2]).await;
    // What the app saw last is forgotten, as it is after an hour.
    let file = up.data.join("stationkeeper.sqlite");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    sqlx::query("delete from updates where kind <> 'request'").execute(&pool).await.unwrap();
    sqlx::query("delete from updates where sequence < (select max(sequence) from updates)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    wire.mend();
    tray.session.try_now();
    tray.until("all of it", |world| is_reached(world) && says_leaving(world, &hosts[2])).await;
    assert!(whole() > before, "`reset`: everything is fetched again");
    tray.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_restarts_is_found_again_and_one_that_withdraws_access_asks_to_pair_anew() {
    let folder = data_folder();
    let (data, ports) = (folder.path().join("data"), Ports::chosen());
    // Not a demo: each of those begins anew, with other tokens.
    let up = Up::start_at(&data, ports, &[], LONG);
    up.station_access("LAB-01");
    let paired = paired(&up, "tray of Ana", "viewer").await;
    let tray = Tray::start(api(&page(&up), &paired, None), Some(paired));
    tray.until("the gateway", |world| is_reached(world) && world.stations.len() == 1).await;
    up.terminate();
    let away = tray.until("its end", is_away).await;
    assert!(matches!(away.link, Link::Away { since: Some(_), .. }), "{:?}", away.link);

    let up = Up::start_at(&data, ports, &[], LONG);
    tray.session.try_now();
    let world = tray.until("its return", is_reached).await;
    let host = first_host(&world);
    somebody_leaves(&up, &host).await;
    tray.until("what happens now", |world| says_leaving(world, &host)).await;

    let tokens = up.all("/api/v1/tokens").await;
    let id = tokens.iter().find(|token| token["name"] == "tray of Ana").unwrap()["id"].as_str().unwrap();
    let authorization = format!("Bearer {}", up.token());
    let revoked =
        request("DELETE", &page(&up), &format!("/api/v1/tokens/{id}"), &[("Authorization", &authorization)]).await;
    assert_eq!(revoked.unwrap().status, 200);
    tray.until("the refusal", |world| world.link == Link::TokenRefused).await;
    assert!(tray.session.api().stations().await.is_err());
    tray.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_stream_is_to_be_had_it_is_asked_again_and_again() {
    let folder = data_folder();
    let up = Up::start_with(&folder.path().join("data"), &["--demo", "2"], PATIENCE);
    let wire = Wire::to(&page(&up)).await;
    wire.takes_no_streams.store(true, Ordering::SeqCst);
    let paired = paired(&up, "tray of Ana", "instructor").await;
    let tray = Tray::start(api(&wire.address, &paired, None), Some(paired));
    let world = tray.until("two stations", |world| is_reached(world) && world.stations.len() == 2).await;
    let host = first_host(&world);
    somebody_leaves(&up, &host).await;
    tray.until("what somebody did", |world| says_leaving(world, &host)).await;
    assert!(wire.asked("GET /api/v1/stations?limit").len() >= 2);
    assert!(up.terminate() < Duration::from_secs(15));
    tray.until("the loss", is_away).await;
    tray.stop().await;
}
