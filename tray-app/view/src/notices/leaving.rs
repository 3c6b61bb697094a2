//! Whoever sits here will be asked to leave: said ten and two minutes before, whatever else was told.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Notice, NoticeButton};
use crate::window::leave_at;
use crate::words::say;
use crate::{Command, Mode, Scene, span_text};

const FIRST: TimeDelta = TimeDelta::minutes(10);
const LAST: TimeDelta = TimeDelta::minutes(2);

/// What was said: of which reservation, for which instant, and which of the two.
#[derive(Debug, Clone, Default)]
pub(super) struct LeaveSoon(BTreeSet<(String, DateTime<Utc>, TimeDelta)>);

struct Leaving {
    reservation_id: String,
    lab: Option<String>,
    start: DateTime<Utc>,
    leave: DateTime<Utc>,
}

/// The next time that somebody here is asked to leave; none: nobody is here, or nothing comes.
fn leaving(scene: &Scene<'_>) -> Option<Leaving> {
    let host = scene.own_host?;
    let here = scene
        .local
        .and_then(|local| local.snapshot.local_session_active)
        .or_else(|| scene.own_station().and_then(|station| station.local_session_active));
    // Where nothing is said of it, the app itself runs in somebody's session.
    if here == Some(false) {
        return None;
    }
    let next = scene.world.next_of(host, scene.now)?;
    Some(Leaving {
        reservation_id: next.id.clone(),
        lab: next.lab.clone(),
        start: next.start_at.0,
        leave: leave_at(scene.world, next),
    })
}

impl LeaveSoon {
    pub fn observe(&mut self, scene: &Scene<'_>) -> Option<Notice> {
        let leaving = leaving(scene)?;
        let left = leaving.leave - scene.now;
        if left <= TimeDelta::zero() || left > FIRST {
            return None;
        }
        let which = if left <= LAST { LAST } else { FIRST };
        self.0.retain(|(_, leave, _)| *leave > scene.now - FIRST);
        if !self.0.insert((leaving.reservation_id.clone(), leaving.leave, which)) {
            return None;
        }
        Some(notice(scene, &leaving, left))
    }

    /// When the next of them is due.
    pub fn next_at(&self, scene: &Scene<'_>) -> Option<DateTime<Utc>> {
        let leaving = leaving(scene)?;
        [FIRST, LAST].map(|before| leaving.leave - before).into_iter().find(|at| *at > scene.now)
    }
}

fn notice(scene: &Scene<'_>, leaving: &Leaving, left: TimeDelta) -> Notice {
    let language = scene.language;
    let lab = leaving.lab.as_deref();
    let time = |at| scene.zones.moment(lab, at, scene.now);
    let (start, leave) = (time(leaving.start), time(leaving.leave));
    let values =
        [("reservation", leaving.reservation_id.as_str()), ("start", start.as_str()), ("leave", leave.as_str())];
    let may = scene.own_station().is_some_and(|station| scene.world.may_act(station));
    // Offline they could only fail.
    let buttons = match scene.own_host {
        Some(host) if may && scene.world.mode == Mode::Full && !scene.is_offline() => vec![
            NoticeButton { command: Command::Leaving(host.clone()), text: say(language, "leaving", &[]) },
            NoticeButton { command: Command::MoreTime(host.clone()), text: say(language, "more_time", &[]) },
        ],
        _ => Vec::new(),
    };
    Notice {
        id: "leave".to_owned(),
        title: say(language, "leave_soon", &[("span", &span_text(left))]),
        body: say(language, "leave_soon_text", &values),
        opens: scene.own_host.map_or(Command::Open, |host| Command::Show(host.clone())),
        buttons,
        is_urgent: true,
    }
}
