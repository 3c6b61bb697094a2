//! The same promises on SQLite and on MariaDB (DESIGN.md section 8).
//!
//! MariaDB is the server of `STATIONKEEPER_TEST_MYSQL_URL` (`mysql://USER:PASSWORD@HOST:PORT`), which `tests/run` starts; each test
//! makes a database of its own there. Without the variable the MariaDB half fails: what was not run was not proven.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops where something is not as it should be"
)]
#![expect(clippy::cloned_ref_to_slice_refs, reason = "rows of one read like rows of many")]
#![cfg(all(feature = "sqlite", feature = "mysql"))]

mod suite;

use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use stationkeeper_store::{Store, StoreOptions};

/// A migrated, empty store of one test, and a way around it.
pub struct Lab {
    /// What is tested.
    pub store: Store,
    /// Opens the same database again, as another process would.
    pub url: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
    MariaDb,
}

impl Lab {
    /// A second store on the same database.
    pub async fn again(&self, options: StoreOptions) -> Store {
        Store::open(&self.url, options).await.expect("the database opens again")
    }

    /// Changes rows behind the store's back.
    pub async fn tamper(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.kind {
            Kind::Sqlite => {
                let mut connection = sqlx::SqliteConnection::connect(&self.url).await.expect("connects");
                connection.execute(sql).await.expect("runs").rows_affected()
            }
            Kind::MariaDb => {
                let mut connection = sqlx::MySqlConnection::connect(&self.url).await.expect("connects");
                connection.execute(sql).await.expect("runs").rows_affected()
            }
        }
    }
}

impl Lab {
    /// The statement finds its rows by an index: SQLite says so of its plan, MariaDB counts what it touched.
    pub async fn reads_by_index(&self, statement: &str, values: &[&str], most: u64) {
        match self.kind {
            Kind::Sqlite => {
                let mut connection = sqlx::SqliteConnection::connect(&self.url).await.expect("connects");
                connection.execute("analyze").await.expect("runs");
                let mut query = sqlx::query(AssertSqlSafe(format!("explain query plan {statement}")));
                for value in values {
                    query = query.bind(value);
                }
                let plan: Vec<String> = query
                    .fetch_all(&mut connection)
                    .await
                    .expect("explains")
                    .iter()
                    .map(|row| row.get("detail"))
                    .collect();
                assert!(
                    plan.iter()
                        .any(|step| step.starts_with("SEARCH")
                            && (step.contains("INDEX") || step.contains("PRIMARY KEY"))),
                    "{statement}: {plan:?}"
                );
                assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{statement}: {plan:?}");
            }
            Kind::MariaDb => {
                let mut connection = sqlx::MySqlConnection::connect(&self.url).await.expect("connects");
                connection.execute("set time_zone = '+00:00'").await.expect("runs");
                connection
                    .execute("analyze table lab_station_state, notifications_owed, lab_station_heartbeat, station_state_runs")
                    .await
                    .expect("runs");
                connection.execute("flush status").await.expect("runs");
                // Written out: a `limit` takes no text.
                let text = values.iter().fold(statement.to_owned(), |text, value| {
                    let value = value
                        .parse::<u64>()
                        .map_or_else(|_| format!("'{}'", value.trim_end_matches('Z')), |number| number.to_string());
                    text.replacen('?', &value, 1)
                });
                connection.execute(AssertSqlSafe(text)).await.expect("runs");
                let counted: Vec<(String, String)> = sqlx::query_as("show session status like 'Handler_read%'")
                    .fetch_all(&mut connection)
                    .await
                    .expect("is counted");
                let touched: u64 = counted.iter().map(|(_, count)| count.parse::<u64>().expect("a count")).sum();
                assert!(touched <= most, "{statement}: {touched} rows were touched: {counted:?}");
            }
        }
    }
}

async fn on_sqlite(test: impl AsyncFnOnce(Lab)) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("test.sqlite");
    let store = Store::sqlite(&path, StoreOptions::default()).await.expect("opens");
    store.migrate().await.expect("migrates");
    test(Lab { store, url: format!("sqlite:{}", path.display()), kind: Kind::Sqlite }).await;
}

async fn on_mariadb(name: &str, test: impl AsyncFnOnce(Lab)) {
    let server = std::env::var("STATIONKEEPER_TEST_MYSQL_URL").expect(
        "STATIONKEEPER_TEST_MYSQL_URL is not set: start a MariaDB or MySQL for tests (tests/run does) and set it to mysql://USER:PASSWORD@HOST:PORT",
    );
    // Whatever database the URL names: each test makes one of its own beside it.
    let authority = server.find("://").map_or(0, |at| at + 3);
    let server = match server[authority..].find('/') {
        Some(path) => server[..authority + path].to_owned(),
        None => server,
    };
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos();
    let database = format!("sk_{name:.30}_{:x}_{nanos:x}", std::process::id());
    let mut connection = sqlx::MySqlConnection::connect(&server).await.expect("the test server answers");
    connection.execute(AssertSqlSafe(format!("create database {database}"))).await.expect("makes a database");
    let url = format!("{server}/{database}");
    let store = Store::open(&url, StoreOptions::default()).await.expect("opens");
    store.migrate().await.expect("migrates");
    test(Lab { store: store.clone(), url, kind: Kind::MariaDb }).await;
    store.close().await;
    connection.execute(AssertSqlSafe(format!("drop database {database}"))).await.expect("drops it");
}

macro_rules! conformance {
    ($($module:ident::{$($test:ident),* $(,)?}),* $(,)?) => {
        mod sqlite {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::on_sqlite(super::suite::$module::$test).await;
            })*)*
        }
        mod mariadb {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::on_mariadb(stringify!($test), super::suite::$module::$test).await;
            })*)*
        }
    };
}

conformance! {
    work::{
        migrations_run_once_and_say_which,
        a_write_on_trial_leaves_nothing,
        what_is_not_committed_did_not_happen,
        two_writers_of_one_station_are_one_after_the_other,
        a_lock_that_is_not_got_is_a_conflict,
        a_database_without_its_schema_says_so,
        the_clock_and_the_sizes_are_told,
        settings_are_kept_whole,
        updates_are_read_after_a_sequence,
        a_database_keeps_its_epoch,
        objects_are_known_once_they_are_marked,
        quarantine_keeps_the_first_record,
        the_overdue_check_remembers,
        tokens_are_found_by_hash_until_revoked,
        old_rows_are_pruned_in_steps,
    },
    people::{
        a_token_keeps_its_labs,
        a_pairing_code_is_good_once_and_for_a_while,
        the_audit_log_is_read_in_pages_and_pruned,
        reservations_are_filtered_and_read_in_pages,
    },
    keys::{
        a_request_is_carried_out_by_one_and_its_answer_is_kept,
        of_many_at_once_one_carries_the_request_out,
        a_lease_that_ended_is_taken_over_and_its_late_holder_settles_nothing,
        a_key_expires_and_is_forgotten,
    },
    actions::{
        an_action_is_ordered_once_and_kept_as_it_moves,
        a_claim_is_lengthened_by_whoever_has_it,
        actions_are_filtered_read_in_pages_and_pruned,
    },
    operations::{
        an_operation_is_opened_once_and_settled_once,
        operations_are_filtered_read_in_pages_and_pruned,
        a_lease_lasts_by_the_clock_of_the_database,
    },
    requests::{
        a_station_is_told_by_one_and_by_the_next_once_that_one_is_gone,
        how_a_station_took_an_order_is_not_written_over_another_order,
        what_is_still_to_be_done_about_local_mode_is_found,
        a_request_keeps_who_asked_and_what_became_of_it,
        requests_are_filtered_read_in_pages_and_pruned,
    },
    sources::{
        a_source_is_read_by_one_and_taken_over_when_it_is_given_up,
        what_came_of_a_source_is_kept,
        a_reservation_keeps_where_it_comes_from,
    },
    catalog::{
        a_row_of_the_catalog_comes_back_whole_and_in_its_order,
        the_first_in_use_that_lists_a_lab_has_it,
        a_row_that_is_set_without_its_labs_keeps_the_others,
        what_is_wanted_of_local_mode_is_kept_until_something_else_is,
        the_newest_heartbeat_and_line_of_a_station_are_found,
    },
    connections::{
        a_unit_begins_with_its_stations_locked,
        objects_are_marked_with_the_commit_or_nothing_of_it_happened,
        one_connection_serves_unit_after_unit,
    },
    stations::{
        unknown_stations_become_new_ones,
        states_come_back_as_they_were,
        stations_are_listed_by_filter_and_page,
        what_is_due_and_expected,
        looking_for_what_is_due_reads_nothing_else,
        state_runs_follow_one_another,
        looking_at_a_day_of_states_reads_no_other_days,
    },
    history::{
        a_heartbeat_comes_back_byte_by_byte,
        a_heartbeat_is_inserted_once,
        other_bytes_are_kept_beside_the_winner,
        first_arrivals_only_sink,
        history_is_read_in_pages_and_linked,
        times_of_heartbeats_are_read_by_station_and_clock,
        a_large_batch_goes_through,
        damaged_rows_are_named,
        every_dictionary_stays_readable,
        instants_of_far_years_are_kept_or_refused,
    },
    standing::{
        what_stands_about_stations_is_read_at_once,
    },
    trail::{
        lines_of_the_trail_are_kept_once,
        cursors_of_the_trail_are_kept,
        reservations_are_found_by_station_and_time,
        sightings_wait_until_they_are_settled,
        forced_logoffs_are_kept_listed_and_linked,
    },
    outbox::{
        a_message_is_owed_once_and_claimed_by_one,
        what_was_tried_is_tried_again_sent_or_dead,
        a_claim_that_ended_settles_nothing_but_what_was_sent,
        dead_messages_are_owed_again_by_command,
        a_row_that_holds_no_message_is_claimed_as_such,
        what_is_settled_is_forgotten_in_time_and_what_is_owed_never,
    },
    deciding::{
        news_are_owed_once_until_they_are_planned,
        looking_for_what_is_owed_reads_nothing_else,
        decisions_are_logged_and_the_last_one_counts,
        who_heard_is_remembered_until_it_is_over,
        silences_stand_until_they_are_over_or_ended,
        alerts_are_found_with_their_laboratory_and_person,
        what_was_decided_goes_with_its_alert,
        one_row_that_cannot_be_read_does_not_take_the_others_with_it,
    },
    alerts::{
        an_alert_lives_and_repeats_harmlessly,
        a_batch_may_resolve_and_open_again,
        a_second_unresolved_alert_is_refused,
        alerts_are_listed_by_filter_and_page,
    },
}
