//! Simulated stations in a process of their own, for a gateway to command: they answer WS-Management on loopback.
//!
//! The first line on standard output is a `hosts.json` and how to log in. Then each line on standard input is answered by one of JSON:
//! `hang HOST…` (these take requests and never answer), `given` (which commands stations were given, and when).

use std::io::BufRead;
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Map, Value, json};
use stationkeeper::failure::{Exit, Failure, print_json};
use stationkeeper::stations::{Account, Fault, Options, Stations};
use stationkeeper::up::scaled_clock::ScaledClock;
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_simulator::{Lab, LabPlan, Role};
use stationkeeper_telemetry::HostName;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const USER: &str = "labadmin";
const PASSWORD: &str = "of a bench";

/// Simulated stations at which nothing happens but what they are told.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1)]
    stations: usize,
}

fn main() -> ExitCode {
    let Arguments { stations } = Arguments::parse();
    stationkeeper_bench::main(serve(stations))
}

async fn serve(count: usize) -> Result<Value, Failure> {
    let clock = ScaledClock::starting_now(1.0);
    let plan = LabPlan { roles: Some(vec![Role::Idle; count]), ..LabPlan::new(count, clock.now(), None, 7) };
    let lab =
        Lab::new(plan).map_err(|error| Failure::because(Exit::Rejected, "cannot name so many stations", &error))?;
    let account = Account { user: USER.to_owned(), password: PASSWORD.to_owned() };
    let options = Options { account, basic: false, wake_port: 0 };
    let stations = Stations::open(lab.emissions().live(), clock, options)
        .await
        .map_err(|error| Failure::of(Exit::Unavailable, &error))?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    stations.serve(&tasks, &stop);
    let (uploading, stopped) = (stations.clone(), stop.clone());
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stopped.cancelled() => return,
                // Nobody takes them here; kept, they would add up.
                uploads = uploading.uploads() => drop(uploads),
            }
        }
    });
    print_json(&json!({ "hosts": hosts(&stations), "user": USER, "password": PASSWORD }))?;
    let told = stations.clone();
    let listening = tokio::task::spawn_blocking(move || obey(&told));
    let answered = listening.await.map_err(|error| Failure::because(Exit::Failed, "cannot listen", &error))?;
    stop.cancel();
    answered.map(|lines| json!({ "lines": lines }))
}

/// Entries of a `hosts.json`.
fn hosts(stations: &Stations) -> Vec<Value> {
    stations
        .addresses()
        .map(|(host, address)| {
            let pin = stations.certificate(host).map(|certificate| hex::encode(certificate.sha256));
            let mac = stations.with_lab(|lab, _| lab.mac(host).map(str::to_owned));
            json!({ "name": host, "address": address, "mac": mac, "labs": ["Lab"], "certificate_sha256": pin })
        })
        .collect()
}

/// Does what standard input says until it ends; how many lines that were.
fn obey(stations: &Stations) -> Result<usize, Failure> {
    let mut lines = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::because(Exit::NoInput, "cannot read standard input", &error))?;
        let mut words = line.split_whitespace();
        match words.next() {
            Some("hang") => {
                let mut hanging = 0;
                for word in words {
                    let host = HostName::parse(word)
                        .map_err(|error| Failure::because(Exit::Rejected, format_args!("{word} is no host"), &error))?;
                    stations.set_fault(&host, Some(Fault::Hangs));
                    hanging += 1;
                }
                print_json(&json!({ "hanging": hanging }))?;
            }
            Some("given") => print_json(&given(stations))?,
            _ => return Err(Failure::new(Exit::Rejected, format!("{line:?} is neither hang nor given"))),
        }
        lines += 1;
    }
    Ok(lines)
}

/// By station: microseconds since 1970, and the line.
fn given(stations: &Stations) -> Value {
    let of_station = |host: &HostName| {
        let given = stations.with_lab(|lab, _| lab.given(host));
        given.iter().map(|one| json!([one.at.timestamp_micros(), one.line])).collect::<Vec<_>>()
    };
    Value::Object(
        stations.addresses().map(|(host, _)| (host.to_string(), of_station(host).into())).collect::<Map<_, _>>(),
    )
}
