use stationkeeper_telemetry::HostName;

use super::*;
use crate::notify::testing::at;
use crate::{
    Cause, Channel, LabSettings, Language, MessageKind, NotificationSettings, QuietHours, Receiver, Route, Rule,
    TimeOfDay,
};

/// Stations of a laboratory and who is told of them, told as a story. Its day is 2026-11-24, in UTC.
struct Story {
    settings: Settings,
    alerts: Vec<Placed>,
    owed: Vec<(Owed, DateTime<Utc>)>,
    silences: Vec<Silence>,
    hearings: Vec<Hearing>,
    decisions: Vec<Decision>,
    told: Vec<String>,
}

fn time(clock: &str) -> DateTime<Utc> {
    format!("2026-11-24T{clock}Z").parse().expect("HH:MM:SS")
}

fn receiver(quiet_hours: Option<QuietHours>) -> Receiver {
    Receiver { channel: Channel::Email { to: vec!["ops@example.org".to_owned()] }, language: Language::En, quiet_hours }
}

fn route(receiver: &str) -> Route {
    Route { receiver: receiver.to_owned(), rules: Vec::new(), severity: None, labs: Vec::new(), people: Vec::new() }
}

impl Story {
    /// `ops` is told of everything.
    fn begin() -> Self {
        let notifications = NotificationSettings {
            receivers: [("ops".to_owned(), receiver(None))].into(),
            routes: vec![route("ops")],
            ..NotificationSettings::default()
        };
        let labs = [("redes".to_owned(), LabSettings::default())].into();
        let settings = Settings { notifications, labs, ..Settings::default() };
        let (alerts, owed, silences) = (Vec::new(), Vec::new(), Vec::new());
        Self { settings, alerts, owed, silences, hearings: Vec::new(), decisions: Vec::new(), told: Vec::new() }
    }

    fn owe(&mut self, alert_id: AlertId, clock: &str, to: AlertState) {
        let step = Step { alert_id, at: time(clock), to };
        self.owed.push((Owed { step, cause: Cause::ByHand, owed_at: time(clock) }, time(clock)));
    }

    fn open(&mut self, rule: Rule, host: &str, clock: &str) -> &mut Self {
        let key = AlertKey { rule, host: Some(HostName::parse(host).expect("a host")), reservation_id: None };
        let mut placed = crate::notify::testing::placed(rule, host, "2026-11-24T00:00");
        placed.alert.id = AlertId::derive(&key, time(clock));
        (placed.alert.key, placed.alert.opened_at) = (key, time(clock));
        self.owe(placed.alert.id.clone(), clock, AlertState::Open);
        self.alerts.push(placed);
        self
    }

    fn unresolved(&mut self, rule: Rule, host: &str) -> &mut Alert {
        let is_it = |alert: &Alert| {
            alert.state != AlertState::Resolved
                && alert.key.rule == rule
                && alert.key.host.as_ref().is_some_and(|known| known.as_str() == host)
        };
        self.alerts.iter_mut().map(|placed| &mut placed.alert).find(|alert| is_it(alert)).expect("unresolved")
    }

    fn moves(&mut self, rule: Rule, host: &str, clock: &str, to: AlertState) -> &mut Self {
        let alert = self.unresolved(rule, host);
        alert.state = to;
        alert.resolved_at = (to == AlertState::Resolved).then(|| time(clock));
        alert.acknowledged_by = (to == AlertState::Acknowledged).then(|| "ana".to_owned());
        let id = alert.id.clone();
        self.owe(id, clock, to);
        self
    }

    fn resolve(&mut self, rule: Rule, host: &str, clock: &str) -> &mut Self {
        self.moves(rule, host, clock, AlertState::Resolved)
    }

    fn silence(&mut self, host: &str, span: Span) -> &mut Self {
        let asked = Silence {
            id: SilenceId(String::new()),
            host: Some(HostName::parse(host).expect("a host")),
            lab: None,
            rule: None,
            span,
            reason: "cleaning".to_owned(),
            author: "ana".to_owned(),
            created_at: time("00:00:00"),
            ended_at: None,
        };
        self.silences.push(Silence::new(asked).expect("a silence"));
        self
    }

    /// Plans at this time, if anything is to be looked at, and applies what follows.
    fn run(&mut self, clock: &str) -> &mut Self {
        self.run_at(time(clock))
    }

    fn run_at(&mut self, now: DateTime<Utc>) -> &mut Self {
        let reminders = self.hearings.iter().filter_map(|hearing| hearing.remind_at);
        if !self.owed.iter().map(|(_, look)| *look).chain(reminders).any(|look| look <= now) {
            return self;
        }
        let owed: Vec<_> = self.owed.iter().map(|(owed, _)| owed.clone()).collect();
        let standing = Standing {
            owed: &owed,
            alerts: &self.alerts,
            silences: &self.silences,
            hearings: &self.hearings,
            decisions: &self.decisions,
        };
        let plan = plan(&standing, &self.settings, now);
        assert_eq!(plan.looks.len(), owed.len());
        self.owed = plan.looks.into_iter().filter_map(|(owed, look)| Some((owed, look?))).collect();
        assert!(self.owed.iter().all(|(_, look)| *look > now), "what waits waits for later");
        for hearing in plan.hearings {
            let is_same =
                |known: &Hearing| known.step.alert_id == hearing.step.alert_id && known.receiver == hearing.receiver;
            self.hearings.retain(|known| !is_same(known));
            self.hearings.extend(Some(hearing).filter(|hearing| hearing.ended_at.is_none()));
        }
        self.decisions.extend(plan.decisions);
        self.silences.retain(|silence| !plan.ended_silences.contains(&silence.id));
        self.told.extend(plan.messages.iter().map(shown));
        let again = self.owed.iter().map(|(owed, _)| owed.clone()).collect::<Vec<_>>();
        let standing = Standing {
            owed: &again,
            alerts: &self.alerts,
            silences: &self.silences,
            hearings: &self.hearings,
            decisions: &self.decisions,
        };
        let twice = super::plan(&standing, &self.settings, now);
        assert_eq!((&twice.messages, &twice.decisions, &twice.hearings), (&vec![], &vec![], &vec![]), "once is enough");
        self
    }

    /// Plans every ten seconds, as a loop does.
    fn run_until(&mut self, from: &str, until: &str) -> &mut Self {
        let mut now = time(from);
        while now <= time(until) {
            self.run_at(now);
            now += TimeDelta::seconds(10);
        }
        self
    }

    fn tells(&mut self, expected: &[&str]) -> &mut Self {
        assert_eq!(std::mem::take(&mut self.told), expected);
        self
    }

    /// The words of what was decided last about each transition and receiver.
    fn decided(&self) -> Vec<String> {
        let mut last: BTreeMap<(DateTime<Utc>, &Step, Option<&str>), String> = BTreeMap::new();
        for decision in &self.decisions {
            let json = serde_json::to_value(&decision.because).expect("JSON");
            let code = json["code"].as_str().expect("a code").to_owned();
            last.insert((decision.step.at, &decision.step, decision.receiver.as_deref()), code);
        }
        last.into_iter()
            .map(|((at, step, receiver), code)| {
                format!("{} {} {}: {code}", at.format("%H:%M:%S"), step.to.as_str(), receiver.unwrap_or("all"))
            })
            .collect()
    }
}

/// `10:01:30 problem to ops: +LAB-01 -LAB-02`, `*` for flapping and `!` for still open.
fn shown(message: &Message) -> String {
    let news = message.news.iter().map(|news| {
        let sign = match news.event {
            NewsEvent::Opened => '+',
            NewsEvent::StillOpen => '!',
            NewsEvent::Flapping => '*',
            NewsEvent::Resolved => '-',
        };
        format!("{sign}{}", news.problem.host.as_ref().expect("a station"))
    });
    let (at, kind) = (message.made_at.format("%H:%M:%S"), message.kind.as_str());
    format!("{at} {kind} to {}: {}", message.receiver, news.collect::<Vec<_>>().join(" "))
}

const MISSING: Rule = Rule::HeartbeatMissing;
const UNREADY: Rule = Rule::NotReady;

#[test]
fn a_laboratory_that_goes_down_and_comes_back_is_two_messages_a_receiver() {
    let mut story = Story::begin();
    let notifications = &mut story.settings.notifications;
    notifications.receivers.insert("dean".to_owned(), receiver(None));
    notifications.routes.push(Route { severity: Some(Severity::Critical), ..route("dean") });
    let name = |number: u32| format!("LAB-{number:02}");
    for number in 0..30 {
        story
            .open(MISSING, &name(number), &format!("10:00:{:02}", number * 2))
            .run_at(time(&format!("10:00:{:02}", number * 2)));
    }
    story.run_until("10:01:00", "10:50:00");
    for number in 0..30 {
        let clock = format!("10:50:{:02}", 10 + number);
        story.resolve(MISSING, &name(number), &clock).run_at(time(&clock));
    }
    story.run_until("10:51:00", "13:00:00");
    let news = |sign: char| (0..30).map(|number| format!("{sign}{}", name(number))).collect::<Vec<_>>().join(" ");
    let expected = [
        format!("10:02:30 problem to dean: {}", news('+')),
        format!("10:02:30 problem to ops: {}", news('+')),
        format!("10:52:10 resolution to dean: {}", news('-')),
        format!("10:52:10 resolution to ops: {}", news('-')),
    ];
    assert_eq!(story.told, expected);
}

#[test]
fn what_is_over_before_it_is_told_is_not_told() {
    let mut story = Story::begin();
    story.open(UNREADY, "LAB-01", "10:00:00").run("10:00:00").resolve(UNREADY, "LAB-01", "10:01:00");
    story.run_until("10:01:00", "11:00:00").tells(&[]);
    assert_eq!(story.decided(), ["10:00:00 open ops: over_before", "10:01:00 resolved ops: never_heard"]);
}

#[test]
fn a_silence_holds_the_opening_and_never_the_end() {
    let noon = || Span::Once { from: time("10:30:00"), until: time("12:00:00") };
    let mut story = Story::begin();
    story.open(UNREADY, "LAB-01", "10:00:00").run_until("10:00:00", "10:30:00");
    story.tells(&["10:01:30 problem to ops: +LAB-01"]);
    story.silence("LAB-01", noon()).resolve(UNREADY, "LAB-01", "11:00:00").run_until("11:00:00", "11:02:00");
    story.tells(&["11:01:30 resolution to ops: -LAB-01"]);
    // Another opens within the silence, and is told when that has ended.
    story.open(UNREADY, "LAB-01", "11:10:00").run_until("11:10:00", "13:00:00");
    story.tells(&["12:01:30 problem to ops: +LAB-01"]);

    let mut story = Story::begin();
    story.silence("LAB-01", noon()).open(UNREADY, "LAB-01", "11:00:00").run("11:00:00");
    assert_eq!(story.decided(), ["11:00:00 open ops: silenced"]);
    story.resolve(UNREADY, "LAB-01", "11:30:00").run_until("11:30:00", "13:00:00").tells(&[]);
    assert_eq!(story.decided(), ["11:00:00 open ops: over_before", "11:30:00 resolved ops: never_heard"]);
}

#[test]
fn a_silence_until_the_resolution_ends_with_it() {
    let mut story = Story::begin();
    story.open(UNREADY, "LAB-01", "10:00:00").silence("LAB-01", Span::UntilResolved { from: time("10:00:00") });
    story.run_until("10:00:00", "15:00:00").tells(&[]);
    story.resolve(UNREADY, "LAB-01", "15:00:00").run("15:00:00").tells(&[]);
    assert_eq!(story.silences, []);
    story.open(UNREADY, "LAB-01", "16:00:00").run_until("16:00:00", "16:10:00");
    story.tells(&["16:01:30 problem to ops: +LAB-01"]);
}

#[test]
fn a_station_that_is_missing_mutes_its_other_rules_until_it_is_back() {
    let mut story = Story::begin();
    story.open(UNREADY, "LAB-01", "10:00:00").run("10:00:00").open(MISSING, "LAB-01", "10:01:00");
    story.run_until("10:01:00", "10:30:00").tells(&["10:02:30 problem to ops: +LAB-01"]);
    story.resolve(MISSING, "LAB-01", "10:30:00").run_until("10:30:00", "11:00:00");
    story.tells(&["10:31:30 problem to ops: +LAB-01 -LAB-01"]);
    let missing = &story.decisions.iter().find(|one| matches!(one.because, Because::Inhibited { .. }));
    assert!(missing.is_some(), "{:?}", story.decisions);
}

#[test]
fn quiet_hours_hold_what_is_not_critical_and_not_over() {
    let mut story = Story::begin();
    let hours = |from, to| QuietHours {
        from: TimeOfDay::parse(from).expect("a time"),
        to: TimeOfDay::parse(to).expect("a time"),
        time_zone: None,
    };
    let quiet = receiver(Some(hours("08:00", "12:00")));
    story.settings.notifications.receivers.insert("ops".to_owned(), quiet);
    story.open(UNREADY, "LAB-01", "07:00:00").run_until("07:00:00", "07:10:00");
    story.tells(&["07:01:30 problem to ops: +LAB-01"]);
    story.resolve(UNREADY, "LAB-01", "08:30:00").open(MISSING, "LAB-02", "08:30:10");
    story.open(UNREADY, "LAB-03", "08:30:20").open(UNREADY, "LAB-04", "08:30:30");
    story.run_until("08:30:30", "09:00:00").tells(&["08:31:40 problem to ops: -LAB-01 +LAB-02"]);
    story.resolve(MISSING, "LAB-02", "09:00:00").resolve(UNREADY, "LAB-04", "09:00:00");
    story.run_until("09:00:00", "15:00:00");
    story.tells(&["09:01:30 resolution to ops: -LAB-02", "12:01:30 problem to ops: +LAB-03"]);
}

#[test]
fn what_opens_and_ends_again_and_again_is_told_once_until_it_rests() {
    let mut story = Story::begin();
    for minute in [0, 4, 8, 12, 16, 20, 24] {
        story.open(UNREADY, "LAB-01", &format!("10:{minute:02}:00"));
        story.run_until(&format!("10:{minute:02}:00"), &format!("10:{:02}:50", minute + 1));
        let clock = format!("10:{:02}:00", minute + 2);
        story.resolve(UNREADY, "LAB-01", &clock).run_until(&clock, &format!("10:{:02}:50", minute + 3));
    }
    story.run_until("10:28:00", "12:00:00").tells(&[
        "10:01:30 problem to ops: +LAB-01",
        "10:03:30 resolution to ops: -LAB-01",
        "10:05:30 problem to ops: +LAB-01",
        "10:07:30 resolution to ops: -LAB-01",
        "10:09:30 problem to ops: +LAB-01",
        "10:11:30 resolution to ops: -LAB-01",
        "10:13:30 problem to ops: +LAB-01",
        "10:15:30 resolution to ops: -LAB-01",
        "10:17:30 flapping to ops: *LAB-01",
        // Three openings are within thirty minutes until 10:46.
        "10:47:30 resolution to ops: -LAB-01",
    ]);
    assert_eq!(story.hearings, []);
    let openings: Vec<_> = story.decided().into_iter().filter(|line| line.contains("open ops: flapping")).collect();
    assert_eq!(openings, ["10:20:00 open ops: flapping", "10:24:00 open ops: flapping"]);
}

#[test]
fn what_still_stands_when_it_rests_ends_as_any_other() {
    let mut story = Story::begin();
    for minute in [0, 1, 2, 3, 4] {
        story.open(UNREADY, "LAB-01", &format!("10:{minute:02}:00")).run(&format!("10:{minute:02}:00"));
        if minute < 4 {
            let clock = format!("10:{minute:02}:30");
            story.resolve(UNREADY, "LAB-01", &clock).run(&clock);
        }
    }
    story.run_until("10:04:10", "12:00:00").tells(&["10:05:30 flapping to ops: *LAB-01"]);
    story.resolve(UNREADY, "LAB-01", "12:00:00").run_until("12:00:00", "13:00:00");
    story.tells(&["12:01:30 resolution to ops: -LAB-01"]);
}

#[test]
fn whoever_heard_the_opening_hears_the_end_of_a_flapping_that_was_silenced() {
    let mut story = Story::begin();
    story.open(UNREADY, "LAB-01", "10:00:00").run_until("10:00:00", "10:02:00");
    story.tells(&["10:01:30 problem to ops: +LAB-01"]);
    story.silence("LAB-01", Span::Once { from: time("10:02:00"), until: time("20:00:00") });
    for (resolves, opens) in
        [("10:02:00", "10:02:10"), ("10:02:20", "10:02:30"), ("10:02:40", "10:02:50"), ("10:03:00", "10:03:10")]
    {
        story.resolve(UNREADY, "LAB-01", resolves).run(resolves).open(UNREADY, "LAB-01", opens).run(opens);
    }
    story.resolve(UNREADY, "LAB-01", "10:03:20").run_until("10:03:20", "12:00:00");
    story.tells(&["10:34:00 resolution to ops: -LAB-01"]);
}

#[test]
fn what_is_critical_is_told_again_until_somebody_takes_it() {
    let mut story = Story::begin();
    story.open(MISSING, "LAB-01", "10:00:00").open(MISSING, "LAB-02", "10:00:10").open(UNREADY, "LAB-03", "10:00:10");
    story
        .run_until("10:00:10", "12:00:00")
        .tells(&["10:01:40 problem to ops: +LAB-01 +LAB-02 +LAB-03", "11:01:40 reminder to ops: !LAB-01 !LAB-02"]);
    story.moves(MISSING, "LAB-01", "12:00:00", AlertState::Acknowledged);
    story.silence("LAB-02", Span::Once { from: time("13:00:00"), until: time("13:30:00") });
    story.run_until("12:00:00", "14:30:00");
    story.tells(&["12:01:40 reminder to ops: !LAB-02", "14:01:40 reminder to ops: !LAB-02"]);
    story.resolve(MISSING, "LAB-01", "14:30:00").resolve(MISSING, "LAB-02", "14:30:00");
    story.run_until("14:30:00", "18:00:00").tells(&["14:31:30 resolution to ops: -LAB-01 -LAB-02"]);
}

#[test]
fn a_reminder_that_was_missed_is_told_once() {
    let mut story = Story::begin();
    story.open(MISSING, "LAB-01", "10:00:00").run("10:00:00").run("10:01:30").run("15:10:00");
    story.tells(&["10:01:30 problem to ops: +LAB-01", "15:10:00 reminder to ops: !LAB-01"]);
    assert_eq!(story.hearings[0].remind_at, Some(time("16:01:30")));
}

#[test]
fn what_somebody_took_before_it_was_told_waits_until_it_is_open_again() {
    let mut story = Story::begin();
    story.open(UNREADY, "LAB-01", "10:00:00").run("10:00:00");
    story.moves(UNREADY, "LAB-01", "10:01:00", AlertState::Acknowledged).run_until("10:01:00", "11:00:00").tells(&[]);
    story.moves(UNREADY, "LAB-01", "11:00:00", AlertState::Open).run_until("11:00:00", "12:00:00");
    story.tells(&["11:01:30 problem to ops: +LAB-01"]);
    assert_eq!(story.decided(), ["10:00:00 open ops: opened_again", "11:00:00 open ops: message"]);
    story.moves(UNREADY, "LAB-01", "12:00:00", AlertState::Acknowledged).run("12:00:00");
    story.resolve(UNREADY, "LAB-01", "12:10:00").run_until("12:10:00", "13:00:00");
    story.tells(&["12:11:30 resolution to ops: -LAB-01"]);
}

#[test]
fn what_opens_again_is_told_again_to_whoever_heard_it() {
    let mut story = Story::begin();
    story.open(MISSING, "LAB-01", "10:00:00").run_until("10:00:00", "10:10:00");
    story.moves(MISSING, "LAB-01", "10:10:00", AlertState::Acknowledged).run("10:10:00");
    story.moves(MISSING, "LAB-01", "14:00:00", AlertState::Open).run_until("14:00:00", "15:10:00");
    story.tells(&[
        "10:01:30 problem to ops: +LAB-01",
        "14:01:30 problem to ops: +LAB-01",
        "15:01:30 reminder to ops: !LAB-01",
    ]);
}

#[test]
fn news_that_lead_to_nobody_are_planned_and_do_not_pile_up() {
    let mut story = Story::begin();
    story.settings.notifications.routes.clear();
    story.open(UNREADY, "LAB-01", "10:00:00").run("10:00:00").tells(&[]);
    assert_eq!(story.owed, []);
    assert_eq!(story.decided(), ["10:00:00 open all: no_route"]);
    // Who is added later hears of what opens from then on.
    story.settings.notifications.routes.push(route("ops"));
    story.resolve(UNREADY, "LAB-01", "10:10:00").run_until("10:10:00", "10:20:00").tells(&[]);
    assert_eq!(story.decided(), ["10:00:00 open all: no_route", "10:10:00 resolved ops: never_heard"]);
}

#[test]
fn settings_that_change_meanwhile_are_followed() {
    let mut story = Story::begin();
    let span = Span::Once { from: time("09:00:00"), until: time("11:00:00") };
    story.silence("LAB-01", span).open(UNREADY, "LAB-01", "10:00:00").open(UNREADY, "LAB-02", "10:00:00");
    story.run_until("10:00:00", "10:10:00").tells(&["10:01:30 problem to ops: +LAB-02"]);
    story.settings.notifications.routes.clear();
    story.run_until("10:10:00", "12:00:00").tells(&[]);
    story.resolve(UNREADY, "LAB-02", "12:00:00").run_until("12:00:00", "12:01:30");
    story.tells(&["12:01:30 resolution to ops: -LAB-02"]);
    story.settings.notifications.routes.push(route("ops"));
    story.open(UNREADY, "LAB-02", "13:00:00").run_until("13:00:00", "13:10:00");
    story.tells(&["13:01:30 problem to ops: +LAB-02"]);
    story.settings.notifications.receivers.clear();
    story.resolve(UNREADY, "LAB-02", "14:00:00").run_until("14:00:00", "15:00:00").tells(&[]);
    assert_eq!(story.hearings, [], "there is nobody to wait for");
    assert_eq!(story.owed, []);
}

#[test]
fn a_message_names_what_else_stands_in_the_laboratory_and_concerns_the_receiver() {
    let mut story = Story::begin();
    story.settings.notifications.routes = vec![Route { rules: vec![UNREADY], ..route("ops") }];
    story.open(UNREADY, "LAB-01", "10:00:00").open(MISSING, "LAB-02", "10:00:00").open(UNREADY, "LAB-03", "10:00:00");
    story.alerts[2].lab = Some("optics".to_owned());
    let owed: Vec<_> = story.owed.iter().map(|(owed, _)| owed.clone()).collect();
    let standing = Standing { owed: &owed, alerts: &story.alerts, silences: &[], hearings: &[], decisions: &[] };
    let mut messages = plan(&standing, &story.settings, time("10:30:00")).messages;
    messages.sort_by(|one, other| one.lab.cmp(&other.lab));
    let seen: Vec<_> = messages
        .iter()
        .map(|message| {
            let current: Vec<_> =
                message.current.iter().filter_map(|one| one.host.as_ref().map(HostName::as_str)).collect();
            (message.kind, message.lab.as_deref(), current)
        })
        .collect();
    assert_eq!(
        seen,
        [(MessageKind::Problem, Some("optics"), vec!["LAB-03"]), (MessageKind::Problem, Some("redes"), vec!["LAB-01"])]
    );
    assert_ne!(messages[0].id, messages[1].id);
    assert_eq!(at("2026-11-24T10:30"), messages[0].made_at);
}
