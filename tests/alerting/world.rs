//! A laboratory whose stations beat or fall silent, and what its people hear. It hides wiring, never meaning.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_gateway::{AskedSilence, Resolving, Taking, acknowledge, end_silence, resolve, set_silence};
use stationkeeper_pipeline::clock::SimulatedClock;
use stationkeeper_pipeline::ingest::{Delivery, Ingest};
use stationkeeper_pipeline::memory::MemoryBucket;
use stationkeeper_pipeline::plan::Judging;
use stationkeeper_pipeline::planner::{Planned, plan_notifications};
use stationkeeper_rules::notify::{Silence, SilenceId};
use stationkeeper_rules::{
    Alert, Channel, LabSettings, Language, Message, NewsEvent, NotificationSettings, Receiver, Route, Rule, Settings,
    Severity, TimeZone,
};
use stationkeeper_simulator::HeartbeatBuilder;
use stationkeeper_store::{AlertFilter, Author, CatalogEntry, HostStatus, Store, StoreOptions};
use stationkeeper_telemetry::{HostName, Limits, ObjectKey, ObjectKind};
use stationkeeper_tests::conservation::{Conservation, accepted_by_memory};
use stationkeeper_tests::database::{Database, Kind};

/// `10:03:01` of the day that all stories play on.
pub fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-24T{time}Z").parse().unwrap()
}

pub fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

pub fn receiver() -> Receiver {
    Receiver {
        channel: Channel::Email { to: vec!["ops@example.org".to_owned()] },
        language: Language::En,
        quiet_hours: None,
    }
}

pub fn route(receiver: &str) -> Route {
    Route { receiver: receiver.to_owned(), rules: Vec::new(), severity: None, labs: Vec::new(), people: Vec::new() }
}

/// `ops` hears everything, `dean` of what is critical.
pub fn settings() -> Settings {
    let receivers = [("ops".to_owned(), receiver()), ("dean".to_owned(), receiver())].into();
    let dean = Route { severity: Some(Severity::Critical), ..route("dean") };
    let notifications = NotificationSettings { receivers, routes: vec![route("ops"), dean], ..Default::default() };
    let madrid = LabSettings { time_zone: TimeZone::parse("Europe/Madrid").unwrap(), ..LabSettings::default() };
    Settings { notifications, labs: [("redes".to_owned(), madrid)].into(), ..Settings::default() }
}

/// See the module.
pub struct World {
    pub store: Store,
    pub settings: Settings,
    pub url: String,
    ingest: Ingest<Arc<MemoryBucket>, Arc<SimulatedClock>>,
    objects: Arc<MemoryBucket>,
    clock: Arc<SimulatedClock>,
    told: usize,
    /// Gone last.
    database: Option<Database>,
}

impl World {
    /// Stations of the laboratories `redes` (LAB-…) and `optics` (OPT-…), which is heard all the time.
    pub async fn with(kind: Kind, stations: u32) -> Self {
        let database = tokio::task::spawn_blocking(move || Database::new(kind)).await.unwrap();
        let url = database.url();
        let store = open(&url).await;
        store.migrate().await.unwrap();
        let settings = settings();
        store.apply_settings(&settings).await.unwrap();
        let names = (0..stations).map(|number| (station(number), "redes")).chain([("OPT-01".to_owned(), "optics")]);
        let entries: Vec<_> = names
            .map(|(name, lab)| CatalogEntry {
                host: host(&name),
                lab: Some(lab.to_owned()),
                address: None,
                mac: None,
                status: HostStatus::Active,
                created_at: at("00:00:00"),
            })
            .collect();
        let mut work = store.begin().await.unwrap();
        work.states().save_catalog(&entries).await.unwrap();
        work.commit().await.unwrap();
        let (objects, clock) = (Arc::new(MemoryBucket::default()), Arc::new(SimulatedClock::at(at("00:00:00"))));
        let ingest = Ingest::new(objects.clone(), store.clone(), clock.clone(), Limits::default(), Judging::default());
        Self { store, settings, url, ingest, objects, clock, told: 0, database: Some(database) }
    }

    /// Heartbeats of these stations, uploaded and taken now; `!` before a name: not ready, and `!!`: for one reason more.
    pub async fn beat(&mut self, names: &[String], now: DateTime<Utc>) {
        self.clock.advance_to(now);
        let mut deliveries = Vec::new();
        for name in names {
            let complaints = name.chars().take_while(|sign| *sign == '!').count();
            let name = &name[complaints..];
            let heartbeat = HeartbeatBuilder::new(name, now);
            let issues = ["Sleep timeout is not disabled", "FMU executor is not running"].into_iter().take(complaints);
            let body = if complaints == 0 { heartbeat } else { heartbeat.unready(issues) }.bytes();
            let key = ObjectKey::latest(&host(name), ObjectKind::Heartbeat).into_string();
            let body = self.objects.put(&key, body.into(), now);
            deliveries.push(Delivery { id: name.to_owned(), body });
        }
        let report = self.ingest.batch(&deliveries).await;
        assert!(report.failed.is_empty(), "{report:?}");
    }

    /// Time passes in steps of ten seconds. These stations (and OPT-01) beat every minute, one after the other within its first half;
    /// everything is checked and planned at every step.
    pub async fn pass(&mut self, from: &str, until: &str, beating: &[String]) {
        let mut now = at(from);
        while now < at(until) {
            let step = usize::try_from(now.timestamp() % 60 / 10).unwrap();
            let mut names: Vec<_> = beating
                .iter()
                .enumerate()
                .filter(|(place, _)| place % 3 == step)
                .map(|(_, name)| name.clone())
                .collect();
            names.extend((step == 5).then(|| "OPT-01".to_owned()));
            self.beat(&names, now).await;
            self.clock.advance_to(now);
            self.ingest.check_overdue().await.unwrap();
            self.plan(now).await;
            now += TimeDelta::seconds(10);
        }
    }

    pub fn clock(&self) -> Arc<SimulatedClock> {
        self.clock.clone()
    }

    pub async fn plan(&self, now: DateTime<Utc>) -> Planned {
        plan_notifications(&self.store, &self.settings, now).await.unwrap()
    }

    /// Whatever people heard since the last time, as [`shown`].
    pub async fn heard(&mut self) -> Vec<String> {
        let messages = self.messages().await;
        let new = messages.iter().skip(std::mem::replace(&mut self.told, messages.len()));
        new.map(shown).collect()
    }

    /// The oldest first, then by receiver.
    pub async fn messages(&self) -> Vec<Message> {
        let mut messages: Vec<_> =
            self.store.notifications(None, 10_000).await.unwrap().into_iter().map(|row| row.message).collect();
        messages.sort_by(|one, other| (one.made_at, &one.receiver).cmp(&(other.made_at, &other.receiver)));
        messages
    }

    pub async fn alert(&self, rule: Rule) -> Alert {
        let filter = AlertFilter { rules: vec![rule], ..AlertFilter::default() };
        self.store.alerts(&filter, None, 1).await.unwrap().remove(0)
    }

    pub async fn take(&self, rule: Rule, now: &str, until: Option<&str>) {
        let author = Author::of_command_line(Some("ana"));
        let taking = Taking { author: &author, note: Some("on my way"), until: until.map(at) };
        acknowledge(&self.store, &self.alert(rule).await.id, taking, at(now)).await.unwrap();
    }

    pub async fn call_over(&self, rule: Rule, now: &str) {
        let author = Author::of_command_line(Some("ana"));
        let resolving = Resolving { author: &author, note: Some("the cable was loose") };
        resolve(&self.store, &self.alert(rule).await.id, resolving, at(now)).await.unwrap();
    }

    pub async fn end_silence(&self, id: &SilenceId, now: &str) -> bool {
        end_silence(&self.store, id, &Author::of_command_line(Some("ana")), at(now)).await.unwrap()
    }

    /// A silence of `redes`; without `until` it waits for the resolution.
    pub async fn silence(&self, from: &str, until: Option<&str>) -> Silence {
        let asked = AskedSilence {
            lab: Some("redes".to_owned()),
            until: until.map(at),
            reason: "cleaning".to_owned(),
            ..AskedSilence::default()
        };
        set_silence(&self.store, asked, &Author::of_command_line(Some("ana")), at(from)).await.unwrap()
    }

    /// Nothing is lost, nothing is double; and the end.
    pub async fn end(mut self) {
        Conservation::of(&self.url).accepted(accepted_by_memory(&self.objects)).holds().await;
        self.store.close().await;
        let database = self.database.take();
        tokio::task::spawn_blocking(move || drop(database)).await.unwrap();
    }
}

pub async fn open(url: &str) -> Store {
    Store::open(url, StoreOptions { connections: 2, ..StoreOptions::default() }).await.unwrap()
}

/// `LAB-07`.
pub fn station(number: u32) -> String {
    format!("LAB-{number:02}")
}

pub fn stations(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(station).collect()
}

/// `10:01:30 problem to ops: not_ready+LAB-01 …`: `+` opened, `-` resolved, `*` flapping, `!` still open.
pub fn shown(message: &Message) -> String {
    let news = message.news.iter().map(|news| {
        let sign = match news.event {
            NewsEvent::Opened => '+',
            NewsEvent::StillOpen => '!',
            NewsEvent::Flapping => '*',
            NewsEvent::Resolved => '-',
        };
        format!("{}{sign}{}", news.problem.rule, news.problem.host.as_ref().unwrap())
    });
    let (at, kind) = (message.made_at.format("%H:%M:%S"), message.kind.as_str());
    format!("{at} {kind} to {}: {}", message.receiver, news.collect::<Vec<_>>().join(" "))
}
