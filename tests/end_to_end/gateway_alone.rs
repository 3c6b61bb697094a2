//! `stationkeeper gateway`: what an operator starts in the older service's place.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, MySqlConnection};
use stationkeeper_simulator::Role;
use stationkeeper_telemetry::HostName;
use stationkeeper_tests::programs::{Running, command};
use stationkeeper_tests::simulated_stations::{PASSWORD, SimulatedStations, USER};

use crate::harness::cloud::Cloud;
use crate::harness::database::Database;
use crate::harness::until;
use crate::harness::up::{Up, data_folder};

const STARTING: Duration = Duration::from_secs(60);
const SHOWN: Duration = Duration::from_secs(60);

/// A gateway with the older service's environment, not yet answering.
fn launch(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
    let mut gateway = command("stationkeeper");
    gateway.args(["gateway", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments);
    gateway.envs([
        ("WINRM_MANAGEMENT_CIDRS", "127.0.0.0/16"),
        ("WINRM_USER", USER),
        ("WINRM_PASSWORD", PASSWORD),
        ("OPS_RESERVATION_SCAN_INTERVAL", "1"),
        ("OPS_RESERVATION_START_LEAD", "90"),
    ]);
    gateway.envs(environment.iter().copied());
    Running::start(gateway, "stationkeeper gateway", &data.with_extension("log"))
}

/// The lab's stations as a `hosts.json`.
fn hosts(lab: &SimulatedStations, folder: &Path) -> String {
    let pin = hex::encode(lab.stations.certificate(&lab.host(0)).unwrap().sha256);
    let entry =
        json!({ "name": lab.host(0), "address": lab.address(0), "labs": ["optics"], "certificate_sha256": pin });
    let path = folder.join("hosts.json");
    std::fs::write(&path, json!({ "hosts": [entry] }).to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn polled(gateway: &Up, host: &HostName) -> Value {
    until("a heartbeat on the station", SHOWN, async || {
        let polled = gateway.post("/api/heartbeat/poll", &json!({ "host": host })).await;
        (polled.status == 200).then(|| polled.json())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_but_the_older_environment_it_keeps_what_it_reads_judges_it_and_serves_reservations() {
    let lab = SimulatedStations::start(&[Role::Idle], 20.0).await;
    let folder = data_folder();
    let environment = [("OPS_CONFIG", hosts(&lab, folder.path())), ("OPS_INTERNAL_AUTH_TOKEN", "s3cret".to_owned())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let gateway = Up::answering(launch(folder.path(), &[], &environment), folder.path(), STARTING);
    for name in ["s3", "bucket", "access_key_id", "secret_access_key", "simulated"] {
        assert_eq!(gateway.line.get(name), Some(&Value::Null), "no station uploads to it: {}", gateway.line);
    }
    let health = gateway.get_openly("/health").await;
    assert_eq!((health.status, &health.json()["hosts_loaded"]), (200, &json!(1)), "{}", health.text());
    let host = lab.host(0);
    let read = polled(&gateway, &host).await;
    assert_eq!((&read["stored"], &read["heartbeat"]["host"]), (&json!(true), &json!(host)));
    let listed = gateway.get_with("/ops/api/hosts", &[("X-Ops-Internal-Token", "s3cret")]).await.json();
    assert!(listed["hosts"][0]["heartbeatAt"].is_string(), "{listed}");
    let store = gateway.store().await;
    until("a check of its stations", SHOWN, async || store.overdue_check().await.unwrap().last_run_at).await;

    let order = json!({ "reservationId": "r-1", "host": host, "labId": "optics", "guardGrace": 30 });
    let done = gateway.post("/api/reservations/start", &order).await;
    assert_eq!((done.status, &done.json()["success"]), (200, &json!(true)), "{}", done.text());
    let told = gateway.get("/api/reservations/timeline?reservationId=r-1").await.json();
    assert_eq!(told["phases"]["prepare"]["status"], "completed", "{told}");
    assert_eq!(told["heartbeat"]["raw"]["host"], json!(host), "{told}");
    let log = gateway.program.log();
    assert!(log.contains("OPS_RESERVATION_START_LEAD says 90"), "what the settings say otherwise is said: {log}");

    let mut second = launch(folder.path(), &[], &[]);
    let (status, _) = second.ends_within(STARTING);
    assert_eq!(status.code(), Some(69), "{}", second.log());
    assert!(second.log().contains("another process"), "{}", second.log());
    gateway.terminate();
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_handlers_elsewhere_it_leaves_events_verdicts_and_messages_to_them() {
    let lab = SimulatedStations::start(&[Role::Idle], 20.0).await;
    let (folder, database) = (data_folder(), Database::empty().await);
    let cloud = Cloud::serve(folder.path(), 5);
    let bucket = format!("s3://{}", cloud.access.bucket);
    let hosts = hosts(&lab, folder.path());
    let environment = [
        ("OPS_CONFIG", hosts.as_str()),
        ("AWS_ENDPOINT_URL", &cloud.endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "any"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let arguments = ["--database", &database.url, "--bucket", &bucket];
    let data = folder.path().join("data");
    let gateway = Up::answering(launch(&data, &arguments, &environment), &data, STARTING);
    assert_eq!((&gateway.line["s3"], &gateway.line["bucket"]), (&json!(cloud.endpoint), &json!(cloud.access.bucket)));
    assert!(!data.join("bucket.sqlite").exists(), "no bucket of its own");
    let host = lab.host(0);
    let read = polled(&gateway, &host).await;
    assert_eq!(read["stored"], json!(true), "{read}");
    let client = cloud.access.sdk();
    let key = format!("stations/{host}/heartbeat.json");
    let kept = client.client().get_object().bucket(client.name()).key(&key).send().await.unwrap();
    let bytes = kept.body.collect().await.unwrap().into_bytes();
    let store = database.store().await;
    let instant: chrono::DateTime<chrono::Utc> = read["heartbeat"]["timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        store.raw(&host, instant).await.unwrap().unwrap().bytes,
        bytes,
        "the row and the object are the same bytes"
    );
    // A check would have run at once, and every five seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(store.overdue_check().await.unwrap().last_run_at, None, "the schedule of the handlers does that");
    let health = gateway.get_openly("/health").await.json();
    assert_eq!(health["parts"]["bucket"]["ok"], json!(true), "{health}");
    gateway.terminate();
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_services_own_table_is_read_where_its_environment_says() {
    let lab = SimulatedStations::start(&[Role::Idle], 20.0).await;
    let (folder, database) = (data_folder(), Database::empty().await);
    let mut connection = MySqlConnection::connect(&database.url).await.unwrap();
    let table = "create table lab_reservations (transaction_hash varchar(66) primary key, lab_id varchar(128) not null,
            start_time datetime not null, end_time datetime not null, status varchar(16));
        insert into lab_reservations values
            ('0xaa', 'optics', date_add(utc_timestamp(), interval 1 day), date_add(utc_timestamp(), interval 25 hour), 'CONFIRMED')";
    sqlx::raw_sql(table).execute(&mut connection).await.unwrap();
    let hosts = hosts(&lab, folder.path());
    let dsn = format!("{}?charset=utf8mb4", database.url.replace("mysql://", "mysql+pymysql://"));
    let environment = [("OPS_CONFIG", hosts.as_str()), ("MYSQL_DSN", dsn.as_str())];
    let gateway = Up::answering(launch(folder.path(), &[], &environment), folder.path(), STARTING);
    let one = until("a reservation of the table", SHOWN, async || {
        let one = gateway.get("/api/v1/reservations/0xaa").await;
        (one.status == 200).then(|| one.json())
    })
    .await;
    assert_eq!((&one["host"], &one["source"]), (&json!(lab.host(0)), &json!("lab_reservations")), "{one}");
    assert_eq!(one.get("who"), Some(&Value::Null), "a table without wallets");
    assert!(!gateway.program.log().contains(dsn.as_str()), "no password");
    gateway.terminate();
    lab.stop().await;
}
