//! Who is told what now, what waits and for what, and what nobody is told: all of it from what stands, settings and an instant.
//!
//! An opening is muted while somebody has taken the alert, a silence speaks of it, another alert says why it is there, or the receiver
//! has quiet hours and it is not critical. What is not muted waits for what else happens in its laboratory, and is told with it. The
//! end of an alert is told, through every mute, to whoever heard that it opened, and to nobody else. What opens and ends again and
//! again is told once, and its end when it rests.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::message::{Item, message};
use super::{
    Because, Decision, Heard, Hearing, Muted, Owed, Placed, Restless, Silence, SilenceId, Span, Step, Telling,
    concerns, due_at, inhibitor, muting, quiet_until, restless, silence_of,
};
use crate::{Alert, AlertId, AlertKey, AlertState, Message, NewsEvent, Settings, Severity};

/// What waits for something that has no instant is looked at again after so long, should its end have gone unnoticed.
const LOOK_AGAIN: TimeDelta = TimeDelta::hours(1);

/// What stands when it is decided who is told what.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// News that nobody has planned yet.
    pub owed: &'a [Owed],
    /// The oldest first: the alerts of these news and of the hearings, every unresolved alert, and every alert that opened within the
    /// time that counts for flapping.
    pub alerts: &'a [Placed],
    /// Those that are not over.
    pub silences: &'a [Silence],
    /// Those that have not ended.
    pub hearings: &'a [Hearing],
    /// About the alerts of these news, in the order in which they were made.
    pub decisions: &'a [Decision],
}

/// What follows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// What is told now.
    pub messages: Vec<Message>,
    /// What is decided newly, or otherwise than before.
    pub decisions: Vec<Decision>,
    /// Hearings that are new or change.
    pub hearings: Vec<Hearing>,
    /// All the news, each with the instant at which it is looked at again; none: it is planned.
    pub looks: Vec<(Owed, Option<DateTime<Utc>>)>,
    /// Silences that waited for a resolution that has come.
    pub ended_silences: Vec<SilenceId>,
}

/// Decides.
pub fn plan(standing: &Standing<'_>, settings: &Settings, now: DateTime<Utc>) -> Plan {
    let mut planner = Planner::new(standing, settings, now);
    planner.carry_hearings();
    planner.judge_news();
    planner.tell_groups();
    planner.remind();
    planner.end_silences();
    planner.finish()
}

/// What becomes of one news for one receiver.
enum Fate {
    /// It was decided before.
    Done,
    /// It is never told.
    Untold(Because),
    /// It waits.
    Held(Because, Option<DateTime<Utc>>),
    /// It can be told.
    Ripe(NewsEvent),
}

/// News that can be told, and since when.
#[derive(Clone, Copy)]
struct Ripe {
    news: usize,
    event: NewsEvent,
    since: DateTime<Utc>,
}

/// By receiver and laboratory.
type Groups<'a, T> = BTreeMap<(&'a str, Option<&'a str>), Vec<T>>;

struct Planner<'a> {
    standing: &'a Standing<'a>,
    settings: &'a Settings,
    now: DateTime<Utc>,
    alerts: HashMap<&'a AlertId, &'a Placed>,
    unresolved: Vec<Placed>,
    muting: Vec<(&'a Silence, Muted)>,
    /// Of each kind, the oldest first.
    by_key: HashMap<&'a AlertKey, Vec<&'a Alert>>,
    /// When each last opened, of the news that are owed.
    last_opening: HashMap<&'a AlertId, DateTime<Utc>>,
    decided: HashMap<(&'a Step, Option<&'a str>), &'a Because>,
    /// About whom something was decided.
    involved: HashMap<&'a Step, Vec<&'a str>>,
    /// Who has heard of it.
    listeners: HashMap<&'a AlertId, Vec<&'a str>>,
    hearings: BTreeMap<(AlertId, String), Hearing>,
    changed: BTreeSet<(AlertId, String)>,
    ripe: Groups<'a, Ripe>,
    /// For each news: whether it waits, and until when.
    waits: Vec<Option<DateTime<Utc>>>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(standing: &'a Standing<'a>, settings: &'a Settings, now: DateTime<Utc>) -> Self {
        let mut by_key: HashMap<_, Vec<_>> = HashMap::new();
        for placed in standing.alerts {
            by_key.entry(&placed.alert.key).or_default().push(&placed.alert);
        }
        let (mut last_opening, mut involved, mut listeners) = (HashMap::new(), HashMap::new(), HashMap::new());
        for owed in standing.owed.iter().filter(|owed| owed.step.to == AlertState::Open) {
            let last = last_opening.entry(&owed.step.alert_id).or_insert(owed.step.at);
            *last = owed.step.at.max(*last);
        }
        for decision in standing.decisions {
            let of_step: &mut Vec<_> = involved.entry(&decision.step).or_default();
            of_step.extend(decision.receiver.as_deref());
        }
        for hearing in standing.hearings {
            let of_alert: &mut Vec<_> = listeners.entry(&hearing.step.alert_id).or_default();
            of_alert.push(hearing.receiver.as_str());
        }
        let is_unresolved = |placed: &&Placed| placed.alert.state != AlertState::Resolved;
        Self {
            standing,
            settings,
            now,
            alerts: standing.alerts.iter().map(|placed| (&placed.alert.id, placed)).collect(),
            unresolved: standing.alerts.iter().filter(is_unresolved).cloned().collect(),
            muting: muting(standing.silences, now),
            by_key,
            last_opening,
            involved,
            listeners,
            decided: standing
                .decisions
                .iter()
                .map(|decision| ((&decision.step, decision.receiver.as_deref()), &decision.because))
                .collect(),
            hearings: standing
                .hearings
                .iter()
                .map(|hearing| ((hearing.step.alert_id.clone(), hearing.receiver.clone()), hearing.clone()))
                .collect(),
            changed: BTreeSet::new(),
            ripe: BTreeMap::new(),
            waits: vec![None; standing.owed.len()],
            plan: Plan::default(),
        }
    }

    /// Who heard of an alert that opened again since, and flaps, has heard of the newest of its kind: that one's end is the end.
    fn carry_hearings(&mut self) {
        for hearing in self.standing.hearings {
            let Some(placed) = self.alerts.get(&hearing.step.alert_id).copied() else { continue };
            let Some(newest) = self.newest(&placed.alert.key).filter(|newest| newest.id != placed.alert.id) else {
                continue;
            };
            if self.restless(&placed.alert.key, &hearing.receiver).is_none() {
                continue;
            }
            if self.hearing(&newest.id, &hearing.receiver).is_none() {
                let step = Step { alert_id: newest.id.clone(), at: newest.opened_at, to: AlertState::Open };
                self.hear(Hearing { step, remind_at: None, ..hearing.clone() });
            }
            self.end_hearing(&placed.alert.id, &hearing.receiver);
        }
    }

    fn judge_news(&mut self) {
        for (news, owed) in self.standing.owed.iter().enumerate() {
            let Some(placed) = self.alerts.get(&owed.step.alert_id).copied() else {
                self.waits[news] = Some(self.now + LOOK_AGAIN);
                continue;
            };
            if owed.step.to == AlertState::Acknowledged {
                continue;
            }
            let receivers = self.receivers(owed, placed);
            if receivers.is_empty() {
                self.decide(&owed.step, None, Because::NoRoute);
            }
            for receiver in receivers {
                let fate = match (self.decided.get(&(&owed.step, Some(receiver))), owed.step.to) {
                    (Some(before), _) if before.telling() != Telling::Held => Fate::Done,
                    (_, AlertState::Resolved) => self.judge_end(placed, receiver),
                    (_, _) => self.judge_opening(owed, placed, receiver),
                };
                match fate {
                    Fate::Done => {}
                    Fate::Untold(because) => {
                        if because == Because::ReceiverGone {
                            self.end_hearing(&owed.step.alert_id, receiver);
                        }
                        self.decide(&owed.step, Some(receiver), because);
                    }
                    Fate::Held(because, until) => self.hold(news, receiver, because, until),
                    Fate::Ripe(event) => {
                        let since = match self.decided.get(&(&owed.step, Some(receiver))) {
                            Some(Because::Together { since, .. }) => *since,
                            Some(_) => self.now,
                            None => owed.owed_at,
                        };
                        let group = self.ripe.entry((receiver, placed.lab.as_deref())).or_default();
                        group.push(Ripe { news, event, since });
                    }
                }
            }
        }
    }

    /// Whom it concerns now, concerned when it was held, or who has heard of it.
    fn receivers(&self, owed: &'a Owed, placed: &Placed) -> BTreeSet<&'a str> {
        let settings = &self.settings.notifications;
        let by_route = settings.receivers.keys().filter(|name| concerns(settings, name, placed)).map(String::as_str);
        let held = self.involved.get(&owed.step).into_iter().flatten().copied();
        let heard = self.listeners.get(&owed.step.alert_id).into_iter().flatten().copied();
        by_route.chain(held).chain(heard).collect()
    }

    fn judge_opening(&self, owed: &Owed, placed: &Placed, receiver: &str) -> Fate {
        let alert = &placed.alert;
        if !self.settings.notifications.receivers.contains_key(receiver) {
            return Fate::Untold(Because::ReceiverGone);
        }
        if !concerns(&self.settings.notifications, receiver, placed) {
            return Fate::Untold(Because::NoRoute);
        }
        if self.last_opening.get(&owed.step.alert_id).is_some_and(|last| *last > owed.step.at) {
            return Fate::Untold(Because::OpenedAgain);
        }
        let event = match self.restless(&alert.key, receiver) {
            Some(restless) => {
                let is_newest = self.newest(&alert.key).is_some_and(|newest| newest.id == alert.id);
                let is_told = self.hearing(&alert.id, receiver).is_some_and(|known| known.heard == Heard::Flapping);
                if !is_newest || is_told {
                    return Fate::Untold(Because::Flapping { openings: restless.openings });
                }
                NewsEvent::Flapping
            }
            None if alert.state == AlertState::Resolved => return Fate::Untold(Because::OverBefore),
            None => NewsEvent::Opened,
        };
        match self.mute(placed, receiver) {
            Some((because, until)) => Fate::Held(because, until),
            None => Fate::Ripe(event),
        }
    }

    fn judge_end(&self, placed: &Placed, receiver: &str) -> Fate {
        let alert = &placed.alert;
        if !self.settings.notifications.receivers.contains_key(receiver) {
            return Fate::Untold(Because::ReceiverGone);
        }
        if let Some(restless) = self.restless(&alert.key, receiver) {
            return match self.newest(&alert.key).is_some_and(|newest| newest.id == alert.id) {
                true => Fate::Held(Because::Restless { until: restless.until }, Some(restless.until)),
                false => Fate::Untold(Because::Flapping { openings: restless.openings }),
            };
        }
        match self.hearing(&alert.id, receiver) {
            Some(_) => Fate::Ripe(NewsEvent::Resolved),
            None => Fate::Untold(Because::NeverHeard),
        }
    }

    /// Why an opening is not told now, and until when.
    fn mute(&self, placed: &Placed, receiver: &str) -> Option<(Because, Option<DateTime<Utc>>)> {
        let alert = &placed.alert;
        if alert.state == AlertState::Acknowledged {
            let until = alert.acknowledged_until;
            return Some((Because::Acknowledged { by: alert.acknowledged_by.clone(), until }, until));
        }
        if let Some((silence, muted)) = silence_of(&self.muting, placed) {
            return Some((Because::Silenced { silence: silence.id.clone(), until: muted.until }, muted.until));
        }
        if let Some(other) = inhibitor(&self.unresolved, alert) {
            return Some((Because::Inhibited { alert_id: other.id.clone(), rule: other.key.rule }, None));
        }
        let hours = self.settings.notifications.receivers.get(receiver)?.quiet_hours?;
        if alert.key.rule.severity() >= Severity::Critical {
            return None;
        }
        let until = quiet_until(hours, self.settings.time_zone(placed.lab.as_deref()), self.now)?;
        Some((Because::QuietHours { until }, Some(until)))
    }

    /// Tells the groups that are due; the others wait.
    fn tell_groups(&mut self) {
        for ((receiver, lab), group) in std::mem::take(&mut self.ripe) {
            let due = due_at(group.iter().map(|ripe| ripe.since), &self.settings.notifications);
            if let Some(due_at) = due.filter(|due_at| *due_at > self.now) {
                for ripe in group {
                    self.hold(ripe.news, receiver, Because::Together { since: ripe.since, due_at }, Some(due_at));
                }
                continue;
            }
            let items = group.iter().filter_map(|ripe| {
                let owed = &self.standing.owed[ripe.news];
                let placed = self.alerts.get(&owed.step.alert_id)?;
                Some(Item { placed, event: ripe.event, at: owed.step.at, cause: owed.cause.clone() })
            });
            let told = self.message(receiver, lab, items.collect());
            for ripe in group {
                let step = &self.standing.owed[ripe.news].step;
                self.decide(step, Some(receiver), told.clone());
                match ripe.event {
                    NewsEvent::Resolved => self.end_hearing(&step.alert_id, receiver),
                    event => self.hear(Hearing {
                        step: step.clone(),
                        receiver: receiver.to_owned(),
                        heard: if event == NewsEvent::Flapping { Heard::Flapping } else { Heard::Opened },
                        remind_at: self.first_reminder(&step.alert_id, event),
                        ended_at: None,
                    }),
                }
            }
        }
    }

    fn first_reminder(&self, alert: &AlertId, event: NewsEvent) -> Option<DateTime<Utc>> {
        let severity = self.alerts.get(alert)?.alert.key.rule.severity();
        (event == NewsEvent::Opened && severity >= Severity::Critical).then(|| self.now + self.reminder())
    }

    fn reminder(&self) -> TimeDelta {
        self.settings.notifications.reminder().max(TimeDelta::minutes(1))
    }

    /// Tells again what is critical and open still; what is muted just now is not told this time.
    fn remind(&mut self) {
        let mut groups: Groups<'a, (&'a Placed, Step, DateTime<Utc>)> = BTreeMap::new();
        for hearing in self.standing.hearings {
            let receiver = hearing.receiver.as_str();
            let Some(standing) = self.hearing(&hearing.step.alert_id, receiver).cloned() else { continue };
            let Some(due) = standing.remind_at.filter(|at| *at <= self.now) else { continue };
            let Some(placed) = self.alerts.get(&hearing.step.alert_id).copied() else { continue };
            let is_over = placed.alert.state == AlertState::Resolved;
            let passed = (self.now - due).num_seconds() / self.reminder().num_seconds().max(1);
            let next = due + self.reminder() * i32::try_from(passed + 1).unwrap_or(i32::MAX);
            self.hear(Hearing { remind_at: (!is_over).then_some(next), ..standing });
            let notifications = &self.settings.notifications;
            let opens_again = self.last_opening.get(&placed.alert.id).is_some_and(|last| *last > hearing.step.at);
            let is_told = placed.alert.state == AlertState::Open
                && !opens_again
                && notifications.receivers.contains_key(receiver)
                && concerns(notifications, receiver, placed)
                && self.mute(placed, receiver).is_none();
            if is_told {
                let group = groups.entry((receiver, placed.lab.as_deref())).or_default();
                group.push((placed, hearing.step.clone(), due));
            }
        }
        for ((receiver, lab), group) in groups {
            let items = group.iter().map(|(placed, _, due)| Item {
                placed,
                event: NewsEvent::StillOpen,
                at: *due,
                cause: placed.alert.cause.clone(),
            });
            let told = self.message(receiver, lab, items.collect());
            for (_, step, _) in &group {
                self.decide(step, Some(receiver), told.clone());
            }
        }
    }

    fn message(&mut self, receiver: &str, lab: Option<&str>, items: Vec<Item<'_>>) -> Because {
        let message = message(receiver, lab, items, &self.unresolved, &self.settings.notifications, self.now);
        let told = Because::Message { id: message.id.clone(), kind: message.kind };
        self.plan.messages.push(message);
        told
    }

    fn end_silences(&mut self) {
        for silence in self.standing.silences {
            let waits = matches!(silence.span, Span::UntilResolved { from } if from <= self.now);
            if waits && !self.unresolved.iter().any(|placed| silence.speaks_of(placed)) {
                self.plan.ended_silences.push(silence.id.clone());
            }
        }
    }

    fn finish(mut self) -> Plan {
        for (owed, wait) in self.standing.owed.iter().zip(&self.waits) {
            self.plan.looks.push((owed.clone(), *wait));
        }
        for key in &self.changed {
            self.plan.hearings.extend(self.hearings.get(key).cloned());
        }
        self.plan
    }

    fn hold(&mut self, news: usize, receiver: &str, because: Because, until: Option<DateTime<Utc>>) {
        let latest = self.now + LOOK_AGAIN;
        let look = until.unwrap_or(latest).clamp(self.now + TimeDelta::seconds(1), latest);
        let wait = &mut self.waits[news];
        *wait = Some(wait.map_or(look, |other| other.min(look)));
        self.decide(&self.standing.owed[news].step, Some(receiver), because);
    }

    /// Writes down what was not decided so before. What is told is told every time.
    fn decide(&mut self, step: &Step, receiver: Option<&str>, because: Because) {
        let is_told = because.telling() == Telling::Told;
        if !is_told && self.decided.get(&(step, receiver)).is_some_and(|before| before.is_as(&because)) {
            return;
        }
        let receiver = receiver.map(str::to_owned);
        self.plan.decisions.push(Decision { step: step.clone(), receiver, because, decided_at: self.now });
    }

    fn newest(&self, key: &AlertKey) -> Option<&'a Alert> {
        self.by_key.get(key)?.last().copied()
    }

    fn restless(&self, key: &AlertKey, receiver: &str) -> Option<Restless> {
        let alerts = self.by_key.get(key)?;
        let openings: Vec<_> = alerts.iter().map(|alert| alert.opened_at).collect();
        let is_told = alerts
            .iter()
            .any(|alert| self.hearing(&alert.id, receiver).is_some_and(|known| known.heard == Heard::Flapping));
        restless(&openings, is_told, &self.settings.notifications, self.now)
    }

    /// That of a receiver who has not heard of the end.
    fn hearing(&self, alert: &AlertId, receiver: &str) -> Option<&Hearing> {
        let known = self.hearings.get(&(alert.clone(), receiver.to_owned()))?;
        known.ended_at.is_none().then_some(known)
    }

    fn hear(&mut self, hearing: Hearing) {
        let key = (hearing.step.alert_id.clone(), hearing.receiver.clone());
        self.changed.insert(key.clone());
        self.hearings.insert(key, hearing);
    }

    fn end_hearing(&mut self, alert: &AlertId, receiver: &str) {
        if let Some(known) = self.hearing(alert, receiver).cloned() {
            self.hear(Hearing { remind_at: None, ended_at: Some(self.now), ..known });
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
