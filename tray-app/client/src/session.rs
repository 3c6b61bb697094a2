//! Keeps what is known of a gateway true: everything at first, then what the events name; over lost connections, restarts and sleep.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use stationkeeper_api::Instant;
use stationkeeper_telemetry::HostName;
use stationkeeper_tray_view::{Link, Mode, Person, World};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant as Moment, timeout};
use tokio_util::sync::CancellationToken;

use crate::api::refused;
use crate::backoff::chance;
use crate::limited::Limited;
use crate::pair::found;
use crate::sse::{SseEvent, SseParser};
use crate::{Api, Backoff, ClientError, Clock};

/// A tick comes every five seconds; after four that did not come, nothing does.
const SILENCE: Duration = Duration::from_secs(20);
/// Events that come within this are fetched for together.
const TOGETHER: Duration = Duration::from_millis(150);
/// More stations than these are fetched with all.
const SINGLY: usize = 8;
/// Without events it is asked so often.
const POLL: Duration = Duration::from_secs(8);
/// So many polls, then events are tried again.
const POLLS: u32 = 6;
/// A certificate or a token that is refused may be repaired at the gateway; until somebody does, it is not asked often.
const REFUSED: Duration = Duration::from_secs(300);
/// Reservations come nearer without an event, and what was missed is made up for.
const AGAIN: Duration = Duration::from_secs(600);

/// With whom, as whom.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The gateway and the token.
    pub api: Api,
    /// Whose token it is; none: the older service has no tokens of persons.
    pub person: Option<Person>,
}

/// One gateway, for as long as the app is connected to it.
pub struct Session {
    options: SessionOptions,
    clock: Clock,
    /// The gateway's clock, less ours, in milliseconds.
    ahead: AtomicI64,
    world: watch::Sender<World>,
    poke: Notify,
    limited: Limited,
}

/// What outlives a connection, so that nothing is missed between two.
#[derive(Debug, Default)]
struct Progress {
    /// The event up to which all that was told was fetched.
    last: Option<String>,
    /// Everything was fetched once.
    complete: bool,
}

/// What is to be fetched.
#[derive(Debug, Default)]
struct Stale {
    everything: bool,
    stations: BTreeSet<HostName>,
    alerts: bool,
    reservations: bool,
    actions: bool,
    requests: bool,
}

#[derive(Deserialize)]
struct Said {
    server_time: Option<Instant>,
    host: Option<HostName>,
}

impl Session {
    /// A session, and where what it knows can be watched. Nothing happens before [`run`](Self::run).
    pub fn new(options: SessionOptions, clock: Clock) -> (Self, watch::Receiver<World>) {
        let world = World { person: options.person.clone(), ..World::nothing(Link::Connecting) };
        let (world, watched) = watch::channel(world);
        let limited = Limited::new(options.api.clone());
        let (ahead, poke) = (AtomicI64::new(0), Notify::new());
        (Self { options, clock, ahead, world, poke, limited }, watched)
    }

    /// The gateway's time.
    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)() + TimeDelta::milliseconds(self.ahead.load(Ordering::Relaxed))
    }

    /// What can be asked for.
    pub fn api(&self) -> &Api {
        &self.options.api
    }

    /// The older service, where that is what answers.
    pub fn limited(&self) -> &Limited {
        &self.limited
    }

    /// Does not wait any longer: somebody asks, the network changed, or the computer woke up.
    pub fn try_now(&self) {
        self.poke.notify_one();
    }

    /// Runs until it is told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut backoff, mut progress) = (Backoff::default(), Progress::default());
        loop {
            let error = tokio::select! {
                () = stop.cancelled() => return,
                error = self.connection(&mut backoff, &mut progress) => error,
            };
            let (refused, wait) = match &error {
                ClientError::TokenRefused => (Some(Link::TokenRefused), REFUSED),
                ClientError::Certificate(_) => (Some(Link::CertificateRefused), REFUSED),
                _ => (None, backoff.next(chance())),
            };
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(error = &error as &dyn std::error::Error, wait_ms, "the gateway is away");
            let next_try_at = self.now() + TimeDelta::from_std(wait).unwrap_or_default();
            self.world.send_modify(|world| {
                world.link = refused.unwrap_or_else(|| Link::Away { since: heard_at(world.link), next_try_at });
            });
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.poke.notified() => backoff.reset(),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn connection(&self, backoff: &mut Backoff, progress: &mut Progress) -> ClientError {
        let mode = match self.api().health().await.map(|health| found(&health)) {
            Ok(Some(found)) => found.mode,
            Ok(None) => return ClientError::NotAGateway("/health is another's".to_owned()),
            Err(error) => return error,
        };
        match mode {
            Mode::Full => loop {
                if let Err(error) = self.full(backoff, progress).await {
                    return error;
                }
            },
            Mode::Limited => {
                // Nothing of what another gateway told holds here.
                *progress = Progress::default();
                self.limited.run(&self.world, || self.now(), || backoff.reset()).await
            }
        }
    }

    /// Follows the events; polls for a while where there are none.
    async fn full(&self, backoff: &mut Backoff, progress: &mut Progress) -> Result<(), ClientError> {
        match self.listen(progress.last.as_deref()).await {
            Ok(response) => {
                let mut heard = false;
                let error = self.follow(response, backoff, progress, &mut heard).await;
                // A proxy that keeps events to itself: what is asked for comes all the same.
                if heard || !matches!(error, ClientError::Away(_)) {
                    return Err(error);
                }
            }
            // No place is left, or something between takes no streams.
            Err(ClientError::Refused { .. } | ClientError::NotAGateway(_)) => {}
            Err(error) => return Err(error),
        }
        for _ in 0..POLLS {
            self.fetch(Stale { everything: true, ..Stale::default() }, progress).await?;
            backoff.reset();
            tokio::select! {
                () = self.poke.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        Ok(())
    }

    async fn listen(&self, last: Option<&str>) -> Result<Response, ClientError> {
        let mut request = self.api().request(Method::GET, "api/v1/events", &[]);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let answered = timeout(SILENCE, self.api().send(request)).await;
        let response = answered.map_err(|_elapsed| ClientError::Away("it takes too long".to_owned()))??;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(refused(status, None, &response.bytes().await.unwrap_or_default())),
        }
    }

    async fn follow(
        &self,
        mut response: Response,
        backoff: &mut Backoff,
        progress: &mut Progress,
        heard: &mut bool,
    ) -> ClientError {
        let away = |text: &str| ClientError::Away(text.to_owned());
        let (mut parser, mut stale) = (SseParser::default(), Stale::default());
        let mut seen = progress.last.clone();
        let resumes = progress.complete && progress.last.is_some();
        let mut due = (!resumes).then(Moment::now);
        stale.everything = !resumes;
        let mut again = Moment::now() + AGAIN;
        loop {
            let next = due.map_or(again, |due| due.min(again));
            tokio::select! {
                piece = timeout(SILENCE, response.chunk()) => {
                    let bytes = match piece {
                        Err(_elapsed) => return away("it says nothing any more"),
                        Ok(Err(error)) => return ClientError::of(error),
                        Ok(Ok(None)) => return away("it ended the stream"),
                        Ok(Ok(Some(bytes))) => bytes,
                    };
                    let Ok(events) = parser.take(&bytes) else { return away("its events are too long") };
                    for event in events {
                        *heard = true;
                        self.heard(&event, &mut stale, progress.complete);
                        // The id of `hello` is that of the newest: what was missed comes after it.
                        if event.kind != "hello" || !resumes {
                            seen = event.id;
                        }
                    }
                    match stale.is_empty() {
                        true => progress.last.clone_from(&seen),
                        false => due = due.or(Some(Moment::now() + TOGETHER)),
                    }
                }
                () = self.poke.notified() => {
                    stale.everything = true;
                    due = Some(Moment::now());
                }
                () = tokio::time::sleep_until(next) => {
                    stale.everything |= Moment::now() >= again;
                    again = if stale.everything { Moment::now() + AGAIN } else { again };
                    if let Err(error) = self.fetch(std::mem::take(&mut stale), progress).await {
                        return error;
                    }
                    backoff.reset();
                    progress.last.clone_from(&seen);
                    due = None;
                }
            }
        }
    }

    fn heard(&self, event: &SseEvent, stale: &mut Stale, complete: bool) {
        let said = serde_json::from_str(&event.data).unwrap_or(Said { server_time: None, host: None });
        if let Some(Instant(at)) = said.server_time {
            self.ahead.store((at - (self.clock)()).num_milliseconds(), Ordering::Relaxed);
            if complete {
                self.world.send_modify(|world| world.link = Link::Reached(at));
            }
        }
        stale.add(&event.kind, said.host);
    }

    /// Asks for what is stale, and tells all of it at once.
    async fn fetch(&self, stale: Stale, progress: &mut Progress) -> Result<(), ClientError> {
        let api = self.api();
        let everything = stale.everything;
        let all_stations = everything || stale.stations.len() > SINGLY;
        let stations = if all_stations { Some(api.stations().await?) } else { None };
        let mut single = Vec::new();
        for host in stale.stations.iter().filter(|_| !all_stations) {
            single.push((host.clone(), api.station(host).await?));
        }
        let reservations = match everything || stale.reservations {
            true => Some(api.reservations(self.now()).await?),
            false => None,
        };
        let alerts = if everything || stale.alerts { Some(api.alerts().await?) } else { None };
        let actions = if everything || stale.actions { Some(api.actions().await?) } else { None };
        let requests = if everything || stale.requests { Some(api.requests().await?) } else { None };
        let labs = if everything { Some(api.labs().await?) } else { None };
        progress.complete |= everything;
        let now = self.now();
        self.world.send_modify(|world| {
            world.mode = Mode::Full;
            world.link = Link::Reached(now);
            world.person.clone_from(&self.options.person);
            for (host, station) in single {
                world.stations.retain(|one| one.host != host);
                world.stations.extend(station);
            }
            world.stations.sort_by(|one, other| one.host.cmp(&other.host));
            world.stations = stations.unwrap_or(std::mem::take(&mut world.stations));
            world.reservations = reservations.unwrap_or(std::mem::take(&mut world.reservations));
            world.alerts = alerts.unwrap_or(std::mem::take(&mut world.alerts));
            world.actions = actions.unwrap_or(std::mem::take(&mut world.actions));
            world.requests = requests.unwrap_or(std::mem::take(&mut world.requests));
            world.labs = labs.unwrap_or(std::mem::take(&mut world.labs));
        });
        Ok(())
    }
}

impl Stale {
    /// What an event makes stale. A kind that is not known is of a newer gateway: it makes nothing stale that is shown here.
    fn add(&mut self, kind: &str, host: Option<HostName>) {
        match kind {
            "reset" => self.everything = true,
            // What becomes of a station may put its reservations at risk.
            "station" | "operation" | "reservation" => self.reservations = true,
            "alert" => (self.alerts, self.reservations) = (true, true),
            "action" => self.actions = true,
            "hold" => (self.requests, self.reservations) = (true, true),
            "request" => self.requests = true,
            _ => return,
        }
        self.stations.extend(host);
    }

    fn is_empty(&self) -> bool {
        let Self { everything, stations, alerts, reservations, actions, requests } = self;
        !everything && stations.is_empty() && !alerts && !reservations && !actions && !requests
    }
}

/// When something was heard last.
fn heard_at(link: Link) -> Option<DateTime<Utc>> {
    match link {
        Link::Reached(at) => Some(at),
        Link::Away { since, .. } => since,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_makes_stale_what_it_is_about() {
        let host = HostName::parse("LAB-WS01").ok();
        for (kind, fetched) in [
            ("station", "stations reservations"),
            ("operation", "stations reservations"),
            ("alert", "stations alerts reservations"),
            ("reservation", "stations reservations"),
            ("action", "stations actions"),
            ("hold", "stations reservations requests"),
            ("request", "stations requests"),
            ("reset", "everything stations"),
            ("tick", ""),
            ("hello", ""),
            ("something new", ""),
        ] {
            let mut stale = Stale::default();
            stale.add(kind, host.clone());
            let parts = [
                ("everything", stale.everything),
                ("stations", !stale.stations.is_empty()),
                ("alerts", stale.alerts),
                ("reservations", stale.reservations),
                ("actions", stale.actions),
                ("requests", stale.requests),
            ];
            let named: Vec<_> = parts.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
            assert_eq!(named.join(" "), fetched, "{kind}");
            assert_eq!(stale.is_empty(), fetched.is_empty(), "{kind}");
        }
    }
}
