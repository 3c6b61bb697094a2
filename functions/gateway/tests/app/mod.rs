//! The gateway on a real store in a folder of its own, with a clock that stands still.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use stationkeeper_gateway::{Gateway, GatewayOptions, QueueVitals, StationReach, Vitals, mint_token};
use stationkeeper_rules::notify::{Because, Decision, Step};
use stationkeeper_rules::{
    Actor, Alert, AlertId, AlertKey, AlertState, Cause, FoundIn, Latest, RawFormat, ReservationId, Rule, Settings,
    StateRun, StationState, StationWord, Transition,
};
use stationkeeper_store::faults::FaultPlan;
use stationkeeper_store::{
    CatalogEntry, ForcedLogoffKey, ForcedLogoffRecord, HostEventRecord, HostStatus, Labs, NewHeartbeat, ObjectVersion,
    OverdueCheck, QuarantinedObject, Store, StoreOptions, TokenGrant, TokenRole,
};
use stationkeeper_telemetry::{Details, HostEvent, HostName, Snapshot};
use tokio::sync::watch;
use tower::ServiceExt;

pub struct App {
    gateway: Gateway,
    store: Store,
    vitals: watch::Sender<Vitals>,
    pub now: DateTime<Utc>,
    /// Seconds that the clock went on since.
    passed: Arc<AtomicI64>,
    pub admin: String,
    folder: tempfile::TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub async fn of(response: axum::response::Response) -> Self {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 16 * 1024 * 1024).await.unwrap().to_vec();
        Self { status: head.status, headers: head.headers, body }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl App {
    /// With one admin token.
    pub async fn start() -> Self {
        Self::start_with(|_folder, _options| {}).await
    }

    /// With other options.
    pub async fn start_with(change: impl FnOnce(&Path, &mut GatewayOptions)) -> Self {
        let mut app = Self::without_tokens_with(change).await;
        app.admin = app.add_token("admin", TokenRole::Admin).await;
        app
    }

    pub async fn without_tokens() -> Self {
        Self::without_tokens_with(|_folder, _options| {}).await
    }

    pub async fn without_tokens_with(change: impl FnOnce(&Path, &mut GatewayOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::sqlite(&folder.path().join("stationkeeper.sqlite"), StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        let now = "2026-11-24T10:00:00Z".parse().unwrap();
        let queue = Some(QueueVitals { depth: 0, oldest_at: None, dead_letters: 0 });
        let (vitals, seen) = watch::channel(Vitals { queue, ..Vitals::unseen(now) });
        let reach = StationReach { networks: "127.0.0.0/8".parse().unwrap(), ..StationReach::default() };
        let mut options = GatewayOptions { reach, ..GatewayOptions::default() };
        change(folder.path(), &mut options);
        let passed = Arc::new(AtomicI64::new(0));
        let clock = passed.clone();
        let clock = Arc::new(move || now + TimeDelta::seconds(clock.load(Ordering::SeqCst)));
        let gateway = Gateway::new(store.clone(), seen, clock, options);
        Self { gateway, store, vitals, now, passed, admin: String::new(), folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The clock goes on.
    pub fn pass(&self, seconds: i64) {
        self.passed.fetch_add(seconds, Ordering::SeqCst);
    }

    /// The same gateway, whose database does as the plan says.
    pub fn with_faults(&self, plan: Arc<FaultPlan>) -> axum::Router {
        let now = self.now;
        let seen = self.vitals.subscribe();
        Gateway::new(self.store.with_faults(plan), seen, Arc::new(move || now), GatewayOptions::default()).router()
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub async fn add_token(&self, name: &str, role: TokenRole) -> String {
        self.add_token_of(name, role, Labs::All).await
    }

    pub async fn add_token_of(&self, name: &str, role: TokenRole, labs: Labs) -> String {
        let (token, kept) = mint_token(TokenGrant { name: name.to_owned(), role, labs }, self.now).unwrap();
        self.store.insert_token(&kept).await.unwrap();
        token
    }

    pub async fn revoke_admin(&self) {
        let id = self.store.tokens().await.unwrap()[0].token.id.clone();
        assert!(self.store.revoke_token(&id, self.now).await.unwrap());
    }

    /// A station with a heartbeat of a minute ago.
    pub async fn station(&self, host: &str, lab: Option<&str>, word: StationWord) {
        let host = HostName::parse(host).unwrap();
        let at = self.now - TimeDelta::seconds(60);
        let mut state = StationState::unheard(host.clone(), at);
        state.word = word;
        state.word_cause = None;
        state.latest = Some(Latest { snapshot: snapshot(&host, at), first_arrived_at: at });
        let entry = CatalogEntry {
            host,
            lab: lab.map(str::to_owned),
            address: None,
            mac: None,
            status: HostStatus::Active,
            created_at: at,
        };
        let mut work = self.store.begin().await.unwrap();
        work.states().save_catalog(&[entry]).await.unwrap();
        work.states().save(&[state]).await.unwrap();
        work.commit().await.unwrap();
    }

    /// Heartbeats of its history, put so long after their timestamps.
    pub async fn heartbeats(&self, host: &str, timestamps: &[DateTime<Utc>], late: TimeDelta) {
        let host = HostName::parse(host).unwrap();
        let snapshots: Vec<_> = timestamps.iter().map(|at| snapshot(&host, *at)).collect();
        let sha256 = Sha256::digest(b"{}").into();
        let heartbeats: Vec<_> = snapshots
            .iter()
            .map(|snapshot| {
                let arrived_at = snapshot.timestamp_utc + late;
                NewHeartbeat {
                    snapshot,
                    raw: b"{}",
                    sha256,
                    first_arrived_at: arrived_at,
                    arrived_at,
                    ingested_at: arrived_at,
                    reservation_id: None,
                }
            })
            .collect();
        let mut work = self.store.begin().await.unwrap();
        work.heartbeats().insert(&heartbeats, RawFormat::Zstd).await.unwrap();
        work.commit().await.unwrap();
    }

    /// States that it was in, each until the next.
    pub async fn state_runs(&self, host: &str, runs: &[(DateTime<Utc>, StationWord, Option<Cause>)]) {
        let host = HostName::parse(host).unwrap();
        let run = |(from_at, word, cause): &(DateTime<Utc>, StationWord, Option<Cause>)| StateRun {
            host: host.clone(),
            from_at: *from_at,
            to_at: None,
            word: *word,
            cause: cause.clone(),
        };
        let mut work = self.store.begin().await.unwrap();
        work.runs().append(&runs.iter().map(run).collect::<Vec<_>>()).await.unwrap();
        work.commit().await.unwrap();
    }

    /// The body of its latest heartbeat.
    pub async fn heartbeat(&self, host: &str, raw: &str) {
        let host = HostName::parse(host).unwrap();
        let snapshot = self.store.station(&host).await.unwrap().unwrap().state.latest.unwrap().snapshot;
        let heartbeat = NewHeartbeat {
            snapshot: &snapshot,
            raw: raw.as_bytes(),
            sha256: Sha256::digest(raw.as_bytes()).into(),
            first_arrived_at: self.now,
            arrived_at: self.now,
            ingested_at: self.now,
            reservation_id: None,
        };
        let mut work = self.store.begin().await.unwrap();
        work.heartbeats().insert(&[heartbeat], RawFormat::Zstd).await.unwrap();
        work.commit().await.unwrap();
    }

    /// A line of its trail.
    pub async fn host_event(&self, host: &str, user: &str) {
        let event = HostEvent {
            timestamp: self.now,
            user: Some(user.to_owned()),
            session_id: Some(3),
            grace: Some(90),
            force: Some(true),
            message: None,
            source: None,
            line: 1,
            state: None,
        };
        let record = HostEventRecord { host: HostName::parse(host).unwrap(), occurrence: 0, offset: 0, event };
        let mut work = self.store.begin().await.unwrap();
        work.host_events().insert(&[record]).await.unwrap();
        work.commit().await.unwrap();
    }

    /// What the catalog says of where it is.
    pub async fn place(&self, host: &str, address: Option<&str>, mac: Option<&str>) {
        let mut entry = self.store.station(&HostName::parse(host).unwrap()).await.unwrap().unwrap().entry;
        (entry.address, entry.mac) = (address.map(str::to_owned), mac.map(str::to_owned));
        let mut work = self.store.begin().await.unwrap();
        work.states().save_catalog(&[entry]).await.unwrap();
        work.commit().await.unwrap();
    }

    /// Its latest heartbeat says so.
    pub async fn local_mode(&self, host: &str) {
        let mut state = self.store.station(&HostName::parse(host).unwrap()).await.unwrap().unwrap().state;
        state.latest.as_mut().unwrap().snapshot.local_mode_enabled = Some(true);
        let mut work = self.store.begin().await.unwrap();
        work.states().save(&[state]).await.unwrap();
        work.commit().await.unwrap();
    }

    pub async fn open_alert(&self, rule: Rule, host: Option<&str>, cause: Cause) -> String {
        let key = AlertKey { rule, host: host.map(|host| HostName::parse(host).unwrap()), reservation_id: None };
        let id = AlertId::derive(&key, self.now);
        self.apply(Transition {
            alert_id: id.clone(),
            key,
            from: None,
            to: AlertState::Open,
            at: self.now,
            actor: Actor::Rule,
            cause,
            note: None,
            acknowledged_until: None,
        })
        .await;
        id.0
    }

    pub async fn resolve_alert(&self, id: &str) {
        let alert: Alert = self.store.alert(&AlertId(id.to_owned())).await.unwrap().unwrap().alert;
        self.apply(Transition {
            alert_id: alert.id,
            key: alert.key,
            from: Some(alert.state),
            to: AlertState::Resolved,
            at: self.now + TimeDelta::seconds(1),
            actor: Actor::Rule,
            cause: Cause::ReadyAgain,
            note: None,
            acknowledged_until: None,
        })
        .await;
    }

    async fn apply(&self, step: Transition) {
        let mut work = self.store.begin().await.unwrap();
        work.alerts().apply(std::slice::from_ref(&step)).await.unwrap();
        work.owed().append(&[step], self.now).await.unwrap();
        work.commit().await.unwrap();
    }

    /// The rules whose news are owed, and whither they moved.
    pub async fn owed(&self) -> Vec<(AlertState, Rule)> {
        let mut work = self.store.begin().await.unwrap();
        let owed = work.owed().unplanned(100).await.unwrap();
        let mut told = Vec::new();
        for news in owed.rows {
            let alert = self.store.alert(&news.step.alert_id).await.unwrap().unwrap().alert;
            told.push((news.step.to, alert.key.rule));
        }
        told
    }

    pub async fn apply_settings(&self, settings: &Settings) {
        self.store.apply_settings(settings).await.unwrap();
    }

    /// What the planner decided about the opening of an alert.
    pub async fn decided(&self, id: &str, receiver: &str, because: Because) {
        let step = Step { alert_id: AlertId(id.to_owned()), at: self.now, to: AlertState::Open };
        let decision = Decision { step, receiver: Some(receiver.to_owned()), because, decided_at: self.now };
        let mut work = self.store.begin().await.unwrap();
        work.decisions().append(&[decision]).await.unwrap();
        work.commit().await.unwrap();
    }

    pub async fn forced_logoff(&self, host: &str, user: &str, reservation: Option<&str>) {
        let key = ForcedLogoffKey {
            host: HostName::parse(host).unwrap(),
            timestamp: self.now,
            user: Some(user.to_owned()),
            session_id: Some(3),
            occurrence: 0,
        };
        let record = ForcedLogoffRecord {
            key,
            grace: Some(90),
            force: Some(true),
            message: None,
            source: Some("session-guard".to_owned()),
            reservation_id: reservation.map(|id| ReservationId(id.to_owned())),
            found_in: FoundIn::Jsonl,
        };
        let mut work = self.store.begin().await.unwrap();
        work.forced_logoffs().insert(&[record]).await.unwrap();
        work.commit().await.unwrap();
    }

    pub async fn quarantined(&self, key: &str, reason: &str) {
        let object = QuarantinedObject {
            object: ObjectVersion { key: key.to_owned(), version: "1".to_owned() },
            host: Some(HostName::parse("LAB-01").unwrap()),
            reason: reason.to_owned(),
            detail: "line 1".to_owned(),
            first_bytes: b"{".to_vec(),
            size: 1,
            arrived_at: self.now,
            quarantined_at: self.now,
            quarantine_key: None,
        };
        let mut work = self.store.begin().await.unwrap();
        work.objects().quarantine(&[object]).await.unwrap();
        work.commit().await.unwrap();
    }

    pub async fn check_ran(&self) {
        let mut work = self.store.begin().await.unwrap();
        let ran = OverdueCheck { last_run_at: Some(self.now), ..OverdueCheck::default() };
        work.overdue_check().save(&ran).await.unwrap();
        work.commit().await.unwrap();
    }

    pub fn bucket_fails(&mut self, problem: &str) {
        self.vitals.send_modify(|vitals| vitals.bucket_problem = Some(problem.to_owned()));
    }

    pub async fn close_database(&self) {
        self.store.close().await;
    }

    pub fn request(&self, method: &str, path: &str) -> Builder {
        Request::builder().method(method).uri(path)
    }

    /// An answer that goes on.
    pub async fn stream(&self, request: Builder) -> axum::response::Response {
        self.gateway.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub async fn send(&self, request: Builder) -> Answer {
        self.send_body(request, Vec::new()).await
    }

    pub async fn send_body(&self, request: Builder, body: Vec<u8>) -> Answer {
        Answer::of(self.gateway.router().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_as(Some(&self.admin), path).await
    }

    pub async fn get_as(&self, token: Option<&str>, path: &str) -> Answer {
        let mut request = self.request("GET", path);
        if let Some(token) = token {
            request = request.header("x-lab-manager-token", token);
        }
        self.send(request).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.post_as(&self.admin, path, body).await
    }

    pub async fn post_as(&self, token: &str, path: &str, body: &str) -> Answer {
        let request = self.request("POST", path).header("x-lab-manager-token", token);
        self.send_body(request, body.as_bytes().to_vec()).await
    }

    /// A form from a browser on loopback, unless `headers` say otherwise.
    pub async fn login(&self, body: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request =
            self.request("POST", "/lab-manager/login").header("content-type", "application/x-www-form-urlencoded");
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:8080");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send_body(request, body.as_bytes().to_vec()).await
    }

    /// A request over a connection from this computer.
    pub async fn local(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.request(method, path).extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000))));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }
}

fn snapshot(host: &HostName, timestamp_utc: DateTime<Utc>) -> Snapshot {
    Snapshot {
        host: host.clone(),
        timestamp_utc,
        ready: true,
        state: Some("ready".to_owned()),
        issues: Vec::new(),
        local_session_active: Some(false),
        local_mode_enabled: Some(false),
        nics: None,
        nic_issue_count: Some(0),
        sleep_compliant: Some(true),
        hibernate_compliant: Some(true),
        last_prepare: None,
        last_release: None,
        last_forced_logoff: None,
        last_power_action: None,
        last_safeguard_reboot: None,
        details: Details::default(),
    }
}
