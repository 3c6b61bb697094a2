//! A list of stations is written from rows that are kept: it says of each what the station says alone.

use chrono::TimeDelta;
use serde_json::Value;
use stationkeeper_rules::{Doing, Reservation, ReservationId, ReservationStatus, Running, StationWord};
use stationkeeper_store::StationFilter;
use stationkeeper_telemetry::HostName;

use crate::app::App;

#[tokio::test]
async fn a_list_says_of_a_station_what_the_station_says_alone() {
    let app = App::start().await;
    for (name, word) in
        [("LAB-01", StationWord::Ready), ("LAB-02", StationWord::Attention), ("LAB-03", StationWord::Ready)]
    {
        app.station(name, Some("Redes"), word).await;
    }
    let hosts = ["LAB-03", "LAB-04"].map(|name| HostName::parse(name).unwrap());
    let mut work = app.store().begin().await.unwrap();
    work.states().ensure(&hosts[1..], app.now).await.unwrap();
    let mut states = work.states().lock(&hosts[..1]).await.unwrap();
    states[0].running = Some(Running::new(Doing::Prepare, app.now - TimeDelta::seconds(5), TimeDelta::seconds(60)));
    work.states().save(&states).await.unwrap();
    work.commit().await.unwrap();
    let kept = app.store().stations_listed(&StationFilter::default(), None, 9).await.unwrap();
    assert_eq!(kept.iter().map(|one| one.row.is_some()).collect::<Vec<_>>(), [true, true, false, true]);
    let reservation = |id: &str, host: &str, from: i64, to: i64| Reservation {
        id: ReservationId(id.to_owned()),
        lab: None,
        host: HostName::parse(host).unwrap(),
        start_at: app.now + TimeDelta::minutes(from),
        end_at: app.now + TimeDelta::minutes(to),
        status: ReservationStatus::Confirmed,
        who: None,
    };
    let mut work = app.store().begin().await.unwrap();
    let booked = [reservation("now", "LAB-01", -30, 30), reservation("next", "LAB-03", 60, 120)];
    work.reservations().save(&booked).await.unwrap();
    work.commit().await.unwrap();

    for passed in [0, 3_600] {
        app.pass(passed);
        for limit in [1, 2, 3, 4, 500] {
            let mut path = format!("/api/v1/stations?limit={limit}");
            let mut listed: Vec<Value> = Vec::new();
            loop {
                let page = app.get(&path).await;
                assert_eq!(page.header("content-type"), "application/json");
                let page = page.json();
                listed.extend(page["items"].as_array().unwrap().iter().cloned());
                let Some(next) = page["next"].as_str() else { break };
                path = format!("/api/v1/stations?limit={limit}&cursor={next}");
            }
            let names: Vec<&str> = listed.iter().map(|one| one["host"].as_str().unwrap()).collect();
            assert_eq!(names, ["LAB-01", "LAB-02", "LAB-03", "LAB-04"]);
            for one in &listed {
                let alone = app.get(&format!("/api/v1/stations/{}", one["host"].as_str().unwrap())).await.json();
                assert_eq!(*one, alone);
            }
            let doing = if passed == 0 { "prepare" } else { "" };
            assert_eq!(listed[2]["current_action"]["doing"].as_str().unwrap_or_default(), doing);
        }
    }
    assert_eq!(app.get("/api/v1/stations?host=LAB-99").await.json(), serde_json::json!({ "items": [], "next": null }));
}
