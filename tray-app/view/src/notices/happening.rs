//! What can happen, and how it is told.

use chrono::{DateTime, Utc};
use stationkeeper_api::{ActionState, RequestKind, RequestState, StationWord};
use stationkeeper_telemetry::HostName;

use super::limits::{Allowed, Limits};
use super::{Notice, NoticeButton};
use crate::tooltip::shortened;
use crate::words::{counted, say, why};
use crate::{Command, Scene, span_text};

/// No system shows more of it.
const BODY: usize = 240;

/// Somebody was logged off here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForcedLogoffHere {
    /// When, by this PC's clock.
    pub at: DateTime<Utc>,
    user: Option<String>,
    message: Option<String>,
    source: Option<String>,
}

impl ForcedLogoffHere {
    /// The newest that file and gateway know of.
    pub fn latest(scene: &Scene<'_>) -> Option<Self> {
        let local = scene.local.and_then(|local| local.snapshot.last_forced_logoff.as_ref()).and_then(|last| {
            let (user, message, source) = (last.user.clone(), last.message.clone(), last.source.clone());
            Some(Self { at: last.timestamp?, user, message, source })
        });
        let told = scene.own_station().and_then(|own| own.last_forced_logoff.as_ref()).and_then(|last| {
            let (user, message, source) = (last.user.clone(), last.message.clone(), last.source.clone());
            Some(Self { at: last.timestamp?.0, user, message, source })
        });
        local.into_iter().chain(told).max_by_key(|one| one.at)
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happening {
    /// A station went down.
    Down { host: HostName },
    /// It is well again.
    Recovered { host: HostName },
    /// A reservation that is near may not begin in time.
    AtRisk { host: HostName, reservation_id: String },
    /// Somebody was logged off on this PC.
    ForcedLogoff { host: HostName, logoff: ForcedLogoffHere },
    /// The person's wake is over.
    Wake { host: HostName, id: String },
    /// The person's request was answered.
    Answer { host: HostName, id: String },
}

impl Happening {
    pub fn host(&self) -> &HostName {
        match self {
            Self::Down { host }
            | Self::Recovered { host }
            | Self::AtRisk { host, .. }
            | Self::ForcedLogoff { host, .. }
            | Self::Wake { host, .. }
            | Self::Answer { host, .. } => host,
        }
    }

    /// What passed while it waited is not told.
    pub fn still_holds(&self, scene: &Scene<'_>) -> bool {
        let word = scene.world.station(self.host()).map(|station| station.state);
        match self {
            Self::Down { .. } => word == Some(StationWord::Down),
            Self::Recovered { .. } => word.is_some_and(|word| word != StationWord::Down),
            Self::AtRisk { reservation_id, .. } => {
                scene.world.standing(scene.now).any(|one| &one.id == reservation_id && super::is_at_risk(scene, one))
            }
            Self::ForcedLogoff { .. } | Self::Wake { .. } | Self::Answer { .. } => true,
        }
    }

    fn notice(&self, scene: &Scene<'_>) -> Notice {
        let language = scene.language;
        let host = self.host().as_str();
        let show = Command::Show(self.host().clone());
        let button = |command: Command, key: &str| NoticeButton { command, text: say(language, key, &[]) };
        let mut buttons = vec![button(show.clone(), "show")];
        let (id, title, body) = match self {
            Self::Down { .. } => {
                buttons.push(button(Command::Pause(crate::PauseLength::Hour), "mute_hour"));
                let title = say(language, "went_down", &[("host", host)]);
                (format!("down:{host}"), title, self.down_body(scene))
            }
            Self::Recovered { .. } => {
                let title = say(language, "recovered", &[("host", host)]);
                (format!("down:{host}"), title, String::new())
            }
            Self::AtRisk { reservation_id, .. } => {
                let title = say(language, "at_risk", &[("reservation", reservation_id)]);
                let reservation = scene.world.reservations.iter().find(|one| &one.id == reservation_id);
                let risk = reservation.and_then(|one| one.at_risk.as_ref()?.first());
                let booked = self.down_body(scene);
                let body = risk.map_or(booked.clone(), |risk| format!("{} · {booked}", risk.text));
                (format!("risk:{reservation_id}"), title, body)
            }
            Self::ForcedLogoff { logoff, .. } => {
                let title = match &logoff.user {
                    Some(user) => say(language, "logged_off", &[("user", user)]),
                    None => say(language, "logged_off_unnamed", &[]),
                };
                // Why, in the words of whoever ordered it.
                let why = logoff.message.clone().or_else(|| {
                    logoff.source.as_ref().map(|source| say(language, "logged_off_by", &[("source", source)]))
                });
                (format!("logoff:{host}"), title, why.unwrap_or_else(|| say(language, "logged_off_unsaid", &[])))
            }
            Self::Wake { id, .. } => {
                let (title, body) = self.wake_text(scene, id);
                (format!("wake:{host}"), title, body)
            }
            Self::Answer { id, .. } => {
                let (title, body) = self.answer_text(scene, id);
                (format!("request:{host}"), title, body)
            }
        };
        Notice { id, title, body: shortened(&body, BODY), opens: show, buttons, is_urgent: false }
    }

    /// Why, and what is booked.
    fn down_body(&self, scene: &Scene<'_>) -> String {
        let (language, host) = (scene.language, self.host());
        let station = scene.world.station(host);
        let why = station.and_then(|station| why(language, station, scene.zones));
        let next = scene.world.next_of(host, scene.now).map(|next| {
            let time = scene.zones.moment(next.lab.as_deref(), next.start_at.0, scene.now);
            say(language, "booked_at", &[("host", host.as_str()), ("time", &time)])
        });
        why.into_iter().chain(next).collect::<Vec<_>>().join(" · ")
    }

    fn wake_text(&self, scene: &Scene<'_>, id: &str) -> (String, String) {
        let (language, host) = (scene.language, self.host().as_str());
        let wake = scene.world.actions.iter().find(|one| one.id == id);
        let took = wake.and_then(|wake| Some(span_text(wake.settled_at?.0 - wake.ordered_at.0)));
        match wake.filter(|wake| wake.state == ActionState::Done) {
            Some(_) => {
                let body = took.map(|took| say(language, "woke_in", &[("span", &took)])).unwrap_or_default();
                (say(language, "woke", &[("host", host)]), body)
            }
            None => {
                let why = wake.and_then(|wake| wake.message.clone());
                let body = why.unwrap_or_else(|| say(language, "wake_without_end", &[]));
                (say(language, "not_woken", &[("host", host)]), body)
            }
        }
    }

    fn answer_text(&self, scene: &Scene<'_>, id: &str) -> (String, String) {
        let language = scene.language;
        let Some(request) = scene.world.requests.iter().find(|one| one.id == id) else {
            return (say(language, "answered", &[]), String::new());
        };
        let until = request.until.map(|at| scene.zones.moment(None, at.0, scene.now)).unwrap_or_default();
        let title = match (request.kind, request.state) {
            (RequestKind::MoreTime, RequestState::Granted) => say(language, "more_time_granted", &[("until", &until)]),
            (RequestKind::MoreTime, RequestState::Refused) => {
                say(language, "more_time_refused", &[("by", request.answered_by.as_deref().unwrap_or_default())])
            }
            (RequestKind::MoreTime, RequestState::Expired) => say(language, "more_time_expired", &[]),
            _ => say(language, "answered", &[]),
        };
        (title, request.note.clone().unwrap_or_default())
    }
}

/// What the limits let through, in words; it counts.
pub(super) fn tell(scene: &Scene<'_>, allowed: Allowed, limits: &mut Limits) -> Vec<Notice> {
    match allowed {
        Allowed::Each(happened) => happened
            .iter()
            .map(|one| {
                limits.count([one.host()], scene.now);
                one.notice(scene)
            })
            .collect(),
        Allowed::Together(happened) => {
            limits.count(happened.iter().map(Happening::host), scene.now);
            vec![together(scene, &happened)]
        }
    }
}

fn together(scene: &Scene<'_>, happened: &[Happening]) -> Notice {
    let all_down = happened.iter().all(|one| matches!(one, Happening::Down { .. }));
    let (title, parts): (_, Vec<_>) = match all_down {
        true => (
            counted(scene.language, "station_went_down", "stations_went_down", happened.len()),
            happened.iter().map(|one| one.host().to_string()).collect(),
        ),
        false => (
            counted(scene.language, "one_happened", "several_happened", happened.len()),
            happened.iter().map(|one| one.notice(scene).title).collect(),
        ),
    };
    let text = say(scene.language, "show", &[]);
    Notice {
        id: "several".to_owned(),
        title,
        body: shortened(&parts.join(" · "), BODY),
        opens: Command::Open,
        buttons: vec![NoticeButton { command: Command::Open, text }],
        is_urgent: false,
    }
}
