//! What a station needs now for its reservations: nothing, a run, a word that it is left alone, or a word that it is given up.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stationkeeper_telemetry::HostName;

use super::sides::{Progress, Trail, over_at, prepared_elsewhere};
use super::{
    Action, AfterEnd, Block, Known, Operation, OperationId, OperationStatus, OrderedBy, Override, Part, Run, RunId,
    Side, Timing, WakeOptions, Work,
};
use crate::judge::seconds;
use crate::{Reservation, ReservationId};

/// A run that holds the station's lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// As it was stored when it began.
    pub run: Run,
    /// Until then whoever began it is taken to be alive.
    pub leased_until: DateTime<Utc>,
}

/// All that a decision about one station depends on.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The station.
    pub known: Known<'a>,
    /// Its reservations from lookback ago to the next ones to come, cancelled ones too.
    pub reservations: &'a [Reservation],
    /// What is recorded for them.
    pub operations: &'a [Operation],
    /// Who said that a reservation goes ahead all the same.
    pub overrides: &'a [Override],
    /// The run under the station's lease.
    pub open: Option<&'a OpenRun>,
    /// What is done after a reservation.
    pub after_end: &'a AfterEnd,
    /// When.
    pub timing: &'a Timing,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Nothing, until this instant, or until something else becomes known.
    Nothing {
        /// When time alone can change that; none: never.
        look_again_at: Option<DateTime<Utc>>,
    },
    /// This, under a new lease.
    Run(Run),
    /// Whoever held the lease is gone: what they began is ended first.
    Resume(Run),
    /// Something is due, and does not begin.
    Blocked(Blocked),
    /// Something is not tried any more.
    GaveUp(GaveUp),
}

/// What is due and does not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Of this reservation.
    pub reservation_id: ReservationId,
    /// Which side.
    pub side: Side,
    /// Why.
    pub why: Block,
    /// The row that says so; its id is the same each time.
    pub record: Operation,
    /// When time alone can change it.
    pub look_again_at: Option<DateTime<Utc>>,
}

/// What is not tried any more. Said once: the record, which is written with the alert, ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaveUp {
    /// Of this reservation.
    pub reservation_id: ReservationId,
    /// Which side.
    pub side: Side,
    /// Runs that were made.
    pub attempts: u32,
    /// The step that failed last.
    pub failed: Option<Action>,
    /// What was said of it.
    pub message: Option<String>,
    /// The row that says so.
    pub record: Operation,
}

/// A reservation whose start is to be made.
struct ToStart<'a> {
    reservation: &'a Reservation,
    number: u32,
    due_at: DateTime<Utc>,
}

/// A reservation that was prepared last, and is to be released.
struct ToEnd<'a> {
    reservation: &'a Reservation,
    over_at: DateTime<Utc>,
    number: u32,
    not_before: Option<DateTime<Utc>>,
    released: bool,
    /// Somebody else prepared it, who may be about to release it.
    elsewhere: bool,
}

/// Decides for one station. The same scene at the same instant gives the same decision, whoever asks.
pub fn plan(scene: &Scene<'_>, now: DateTime<Utc>) -> Decision {
    if let Some(open) = scene.open {
        return match open.leased_until > now {
            true => Decision::Nothing { look_again_at: Some(open.leased_until) },
            false => Decision::Resume(open.run.clone()),
        };
    }
    let ending = match ending(scene, now) {
        Ok(found) => found,
        Err(gave_up) => return Decision::GaveUp(*gave_up),
    };
    let starting = match starting(scene, ending.as_ref().map(|end| end.reservation), now) {
        Ok(found) => found,
        Err(gave_up) => return Decision::GaveUp(*gave_up),
    };
    let block = scene.known.block(now, scene.timing);
    let next = starting.iter().min_by_key(|start| (start.reservation.start_at, &start.reservation.id));
    let ready = starting.iter().find(|start| start.due_at <= now);
    let free = |reservation: &Reservation| block.is_none() || overriding(scene, reservation).is_some();
    let mut look_again: Vec<_> = starting.iter().map(|start| start.due_at).collect();

    if let Some(end) = &ending {
        let lasts_until = end.over_at.max(now);
        let neighbour = next
            .map(|next| next.reservation.start_at)
            .filter(|start| *start - lasts_until < scene.timing.lead() + scene.timing.delay());
        let due_at = match neighbour {
            Some(start) => end.over_at.max(start - scene.timing.lead()),
            // Nobody waits for whoever cancelled to leave.
            None if end.over_at < end.reservation.end_at => end.over_at,
            None if end.elsewhere => end.over_at + scene.timing.delay() + seconds(scene.timing.settle_within_seconds),
            None => end.over_at + scene.timing.delay(),
        };
        let due_at = end.not_before.map_or(due_at, |not_before| due_at.max(not_before));
        // Unless a heartbeat from after that says that nobody did.
        let unheard = end.elsewhere && neighbour.is_none() && !scene.known.heard_after(due_at);
        let startable = ready.filter(|start| free(start.reservation));
        let down = scene.known.ever_heard() && !scene.known.up(reboots_at(scene), now, scene.timing);
        match startable {
            _ if due_at > now || unheard => look_again.push(due_at),
            // The prepare cleans up what no release can reach.
            Some(_) if down => {}
            Some(start) => {
                let release = end_part(scene, end, &AfterEnd::RELEASE_ONLY, now);
                return Decision::Run(run(scene, vec![release, start_part(scene, start)]));
            }
            None if block == Some(Block::LocalMode) && !free(end.reservation) => {
                return blocked(scene, Side::End, end.reservation, Block::LocalMode, look_again, now);
            }
            None => {
                // Not under the hands of whoever sits there or comes next.
                let stays_on = neighbour.is_some() || block.is_some();
                let after_end = if stays_on { &AfterEnd::RELEASE_ONLY } else { scene.after_end };
                return Decision::Run(run(scene, vec![end_part(scene, end, after_end, now)]));
            }
        }
    }
    match (ready, &block) {
        (Some(start), Some(block)) if !free(start.reservation) => {
            blocked(scene, Side::Start, start.reservation, block.clone(), look_again, now)
        }
        (Some(start), _) => Decision::Run(run(scene, vec![start_part(scene, start)])),
        (None, _) => Decision::Nothing { look_again_at: later(look_again, now) },
    }
}

/// The reservation for which the station was prepared last, if it is still to be released.
fn ending<'a>(scene: &Scene<'a>, now: DateTime<Utc>) -> Result<Option<ToEnd<'a>>, Box<GaveUp>> {
    let prepared = |reservation: &Reservation| {
        Trail::of(reservation, scene.operations).prepared_at().max(elsewhere(scene, reservation))
    };
    let last = scene
        .reservations
        .iter()
        .filter_map(|one| Some((prepared(one)?, one)))
        .max_by_key(|(at, one)| (*at, one.start_at, &one.id));
    let Some((prepared_at, reservation)) = last else { return Ok(None) };
    if reservation.end_at < now - seconds(scene.timing.lookback_seconds) {
        return Ok(None);
    }
    let trail = Trail::of(reservation, scene.operations);
    // Somebody else has done it: another service, or a person at the station.
    if scene.known.released_at().is_some_and(|at| at > prepared_at) && !trail.released(prepared_at) {
        return Ok(None);
    }
    let over_at = over_at(reservation, now);
    let elsewhere = trail.prepared_at().is_none();
    let end = |number, not_before, released| ToEnd { reservation, over_at, number, not_before, released, elsewhere };
    match trail.end(prepared_at, scene.timing) {
        Progress::Done | Progress::GivenUp => Ok(None),
        Progress::Next { number, not_before, released } => Ok(Some(end(number, not_before, released))),
        // Who was asked to end it early and could not is not yet late.
        Progress::GiveUp { .. } if over_at > now => Ok(Some(end(0, None, false))),
        Progress::GiveUp { attempts, failed, message } => {
            Err(gave_up(scene, Side::End, reservation, attempts, failed, message, now))
        }
    }
}

fn elsewhere(scene: &Scene<'_>, reservation: &Reservation) -> Option<DateTime<Utc>> {
    prepared_elsewhere(reservation, scene.reservations, scene.operations, &scene.known, scene.timing)
}

/// The reservations whose start is to be made, and when. One that is over is not among them.
fn starting<'a>(
    scene: &Scene<'a>,
    prepared: Option<&Reservation>,
    now: DateTime<Utc>,
) -> Result<Vec<ToStart<'a>>, Box<GaveUp>> {
    let mut found = Vec::new();
    let oldest = now - seconds(scene.timing.lookback_seconds);
    let begins = |one: &&Reservation| one.is_to_come(now) && one.start_at >= oldest;
    for reservation in scene.reservations.iter().filter(begins) {
        let trail = Trail::of(reservation, scene.operations);
        let (number, not_before) = match trail.start(reservation, scene.timing) {
            _ if elsewhere(scene, reservation).is_some() => continue,
            Progress::Done | Progress::GivenUp => continue,
            Progress::GiveUp { attempts, failed, message } => {
                return Err(gave_up(scene, Side::Start, reservation, attempts, failed, message, now));
            }
            Progress::Next { number, not_before, .. } => (number, not_before),
        };
        // Never before whoever is there by right has gone, whether their start went well or not.
        let earlier = scene
            .reservations
            .iter()
            .filter(|other| other.is_to_come(now))
            .filter(|other| (other.start_at, &other.id) < (reservation.start_at, &reservation.id))
            .map(|other| other.end_at)
            .max();
        let there = prepared.filter(|other| other.id != reservation.id).map(|other| over_at(other, now));
        let due_at = [not_before, earlier, there]
            .into_iter()
            .flatten()
            .fold(reservation.start_at - scene.timing.lead(), DateTime::max);
        if due_at < reservation.end_at {
            found.push(ToStart { reservation, number, due_at });
        }
    }
    found.sort_by(|one, other| {
        (one.reservation.start_at, &one.reservation.id).cmp(&(other.reservation.start_at, &other.reservation.id))
    });
    Ok(found)
}

fn overriding<'a>(scene: &Scene<'a>, reservation: &Reservation) -> Option<&'a Override> {
    scene.overrides.iter().filter(|one| one.reservation_id == reservation.id).max_by_key(|one| one.at)
}

fn start_part(scene: &Scene<'_>, start: &ToStart<'_>) -> Part {
    let prepare = Work::Prepare { guard_grace_seconds: scene.timing.guard_grace(), arguments: Vec::new() };
    Part {
        reservation_id: start.reservation.id.clone(),
        lab: start.reservation.lab.clone(),
        side: Side::Start,
        run: RunId::Scheduled(start.number),
        work: vec![Work::Wake(WakeOptions::default()), prepare],
        begins_before: Some(start.reservation.end_at),
        overridden: overriding(scene, start.reservation).cloned(),
        remark: None,
    }
}

fn end_part(scene: &Scene<'_>, end: &ToEnd<'_>, after_end: &AfterEnd, now: DateTime<Utc>) -> Part {
    let off = scene.known.off(now).is_some();
    let release = Work::Release { reboot_timeout_seconds: after_end.reboot_timeout(), arguments: Vec::new() };
    let power = after_end.power.map(|mode| Work::Power { mode, arguments: Vec::new() });
    let work = Some(release).filter(|_| !end.released).into_iter().chain(power).filter(|_| !off).collect();
    let left_on = (after_end != scene.after_end).then_some("Released; the station stays on");
    let remark = if off { Some("The station is off: there is nothing to release") } else { left_on };
    Part {
        reservation_id: end.reservation.id.clone(),
        lab: end.reservation.lab.clone(),
        side: Side::End,
        run: RunId::Scheduled(end.number),
        work,
        begins_before: None,
        overridden: overriding(scene, end.reservation).cloned(),
        remark: remark.map(str::to_owned),
    }
}

fn run(scene: &Scene<'_>, parts: Vec<Part>) -> Run {
    let person = parts.iter().find_map(|part| part.overridden.as_ref()).map(|one| OrderedBy::Person(one.by.clone()));
    Run {
        host: scene.known.state.host.clone(),
        ordered_by: person.unwrap_or(OrderedBy::Schedule),
        heartbeat_after: reboots_at(scene).filter(|at| !scene.known.heard_after(*at)),
        parts,
    }
}

/// When what was last done to the station takes it down, if it does: what it said before then says nothing of now.
fn reboots_at(scene: &Scene<'_>) -> Option<DateTime<Utc>> {
    scene
        .operations
        .iter()
        .filter(|one| matches!(one.action, Action::Release | Action::Power(_)) && one.may_have_reached_station())
        .map(|one| one.finished_at.unwrap_or(one.started_at))
        .max()
        .map(|at| {
            at + TimeDelta::seconds(i64::from(super::timing::reboot_timeout(scene.after_end.reboot_timeout_seconds)))
        })
}

fn blocked(
    scene: &Scene<'_>,
    side: Side,
    reservation: &Reservation,
    why: Block,
    mut look_again: Vec<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Decision {
    let after = Trail::of(reservation, scene.operations).last_number(side);
    let record = verdict(scene, side, reservation, why.status(), after, why.message().to_owned(), now);
    look_again.push(reservation.end_at);
    let look_again_at = later(look_again, now);
    Decision::Blocked(Blocked { reservation_id: reservation.id.clone(), side, why, record, look_again_at })
}

fn gave_up(
    scene: &Scene<'_>,
    side: Side,
    reservation: &Reservation,
    attempts: u32,
    failed: Option<Action>,
    message: Option<String>,
    now: DateTime<Utc>,
) -> Box<GaveUp> {
    let last = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let runs = if attempts == 1 { "1 run".to_owned() } else { format!("{attempts} runs") };
    let said = format!("Given up after {runs}{last}");
    let record = verdict(scene, side, reservation, OperationStatus::GaveUp, attempts, said, now);
    Box::new(GaveUp { reservation_id: reservation.id.clone(), side, attempts, failed, message, record })
}

fn verdict(
    scene: &Scene<'_>,
    side: Side,
    reservation: &Reservation,
    status: OperationStatus,
    after: u32,
    message: String,
    now: DateTime<Utc>,
) -> Operation {
    let host: &HostName = &scene.known.state.host;
    let run = RunId::Verdict(status, after);
    Operation {
        id: OperationId::derive(&reservation.id, &run, side.closing(), 1),
        reservation_id: reservation.id.clone(),
        host: host.clone(),
        lab: reservation.lab.clone(),
        run,
        action: side.closing(),
        attempt: 1,
        status,
        success: Some(false),
        response_code: None,
        message: Some(message),
        packets: None,
        started_at: now,
        finished_at: Some(now),
        ordered_by: OrderedBy::Schedule,
    }
}

fn later(instants: Vec<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    instants.into_iter().filter(|at| *at > now).min()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
