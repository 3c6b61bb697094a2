//! `up`: bucket, ingest, checks and gateway in one process; `gateway`: the last of them.

mod demo;
mod feed;
mod lab_server;
mod notify;
mod pace;
pub mod queue;
mod reconcile;
pub mod scaled_clock;
mod small_pages;
mod soundness;
mod uploads;
pub mod vitals;
pub mod webhook;
pub mod work;

use std::net::SocketAddr;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use stationkeeper_embedded_bucket::{BucketOptions, Credential};
use stationkeeper_gateway::{Gateway, GatewayOptions, StationReach, Tls, Vitals};
use stationkeeper_pipeline::clock::Clock;
use stationkeeper_pipeline::ingest::Ingest;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_pipeline::s3::Endpoint;
use stationkeeper_store::{LabReservations, Labs, Store, StoreError, StoreOptions, Synchronous, TokenGrant, TokenRole};
use stationkeeper_telemetry::Limits;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli;
use crate::connections::{Connections, DATA_FOLDER, DEMO_FOLDER};
use crate::failure::{Exit, Failure, chain, print_json, print_line};
use crate::older_service;
use crate::place;
use crate::reservation_table;
use crate::serving;
use crate::station_access;
use feed::Feed;
use lab_server::Options;
use reconcile::Reach;
use scaled_clock::ScaledClock;
use soundness::{BUDGET, OwnFile};
use vitals::{Observed, Parts};

/// Name of the token that `up` makes.
const ADMIN_TOKEN: &str = "admin";

/// Which parts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Everything,
    /// The gateway, with a bucket for what it reads from stations. A database that is named is judged and told of by others.
    Gateway,
}

impl Scope {
    /// Whether stations are checked and people told here.
    fn judges(self, connections: &Connections) -> bool {
        self == Self::Everything || connections.database.is_none()
    }

    /// Whether stations upload to the bucket that is opened here.
    fn takes_uploads(self) -> bool {
        self == Self::Everything
    }
}

/// Where everything is: the first line on standard output with `--json`.
#[derive(Serialize)]
struct Whereabouts {
    page: String,
    api: String,
    /// Null where the bucket holds only what the gateway reads from stations.
    s3: Option<String>,
    bucket: Option<String>,
    /// Null where the bucket is not ours.
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    admin_token: Option<String>,
    database: String,
    /// Null where nothing is simulated.
    simulated: Option<demo::StationAccess>,
}

/// Where `up` listens, for as long as it runs.
struct Listeners {
    gateway: std::net::TcpListener,
    /// None where the bucket is elsewhere.
    bucket: Option<std::net::TcpListener>,
    /// By which connections to the gateway are encrypted.
    tls: Option<Tls>,
}

/// What is outside of this process, and reached again in each round.
struct Outside {
    /// None: the bucket is the embedded one.
    bucket: Option<Options>,
    /// A table that reservations are read from.
    reservations: Option<Arc<LabReservations>>,
}

/// How a round of `up` ended.
enum Ended {
    Told,
    /// A file in use is damaged: the next round sets it aside.
    Damaged,
}

/// Runs `gateway` until it is told to stop.
pub async fn gateway(arguments: cli::Gateway) -> Result<Option<Exit>, Failure> {
    let cli::Gateway { place, bucket, mut service } = arguments;
    service.listen = match service.listen {
        Some(listen) => Some(listen),
        None => older_service::listen()?,
    };
    let elsewhere = cli::Elsewhere { bucket, ..cli::Elsewhere::default() };
    let s3_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let up = cli::Up { place, demo: None, speed: 1.0, seed: 1, s3_listen, elsewhere, service };
    run(up, Scope::Gateway).await
}

/// Runs these parts until told to stop.
pub async fn run(arguments: cli::Up, scope: Scope) -> Result<Option<Exit>, Failure> {
    small_pages::ask();
    let default_folder = if arguments.demo.is_some() { DEMO_FOLDER } else { DATA_FOLDER };
    let connections =
        Connections::resolve(&arguments.place, arguments.service.listen, arguments.s3_listen, default_folder)?;
    let elsewhere = match scope {
        Scope::Everything => Options::resolve(&arguments.elsewhere, &connections)?,
        Scope::Gateway => Options::for_uploads(&arguments.elsewhere, &connections)?,
    };
    if elsewhere.is_some() && arguments.demo.is_some() {
        let said = "a demo has a bucket of its own: leave out the bucket elsewhere, or --demo";
        return Err(Failure::new(Exit::Configuration, said));
    }
    let tls = serving::tls(&arguments.service.encryption)?;
    // Ports first: a port in use is the commonest fault, and nothing has been touched yet.
    let listeners = Listeners {
        gateway: listen(connections.listen, "--listen").await?,
        bucket: match elsewhere {
            None => Some(listen(connections.s3_listen, "--s3-listen").await?),
            Some(_) => None,
        },
        tls,
    };
    // What is wrong with them is said at the start and not with the first alert.
    notify::channels(arguments.service.connections_file.as_deref(), ScaledClock::starting_now(arguments.speed))?;
    let reservations = reservation_table::table(arguments.service.table.reservations_database.as_deref())?;
    let outside = Outside { bucket: elsewhere, reservations };
    place::make_folder(&connections.data)?;
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| Failure::because(Exit::Failed, "cannot start the metrics", &error))?;
    let mut is_first = true;
    loop {
        match round(&arguments, scope, &connections, &outside, &listeners, &metrics, is_first).await? {
            Ended::Told => return Ok(None),
            Ended::Damaged => is_first = false,
        }
    }
}

/// Opens everything, runs it, and closes it again. Only the first round says where everything is.
async fn round(
    arguments: &cli::Up,
    scope: Scope,
    connections: &Connections,
    outside: &Outside,
    listeners: &Listeners,
    metrics: &PrometheusHandle,
    is_first: bool,
) -> Result<Ended, Failure> {
    let gateway_listener = again(&listeners.gateway)?;
    let bucket_listener = listeners.bucket.as_ref().map(again).transpose()?;
    if arguments.demo.is_some() {
        demo::make_anew(connections)?;
    }
    let clock = ScaledClock::starting_now(arguments.speed);
    // The bucket first: whoever has it has the folder.
    let own_endpoint = bucket_listener
        .as_ref()
        .map_or_else(String::new, |listener| format!("http://{}", local_address(listener, connections.s3_listen)));
    let (feed, bucket_file) = Feed::open(connections, outside.bucket.as_ref(), &own_endpoint, clock).await?;
    let database = Database::open(connections, clock, arguments.demo.is_some()).await?;
    let store = database.store.clone();
    let files: Vec<_> = bucket_file.into_iter().chain(database.file.clone()).collect();
    let scheme = if listeners.tls.is_some() { "https" } else { "http" };
    let page = format!("{scheme}://{}", local_address(&gateway_listener, connections.listen));
    if scope.takes_uploads() {
        connections.remember_endpoint(feed.endpoint())?;
    }

    let lab = match arguments.demo {
        Some(stations) => {
            Some(demo::with_history(&store, stations, arguments.seed, clock, arguments.service.json).await?)
        }
        None => None,
    };

    let (stop, closing) = (CancellationToken::new(), CancellationToken::new());
    let (tasks, servers) = (TaskTracker::new(), TaskTracker::new());
    feed.serve(&servers, bucket_listener, &closing);
    let ingest = Arc::new(Ingest::new(feed.client(), store.clone(), clock, Limits::default(), Judging::default()));
    let (observed, _) = watch::channel(Observed::default());
    feed.work(&tasks, &ingest, &observed, (database.reach, database.file.clone()), &stop);
    let judges = scope.judges(connections);
    if judges {
        tasks.spawn(work::check(ingest.clone(), arguments.speed, stop.clone()));
    }
    let bucket_damage = feed.embedded().map(|bucket| bucket.damage());
    let watched = tasks.spawn(soundness::watch_files(files.clone(), observed.subscribe(), bucket_damage, stop.clone()));
    let (vitals_sender, vitals_receiver) =
        watch::channel(Vitals { set_aside: soundness::set_aside(&files), ..Vitals::unseen(clock.now()) });
    let parts = Parts {
        bucket: feed.objects(),
        store: store.clone(),
        folder: connections.data.clone(),
        database_in_folder: connections.database.is_none(),
        files,
    };
    tasks.spawn(vitals::publish(parts, observed.subscribe(), vitals_sender, clock, stop.clone()));
    let simulated = lab.as_ref().map(demo::DemoLab::access);
    let gateway = Gateway::new(
        store.clone(),
        vitals_receiver,
        Arc::new(move || clock.now()),
        older_service::options(
            GatewayOptions {
                tls: listeners.tls.clone(),
                limits: serving::limits(),
                metrics: Some(metrics.clone()),
                speed: arguments.speed,
                events: feed.receiver(&ingest, &observed),
                reach: reach(arguments, simulated.as_ref())?,
                uploads: Some(uploads::taker(ingest.clone())),
                reservation_table: outside.reservations.clone(),
                ..GatewayOptions::default()
            },
            &connections.data,
        )?,
    );
    // What is wrong with a file of hosts is shown with the catalog, and stops nothing.
    if let Err(error) = gateway.load_catalog().await {
        tracing::error!(
            error = chain(&error),
            "the files of the catalog were not read; the catalog is as it was before"
        );
    }
    let settings = store.settings().await.map_err(|error| Failure::of(Exit::Unavailable, &error))?;
    for said in older_service::overruled(&settings.orchestrator).into_iter().chain(older_service::unheard()) {
        tracing::warn!("{said}");
    }
    if let Some(every) = older_service::polling()? {
        tasks.spawn(uploads::poll(gateway.clone(), every, stop.clone()));
    }
    if judges {
        let channels = notify::channels(arguments.service.connections_file.as_deref(), clock)?;
        if let Some(alive) = channels.alive() {
            tasks.spawn(notify::stay_alive(alive, gateway.clone(), stop.clone()));
        }
        tasks.spawn(notify::run(store.clone(), channels, clock, stop.clone()));
    }
    if let Some(tls) = &listeners.tls {
        tasks.spawn(serving::renew(tls.clone(), stop.clone()));
    }
    let closed = closing.clone();
    let serving = servers.spawn(gateway.serve(gateway_listener, async move { closed.cancelled().await }));
    if let (Some(lab), Some(bucket)) = (lab, feed.embedded()) {
        tasks.spawn(demo::live(lab, bucket.clone(), feed.client(), ingest.clone(), clock, stop.clone()));
    }

    if is_first {
        let admin_token = admin_token(&store, arguments.service.json).await?;
        let shown = scope.takes_uploads() || feed.embedded().is_none();
        let root = feed.root().filter(|_| shown);
        let whereabouts = Whereabouts {
            api: format!("{page}/api/v1"),
            page,
            s3: shown.then(|| feed.endpoint().to_owned()),
            bucket: shown.then(|| feed.name().to_owned()),
            access_key_id: root.map(|root| root.access_key_id.clone()),
            secret_access_key: root.map(|root| root.secret.expose().to_owned()),
            admin_token,
            database: store.describe().to_owned(),
            simulated,
        };
        tell(&whereabouts, arguments, scope)?;
    }

    let ended = tokio::select! {
        () = told_to_stop() => Ok(Ended::Told),
        _ = watched => Ok(Ended::Damaged),
        ended = serving => match ended {
            Ok(Err(error)) => Err(Failure::because(Exit::Failed, "the gateway stopped", &error)),
            _ => Err(Failure::new(Exit::Failed, "the gateway stopped by itself")),
        },
    };
    // A batch that was begun still needs the bucket.
    for (token, tracker) in [(&stop, &tasks), (&closing, &servers)] {
        token.cancel();
        tracker.close();
        tracker.wait().await;
    }
    feed.close().await;
    database.close().await;
    ended
}

/// Which stations the gateway may reach: those of a demo are on this computer, and listen for packets on a port of their own.
fn reach(arguments: &cli::Up, simulated: Option<&demo::StationAccess>) -> Result<StationReach, Failure> {
    let named = arguments.service.networks.management_networks.as_deref().map(station_access::networks).transpose()?;
    let Some(simulated) = simulated else {
        let commands = station_access::of_environment()?;
        return Ok(StationReach { networks: named.unwrap_or_default(), commands, ..StationReach::default() });
    };
    let networks = match named {
        Some(networks) => networks,
        None => station_access::networks("127.0.0.0/8")?,
    };
    let commands = Some(simulated.commands()?);
    Ok(StationReach { networks, wake_ports: vec![simulated.wake_port], commands })
}

/// The database of a round.
struct Database {
    store: Store,
    /// Where it is a file of ours.
    file: Option<OwnFile>,
    /// How far back the bucket is compared with it.
    reach: Reach,
}

impl Database {
    async fn open(connections: &Connections, clock: ScaledClock, is_demo: bool) -> Result<Self, Failure> {
        let unavailable = |error: StoreError| Failure::of(Exit::Unavailable, &error);
        let (store, file, may_lack_rows) = match &connections.database {
            Some(_) => (place::open_store(connections).await?, None, false),
            None => {
                let path = connections.database_file();
                // What a person was told is done must outlive a power cut; a demo is made anew anyway.
                let synchronous = if is_demo { Synchronous::Normal } else { Synchronous::Full };
                let options = StoreOptions { synchronous, ..StoreOptions::default() };
                let (store, prepared) =
                    Store::sqlite_owned(&path, options, clock.now(), BUDGET).await.map_err(unavailable)?;
                let may_lack_rows = prepared.may_lack_rows();
                (store, Some(OwnFile::prepared("database", path, &prepared)), may_lack_rows)
            }
        };
        let last_run_at = store.overdue_check().await.map_err(unavailable)?.last_run_at;
        Ok(Self { store, file, reach: reconcile::reach(may_lack_rows, last_run_at) })
    }

    async fn close(&self) {
        match &self.file {
            None => self.store.close().await,
            Some(file) => {
                if let Err(error) = self.store.close_owned(&file.path).await {
                    tracing::warn!(error = chain(&error), "the database is examined when it is opened again");
                }
            }
        }
    }
}

async fn listen(address: SocketAddr, flag: &str) -> Result<std::net::TcpListener, Failure> {
    TcpListener::bind(address).await.and_then(TcpListener::into_std).map_err(|error| {
        let said = format!("cannot listen on {address}: {error}: stop what listens there, or choose another by {flag}");
        Failure::new(Exit::Unavailable, said)
    })
}

/// The same port for another round: it was never given back.
fn again(listener: &std::net::TcpListener) -> Result<TcpListener, Failure> {
    listener
        .try_clone()
        .and_then(TcpListener::from_std)
        .map_err(|error| Failure::because(Exit::Failed, "cannot listen again", &error))
}

fn local_address(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    let mut address = listener.local_addr().unwrap_or(asked);
    // Who listens everywhere is reached on this computer by loopback.
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

pub(crate) fn endpoint(url: &str, credential: &Credential) -> Endpoint {
    Endpoint {
        url: url.to_owned(),
        region: BucketOptions::default().region,
        access_key_id: credential.access_key_id.clone(),
        secret_access_key: credential.secret.expose().to_owned(),
    }
}

/// Makes the admin token at the first start; asked for JSON, a program wants one that it can use: a fresh one.
async fn admin_token(store: &Store, fresh: bool) -> Result<Option<String>, Failure> {
    let cannot = |error: stationkeeper_store::StoreError| {
        Failure::because(Exit::Unavailable, "cannot make the admin token", &error)
    };
    let known = store.tokens().await.map_err(cannot)?;
    let valid = known.iter().any(|one| one.token.grant.name == ADMIN_TOKEN && one.revoked_at.is_none());
    if valid && !fresh {
        return Ok(None);
    }
    let grant = TokenGrant { name: ADMIN_TOKEN.to_owned(), role: TokenRole::Admin, labs: Labs::All };
    let (token, row) = stationkeeper_gateway::mint_token(grant, place::now())
        .map_err(|error| Failure::because(Exit::Failed, "cannot make the admin token", &error))?;
    store.insert_token(&row).await.map_err(cannot)?;
    Ok(Some(token))
}

fn tell(whereabouts: &Whereabouts, arguments: &cli::Up, scope: Scope) -> Result<(), Failure> {
    if arguments.service.json {
        return print_json(whereabouts);
    }
    let Whereabouts { page, api, s3, bucket, admin_token, database, simulated, .. } = whereabouts;
    print_line(format_args!("Page      {page}/"))?;
    print_line(format_args!("API       {api}"))?;
    if let (Some(s3), Some(bucket)) = (s3, bucket) {
        print_line(format_args!("Bucket    {s3}, name {bucket}"))?;
    }
    print_line(format_args!("Database  {database}"))?;
    match admin_token {
        Some(token) => print_line(format_args!("Token     {token}   (admin; shown once, log in to the page with it)"))?,
        None => print_line("Token     the admin token that the first start showed")?,
    }
    if let Some(access) = simulated
        && let Some((host, place)) = access.stations.first_key_value()
    {
        let (user, password, port) = (&access.user, &access.password, access.wake_port);
        print_line(format_args!(
            "Stations  {host} at https://{}/wsman and on, as {user} with {password}",
            place.address
        ))?;
        print_line(format_args!("          magic packets at 127.0.0.1, UDP port {port}"))?;
    }
    print_line("")?;
    if scope == Scope::Gateway {
        print_line("It wakes and commands the stations of its catalog: stationkeeper hosts list")?;
    } else if arguments.demo.is_some() {
        print_line("A lab of simulated stations has run for 24 hours and goes on. Try:")?;
        print_line("  stationkeeper status")?;
        print_line("  stationkeeper alerts --state any")?;
    } else if whereabouts.access_key_id.is_none() {
        print_line(
            "Stations upload to that bucket with keys of its own server; each may write below stations/HOST/ alone.",
        )?;
    } else {
        print_line("To connect the first real station:")?;
        print_line("  1. stationkeeper station add LAB-WS01    makes its access key and says how to use it")?;
        print_line("  2. on the station, upload heartbeat.json to stations/LAB-WS01/heartbeat.json every minute")?;
        print_line("  3. stationkeeper status                  shows it within two seconds of its first upload")?;
    }
    print_line("Ctrl-C stops it.")?;
    Ok(())
}

/// Ctrl-C, or a supervisor's SIGTERM.
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
