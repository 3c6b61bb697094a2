//! From files to rows: the trail of a forced logoff, raw bytes, and the commands that read beside a running `up`.

use chrono::TimeDelta;
use serde_json::Value;
use stationkeeper_rules::{FoundIn, Reservation, ReservationId, ReservationStatus};
use stationkeeper_simulator::{HeartbeatBuilder, Logoff, session_guard_events};
use stationkeeper_store::{ForcedLogoffFilter, Store};

use crate::harness::boto::{boto3_puts, put};
use crate::harness::programs::{stationkeeper, stationkeeper_says};
use crate::harness::station::{heartbeat, host, newest_key, trail_key, written};
use crate::harness::up::{Up, data_folder};
use crate::harness::{PATIENCE, SOON, now, until};

async fn book(store: &Store, id: &str, name: &str, from_minutes: i64, to_minutes: i64) {
    let mut transaction = store.begin().await.unwrap();
    transaction.states().ensure(&[host(name)], now()).await.unwrap();
    let reservation = Reservation {
        id: ReservationId(id.to_owned()),
        lab: None,
        host: host(name),
        start_at: now() + TimeDelta::minutes(from_minutes),
        end_at: now() + TimeDelta::minutes(to_minutes),
        status: ReservationStatus::Confirmed,
        who: Some("group 3".to_owned()),
    };
    transaction.reservations().save(&[reservation]).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_forced_logoff_is_traced_to_its_line_and_its_reservation() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let store = up.store().await;
    book(&store, "R-17", "LAB-05", 5, 65).await;
    let logoff = Logoff {
        at: now() - TimeDelta::seconds(90),
        user: "00712".to_owned(),
        session_id: 3,
        state: "Active".to_owned(),
        message: "on".to_owned(),
        grace: 90.0,
        force: true,
    };
    let shown = HeartbeatBuilder::new("LAB-05", now()).forced_logoff(logoff.clone()).bytes();
    boto3_puts(
        &up.access,
        &[
            put(&trail_key("LAB-05"), &session_guard_events(std::slice::from_ref(&logoff))),
            put(&newest_key("LAB-05"), &shown),
        ],
    );
    let found = until("the forced logoff", PATIENCE, async || {
        let found = store.forced_logoffs(&ForcedLogoffFilter::default(), None, 10).await.unwrap();
        (!found.is_empty()).then_some(found)
    })
    .await;
    let [record] = found.as_slice() else { panic!("one logoff, one row: {found:?}") };
    assert_eq!(record.key.host, host("LAB-05"));
    assert_eq!(record.key.timestamp, logoff.at);
    // The heartbeat lost the zeros and the message; the line did not.
    assert_eq!((record.key.user.as_deref(), record.message.as_deref()), (Some("00712"), Some("on")));
    assert_eq!((record.key.session_id, record.grace, record.force), (Some(3), Some(90), Some(true)));
    assert_eq!(record.found_in, FoundIn::Jsonl);
    assert_eq!(record.reservation_id, Some(ReservationId("R-17".to_owned())));

    let listed = up.all("/api/v1/forced-logoffs").await;
    assert_eq!((listed.len(), &listed[0]["reservation_id"]), (1, &Value::from("R-17")));

    // The same files again, and one more line: one more row.
    let later = Logoff { at: now(), user: "ana".to_owned(), ..logoff.clone() };
    boto3_puts(&up.access, &[put(&trail_key("LAB-05"), &session_guard_events(&[logoff, later]))]);
    until("the second row", PATIENCE, async || {
        let found = store.forced_logoffs(&ForcedLogoffFilter::default(), None, 10).await.unwrap();
        (found.len() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn raw_gives_back_the_uploaded_bytes() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let at = now();
    let bytes = heartbeat("LAB-ÑANDÚ01", at);
    boto3_puts(&up.access, &[put(&newest_key("LAB-ÑANDÚ01"), &bytes)]);
    up.station("LAB-ÑANDÚ01", SOON, |station| !station["timestamp_utc"].is_null()).await;
    let data = folder.path().to_str().unwrap();
    let output = stationkeeper(&["raw", "lab-ñandú01", &written(at), "--data", data]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, bytes);
    let none = stationkeeper(&["raw", "LAB-ÑANDÚ01", "2026-01-01T00:00:00Z", "--data", data]);
    assert_eq!(none.status.code(), Some(66));
}

#[tokio::test]
async fn status_alerts_and_ack_work_beside_a_running_up() {
    let folder = data_folder();
    let up = Up::start(folder.path());
    let store = up.store().await;
    book(&store, "R-1", "LAB-03", 30, 90).await;
    let at = now();
    let held = HeartbeatBuilder::new("LAB-03", at).local_mode().local_session("ana").bytes();
    boto3_puts(&up.access, &[put(&newest_key("LAB-03"), &held), put(&newest_key("LAB-04"), &heartbeat("LAB-04", at))]);
    up.station("LAB-04", SOON, |station| !station["timestamp_utc"].is_null()).await;
    until("the alert", PATIENCE, async || {
        let open = up.all("/api/v1/alerts?state=open&rule=local_mode_pending_reservation").await;
        (open.len() == 1).then_some(())
    })
    .await;

    let data = folder.path().to_str().unwrap();
    let lines: Vec<Value> = serde_json::from_str(&stationkeeper_says(&["status", "--data", data, "--json"])).unwrap();
    let hosts: Vec<_> = lines.iter().map(|line| line["host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["LAB-03", "LAB-04"]);
    assert_eq!((&lines[0]["local_mode_enabled"], &lines[0]["state"]), (&Value::from(true), &Value::from("held")));
    let table = stationkeeper_says(&["status", "--data", data]);
    assert!(table.starts_with("Host") && table.contains("LAB-03") && table.contains("ana"), "{table}");

    let said = stationkeeper_says(&["alerts", "--data", data, "--json", "--rule", "local_mode_pending_reservation"]);
    let alert: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((&alert["host"], &alert["state"]), (&Value::from("LAB-03"), &Value::from("open")));
    let id = alert["id"].as_str().unwrap();
    stationkeeper_says(&["ack", &id[..12.min(id.len())], "--data", data, "--note", "on my way", "--by", "eva"]);
    let seen = up.get(&format!("/api/v1/alerts/{id}")).await.json();
    assert_eq!((&seen["state"], &seen["note"]), (&Value::from("acknowledged"), &Value::from("on my way")));
    assert!(seen["acknowledged_by"].as_str().unwrap().contains("eva"), "{seen}");
    let steps: Vec<_> = seen["transitions"].as_array().unwrap().iter().map(|step| step["to"].clone()).collect();
    assert_eq!(steps, ["open", "acknowledged"]);
}
