//! The older service: hosts that are read one after the other, wakes that answer when they are over, a flag of local mode.
//!
//! Its stream of events is not used: it takes one of the service's four threads a host.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use stationkeeper_api::{ActionKind, ActionState, ActionView};
use stationkeeper_telemetry::{HostName, Limits, normalize_heartbeat};
use stationkeeper_tray_view::{Link, Mode, PolledHost, World, limited_stations};
use tokio::sync::{Notify, watch};

use crate::api::OLD_WAKE;
use crate::{Api, ClientError};

/// A host is read at most so often.
pub const POLL_APART: TimeDelta = TimeDelta::seconds(60);
/// Its list changes seldom.
const LIST_APART: TimeDelta = TimeDelta::seconds(60);
/// A station that does not answer keeps one of its threads for as long as WinRM waits.
const POLL_ANSWER: Duration = Duration::from_secs(120);

/// What is known of its hosts, and what was asked for.
#[derive(Debug)]
pub struct Limited {
    api: Api,
    state: Mutex<State>,
    changed: Notify,
    wakes: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    hosts: Vec<Polled>,
    wakes: Vec<ActionView>,
    listed_at: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct Polled {
    known: PolledHost,
    polled_at: Option<DateTime<Utc>>,
}

impl Limited {
    pub(crate) fn new(api: Api) -> Self {
        Self { api, state: Mutex::default(), changed: Notify::new(), wakes: AtomicU64::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls in turn until the service is lost.
    pub(crate) async fn run(
        &self,
        world: &watch::Sender<World>,
        now: impl Fn() -> DateTime<Utc>,
        mut reached: impl FnMut(),
    ) -> ClientError {
        loop {
            let listed_at = self.state().listed_at;
            if listed_at.is_none_or(|at| now() - at >= LIST_APART) {
                match self.list(now()).await {
                    Ok(()) => reached(),
                    Err(error) => {
                        self.state().listed_at = None;
                        return error;
                    }
                }
                self.show(world, now());
            }
            let (due, at) = self.next(now());
            match due {
                Some(host) => {
                    let polled = tokio::select! {
                        polled = self.poll(&host, now()) => polled,
                        () = self.shown_changes(world, &now) => Ok(()),
                    };
                    if let Err(error) = polled {
                        return error;
                    }
                    self.show(world, now());
                }
                None => {
                    let wait = (at - now()).to_std().unwrap_or_default();
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.shown_changes(world, &now) => {}
                    }
                }
            }
        }
    }

    /// Shows what is asked for meanwhile, and what was while nobody waited; does not end by itself.
    async fn shown_changes(&self, world: &watch::Sender<World>, now: &impl Fn() -> DateTime<Utc>) {
        loop {
            self.changed.notified().await;
            self.show(world, now());
        }
    }

    fn show(&self, world: &watch::Sender<World>, now: DateTime<Utc>) {
        let state = self.state();
        let hosts: Vec<_> = state.hosts.iter().map(|host| host.known.clone()).collect();
        let wakes = state.wakes.clone();
        drop(state);
        world.send_modify(|world| {
            *world = World {
                mode: Mode::Limited,
                stations: limited_stations(&hosts, now),
                actions: wakes,
                ..World::nothing(Link::Reached(now))
            };
        });
    }

    async fn list(&self, now: DateTime<Utc>) -> Result<(), ClientError> {
        let answer: Value = self.api.get("api/hosts", &[]).await?;
        let listed = answer["hosts"].as_array();
        let listed = listed.ok_or_else(|| ClientError::NotAGateway("/api/hosts lists none".to_owned()))?;
        let mut state = self.state();
        let mut before = std::mem::take(&mut state.hosts);
        for entry in listed {
            let Some(host) = entry["name"].as_str().and_then(|name| HostName::parse(name).ok()) else { continue };
            let lab = entry["labs"].as_array().and_then(|labs| labs.first()).and_then(lab_name);
            let kept = before.iter().position(|one| one.known.host == host).map(|place| before.swap_remove(place));
            let polled = kept.unwrap_or(Polled {
                known: PolledHost { host, lab: None, listed_at: now, heard: None, failing_since: None, asked: None },
                polled_at: None,
            });
            state.hosts.push(Polled { known: PolledHost { lab, ..polled.known }, ..polled });
        }
        state.hosts.sort_by(|one, other| one.known.host.cmp(&other.known.host));
        state.listed_at = Some(now);
        Ok(())
    }

    /// The host that was not read for the longest time, if that is long enough ago; else when one will be, or the list.
    fn next(&self, now: DateTime<Utc>) -> (Option<HostName>, DateTime<Utc>) {
        let state = self.state();
        let first = state.hosts.iter().min_by_key(|host| host.polled_at);
        let list_at = state.listed_at.unwrap_or(now) + LIST_APART;
        match first {
            None => (None, list_at),
            Some(host) => {
                let due_at = host.polled_at.map_or(now, |at| at + POLL_APART);
                ((due_at <= now).then(|| host.known.host.clone()), due_at.min(list_at))
            }
        }
    }

    async fn poll(&self, host: &HostName, now: DateTime<Utc>) -> Result<(), ClientError> {
        if let Some(one) = self.state().hosts.iter_mut().find(|one| &one.known.host == host) {
            one.polled_at = Some(now);
        }
        let body = json!({ "host": host, "include_events": false });
        let answer: Result<Value, _> = self.api.post_once("api/heartbeat/poll", &body, POLL_ANSWER).await;
        let heard = match answer {
            Ok(answer) => {
                let bytes = serde_json::to_vec(&answer["heartbeat"]).unwrap_or_default();
                normalize_heartbeat(&bytes, Some(host), now, &Limits::default()).ok()
            }
            // The station does not answer; the service does.
            Err(ClientError::Refused { .. } | ClientError::NotAGateway(_)) => None,
            // Nor does it break the service when a station takes longer than anybody waits.
            Err(ClientError::Away(_)) if self.api.health().await.is_ok() => None,
            Err(error) => return Err(error),
        };
        if let Some(one) = self.state().hosts.iter_mut().find(|one| &one.known.host == host) {
            match heard {
                Some(snapshot) => {
                    one.known.heard = Some((snapshot, now));
                    one.known.failing_since = None;
                }
                None => one.known.failing_since = one.known.failing_since.or(Some(now)),
            }
        }
        Ok(())
    }

    /// Wakes a host: answered when it is over, shown all the while.
    ///
    /// # Errors
    /// The service refuses, or does not answer; so it is below.
    pub async fn wake(&self, host: &HostName, now: impl Fn() -> DateTime<Utc>) -> Result<bool, ClientError> {
        let number = self.wakes.fetch_add(1, Ordering::Relaxed);
        let ordered_at = now();
        let action = ActionView {
            id: format!("older-service-{number}"),
            host: host.clone(),
            kind: ActionKind::Wake,
            state: ActionState::Claimed,
            ordered_by: "person:".to_owned(),
            alert_id: None,
            reservation_id: None,
            approved_by: None,
            ordered_at: ordered_at.into(),
            not_before: ordered_at.into(),
            expires_at: (ordered_at + TimeDelta::from_std(OLD_WAKE).unwrap_or_default()).into(),
            issued_at: Some(ordered_at.into()),
            settled_at: None,
            message: None,
            output: None,
        };
        {
            let mut state = self.state();
            state.wakes.retain(|one| &one.host != host);
            state.wakes.push(action.clone());
        }
        self.changed.notify_one();
        let answer: Result<Value, _> = self.api.post_once("api/wol", &json!({ "host": host }), OLD_WAKE).await;
        let woke = answer.as_ref().is_ok_and(|answer| answer["success"] == true);
        let message = match &answer {
            Ok(answer) => answer["problem"].as_str().or(answer["error"].as_str()).map(str::to_owned),
            Err(error) => Some(error.to_string()),
        };
        let ended = ActionView {
            state: if woke { ActionState::Done } else { ActionState::Failed },
            settled_at: Some(now().into()),
            message,
            ..action
        };
        {
            let mut state = self.state();
            state.wakes.retain(|one| one.id != ended.id);
            state.wakes.push(ended);
        }
        self.changed.notify_one();
        answer.map(|_| woke)
    }

    /// Sets the flag of local mode. That it was asked for is shown until a heartbeat says what became of it.
    ///
    /// # Errors
    /// As above.
    pub async fn local_mode(&self, host: &HostName, enabled: bool, now: DateTime<Utc>) -> Result<(), ClientError> {
        let body = json!({ "host": host, "enabled": enabled });
        let _: Value = self.api.post_once("api/hosts/local-mode", &body, POLL_ANSWER).await?;
        if let Some(one) = self.state().hosts.iter_mut().find(|one| &one.known.host == host) {
            one.known.asked = Some((enabled, now));
        }
        self.changed.notify_one();
        Ok(())
    }
}

/// Numbers in the older service, names elsewhere.
fn lab_name(lab: &Value) -> Option<String> {
    match lab {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use stationkeeper_api::Language;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    #[test]
    fn each_host_has_its_turn_and_none_is_read_twice_within_a_minute() {
        let gateway = "http://127.0.0.1:9".parse().unwrap();
        let limited = Limited::new(Api::new(gateway, None, None, Language::En).unwrap());
        {
            let mut state = limited.state();
            state.listed_at = Some(at(0));
            for name in ["A", "B", "C"] {
                let host = HostName::parse(name).unwrap();
                let known =
                    PolledHost { host, lab: None, listed_at: at(0), heard: None, failing_since: None, asked: None };
                state.hosts.push(Polled { known, polled_at: None });
            }
        }
        let mut turns = Vec::new();
        for second in 0..200 {
            limited.state().listed_at = Some(at(second));
            if let (Some(host), _) = limited.next(at(second)) {
                for one in &mut limited.state().hosts {
                    if one.known.host == host {
                        one.polled_at = Some(at(second));
                    }
                }
                turns.push(format!("{second}{host}"));
            }
        }
        assert_eq!(turns.join(" "), "0A 1B 2C 60A 61B 62C 120A 121B 122C 180A 181B 182C");
    }
}
