//! DESIGN.md section 4.4: one transaction a batch.

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::lab::{Lab, at, given_back, ready, unready};

/// Makes a table refuse rows, as a broken disk page or a foreign trigger would: an error that does not pass by itself.
async fn refuse(lab: &Lab, name: &str, table: &str, when: &str) {
    let sql = format!(
        "create trigger {name} before insert on {table} when {when} begin select raise(abort, 'refused by the test'); end"
    );
    run(lab, sql).await;
}

async fn allow(lab: &Lab, name: &str) {
    run(lab, format!("drop trigger {name}")).await;
}

async fn run(lab: &Lab, sql: String) {
    let url = format!("sqlite:{}", lab.folder.path().join("lab.sqlite").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

// Promise 4.1
#[tokio::test]
async fn when_the_alert_cannot_be_written_neither_is_the_heartbeat_that_opened_it() {
    let lab = Lab::starting_at("10:00:00").await;
    for time in ["10:00:00", "10:01:00", "10:02:00"] {
        let announced = lab.put_newest("LAB-01", unready("LAB-01", at(time)), at(time));
        lab.take(&[announced]).await;
    }
    let before = lab.state("LAB-01").await;
    refuse(&lab, "no_alerts", "alerts", "true").await;
    let opening = lab.put_newest("LAB-01", unready("LAB-01", at("10:03:00")), at("10:03:00"));
    assert_eq!(given_back(&lab.deliver(std::slice::from_ref(&opening)).await), ["0"]);
    assert_eq!(lab.state("LAB-01").await, before);
    assert_eq!(lab.history("LAB-01").await.len(), 3);
    assert!(lab.alerts().await.is_empty());

    allow(&lab, "no_alerts").await;
    lab.take(&[opening]).await;
    assert_eq!((lab.history("LAB-01").await.len(), lab.alerts().await.len()), (4, 1));
}

// Promise 4.2
#[tokio::test]
async fn a_station_whose_rows_are_refused_does_not_take_the_others_with_it() {
    let lab = Lab::starting_at("10:00:00").await;
    lab.beat("LAB-02", "10:00:00").await;
    refuse(&lab, "not_this_one", "lab_station_heartbeat", "new.host = 'LAB-02'").await;
    let names = ["LAB-01", "LAB-02", "LAB-03"];
    let announced = names.map(|name| lab.put_newest(name, ready(name, at("10:01:00")), at("10:01:00")));
    let report = lab.deliver(&announced).await;
    assert_eq!(given_back(&report), ["1"]);
    assert!(report.failed[0].reason.contains("refused by the test"), "the whole chain: {:?}", report.failed[0]);
    assert_eq!((lab.latest("LAB-01").await, lab.latest("LAB-03").await), (at("10:01:00"), at("10:01:00")));
    assert_eq!(lab.latest("LAB-02").await, at("10:00:00"));

    allow(&lab, "not_this_one").await;
    lab.take(&announced).await;
    assert_eq!(lab.latest("LAB-02").await, at("10:01:00"));
    for name in ["LAB-01", "LAB-03"] {
        assert_eq!(lab.history(name).await.len(), 1, "{name} once");
    }
}

// Promise 4.2
#[tokio::test]
async fn what_was_put_aside_is_recorded_although_a_station_of_the_batch_is_refused() {
    let lab = Lab::starting_at("10:00:00").await;
    refuse(&lab, "not_this_one", "lab_station_heartbeat", "new.host = 'LAB-02'").await;
    let announced = [
        "no event".to_owned(),
        lab.put_newest("LAB-01", b"[]".to_vec(), at("10:00:00")),
        lab.put_newest("LAB-02", ready("LAB-02", at("10:00:00")), at("10:00:00")),
        lab.put_newest("LAB-03", ready("LAB-03", at("10:00:00")), at("10:00:00")),
    ];
    assert_eq!(given_back(&lab.deliver(&announced).await), ["2"]);
    assert_eq!(lab.quarantined().await.len(), 2);
    assert_eq!(lab.latest("LAB-03").await, at("10:00:00"));
}
