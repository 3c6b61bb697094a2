//! Reservations that another system keeps in a table of its own, on a server of its own, read by a user who may do nothing else.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::{Connection, MySqlConnection};
use stationkeeper_gateway::{AskedReservation, PutReservationError, ReservationError, put_reservation};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_rules::orchestrator::AfterEnd;
use stationkeeper_rules::{Reservation, ReservationId, ReservationStatus};
use stationkeeper_store::Author;
use stationkeeper_tests::database::Kind;
use stationkeeper_tests::mariadb_server::MariaDbServer;

use crate::lab::{Lab, Served};

/// The table as the older service's other parts make it, and who may read of it what is needed.
const TABLE: &str = "create database booking character set utf8mb4; use booking;
    create table lab_reservations (
        id bigint auto_increment primary key, transaction_hash varchar(160) not null unique, wallet_address varchar(42) not null,
        lab_id varchar(128) not null, start_time timestamp not null, end_time timestamp not null, block_number bigint,
        status enum('PENDING', 'CONFIRMED', 'ACTIVE', 'COMPLETED', 'CANCELLED') default 'PENDING'
    ) engine = InnoDB;
    create user reader@'%' identified by 'only reads';
    grant select (transaction_hash, lab_id, start_time, end_time, status, wallet_address) on booking.lab_reservations to reader@'%'";

struct Table {
    server: MariaDbServer,
}

impl Table {
    async fn empty() -> Self {
        let server =
            tokio::task::spawn_blocking(|| MariaDbServer::start(&["--default-time-zone=+02:00"])).await.unwrap();
        server.as_root(TABLE);
        Self { server }
    }

    /// As the reader reaches it.
    fn url(&self) -> String {
        self.server.root_url().replace("root@", "reader:only%20reads@").replace("/mysql", "/booking")
    }

    async fn administrator(&self) -> MySqlConnection {
        let mut connection =
            MySqlConnection::connect(&self.server.root_url().replace("/mysql", "/booking")).await.unwrap();
        sqlx::query("set time_zone = '+00:00'").execute(&mut connection).await.unwrap();
        connection
    }

    async fn book(&self, id: &str, lab: &str, start_at: DateTime<Utc>, end_at: DateTime<Utc>) {
        let text =
            "insert into lab_reservations (transaction_hash, wallet_address, lab_id, start_time, end_time, status)
            values (?, '0xA11CE', ?, ?, ?, 'CONFIRMED')";
        let query = sqlx::query(text).bind(id).bind(lab).bind(start_at.naive_utc()).bind(end_at.naive_utc());
        query.execute(&mut self.administrator().await).await.unwrap();
    }

    async fn change(&self, id: &str, what: &'static str) {
        let query = sqlx::query(what).bind(id);
        assert_eq!(query.execute(&mut self.administrator().await).await.unwrap().rows_affected(), 1, "{what}");
    }
}

async fn known(lab: &Lab, id: &str) -> Option<Reservation> {
    lab.store.reservation(&ReservationId(id.to_owned())).await.unwrap()
}

async fn until_status(lab: &Lab, id: &str, status: ReservationStatus) {
    lab.until(id, async || known(lab, id).await.is_some_and(|one| one.status == status)).await;
}

async fn source(gateway: &Served) -> serde_json::Value {
    gateway.get("/api/v1/reservation-sources").await.json()["items"][0].clone()
}

async fn a_row_is_a_reservation_that_is_prepared_moved_and_released(kind: Kind) {
    let table = Table::empty().await;
    let lab = Lab::with(2, kind).await;
    lab.number_the_labs().await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    let (start_at, end_at) = (lab.in_seconds(140), lab.in_seconds(420));
    table.book("0xaa", "0", start_at, end_at).await;
    table.book("0xbb", "1", lab.in_seconds(5_000), lab.in_seconds(6_000)).await;
    let gateway = lab.gateway_reading(Some(&table.url())).await;
    until_status(&lab, "0xaa", ReservationStatus::Confirmed).await;
    let one = known(&lab, "0xaa").await.unwrap();
    assert_eq!((&one.host, one.lab.as_deref(), one.who.as_deref()), (&lab.host(0), Some("0"), Some("0xA11CE")));
    let exact = |at: DateTime<Utc>| DateTime::from_timestamp(at.timestamp(), 0).unwrap();
    let near = |one: DateTime<Utc>, other| (one - exact(other)).abs() <= TimeDelta::seconds(1);
    assert!(near(one.start_at, start_at) && near(one.end_at, end_at), "in UTC, whatever the server's zone: {one:?}");

    let shown = gateway.get("/api/v1/reservations/0xaa").await.json();
    assert_eq!((&shown["source"], &shown["at_risk"]), (&json!("lab_reservations"), &json!([])));
    table.change("0xbb", "update lab_reservations set lab_id = '0', start_time = date_add(start_time, interval 1 day), end_time = date_add(end_time, interval 1 day) where transaction_hash = ?").await;
    lab.until("it has moved", async || known(&lab, "0xbb").await.is_some_and(|one| one.host == lab.host(0))).await;
    let moved = known(&lab, "0xbb").await.unwrap();
    assert!(moved.start_at > lab.in_seconds(80_000), "{moved:?}");

    // The table alone changes them.
    let refused = gateway.send("DELETE", "/api/v1/reservations/0xbb").await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("from_table")), "{}", refused.text());
    let asked = AskedReservation { who: Some("ben".to_owned()), ..AskedReservation::default() };
    let author = Author::of_command_line(Some("ben"));
    let edited = put_reservation(&lab.store, &moved.id, &asked, &author, lab.clock.now()).await;
    assert!(matches!(edited, Err(PutReservationError::Refused(ReservationError::FromTable { .. }))), "{edited:?}");
    assert_eq!(known(&lab, "0xbb").await, Some(moved));

    lab.until_told("0xaa", "scheduler:end completed 200").await;
    assert_eq!(lab.times_given(0), [("prepare-session".to_owned(), 1), ("release-session".to_owned(), 1)].into());
    let audit = gateway.get("/api/v1/audit?actor=lab_reservations").await.json();
    let did: Vec<_> = audit["items"].as_array().unwrap().iter().map(|one| one["target"].as_str().unwrap()).collect();
    assert_eq!(did, ["0xbb", "0xbb", "0xaa"], "once each, however often the table was read: {audit}");

    // Whoever reads may not write.
    let mut reader = MySqlConnection::connect(&table.url()).await.unwrap();
    let write = sqlx::query("update lab_reservations set status = 'CANCELLED'").execute(&mut reader).await;
    assert!(write.unwrap_err().to_string().contains("denied"), "the user has no right to");
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_a_reservation_that_is_prepared_moved_and_released_on_sqlite() {
    a_row_is_a_reservation_that_is_prepared_moved_and_released(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_a_reservation_that_is_prepared_moved_and_released_on_mariadb() {
    a_row_is_a_reservation_that_is_prepared_moved_and_released(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_or_gone_while_it_runs_is_released() {
    let table = Table::empty().await;
    let lab = Lab::with(2, Kind::Sqlite).await;
    lab.number_the_labs().await;
    lab.settings(5, AfterEnd::default()).await;
    for place in 0..2 {
        lab.until_heard(place).await;
    }
    for (id, number) in [("0xaa", "0"), ("0xbb", "1")] {
        table.book(id, number, lab.in_seconds(130), lab.in_seconds(7_000)).await;
    }
    let gateway = lab.gateway_reading(Some(&table.url())).await;
    lab.until_told("0xaa", "scheduler:start completed 200").await;
    lab.until_told("0xbb", "scheduler:start completed 200").await;
    table.change("0xaa", "update lab_reservations set status = 'CANCELLED' where transaction_hash = ?").await;
    table.change("0xbb", "delete from lab_reservations where transaction_hash = ?").await;
    for (place, id) in ["0xaa", "0xbb"].into_iter().enumerate() {
        lab.until_told(id, "scheduler:end completed 200").await;
        assert_eq!(lab.times_given(place)["release-session"], 1, "{id}");
        assert_eq!(known(&lab, id).await.unwrap().status, ReservationStatus::Cancelled, "{id}");
    }
    let audit = gateway.get("/api/v1/audit?action=reservation.cancel").await.json();
    let actors: Vec<_> = audit["items"].as_array().unwrap().iter().map(|one| &one["actor"]).collect();
    assert_eq!(actors, [&json!("lab_reservations"), &json!("lab_reservations")]);
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_none_are_listed_with_their_reason_and_local_mode_puts_the_others_at_risk() {
    let table = Table::empty().await;
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.number_the_labs().await;
    lab.settings(5, AfterEnd::default()).await;
    lab.put_into_local_mode(0).await;
    let (start_at, end_at) = (lab.in_seconds(3_000), lab.in_seconds(4_000));
    let long = "x".repeat(129);
    for (id, number, start_at, end_at) in [
        ("0xaa", "0", start_at, end_at),
        ("0xbb", "99", start_at, end_at),
        ("0xcc", "0", end_at, start_at),
        (&long, "0", start_at, end_at),
    ] {
        table.book(id, number, start_at, end_at).await;
    }
    let gateway = lab.gateway_reading(Some(&table.url())).await;
    until_status(&lab, "0xaa", ReservationStatus::Confirmed).await;
    let listed = gateway.get("/api/v1/reservations").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["items"][0]["at_risk"][0]["code"], "local_mode", "taken all the same: {listed}");
    lab.until("what was read is said", async || source(&gateway).await["rows"] == 4).await;
    let said = source(&gateway).await;
    assert_eq!((&said["name"], &said["problem"]), (&json!("lab_reservations"), &json!(null)));
    let mut refused: Vec<_> = said["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["id"].as_str().unwrap().len(), row["reason"].as_str().unwrap()))
        .collect();
    refused.sort_unstable();
    assert_eq!(refused, [(4, "ends_before_it_begins"), (4, "unknown_lab"), (128, "id")]);
    assert_eq!(gateway.get("/health").await.json()["parts"]["reservations"]["ok"], true, "a bad row is no outage");
    gateway.close().await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_away_is_said_and_nothing_is_lost() {
    let mut table = Table::empty().await;
    let lab = Lab::with(1, Kind::Sqlite).await;
    lab.number_the_labs().await;
    lab.settings(5, AfterEnd::default()).await;
    lab.until_heard(0).await;
    table.book("0xaa", "0", lab.in_seconds(400), lab.in_seconds(900)).await;
    let gateway = lab.gateway_reading(Some(&table.url())).await;
    until_status(&lab, "0xaa", ReservationStatus::Confirmed).await;
    let part = async || gateway.get("/health").await.json()["parts"]["reservations"].clone();
    lab.until("it is well", async || part().await["ok"] == true).await;

    let mut table = tokio::task::spawn_blocking(move || {
        table.server.stop("KILL");
        table
    })
    .await
    .unwrap();
    lab.until("it is said", async || part().await["ok"] == false).await;
    assert_eq!(part().await["problem"], "their table cannot be read", "no address for whoever is not let in");
    let within = gateway.get("/ops/health/details").await.json();
    assert_ne!(within["parts"]["reservations"]["problem"], "their table cannot be read", "{within}");
    assert!(!within.to_string().contains("only reads"), "no password: {within}");
    lab.until_told("0xaa", "scheduler:start completed 200").await;
    assert_eq!(known(&lab, "0xaa").await.unwrap().status, ReservationStatus::Confirmed, "what is known stays");

    let table = tokio::task::spawn_blocking(move || {
        table.server.again();
        table
    })
    .await
    .unwrap();
    table.book("0xbb", "0", lab.in_seconds(9_000), lab.in_seconds(9_900)).await;
    until_status(&lab, "0xbb", ReservationStatus::Confirmed).await;
    lab.until("it is well again", async || part().await["ok"] == true).await;
    lab.until_told("0xaa", "scheduler:end completed 200").await;
    gateway.close().await;
    lab.close().await;
}
