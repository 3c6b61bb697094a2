//! Worlds for tables.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use stationkeeper_api::{ActionView, Language, RequestView, ReservationRecordView, StationView};
use stationkeeper_telemetry::{HostName, Snapshot};

use crate::{Link, LocalCard, Mode, Person, Role, Scene, Settings, World, Zones};

pub(crate) fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-24T{time}Z").parse().unwrap()
}

pub(crate) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

pub(crate) fn station(name: &str, lab: &str, state: &str) -> StationView {
    serde_json::from_value(json!({
        "host": name, "lab": lab, "state": state, "state_since": "2026-11-24T09:00:00Z",
        "issues": [], "local_users": [],
    }))
    .unwrap()
}

pub(crate) fn reservation(id: &str, host: &str, start: &str, end: &str) -> ReservationRecordView {
    let instant = |time: &str| format!("2026-11-24T{time}Z");
    serde_json::from_value(json!({
        "id": id, "host": host, "start_at": instant(start), "end_at": instant(end), "status": "confirmed",
    }))
    .unwrap()
}

pub(crate) fn wake(id: &str, host: &str, state: &str, ordered: &str, more: Value) -> ActionView {
    let mut action = json!({
        "id": id, "host": host, "kind": "wake", "state": state, "ordered_by": "person:ana",
        "ordered_at": format!("2026-11-24T{ordered}Z"), "not_before": format!("2026-11-24T{ordered}Z"),
        "expires_at": "2026-11-24T23:00:00Z",
    });
    for (name, value) in more.as_object().unwrap() {
        action[name] = value.clone();
    }
    serde_json::from_value(action).unwrap()
}

pub(crate) fn more_time(id: &str, host: &str, reservation: &str, state: &str, more: Value) -> RequestView {
    let mut request = json!({
        "id": id, "kind": "more_time", "host": host, "reservation_id": reservation, "asked_by": "ana",
        "asked_at": "2026-11-24T10:41:00Z", "minutes": 10, "state": state,
    });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    serde_json::from_value(request).unwrap()
}

pub(crate) fn snapshot(name: &str, time: &str) -> Snapshot {
    Snapshot {
        host: host(name),
        timestamp_utc: at(time),
        ready: true,
        state: None,
        issues: Vec::new(),
        local_session_active: Some(true),
        local_mode_enabled: Some(false),
        nics: None,
        nic_issue_count: None,
        sleep_compliant: None,
        hibernate_compliant: None,
        last_prepare: None,
        last_release: None,
        last_forced_logoff: None,
        last_power_action: None,
        last_safeguard_reboot: None,
        details: stationkeeper_telemetry::Details {
            local_users: vec!["profesora".to_owned()],
            ..stationkeeper_telemetry::Details::default()
        },
    }
}

/// A scene with an owner of its parts.
pub(crate) struct Stage {
    pub world: World,
    pub own_host: Option<HostName>,
    pub local: Option<LocalCard>,
    pub settings: Settings,
    pub language: Language,
    pub zones: Zones,
    pub paused_until: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
}

impl Stage {
    /// An instructor of all laboratories, live at this time.
    pub fn of(now: &str, stations: Vec<StationView>) -> Self {
        let now = at(now);
        let person = Person { name: "ana".to_owned(), role: Role::Instructor, labs: None };
        Self {
            world: World { mode: Mode::Full, person: Some(person), stations, ..World::nothing(Link::Reached(now)) },
            own_host: None,
            local: None,
            settings: Settings::default(),
            language: Language::En,
            zones: Zones::default(),
            paused_until: None,
            now,
        }
    }

    pub fn scene(&self) -> Scene<'_> {
        Scene {
            world: &self.world,
            own_host: self.own_host.as_ref(),
            local: self.local.as_ref(),
            settings: &self.settings,
            language: self.language,
            zones: &self.zones,
            paused_until: self.paused_until,
            now: self.now,
        }
    }

    pub fn at(&mut self, time: &str) -> &mut Self {
        self.now = at(time);
        if !matches!(self.world.link, Link::Away { .. }) {
            self.world.link = Link::Reached(self.now);
        }
        self
    }

    pub fn away(&mut self, since: &str) -> &mut Self {
        self.world.link = Link::Away { since: Some(at(since)), next_try_at: self.now + chrono::TimeDelta::seconds(12) };
        self
    }

    pub fn is(&mut self, name: &str, state: &str) -> &mut Self {
        let state = serde_json::from_value(json!(state)).unwrap();
        for station in &mut self.world.stations {
            if station.host.as_str() == name {
                station.state = state;
            }
        }
        self
    }

    pub fn role(&mut self, role: Role) -> &mut Self {
        self.world.person.as_mut().unwrap().role = role;
        self
    }

    pub fn is_on(&mut self, name: &str) -> &mut Self {
        self.own_host = Some(host(name));
        self.local = Some(LocalCard { snapshot: snapshot(name, "10:41:19"), written_at: at("10:41:19") });
        self
    }
}
