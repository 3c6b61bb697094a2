//! An outbox, its receivers and a clock that is set by hand. It hides wiring, never meaning.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use stationkeeper_notifier::{Channels, Connections};
use stationkeeper_pipeline::clock::{Clock, SimulatedClock, SystemClock};
use stationkeeper_pipeline::deliver::{DeliveryReport, Notifier, deliver};
use stationkeeper_rules::{
    AlertId, Cause, Channel, Language, Message, MessageId, MessageKind, News, NewsEvent, NotificationSettings, Problem,
    Receiver, Rule, Severity,
};
use stationkeeper_store::{Notification, NotificationState, Store, StoreOptions};
use stationkeeper_telemetry::HostName;
use stationkeeper_tests::database::{Database, Kind};
use tokio::time::Instant;

pub fn start() -> DateTime<Utc> {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

/// News of a station for a receiver; another number, another message.
pub fn message(receiver: &str, number: u32) -> Message {
    let at = start() + TimeDelta::milliseconds(i64::from(number));
    let problem = Problem {
        alert_id: AlertId(format!("alert-{number}")),
        rule: Rule::HeartbeatMissing,
        severity: Severity::Critical,
        host: HostName::parse("LAB-01").ok(),
        reservation_id: None,
        opened_at: at,
        cause: Cause::LookFailed { error: "<!channel> & <b>nobody</b>".to_owned() },
        acknowledged_by: None,
    };
    let news = News { event: NewsEvent::Opened, at, cause: problem.cause.clone(), problem: problem.clone() };
    Message {
        id: MessageId::derive(receiver, MessageKind::Problem, [(&problem.alert_id, news.event, at)]),
        receiver: receiver.to_owned(),
        kind: MessageKind::Problem,
        lab: Some("electronics".to_owned()),
        made_at: start(),
        news: vec![news],
        current: vec![problem],
    }
}

pub fn by_mail(to: &[&str]) -> Channel {
    Channel::Email { to: to.iter().map(|&to| to.to_owned()).collect() }
}

/// See the module.
pub struct World {
    pub store: Store,
    pub settings: NotificationSettings,
    pub clock: Arc<SimulatedClock>,
    pub url: String,
    database: Option<Database>,
}

impl World {
    pub async fn new<const N: usize>(kind: Kind, receivers: [(&str, Channel); N]) -> Self {
        let database = tokio::task::spawn_blocking(move || Database::new(kind)).await.unwrap();
        let url = database.url();
        let store = open(&url).await;
        store.migrate().await.unwrap();
        let receivers = receivers
            .map(|(name, channel)| (name.to_owned(), Receiver { channel, language: Language::En, quiet_hours: None }));
        let settings = NotificationSettings { receivers: receivers.into(), ..NotificationSettings::default() };
        Self { store, settings, clock: Arc::new(SimulatedClock::at(start())), url, database: Some(database) }
    }

    pub async fn owe(&self, messages: &[Message]) {
        self.store.owe_notifications(messages).await.unwrap();
    }

    /// Lets so much time pass, and delivers what is due then.
    pub async fn deliver_after(&self, passed: TimeDelta, notifier: &impl Notifier) -> DeliveryReport {
        self.clock.advance_to(self.clock.now() + passed);
        deliver(&self.store, &self.settings, notifier, &self.clock, None::<Instant>).await.unwrap()
    }

    pub async fn deliver(&self, notifier: &impl Notifier) -> DeliveryReport {
        self.deliver_after(TimeDelta::zero(), notifier).await
    }

    /// The only message.
    pub async fn row(&self) -> Notification {
        let mut rows = self.store.notifications(None, 2).await.unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    pub async fn states(&self) -> Vec<NotificationState> {
        self.store.notifications(None, 1_000).await.unwrap().iter().map(|row| row.state).collect()
    }

    pub async fn close(mut self) {
        self.store.close().await;
        let database = self.database.take();
        tokio::task::spawn_blocking(move || drop(database)).await.unwrap();
    }
}

pub async fn open(url: &str) -> Store {
    Store::open(url, StoreOptions::default()).await.unwrap()
}

/// The real channels over these variables; signatures are stamped by the real clock.
pub fn channels(variables: &[(&str, String)]) -> Channels {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Channels::new(Connections::of_variables(variables).unwrap(), || SystemClock.now()).unwrap()
}
