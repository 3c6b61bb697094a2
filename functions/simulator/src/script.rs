//! What happens to a station in one cycle: spans of trouble, acts at an instant, reservations. A pure function of role and cycle.

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::hostile::Breakage;
use crate::role::Role;

/// A stretch of time in which a station's script runs once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cycle {
    /// Counted from the lab's start.
    pub index: u64,
    /// True time of its start.
    pub start: DateTime<Utc>,
    /// How long it is.
    pub length: TimeDelta,
}

impl Cycle {
    /// First instant after it.
    pub fn end(&self) -> DateTime<Utc> {
        self.start + self.length
    }

    /// The instant at that part of it, in thousandths.
    fn at(&self, thousandths: i64) -> DateTime<Utc> {
        self.start + TimeDelta::seconds(self.length.num_seconds() * thousandths / 1000)
    }
}

/// What is wrong for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The PC is off.
    Down,
    /// The service loop stands still.
    Stuck,
    /// RemoteApp policy missing.
    RemoteApp,
    /// WinRM times out.
    WinRm,
    /// Autostart missing.
    Autostart,
    /// Someone else may log on remotely.
    RdpMember,
    /// Someone sits at the station.
    Session { user: String, session: &'static str, id: i64 },
    /// Someone left without logging off.
    Disconnected { user: String, id: i64 },
    /// The flag of local mode is up.
    LocalMode,
    /// The first adapter has a fault; which one changes with the number.
    Adapter(u64),
    /// Sleep timeout in seconds.
    Sleep(u32),
}

/// Trouble from one instant to another.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub trouble: Trouble,
}

/// Something done at an instant.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub at: DateTime<Utc>,
    pub what: Doing,
}

/// What is done.
#[derive(Debug, Clone)]
pub(crate) enum Doing {
    /// A session guard in the service loop, which stands still for the grace.
    Guard(Guard),
    /// The same from the command line, just as the loop collects: the heartbeat sees half of the INI.
    TornGuard(Guard),
    /// `prepare-session` in the loop.
    Prepare { user: &'static str },
    /// `release-session` in the loop, with a reboot.
    Release,
    /// A power action; whether the PC goes is another matter.
    Power { mode: &'static str, delay: i64, planned: bool },
    /// `recovery reboot-if-needed` that finds nothing to do.
    Safeguard,
    /// The panel publishes a heartbeat.
    PanelHeartbeat,
    /// The panel writes `status.json` alone.
    PanelStatus,
    /// The next heartbeat is uploaded broken.
    Break(Breakage),
    /// A reader holds the file, its replacement cannot be renamed: nothing comes until the next minute.
    LoseBeat,
}

/// A session guard.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub grace: f64,
    pub message: &'static str,
    /// User and session number.
    pub victims: Vec<(String, i64)>,
    /// A collector held the JSONL open: its lines are lost.
    pub lines_lost: bool,
}

/// From one instant to another, someone uses the station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
}

/// One cycle of a station.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    pub spans: Vec<Span>,
    /// By instant.
    pub acts: Vec<Act>,
    pub reservations: Vec<Slot>,
    /// What must raise nothing.
    pub silences: Vec<(DateTime<Utc>, &'static str)>,
}

/// Who sits at stations. Some names do not survive the INI, one not even the console.
const USERS: [&str; 6] = ["slowpoke", "Mu\u{fffd}oz", "00712", "ana.garcia", "on", "student07"];
const MESSAGES: [&str; 4] =
    ["Long grace", "La sesión termina, guarde su trabajo", "bell\u{7} esc\u{1b}[31m end", "Class is over"];

/// The script of a role. `alone`: the lab has one cycle, and no reservation of a later one can matter.
pub(crate) fn script(role: Role, cycle: &Cycle, alone: bool, has_fmu: bool, random: &mut ChaCha8Rng) -> Script {
    let mut script = Script::default();
    let odd = cycle.index % 2 == 1;
    match role {
        Role::Healthy => {
            let start = cycle.at(350);
            let end = cycle.at(750);
            script.reserve(start, end);
            script.act(start - TimeDelta::seconds(126), Doing::Prepare { user: "" });
            script.act(end + TimeDelta::seconds(240), Doing::Release);
        }
        Role::GoesDown => {
            // 72 s lose one heartbeat and keep the gap within three intervals: 71 + 72 + 25 + 12 = 180.
            script.silence(cycle.at(250), "single missed heartbeat");
            script.span(cycle.at(250), cycle.at(250) + TimeDelta::seconds(72), Trouble::Down);
            script.span(cycle.at(450), cycle.at(750), Trouble::Down);
        }
        Role::UnreadyFlaps => {
            for (from, seconds, trouble) in [(100, 70, Trouble::RemoteApp), (250, 105, Trouble::WinRm)] {
                script.silence(cycle.at(from), "unready shorter than 2 min");
                script.span(cycle.at(from), cycle.at(from) + TimeDelta::seconds(seconds), trouble);
            }
            script.span(cycle.at(400), cycle.at(560), Trouble::Autostart);
            if odd {
                script.act(cycle.at(600), Doing::Safeguard);
            }
            script.span(cycle.at(750), cycle.at(750) + TimeDelta::seconds(250), Trouble::RdpMember);
        }
        Role::LocalSession => local_session(&mut script, cycle, random),
        Role::LocalMode => {
            script.span(cycle.at(200), cycle.at(455), Trouble::LocalMode);
            script.reserve(cycle.at(500), cycle.at(700));
            script.span(cycle.at(920), cycle.at(990), Trouble::LocalMode);
            if alone {
                script.silence(cycle.at(920), "local mode after the last reservation ended");
            }
        }
        Role::StaleLogoff => {
            let guard = Guard {
                grace: 45.0,
                message: "on",
                victims: vec![("instructor".to_owned(), 2), ("1".to_owned(), 1)],
                lines_lost: false,
            };
            let torn = !alone && random.random_bool(0.3);
            script.act(cycle.at(22), if torn { Doing::TornGuard(guard) } else { Doing::Guard(guard) });
            script.reserve(cycle.at(700), cycle.at(700) + TimeDelta::minutes(10));
        }
        Role::NicDrift => script.span(cycle.at(300), cycle.at(715), Trouble::Adapter(cycle.index)),
        Role::BlockedByGuard => blocked_by_guard(&mut script, cycle, random),
        Role::SpanishWindows => {}
        Role::SleepDrift => {
            let seconds = [600, 900, 1800, 300][random.random_range(0..4)];
            script.span(cycle.at(310), cycle.at(620), Trouble::Sleep(seconds));
            script.silence(cycle.at(700), "3600 s sleep timeout is invisible to the emitter");
            script.span(cycle.at(700), cycle.at(920), Trouble::Sleep(3600));
        }
        Role::OrderedShutdown => {
            let delay = 90;
            script.act(cycle.at(400), Doing::Power { mode: "shutdown", delay, planned: true });
            script.span(cycle.at(400) + TimeDelta::seconds(delay), cycle.at(750), Trouble::Down);
        }
        Role::Hostile => {
            for number in 0..6_u64 {
                let kind = Breakage::ALL[usize::try_from(cycle.index * 6 + number).unwrap_or(0) % Breakage::ALL.len()];
                let part = 80 + 150 * i64::try_from(number).unwrap_or(0);
                script.act(cycle.at(part), Doing::Break(kind));
            }
        }
        Role::StuckLabStation => {
            let (from, to) = (cycle.at(350), cycle.at(650));
            script.span(from, to, Trouble::Stuck);
            let mut at = from + TimeDelta::seconds(100);
            while at < to {
                script.act(at, Doing::PanelStatus);
                at += TimeDelta::seconds(170);
            }
        }
        Role::ClockAhead | Role::Idle => {}
        Role::EverydayUse => everyday_use(&mut script, cycle, random),
    }
    if has_fmu {
        for part in [30, 950] {
            script.act(cycle.at(part), Doing::PanelHeartbeat);
        }
    }
    script.acts.sort_by_key(|act| act.at);
    script
}

fn local_session(script: &mut Script, cycle: &Cycle, random: &mut ChaCha8Rng) {
    let start = cycle.at(500);
    script.reserve(start, start + TimeDelta::minutes(15));
    let from = cycle.start.max(start - TimeDelta::minutes(25));
    let user = if cycle.index == 0 { "instructor" } else { USERS[random.random_range(0..USERS.len())] };
    let sits = Trouble::Session { user: user.to_owned(), session: "console", id: 1 };
    script.span(from, cycle.at(780), sits);
    let guard = Guard {
        grace: if cycle.index % 3 == 2 { 45.5 } else { 60.0 },
        message: "Class slot ends, \"save\" your work \\ now",
        victims: vec![(user.to_owned(), 1)],
        lines_lost: cycle.index > 0 && random.random_bool(0.125),
    };
    script.act(start - TimeDelta::minutes(5), Doing::Guard(guard));
    script.silence(cycle.at(800), "local session without a reservation in the lead window");
    let visitor = if cycle.index % 2 == 1 {
        Trouble::Disconnected { user: "olduser".to_owned(), id: 4 }
    } else {
        Trouble::Session { user: "visitor".to_owned(), session: "rdp-tcp#3", id: 3 }
    };
    script.span(cycle.at(800), cycle.at(900), visitor);
}

fn blocked_by_guard(script: &mut Script, cycle: &Cycle, random: &mut ChaCha8Rng) {
    let user = if cycle.index == 0 { USERS[0] } else { USERS[random.random_range(0..USERS.len())] };
    let message = if cycle.index == 0 { MESSAGES[0] } else { MESSAGES[random.random_range(0..MESSAGES.len())] };
    let sits = Trouble::Session { user: user.to_owned(), session: "rdp-tcp#12", id: 12 };
    script.span(cycle.at(200), cycle.at(590), sits);
    let grace = (cycle.length.num_seconds() / 6).clamp(30, 300);
    let victims = vec![(user.to_owned(), 12)];
    script.act(cycle.at(252), Doing::Guard(Guard { grace: grace as f64, message, victims, lines_lost: false }));
    script.act(cycle.at(603), Doing::Prepare { user: "LABUSER" });
    let sleeps = cycle.at(722);
    script.act(sleeps, Doing::Power { mode: "hibernate", delay: 1, planned: true });
    script.span(sleeps + TimeDelta::seconds(14), cycle.at(900), Trouble::Down);
    // Ordered and reported as done, yet the PC stays.
    script.act(cycle.at(932), Doing::Power { mode: "shutdown", delay: 0, planned: false });
}

/// The longest grace with which two heartbeats are still at most 165 s apart: the rest of a minute, the loop's own steps and a
/// collection come on top.
const EVERYDAY_GRACE: i64 = 88;

fn everyday_use(script: &mut Script, cycle: &Cycle, random: &mut ChaCha8Rng) {
    let (start, end) = (cycle.at(350), cycle.at(750));
    script.reserve(start, end);
    if random.random_bool(0.2) {
        let user = USERS[random.random_range(0..USERS.len())];
        let id = random.random_range(1..20);
        let sits = Trouble::Session { user: user.to_owned(), session: "console", id };
        script.span(start - TimeDelta::seconds(random.random_range(300..900)), start, sits);
        let guard = Guard {
            grace: random.random_range(30..=EVERYDAY_GRACE) as f64,
            message: MESSAGES[random.random_range(0..MESSAGES.len())],
            victims: vec![(user.to_owned(), id)],
            lines_lost: random.random_bool(0.02),
        };
        script.act(start - TimeDelta::seconds(random.random_range(150..250)), Doing::Guard(guard));
    }
    script.act(start - TimeDelta::seconds(40), Doing::Prepare { user: "" });
    script.act(end + TimeDelta::seconds(30), Doing::Release);
    if random.random_bool(0.5) {
        script.act(cycle.at(random.random_range(20..980)), Doing::PanelHeartbeat);
        script.act(cycle.at(random.random_range(20..980)), Doing::PanelStatus);
    }
    if random.random_bool(0.3) {
        // A collector that runs into its limit once.
        let from = cycle.at(random.random_range(20..900));
        script.span(from, from + TimeDelta::seconds(60), Trouble::WinRm);
    }
    if random.random_bool(0.005) {
        script.act(cycle.at(random.random_range(20..980)), Doing::LoseBeat);
    }
}

impl Script {
    fn span(&mut self, from: DateTime<Utc>, to: DateTime<Utc>, trouble: Trouble) {
        self.spans.push(Span { from, to, trouble });
    }

    fn act(&mut self, at: DateTime<Utc>, what: Doing) {
        self.acts.push(Act { at, what });
    }

    fn reserve(&mut self, start: DateTime<Utc>, end: DateTime<Utc>) {
        self.reservations.push(Slot { start, end });
    }

    fn silence(&mut self, at: DateTime<Utc>, what: &'static str) {
        self.silences.push((at, what));
    }

    /// Until when the loop cannot write, if it cannot at that instant.
    pub fn silent_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let silent =
            |span: &&Span| matches!(span.trouble, Trouble::Down | Trouble::Stuck) && span.from <= at && at < span.to;
        self.spans.iter().find(silent).map(|span| span.to)
    }

    /// Until when the PC is off, if it is at that instant.
    pub fn down_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let off = |span: &&Span| span.trouble == Trouble::Down && span.from <= at && at < span.to;
        self.spans.iter().find(off).map(|span| span.to)
    }

    /// Whoever the guard logged off is gone from that instant.
    pub fn log_off(&mut self, guard: &Guard, at: DateTime<Utc>) {
        for span in &mut self.spans {
            if let Trouble::Session { user, .. } | Trouble::Disconnected { user, .. } = &span.trouble
                && guard.victims.iter().any(|(victim, _)| victim == user)
                && span.from <= at
            {
                span.to = span.to.min(at);
            }
        }
    }
}
