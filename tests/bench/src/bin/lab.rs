//! Simulated labs through the handler: what is kept of them, whether history makes it dearer, whether stations do.

use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use stationkeeper::bench::Plan;
use stationkeeper::failure::{Exit, Failure};
use stationkeeper_bench::{Beat, Measured, heartbeats, heartbeats_of_labs, median};

/// Figures of the handler over simulated labs. One line of JSON each.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fills a database with a lab; says what was sent
    Fill(Fill),
    /// The same heartbeats into two MariaDB databases in turns, one of them with a long history
    History(History),
    /// CPU per heartbeat of many labs in one database and of labs that are alone, on SQLite
    Stations(Stations),
}

#[derive(Args)]
struct Fill {
    /// `sqlite:FILE` or `mysql://…`
    #[arg(long)]
    database: String,
    #[arg(long)]
    stations: usize,
    #[arg(long)]
    heartbeats: usize,
    #[arg(long, default_value_t = 4_711)]
    seed: u64,
    #[arg(long, default_value_t = 50)]
    batch: usize,
}

#[derive(Args)]
struct History {
    /// An empty database that stays short
    #[arg(long)]
    short: String,
    /// An empty database that gets a long history
    #[arg(long)]
    long: String,
    /// Process of the database server
    #[arg(long)]
    server: u32,
    /// Rows of the long history, in thousands
    #[arg(long, default_value_t = 1_000)]
    thousands: u32,
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Heartbeats of a round
    #[arg(long, default_value_t = 1_000)]
    beats: usize,
}

#[derive(Args)]
struct Stations {
    /// Labs of 100 stations each, into one database
    #[arg(long, default_value_t = 1_000)]
    together: usize,
    /// Minutes that are measured, after the first, in which the stations become known
    #[arg(long, default_value_t = 5)]
    minutes: u32,
    /// Labs that are alone, for those together
    #[arg(long, default_value_t = 6)]
    alone: usize,
    /// Minutes that these are measured
    #[arg(long, default_value_t = 60)]
    minutes_alone: u32,
}

const ONE_HANDLER: Plan = Plan { batch: 10, handlers: 1 };
/// Rows that a short history has.
const THOUSAND: usize = 1_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    stationkeeper_bench::main(async move {
        match arguments.command {
            Command::Fill(fill) => fill_database(&fill).await,
            Command::History(history) => compare_histories(&history).await,
            Command::Stations(stations) => compare_labs(&stations).await,
        }
    })
}

async fn fill_database(fill: &Fill) -> Result<Value, Failure> {
    let measured = Measured::open(&fill.database, 1).await?;
    let mut raw_bytes = 0;
    let beats =
        heartbeats(fill.stations, None, fill.seed)?.take(fill.heartbeats).inspect(|beat| raw_bytes += beat.body.len());
    let plan = Plan { batch: fill.batch, handlers: 1 };
    let progress = |done| eprint!("\r{done} heartbeats");
    let figures =
        stationkeeper::bench::run(measured.ingest.clone(), &measured.shelf, &measured.clock, beats, plan, progress)
            .await?;
    eprintln!();
    measured.ingest.store().close().await;
    Ok(json!({ "heartbeats": figures.heartbeats, "raw_bytes": raw_bytes, "figures": figures }))
}

async fn compare_histories(history: &History) -> Result<Value, Failure> {
    let mut beats = heartbeats(100, None, 99)?;
    let mut next = |count: usize| -> Vec<Beat> { beats.by_ref().take(count).collect() };
    let first = next(THOUSAND);
    let short = Measured::open(&history.short, 1).await?;
    let long = Measured::open(&history.long, 1).await?;
    short.take(first.clone(), ONE_HANDLER).await?;
    long.take(first, ONE_HANDLER).await?;
    let rows = lengthen(&history.long, history.thousands)
        .await
        .map_err(|error| Failure::because(Exit::Unavailable, "cannot make the long history", &error))?;
    let (mut client, mut server): ([Vec<f64>; 2], [Vec<f64>; 2]) = Default::default();
    let mut ratios = Vec::new();
    // The first round warms both up.
    for round in 0..=history.rounds {
        let round_beats = next(history.beats);
        let mut costs = [0.0; 2];
        for place in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let before = cpu_ms(history.server)?;
            let figures = [&short, &long][place].take(round_beats.clone(), ONE_HANDLER).await?;
            let served = (cpu_ms(history.server)? - before) / figures.heartbeats as f64;
            if round > 0 {
                client[place].push(figures.cpu_ms_per_heartbeat);
                server[place].push(served);
            }
            costs[place] = figures.cpu_ms_per_heartbeat + served;
        }
        if round > 0 {
            ratios.push(costs[1] / costs[0]);
        }
    }
    let [client_short, client_long] = client.map(median);
    let [server_short, server_long] = server.map(median);
    Ok(json!({
        "rows": rows, "rounds": ratios.len(), "ratio": median(ratios),
        "client_short_ms": client_short, "client_long_ms": client_long,
        "server_short_ms": server_short, "server_long_ms": server_long,
    }))
}

/// Copies the thousand heartbeats that a database holds back into the past, until it has so many thousands.
async fn lengthen(url: &str, thousands: u32) -> Result<i64, sqlx::Error> {
    let mut connection = MySqlConnection::connect(url).await?;
    let columns: Vec<String> = sqlx::query_scalar(
        "select cast(column_name as char) from information_schema.columns
         where table_schema = database() and table_name = 'lab_station_heartbeat' order by ordinal_position",
    )
    .fetch_all(&mut connection)
    .await?;
    let instants = ["timestamp_utc", "first_arrived_at", "arrived_at", "ingested_at"];
    let earlier: Vec<_> = columns
        .iter()
        .map(|column| match instants.contains(&column.as_str()) {
            true => format!("{column} - interval (? * 20) minute"),
            false => column.clone(),
        })
        .collect();
    let history = format!(
        "insert into lab_station_heartbeat ({}) select {} from lab_station_heartbeat where timestamp_utc >= ?",
        columns.join(", "),
        earlier.join(", ")
    );
    let objects = "insert into ingested_objects select unhex(md5(concat(hex(object_hash), ?))), outcome, ingested_on
         from (select * from ingested_objects order by ingested_on desc limit 1000) as newest";
    let oldest: chrono::NaiveDateTime =
        sqlx::query_scalar("select min(timestamp_utc) from lab_station_heartbeat").fetch_one(&mut connection).await?;
    for step in 1..thousands {
        let mut query = sqlx::query(AssertSqlSafe(history.as_str()));
        for _ in 0..instants.len() {
            query = query.bind(step);
        }
        query.bind(oldest).execute(&mut connection).await?;
        sqlx::query(objects).bind(step).execute(&mut connection).await?;
        if step % 10 == 0 {
            eprint!("\r{step} thousand rows");
        }
    }
    eprintln!();
    sqlx::query("analyze table lab_station_heartbeat, ingested_objects").fetch_all(&mut connection).await?;
    // What the copy left to be written back is no cost of the next heartbeats.
    sqlx::query("set global innodb_max_dirty_pages_pct = 0").execute(&mut connection).await?;
    for _ in 0..600 {
        let (_, dirty): (String, String) = sqlx::query_as("show global status like 'Innodb_buffer_pool_pages_dirty'")
            .fetch_one(&mut connection)
            .await?;
        if dirty.parse::<u64>().is_ok_and(|dirty| dirty < 50) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    sqlx::query("set global innodb_max_dirty_pages_pct = default").execute(&mut connection).await?;
    sqlx::query_scalar("select count(*) from lab_station_heartbeat").fetch_one(&mut connection).await
}

/// User and system time of a process so far, in milliseconds (Linux: hundredths of a second).
fn cpu_ms(process: u32) -> Result<f64, Failure> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failure::because(Exit::NoInput, format_args!("cannot read {path}"), &error))?;
    // The name of the program stands in brackets and may hold blanks; user and system time are the 12th and 13th word behind it.
    let words: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| words.get(place).and_then(|word| word.parse::<f64>().ok()).unwrap_or_default();
    Ok((ticks(11) + ticks(12)) * 10.0)
}

async fn compare_labs(stations: &Stations) -> Result<Value, Failure> {
    let mut alone = Vec::new();
    let half = stations.alone / 2;
    for lab in 0..half {
        alone.push(cost_of(1, stations.minutes_alone, lab as u64).await?.0);
    }
    let (together, heartbeats) = cost_of(stations.together, stations.minutes, 1).await?;
    for lab in half..stations.alone {
        alone.push(cost_of(1, stations.minutes_alone, lab as u64).await?.0);
    }
    let alone_median = median(alone);
    Ok(json!({
        "few_cpu_ms": alone_median, "many_cpu_ms": together, "ratio": together / alone_median,
        "many_heartbeats": heartbeats, "labs_of_few": stations.alone,
    }))
}

/// CPU per heartbeat of labs in a database of their own, once their stations are known, and how many heartbeats there were.
async fn cost_of(labs: usize, minutes: u32, seed: u64) -> Result<(f64, u64), Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::because(Exit::CannotCreate, "cannot make a temporary folder", &error))?;
    let url = format!("sqlite:{}", folder.path().join("lab.sqlite").display());
    let measured = Measured::open(&url, 1).await?;
    let mut beats = heartbeats_of_labs(labs, minutes + 1, seed)?.peekable();
    let known_at = beats.peek().map(|first| first.at + TimeDelta::minutes(1)).unwrap_or_default();
    let first: Vec<Beat> = std::iter::from_fn(|| beats.next_if(|beat| beat.at < known_at)).collect();
    measured.take(first, ONE_HANDLER).await?;
    let progress = |done| eprint!("\r{labs} labs: {done} heartbeats");
    let figures = stationkeeper::bench::run(
        measured.ingest.clone(),
        &measured.shelf,
        &measured.clock,
        beats,
        ONE_HANDLER,
        progress,
    )
    .await?;
    eprintln!();
    measured.ingest.store().close().await;
    Ok((figures.cpu_ms_per_heartbeat, figures.heartbeats))
}
