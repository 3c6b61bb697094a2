//! With the older service: what it offers works, the rest is absent.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use stationkeeper_api::{ActionState, ErrorBody, HoldStage, Language, StationWord};
use stationkeeper_telemetry::HostName;
use stationkeeper_tests::older_stand_in::{ANSWERING, OlderService, SILENT};
use stationkeeper_tray_client::{Api, found_at, pair};
use stationkeeper_tray_view::pairing::PairingProblem;
use stationkeeper_tray_view::window::{StationList, Upcoming};
use stationkeeper_tray_view::{Link, Mode, Scene, Settings, Zones};

use crate::tray::{Tray, gateway};

/// Statement 72.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_wake_and_local_mode_work_and_the_rest_is_absent() {
    let service = OlderService::start().await;
    let here = gateway(&service.address);
    assert_eq!(found_at(&here, None).await.unwrap().mode, Mode::Limited);
    let code = "ZZZZ-ZZZZ".parse().unwrap();
    assert_eq!(pair(&here, &code, None).await, Err(PairingProblem::NotAGateway), "it gives no tokens");

    let tray = Tray::start(Api::new(here, None, None, Language::En).unwrap(), None);
    let host = |name: &str| HostName::parse(name).unwrap();
    let world = tray
        .until("what was polled", |world| {
            world.station(&host(ANSWERING)).is_some_and(|one| one.timestamp_utc.is_some()) && world.stations.len() == 2
        })
        .await;
    assert_eq!((world.mode, world.person.is_none()), (Mode::Limited, true));
    assert_ne!(world.station(&host(ANSWERING)).unwrap().state, StationWord::Unknown);
    let silent = tray.until("the silent one's turn", |_| service.seen.polled.lock().unwrap().len() == 2).await;
    assert_eq!(silent.station(&host(SILENT)).unwrap().state, StationWord::Unknown);

    let (settings, zones) = (Settings::default(), Zones::default());
    let scene = Scene {
        world: &world,
        own_host: None,
        local: None,
        settings: &settings,
        language: Language::En,
        zones: &zones,
        paused_until: None,
        now: tray.session.now(),
    };
    let list = StationList::of(&scene);
    assert!(list.header.limited.unwrap().starts_with("Limited: ops-worker"));
    assert_eq!(list.labs.len(), 1);
    assert_eq!(Upcoming::of(&scene), None);

    let name = host(ANSWERING);
    let woken = async { tray.session.limited().wake(&name, || tray.session.now()).await };
    let shown =
        tray.until("the wake", |world| world.wake_of(&name).is_some_and(|wake| wake.state == ActionState::Claimed));
    let (woken, _) = tokio::join!(woken, shown);
    assert_eq!(woken, Ok(true));
    tray.until("its end", |world| world.wake_of(&name).is_some_and(|wake| wake.state == ActionState::Done)).await;
    assert_eq!(tray.session.limited().wake(&host(SILENT), || tray.session.now()).await, Ok(false));

    tray.session.limited().local_mode(&name, true, tray.session.now()).await.unwrap();
    assert!(service.seen.local_mode.load(Ordering::SeqCst));
    tray.until("that it was asked for", |world| {
        world.station(&name).and_then(|one| one.hold.as_ref()).is_some_and(|hold| hold.state == HoldStage::Ordered)
    })
    .await;

    let polled = service.seen.polled.lock().unwrap().clone();
    assert_eq!(polled, [ANSWERING, SILENT], "each once within a minute");
    assert_eq!(service.seen.most_at_once.load(Ordering::SeqCst), 1, "one at a time");
    let asked = service.seen.asked.lock().unwrap().clone();
    let known = ["/health", "/api/hosts", "/api/heartbeat/poll", "/api/wol", "/api/hosts/local-mode"];
    assert!(asked.iter().all(|line| known.iter().any(|path| line.ends_with(path))), "{asked:?}");
    drop(service);
    tray.stop().await;
}

#[tokio::test]
async fn what_is_neither_is_no_gateway() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(async || "hello");
    let serving = tokio_util::task::TaskTracker::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    assert_eq!(found_at(&gateway(&address), None).await, Err(PairingProblem::NotAGateway));
    let tray = Tray::start(Api::new(gateway(&address), None, None, Language::En).unwrap(), None);
    tray.until("that it is none", |world| matches!(world.link, Link::Away { since: None, .. })).await;
    tray.stop().await;
}

/// Zones were told later than all else that the tray app asks for: who does not know the address has none to tell.
#[tokio::test]
async fn a_gateway_that_lists_no_laboratories_tells_no_zone() {
    for (status, told) in [(404, true), (503, false)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let body = ErrorBody {
            error: "there is nothing at this address".to_owned(),
            code: "not_found".to_owned(),
            request_id: "1".to_owned(),
            success: None,
        };
        let status = StatusCode::from_u16(status).unwrap();
        let router = axum::Router::new().fallback(async move || (status, axum::Json(body)));
        let serving = tokio_util::task::TaskTracker::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let labs = Api::new(gateway(&address), None, None, Language::En).unwrap().labs().await;
        assert_eq!(labs.is_ok_and(|labs| labs.is_empty()), told, "{status}");
    }
}
