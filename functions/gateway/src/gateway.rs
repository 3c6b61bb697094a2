//! What handlers share.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use metrics_exporter_prometheus::PrometheusHandle;
use stationkeeper_station_link::wake::WakeWay;
use stationkeeper_store::{LabReservations, Store};
use stationkeeper_telemetry::HostName;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::actions;
use crate::at_work::AtWork;
use crate::attempts::Attempts;
use crate::command::{Commander, StoredLogins};
use crate::edge::{AdminNetworks, InternalToken, SharedToken};
use crate::events::EventReceiver;
use crate::heartbeat::poll::Polled;
use crate::heartbeat::stream::Beats;
use crate::hosts::catalog::{Catalog, CatalogFiles};
use crate::hosts::discover::DiscoveryOptions;
use crate::live::Feed;
use crate::orchestrator::{self, Orchestrator};
use crate::reach::StationReach;
use crate::requests::keeper::{self, Keeper};
use crate::reservations;
use crate::serve::places::Streams;
use crate::serve::{self, ServeLimits, Tls};
use crate::session::Sessions;
use crate::uploads::TakeUploads;
use crate::vitals::Vitals;

/// Tells the time. The binary passes the clock of its operating system, a test its own.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// What differs between deployments.
#[derive(Clone)]
pub struct GatewayOptions {
    /// By which connections are encrypted; none: they are not. With it cookies are always `Secure`, without it they are but on loopback.
    pub tls: Option<Tls>,
    /// What a client may take.
    pub limits: ServeLimits,
    /// Renders what the process has counted; none: `/metrics` shows only what the store knows.
    pub metrics: Option<PrometheusHandle>,
    /// How many seconds of the clock pass in one of a person (a demo may run faster). Sessions and limits of health keep a person's
    /// time. Default 1.
    pub speed: f64,
    /// Who takes what a bucket says by webhook; none: nothing is at its address.
    pub events: Option<EventReceiver>,
    /// Which stations may be reached, and how. Default: none.
    pub reach: StationReach,
    /// Files of the catalog that are read into the table. Default: none.
    pub catalog: CatalogFiles,
    /// How a station is looked for before it is put into the catalog.
    pub discovery: DiscoveryOptions,
    /// Who keeps what the gateway reads from stations; none: it is shown, and not kept.
    pub uploads: Option<TakeUploads>,
    /// How often a heartbeat is told again to whoever listens to one station. Default: 10 s.
    pub heartbeat_every: Duration,
    /// The longest time between two looks at what reservations need, by our clock. Default: 30 s.
    pub scan_every: Duration,
    /// Logins that are stored. Default: none.
    pub credentials: Option<StoredLogins>,
    /// A proxy that vouches for its callers. Default: none.
    pub internal: Option<InternalToken>,
    /// The one token that everybody shared in the older service. Default: none.
    pub shared_token: Option<SharedToken>,
    /// Reservations are prepared and released by themselves; without it only when somebody asks. Default: they are.
    pub automation: bool,
    /// A table of another system that reservations are read from. Default: none.
    pub reservation_table: Option<Arc<LabReservations>>,
    /// From where page and API may be used; none: from everywhere.
    pub admin_networks: Option<AdminNetworks>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            tls: None,
            limits: ServeLimits::default(),
            metrics: None,
            speed: 1.0,
            events: None,
            reach: StationReach::default(),
            catalog: CatalogFiles::default(),
            discovery: DiscoveryOptions::default(),
            uploads: None,
            heartbeat_every: Duration::from_secs(10),
            scan_every: Duration::from_secs(30),
            credentials: None,
            internal: None,
            shared_token: None,
            automation: true,
            reservation_table: None,
            admin_networks: None,
        }
    }
}

/// The gateway. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

pub(crate) struct Shared {
    pub store: Store,
    pub vitals: watch::Receiver<Vitals>,
    pub clock: Clock,
    pub options: GatewayOptions,
    pub sessions: Sessions,
    pub attempts: Attempts,
    /// Places of whoever listens to what changes.
    pub streams: Streams,
    pub started_at: DateTime<Utc>,
    /// Ways that woke stations.
    pub ways: Ways,
    pub feed: Feed,
    pub beats: Beats,
    pub polled: Polled,
    pub catalog: Catalog,
    pub commander: Commander,
    pub orchestrator: Orchestrator,
    pub keeper: Keeper,
    /// Stations of which actions are tended.
    pub actions: AtWork,
    /// What runs beside requests; it ends when the gateway is told to stop.
    pub tasks: TaskTracker,
    closing: watch::Sender<bool>,
}

/// By which way each station was woken the last time.
#[derive(Default)]
pub(crate) struct Ways(Mutex<HashMap<HostName, WakeWay>>);

impl Ways {
    /// Of this station.
    pub fn of(&self, host: &HostName) -> Option<WakeWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    /// For the next time.
    pub fn remember(&self, host: HostName, way: WakeWay) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host, way);
    }
}

impl Gateway {
    /// A gateway over `store`. `vitals` is the newest look at the parts that run beside it.
    pub fn new(store: Store, vitals: watch::Receiver<Vitals>, clock: Clock, options: GatewayOptions) -> Self {
        let started_at = clock();
        let streams = Streams::new(options.limits.streams, options.limits.streams_of_one);
        Self(Arc::new(Shared {
            store,
            vitals,
            clock,
            options,
            sessions: Sessions::default(),
            attempts: Attempts::default(),
            streams,
            started_at,
            ways: Ways::default(),
            feed: Feed::default(),
            beats: Beats::default(),
            polled: Polled::default(),
            catalog: Catalog::default(),
            commander: Commander::default(),
            orchestrator: Orchestrator::new(),
            keeper: Keeper::default(),
            actions: AtWork::default(),
            tasks: TaskTracker::new(),
            closing: watch::Sender::new(false),
        }))
    }

    /// Serves until `shutdown`, then lets running requests end, for a while ([`ServeLimits::grace`]).
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let closing = self.clone();
        let shutdown = async move {
            shutdown.await;
            closing.0.closing.send_replace(true);
        };
        if self.can_act(true).is_ok() {
            self.0.tasks.spawn(orchestrator::run(self.clone()));
            self.0.tasks.spawn(keeper::run(self.clone()));
        }
        if self.can_act(false).is_ok() {
            self.0.tasks.spawn(actions::run(self.clone()));
        }
        self.0.tasks.spawn(reservations::table::run(self.clone()));
        let served = serve::serve(&self, listener, shutdown).await;
        self.0.closing.send_replace(true);
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.commander.close().await;
        served
    }

    /// Until the gateway is told to stop: what may take minutes ends then.
    pub(crate) async fn closing(&self) {
        // The sender is ours: it is there for as long as we are.
        let _ = self.0.closing.subscribe().wait_for(|closing| *closing).await;
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.0.closing.borrow()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// So long in a person's time, by our clock.
    pub(crate) fn lasting(&self, persons: TimeDelta) -> TimeDelta {
        #[expect(clippy::cast_possible_truncation, reason = "a float that is too large becomes the greatest number")]
        let millis = (persons.num_milliseconds() as f64 * self.0.options.speed.max(1.0)) as i64;
        TimeDelta::milliseconds(millis)
    }

    /// So many seconds of a person's time, at least one.
    pub(crate) fn persons_seconds(&self, ours: TimeDelta) -> u64 {
        (ours.num_seconds() / self.lasting(TimeDelta::seconds(1)).num_seconds().max(1)).max(1).unsigned_abs()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.0.clock)()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("store", &self.0.store.describe()).finish_non_exhaustive()
    }
}
