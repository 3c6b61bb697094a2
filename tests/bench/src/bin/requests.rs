//! Clients of a gateway: so many that ask one address again and again, or so many that listen to what changes.
//!
//! HTTP/1.1 by hand: what is measured is the server, and a client that parses little takes little of the processor both share.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use stationkeeper::failure::{Exit, Failure, print_json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Clients of a gateway. One line of JSON each.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Asks again and again over connections that stay open
    Ask(Ask),
    /// Listens; says so once all do, and in the end how far apart they heard
    Listen(Listen),
}

#[derive(Args)]
struct Ask {
    #[command(flatten)]
    at: Address,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Seconds before anything counts
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

#[derive(Args)]
struct Listen {
    #[command(flatten)]
    at: Address,
    #[arg(long, default_value_t = 500)]
    listeners: usize,
    /// Events after which it ends
    #[arg(long, default_value_t = 300)]
    events: usize,
    /// Of this kind
    #[arg(long, default_value = "reservation")]
    kind: String,
}

#[derive(Args, Clone)]
struct Address {
    /// HOST:PORT
    #[arg(long)]
    server: String,
    #[arg(long)]
    path: String,
    /// Token of the API
    #[arg(long)]
    token: String,
}

impl Address {
    fn request(&self) -> Vec<u8> {
        let Self { server, path, token } = self;
        format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer {token}\r\nAccept: */*\r\n\r\n")
            .into_bytes()
    }

    async fn connect(&self) -> Result<TcpStream, Failure> {
        let stream = TcpStream::connect(&self.server).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        Ok(stream)
    }
}

fn broken(error: std::io::Error) -> Failure {
    Failure::because(Exit::Unavailable, "a connection broke", &error)
}

fn strange(what: &str) -> Failure {
    Failure::new(Exit::Rejected, format!("the server answered with {what}"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    stationkeeper_bench::main(async move {
        match arguments.command {
            Command::Ask(ask) => ask_again_and_again(ask).await,
            Command::Listen(listen) => listen_together(listen).await,
        }
    })
}

async fn ask_again_and_again(ask: Ask) -> Result<Value, Failure> {
    let begun = Instant::now();
    let counts_from = begun + Duration::from_secs_f64(ask.warm_up);
    let ends_at = counts_from + Duration::from_secs_f64(ask.seconds);
    let mut clients = JoinSet::new();
    for _ in 0..ask.connections {
        let at = ask.at.clone();
        clients.spawn(async move { client(&at, counts_from, ends_at).await });
    }
    tokio::time::sleep_until(counts_from.into()).await;
    let worked_before = cpu_time::ProcessTime::now();
    tokio::time::sleep_until(ends_at.into()).await;
    let worked = worked_before.elapsed();
    let (mut took, mut bytes) = (Vec::new(), 0);
    while let Some(client) = clients.join_next().await {
        let (of_client, read) = client.map_err(|error| Failure::because(Exit::Failed, "a client failed", &error))??;
        took.extend(of_client);
        bytes += read;
    }
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1))).copied();
    Ok(json!({
        "requests": took.len(), "per_second": took.len() as f64 / ask.seconds, "p50_ms": at(0.5), "p99_ms": at(0.99),
        "bytes_of_one": bytes / took.len().max(1), "cpu_share": worked.as_secs_f64() / ask.seconds,
    }))
}

/// Milliseconds of each answer that counts, and the bytes of all of them.
async fn client(at: &Address, counts_from: Instant, ends_at: Instant) -> Result<(Vec<f64>, usize), Failure> {
    let request = at.request();
    let mut stream = at.connect().await?;
    let mut buffer = vec![0; 256 << 10];
    let (mut took, mut bytes) = (Vec::new(), 0);
    while Instant::now() < ends_at {
        let begun = Instant::now();
        stream.write_all(&request).await.map_err(broken)?;
        let length = answer(&mut stream, &mut buffer).await?;
        let ended = Instant::now();
        if begun >= counts_from && ended <= ends_at {
            took.push((ended - begun).as_secs_f64() * 1e3);
            bytes += length;
        }
    }
    Ok((took, bytes))
}

/// Reads one answer with a length to its end; that length.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize, Failure> {
    let mut filled = 0;
    let head = loop {
        let read = stream.read(&mut buffer[filled..]).await.map_err(broken)?;
        if read == 0 {
            return Err(strange("less than a head"));
        }
        filled += read;
        if let Some(end) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        return Err(strange(text.lines().next().unwrap_or_default()));
    }
    let length: usize = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .ok_or_else(|| strange("no length"))?;
    let mut rest = (head + length).checked_sub(filled).ok_or_else(|| strange("more than its length"))?;
    while rest > 0 {
        let read = stream.read(buffer).await.map_err(broken)?;
        if read == 0 {
            return Err(strange("less than its length"));
        }
        rest = rest.checked_sub(read).ok_or_else(|| strange("more than its length"))?;
    }
    Ok(length)
}

/// Listener, event, when.
type Heard = (usize, String, Instant);

async fn listen_together(listen: Listen) -> Result<Value, Failure> {
    let (sender, mut heard) = mpsc::unbounded_channel::<Option<Heard>>();
    let kind: Arc<str> = format!("event: {}", listen.kind).into();
    let mut listeners = JoinSet::new();
    for number in 0..listen.listeners {
        let mut stream = listen.at.connect().await?;
        stream.write_all(&listen.at.request()).await.map_err(broken)?;
        let (sender, kind) = (sender.clone(), kind.clone());
        listeners.spawn(async move {
            if let Err(failure) = listener(number, &mut stream, &kind, &sender).await {
                eprintln!("listener {number}: {failure}");
            }
        });
    }
    drop(sender);
    for _ in 0..listen.listeners {
        match heard.recv().await {
            Some(None) => {}
            Some(Some(_)) => return Err(strange("an event before all listened")),
            None => return Err(strange("no stream")),
        }
    }
    let worked_before = cpu_time::ProcessTime::now();
    let begun = Instant::now();
    print_json(&json!({ "listening": listen.listeners }))?;
    // By event: how many heard it, the first and the last.
    let mut events: BTreeMap<String, (usize, Instant, Instant)> = BTreeMap::new();
    let mut complete = 0;
    while complete < listen.events {
        let Some(Some((_, id, at))) = heard.recv().await else { return Err(strange("the end of a stream")) };
        let event = events.entry(id).or_insert((0, at, at));
        *event = (event.0 + 1, event.1.min(at), event.2.max(at));
        complete += usize::from(event.0 == listen.listeners);
    }
    let cpu_share = worked_before.elapsed().as_secs_f64() / begun.elapsed().as_secs_f64();
    listeners.shutdown().await;
    let whole = events.values().filter(|(times, _, _)| *times == listen.listeners);
    let mut apart: Vec<f64> = whole.map(|(_, first, last)| (*last - *first).as_secs_f64() * 1e3).collect();
    apart.sort_by(f64::total_cmp);
    let at =
        |share: f64| apart.get(((apart.len() as f64 * share) as usize).min(apart.len().saturating_sub(1))).copied();
    Ok(json!({
        "events": apart.len(), "p50_ms": at(0.5), "p99_ms": at(0.99), "greatest_ms": apart.last(), "cpu_share": cpu_share,
    }))
}

/// Says `None` once the stream has begun, then each event of the kind as it arrives.
async fn listener(
    number: usize,
    stream: &mut TcpStream,
    kind: &str,
    sender: &mpsc::UnboundedSender<Option<Heard>>,
) -> Result<(), Failure> {
    let mut buffer = vec![0; 16 << 10];
    // Events end with an empty line; pieces of the transfer (their lengths stand in lines of their own) end anywhere.
    let mut text = String::new();
    loop {
        let read = stream.read(&mut buffer).await.map_err(broken)?;
        let at = Instant::now();
        if read == 0 {
            return Err(strange("the end of the stream"));
        }
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        while let Some(end) = text.find("\n\n") {
            let event: String = text.drain(..end + 2).collect();
            let lines = || event.lines().map(str::trim_end);
            if lines().any(|line| line == "event: hello") {
                let _ = sender.send(None);
            } else if lines().any(|line| line == kind)
                && let Some(id) = lines().find_map(|line| line.strip_prefix("id: "))
                && sender.send(Some((number, id.to_owned(), at))).is_err()
            {
                return Ok(());
            }
        }
    }
}
