//! The commands of Lab Station that may be run on a station, each typed. There is no other way to make a command line.

use std::time::Duration;

use crate::quoting::{Unquotable, inert, quote};
use crate::station_file::{StationPath, encoded, local_mode_script};
use crate::values::{AccountName, Grace, RebootTimeout, SentText};

/// Lab Station's program.
pub const LAB_STATION: &str = r"C:\LabStation\LabStation.exe";

/// One run of a program on a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StationCommand {
    /// `prepare-session`: whoever is logged on is logged off after a grace, the profile is cleaned.
    PrepareSession(PrepareSession),
    /// `release-session`: the lab user is logged off, the station reboots where asked. Never repeat it.
    ReleaseSession(ReleaseSession),
    /// `session guard`: a forced logoff after a grace.
    SessionGuard(SessionGuard),
    /// `power shutdown` or `power hibernate`.
    Power(Power),
    /// `recovery reboot-if-needed`. It never carries a reason: with one Lab Station reboots a healthy station too.
    RebootIfNeeded(RebootIfNeeded),
    /// `status-json`: the status document, now.
    StatusJson(StatusJson),
    /// The bytes of a file, by PowerShell.
    ReadFile(StationPath),
    /// Local mode on or off: a file that Lab Station looks for. Lab Station has no command for it.
    SetLocalMode {
        /// On.
        enabled: bool,
    },
}

/// Options of `prepare-session`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrepareSession {
    /// Whose profile; Lab Station's own lab user if there is none.
    pub user: Option<AccountName>,
    /// Time for whoever is logged on; `None`: nobody is asked to leave (`--no-guard`).
    pub guard: PrepareGuard,
}

/// Whether a local user gets time to leave before a station is prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrepareGuard {
    /// Time, words, and whether they are shown.
    Guarded {
        /// Time to leave.
        grace: Grace,
        /// What the user reads; Lab Station's own text if there is none.
        message: Option<SentText>,
        /// Nothing is shown.
        silent: bool,
    },
    /// `--no-guard`.
    Off,
}

impl Default for PrepareGuard {
    fn default() -> Self {
        Self::Guarded { grace: Grace::PREPARE, message: None, silent: false }
    }
}

/// Options of `release-session`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseSession {
    /// Whose session; Lab Station's own lab user if there is none.
    pub user: Option<AccountName>,
    /// Reboots after that time.
    pub reboot: Option<RebootTimeout>,
}

/// Options of `session guard`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionGuard {
    /// Time to leave.
    pub grace: Grace,
    /// Who is to leave; whoever is logged on if there is none.
    pub user: Option<AccountName>,
    /// What the user reads.
    pub message: Option<SentText>,
    /// Nothing is shown.
    pub silent: bool,
    /// The user is asked, not forced.
    pub soft: bool,
}

impl Default for SessionGuard {
    fn default() -> Self {
        Self { grace: Grace::GUARD, user: None, message: None, silent: false, soft: false }
    }
}

/// What `power` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PowerMode {
    /// Off.
    Shutdown,
    /// Hibernated.
    Hibernate,
}

impl PowerMode {
    /// As the command line and `power:<mode>` of an operation have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Hibernate => "hibernate",
        }
    }

    /// Of its word, in any letter case.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Shutdown, Self::Hibernate].into_iter().find(|mode| mode.word().eq_ignore_ascii_case(word))
    }
}

/// Options of `power`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Power {
    /// Which.
    pub mode: PowerMode,
    /// Seconds until it begins; Lab Station's own if there is none.
    pub delay_seconds: Option<u32>,
    /// What the user reads and the log keeps.
    pub reason: Option<SentText>,
    /// Programs that do not end are ended; `false` is `--no-force`.
    pub force: bool,
    /// Refuses when the station could not be woken again.
    pub require_wake: bool,
    /// Does not look whether it could.
    pub skip_wake_check: bool,
    /// Repairs the adapter's settings where it could not.
    pub repair_wake: bool,
}

impl Power {
    /// That mode with Lab Station's defaults.
    pub fn new(mode: PowerMode) -> Self {
        Self {
            mode,
            delay_seconds: None,
            reason: None,
            force: true,
            require_wake: false,
            skip_wake_check: false,
            repair_wake: false,
        }
    }
}

/// Options of `recovery reboot-if-needed`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RebootIfNeeded {
    /// Even if nothing is wrong.
    pub force: bool,
    /// Time until the reboot.
    pub timeout: Option<RebootTimeout>,
}

/// Options of `status-json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusJson {
    /// Where the station writes it, below `C:\LabStation`; its own place if there is none.
    pub path: Option<StationPath>,
}

/// A command line in its parts, each quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program.
    pub program: String,
    /// Its arguments, in order.
    pub arguments: Vec<String>,
}

impl std::fmt::Display for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

impl StationCommand {
    /// The word that selects it, as `OPS_ALLOWED_COMMANDS` and operations name it. The last two are nobody's to ask for by name.
    pub fn word(&self) -> &'static str {
        match self {
            Self::PrepareSession(_) => "prepare-session",
            Self::ReleaseSession(_) => "release-session",
            Self::SessionGuard(_) => "session",
            Self::Power(_) => "power",
            Self::RebootIfNeeded(_) => "recovery",
            Self::StatusJson(_) => "status-json",
            Self::ReadFile(_) => "read-file",
            Self::SetLocalMode { .. } => "set-local-mode",
        }
    }

    /// Whether the station is another one afterwards. At most one such command runs on it at a time, and two of the others.
    pub fn changes_station(&self) -> bool {
        !matches!(self, Self::StatusJson(_) | Self::ReadFile(_))
    }

    /// How long it may take before it counts as hung.
    pub fn time_budget(&self) -> Duration {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        match self {
            Self::PrepareSession(PrepareSession { guard: PrepareGuard::Guarded { grace, .. }, .. }) => {
                grace.duration() + MARGIN
            }
            // The profile is cleaned all the same.
            Self::PrepareSession(PrepareSession { guard: PrepareGuard::Off, .. }) => Grace::PREPARE.duration() + MARGIN,
            Self::SessionGuard(guard) => guard.grace.duration() + MARGIN,
            Self::ReleaseSession(release) => RELEASE + release.reboot.map_or(Duration::ZERO, RebootTimeout::duration),
            Self::Power(power) => MARGIN + seconds(power.delay_seconds.unwrap_or(0)),
            Self::RebootIfNeeded(reboot) => STATUS + reboot.timeout.unwrap_or_default().duration(),
            Self::StatusJson(_) => STATUS,
            Self::ReadFile(_) | Self::SetLocalMode { .. } => MARGIN,
        }
    }

    /// Its arguments as the program gets them, unquoted: what an operation records.
    pub fn arguments(&self) -> Vec<String> {
        let mut list = Vec::new();
        let mut add = |text: &str| list.push(text.to_owned());
        let value = |name: &str, value: &dyn std::fmt::Display| format!("--{name}={value}");
        match self {
            Self::PrepareSession(PrepareSession { user, guard }) => {
                add("prepare-session");
                user.iter().for_each(|user| add(&value("user", user)));
                match guard {
                    PrepareGuard::Off => add("--no-guard"),
                    PrepareGuard::Guarded { grace, message, silent } => {
                        add(&value("guard-grace", grace));
                        message.iter().for_each(|message| add(&value("guard-message", message)));
                        silent.then(|| add("--guard-silent"));
                    }
                }
            }
            Self::ReleaseSession(ReleaseSession { user, reboot }) => {
                add("release-session");
                user.iter().for_each(|user| add(&value("user", user)));
                if let Some(timeout) = reboot {
                    add("--reboot");
                    add(&value("reboot-timeout", timeout));
                }
            }
            Self::SessionGuard(SessionGuard { grace, user, message, silent, soft }) => {
                add("session");
                add("guard");
                add(&value("grace", grace));
                user.iter().for_each(|user| add(&value("user", user)));
                message.iter().for_each(|message| add(&value("message", message)));
                silent.then(|| add("--silent"));
                soft.then(|| add("--soft"));
            }
            Self::Power(power) => {
                add("power");
                add(power.mode.word());
                power.delay_seconds.iter().for_each(|delay| add(&value("delay", delay)));
                power.reason.iter().for_each(|reason| add(&value("reason", reason)));
                for (flag, set) in [
                    ("--no-force", !power.force),
                    ("--require-wake", power.require_wake),
                    ("--skip-wake-check", power.skip_wake_check),
                    ("--repair-wake=yes", power.repair_wake),
                ] {
                    set.then(|| add(flag));
                }
            }
            Self::RebootIfNeeded(RebootIfNeeded { force, timeout }) => {
                add("recovery");
                add("reboot-if-needed");
                force.then(|| add("--force"));
                add(&value("timeout", &timeout.unwrap_or_default()));
            }
            Self::StatusJson(StatusJson { path }) => {
                add("status-json");
                path.iter().for_each(|path| add(path.as_str()));
            }
            Self::ReadFile(path) => power_shell(&path.read_script()).iter().for_each(|argument| add(argument)),
            Self::SetLocalMode { enabled } => {
                power_shell(&local_mode_script(*enabled)).iter().for_each(|argument| add(argument))
            }
        }
        list
    }

    /// The line that the station's shell gets.
    pub fn command_line(&self) -> Result<CommandLine, Unquotable> {
        let program = match self {
            Self::ReadFile(_) | Self::SetLocalMode { .. } => "powershell",
            _ => LAB_STATION,
        };
        let arguments = self.arguments().iter().map(|argument| quote(argument)).collect::<Result<_, _>>()?;
        let line = CommandLine { program: program.to_owned(), arguments };
        // Each argument is inert; two of them may have one % each.
        inert(&line.to_string())?;
        Ok(line)
    }
}

fn power_shell(script: &str) -> [String; 4] {
    ["-NoProfile".to_owned(), "-NonInteractive".to_owned(), "-EncodedCommand".to_owned(), encoded(script)]
}

const MARGIN: Duration = Duration::from_secs(60);
const STATUS: Duration = Duration::from_secs(120);
const RELEASE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SentText {
        text.parse().unwrap()
    }

    fn user(name: &str) -> Option<AccountName> {
        Some(name.parse().unwrap())
    }

    fn prepare(guard: PrepareGuard) -> StationCommand {
        StationCommand::PrepareSession(PrepareSession { user: None, guard })
    }

    fn every_command() -> Vec<(StationCommand, &'static str)> {
        let grace = Grace::seconds;
        vec![
            (prepare(PrepareGuard::default()), "prepare-session --guard-grace=90"),
            (prepare(PrepareGuard::Off), "prepare-session --no-guard"),
            (
                StationCommand::PrepareSession(PrepareSession {
                    user: user("LABUSER"),
                    guard: PrepareGuard::Guarded {
                        grace: grace(120).unwrap(),
                        message: Some(text("Please save & leave!")),
                        silent: true,
                    },
                }),
                r#"prepare-session --user=LABUSER --guard-grace=120 "--guard-message=Please save & leave!" --guard-silent"#,
            ),
            (StationCommand::ReleaseSession(ReleaseSession::default()), "release-session"),
            (
                StationCommand::ReleaseSession(ReleaseSession {
                    user: user("LABUSER"),
                    reboot: Some(RebootTimeout::default()),
                }),
                "release-session --user=LABUSER --reboot --reboot-timeout=20",
            ),
            (StationCommand::SessionGuard(SessionGuard::default()), "session guard --grace=120"),
            (
                StationCommand::SessionGuard(SessionGuard {
                    grace: grace(30).unwrap(),
                    user: user(r"LAB\María del Mar"),
                    message: Some(text("Se acabó")),
                    silent: true,
                    soft: true,
                }),
                r#"session guard --grace=30 "--user=LAB\María del Mar" "--message=Se acabó" --silent --soft"#,
            ),
            (StationCommand::Power(Power::new(PowerMode::Shutdown)), "power shutdown"),
            (
                StationCommand::Power(Power {
                    mode: PowerMode::Hibernate,
                    delay_seconds: Some(60),
                    reason: Some(text("Remote order")),
                    force: false,
                    require_wake: true,
                    skip_wake_check: true,
                    repair_wake: true,
                }),
                r#"power hibernate --delay=60 "--reason=Remote order" --no-force --require-wake --skip-wake-check --repair-wake=yes"#,
            ),
            (StationCommand::RebootIfNeeded(RebootIfNeeded::default()), "recovery reboot-if-needed --timeout=20"),
            (
                StationCommand::RebootIfNeeded(RebootIfNeeded {
                    force: true,
                    timeout: Some(RebootTimeout::seconds(30).unwrap()),
                }),
                "recovery reboot-if-needed --force --timeout=30",
            ),
            (StationCommand::StatusJson(StatusJson::default()), "status-json"),
        ]
    }

    #[test]
    fn a_command_is_one_line() {
        for (command, line) in every_command() {
            assert_eq!(command.command_line().unwrap().to_string(), format!("{LAB_STATION} {line}"));
        }
    }

    fn script(command: &StationCommand) -> String {
        let line = command.command_line().unwrap();
        assert_eq!(line.program, "powershell");
        assert_eq!(line.arguments[..3], ["-NoProfile", "-NonInteractive", "-EncodedCommand"]);
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &line.arguments[3]).unwrap();
        let units: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        String::from_utf16(&units).unwrap()
    }

    #[test]
    fn a_file_is_read_by_a_script_of_its_path_alone() {
        let script = script(&StationCommand::ReadFile(StationPath::HEARTBEAT.parse().unwrap()));
        let opened = format!("[IO.File]::Open('{}','Open','Read','ReadWrite,Delete')", StationPath::HEARTBEAT);
        assert!(script.contains(&opened), "{script}");
    }

    #[test]
    fn local_mode_is_a_file() {
        for (enabled, begins) in [(true, "New-Item -ItemType File -Force"), (false, "Remove-Item -Force")] {
            let command = StationCommand::SetLocalMode { enabled };
            assert!(script(&command).starts_with(&format!("{begins} -Path '{}'", StationPath::LOCAL_MODE)));
            assert!(command.changes_station());
        }
        assert!(StationPath::LOCAL_MODE.parse::<StationPath>().is_ok());
    }

    #[test]
    fn two_percent_signs_in_a_line_are_refused() {
        let percent = |reason: &str| {
            let power = Power { reason: Some(text(reason)), ..Power::new(PowerMode::Shutdown) };
            StationCommand::Power(power).command_line().map(|line| line.to_string())
        };
        assert!(percent("battery at 5 %").is_ok());
        let two = StationCommand::SessionGuard(SessionGuard {
            message: Some(text("50 %")),
            user: user("a"),
            ..SessionGuard::default()
        });
        assert!(two.command_line().is_ok());
    }

    #[test]
    fn a_command_has_its_time() {
        let seconds = |command: StationCommand| command.time_budget().as_secs();
        let grace =
            |seconds| PrepareGuard::Guarded { grace: Grace::seconds(seconds).unwrap(), message: None, silent: false };
        assert_eq!(seconds(prepare(grace(90))), 150);
        assert_eq!(seconds(prepare(grace(600))), 660);
        assert_eq!(seconds(prepare(PrepareGuard::Off)), 150);
        assert_eq!(seconds(StationCommand::SessionGuard(SessionGuard::default())), 180);
        assert_eq!(seconds(StationCommand::StatusJson(StatusJson::default())), 120);
        let shutdown = Power { delay_seconds: Some(60), ..Power::new(PowerMode::Shutdown) };
        assert_eq!(seconds(StationCommand::Power(shutdown)), 120);
    }

    #[test]
    fn reading_changes_nothing() {
        for (command, _) in every_command() {
            let reads = command.word() == "status-json";
            assert_eq!(command.changes_station(), !reads, "{}", command.word());
        }
        assert!(!StationCommand::ReadFile(StationPath::EVENTS.parse().unwrap()).changes_station());
    }
}
