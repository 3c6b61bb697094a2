//! Commands as callers write them: a word and a list of arguments. Whatever is not known is refused.

use std::fmt::Display;
use std::str::FromStr;

use crate::allowed::AllowedCommands;
use crate::command::{
    Power, PowerMode, PrepareGuard, PrepareSession, RebootIfNeeded, ReleaseSession, SessionGuard, StationCommand,
    StatusJson,
};
use crate::quoting::Unquotable;
use crate::values::{Grace, RebootTimeout, ValueError, seconds, yes_or_no};

/// Why a command is not run. The texts go to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// Not one of ours, or not one of this deployment's.
    #[error("command '{0}' not allowed")]
    NotAllowed(String),
    /// `session` and `recovery` have one subcommand each, `power` two.
    #[error("{command} wants {wanted} first")]
    Subcommand {
        /// The command.
        command: &'static str,
        /// What may follow it.
        wanted: &'static str,
    },
    /// An argument that the command does not have.
    #[error("{command} has no argument '{argument}'")]
    Unknown {
        /// The command.
        command: &'static str,
        /// The argument.
        argument: String,
    },
    /// An option that is there twice.
    #[error("--{0} is given twice")]
    Twice(String),
    /// An option without its value.
    #[error("--{0} wants a value")]
    ValueMissing(String),
    /// A value that the option does not take.
    #[error("--{option} is not taken: {source}")]
    Value {
        /// The option.
        option: String,
        /// What is wrong with it.
        source: ValueError,
    },
    /// A path that is not one, or not below `C:\LabStation`.
    #[error("status-json writes below C:\\LabStation only")]
    Path,
    /// A reason makes it reboot a healthy station.
    #[error(
        "recovery reboot-if-needed takes no --reason, which would reboot a healthy station too: use --force for that"
    )]
    ReasonReboots,
    /// Options that exclude each other.
    #[error("--{0} and --{1} exclude each other")]
    Excluded(&'static str, &'static str),
    /// Each argument can be passed, but not all of them together.
    #[error("the arguments cannot be passed together: {0}")]
    Line(#[from] Unquotable),
}

impl StationCommand {
    /// Reads a caller's command. An argument is one element, whatever spaces it has.
    pub fn parse(
        command: &str,
        arguments: &[impl AsRef<str>],
        allowed: &AllowedCommands,
    ) -> Result<Self, CommandRefused> {
        let word = command.trim();
        if !allowed.allows(word) {
            // It is shown to whoever sent it, and may stand in a log.
            let shown = word.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(CommandRefused::NotAllowed(shown));
        }
        let arguments = &trimmed(arguments);
        let parsed = match word {
            "prepare-session" => Self::PrepareSession(prepare_session(arguments, Grace::PREPARE)?),
            "release-session" => Self::ReleaseSession(release_session(arguments)?),
            "session" => Self::SessionGuard(session(arguments)?),
            "power" => Self::Power(power(arguments)?),
            "recovery" => Self::RebootIfNeeded(recovery(arguments)?),
            "status-json" => Self::StatusJson(status_json(arguments)?),
            other => return Err(CommandRefused::NotAllowed(other.to_owned())),
        };
        parsed.command_line()?;
        Ok(parsed)
    }
}

/// The steps of a reservation take a caller's arguments too (`prepareArgs`, `releaseArgs`, `powerAction`).
impl PrepareSession {
    /// `grace` where the arguments say none.
    pub fn from_arguments(arguments: &[impl AsRef<str>], grace: Grace) -> Result<Self, CommandRefused> {
        let prepare = prepare_session(&trimmed(arguments), grace)?;
        StationCommand::PrepareSession(prepare.clone()).command_line()?;
        Ok(prepare)
    }
}

impl ReleaseSession {
    /// A reboot without a time gets one.
    pub fn from_arguments(arguments: &[impl AsRef<str>]) -> Result<Self, CommandRefused> {
        let release = release_session(&trimmed(arguments))?;
        StationCommand::ReleaseSession(release.clone()).command_line()?;
        Ok(release)
    }
}

impl Power {
    /// `mode` is `shutdown` or `hibernate`.
    pub fn from_arguments(mode: &str, arguments: &[impl AsRef<str>]) -> Result<Self, CommandRefused> {
        let mut all = vec![mode.trim()];
        all.extend(trimmed(arguments));
        let power = power(&all)?;
        StationCommand::Power(power.clone()).command_line()?;
        Ok(power)
    }
}

fn trimmed(arguments: &[impl AsRef<str>]) -> Vec<&str> {
    arguments.iter().map(|argument| argument.as_ref().trim()).filter(|argument| !argument.is_empty()).collect()
}

fn prepare_session(arguments: &[&str], default: Grace) -> Result<PrepareSession, CommandRefused> {
    let mut options = Options::read("prepare-session", arguments)?;
    let user = options.value("user")?;
    let grace = options.value::<Grace>("guard-grace")?;
    let message = options.value("guard-message")?;
    let silent = options.switch("guard-silent")?;
    let unguarded = options.switch("no-guard")?;
    options.end()?;
    let guard = if unguarded {
        PrepareGuard::Off
    } else {
        PrepareGuard::Guarded { grace: grace.unwrap_or(default), message, silent }
    };
    Ok(PrepareSession { user, guard })
}

fn release_session(arguments: &[&str]) -> Result<ReleaseSession, CommandRefused> {
    let mut options = Options::read("release-session", arguments)?;
    let user = options.value("user")?;
    let timeout = options.value::<RebootTimeout>("reboot-timeout")?;
    let reboot = options.switch("reboot")?.then(|| timeout.unwrap_or_default());
    options.end()?;
    Ok(ReleaseSession { user, reboot })
}

fn session(arguments: &[&str]) -> Result<SessionGuard, CommandRefused> {
    let rest = after("session", "guard", arguments)?;
    let mut options = Options::read("session guard", rest)?;
    let guard = SessionGuard {
        grace: options.value("grace")?.unwrap_or(Grace::GUARD),
        user: options.value("user")?,
        message: options.value("message")?,
        silent: options.switch("silent")?,
        soft: options.switch("soft")?,
    };
    options.end()?;
    Ok(guard)
}

fn power(arguments: &[&str]) -> Result<Power, CommandRefused> {
    let wrong = || CommandRefused::Subcommand { command: "power", wanted: "shutdown or hibernate" };
    let (mode, rest) = arguments.split_first().ok_or_else(wrong)?;
    let mode = PowerMode::from_word(mode).ok_or_else(wrong)?;
    let mut options = Options::read("power", rest)?;
    let delay = options.text("delay")?;
    let delay_seconds =
        delay.map(|text| seconds(text).map_err(|source| CommandRefused::Value { option: "delay".into(), source }));
    let forced = options.switch("force")?;
    let power = Power {
        mode,
        delay_seconds: delay_seconds.transpose()?,
        reason: options.value("reason")?,
        force: !options.switch("no-force")?,
        require_wake: options.switch("require-wake")?,
        skip_wake_check: options.switch("skip-wake-check")?,
        repair_wake: options.switch("repair-wake")?,
    };
    options.end()?;
    if forced && !power.force {
        return Err(CommandRefused::Excluded("force", "no-force"));
    }
    if power.require_wake && power.skip_wake_check {
        return Err(CommandRefused::Excluded("require-wake", "skip-wake-check"));
    }
    Ok(power)
}

fn recovery(arguments: &[&str]) -> Result<RebootIfNeeded, CommandRefused> {
    let rest = after("recovery", "reboot-if-needed", arguments)?;
    let mut options = Options::read("recovery reboot-if-needed", rest)?;
    if options.has("reason") {
        return Err(CommandRefused::ReasonReboots);
    }
    let reboot = RebootIfNeeded { force: options.switch("force")?, timeout: options.value("timeout")? };
    options.end()?;
    Ok(reboot)
}

fn status_json(arguments: &[&str]) -> Result<StatusJson, CommandRefused> {
    let path = match arguments {
        [] => None,
        [path] if !path.starts_with("--") => {
            Some(path.parse::<crate::StationPath>().map_err(|_| CommandRefused::Path)?)
        }
        [.., argument] => return Err(CommandRefused::Unknown { command: "status-json", argument: shown(argument) }),
    };
    if path
        .as_ref()
        .is_some_and(|path| !path.is_below(r"C:\LabStation") || !path.as_str().to_lowercase().ends_with(".json"))
    {
        return Err(CommandRefused::Path);
    }
    Ok(StatusJson { path })
}

/// What follows the only subcommand of a command.
fn after<'a>(
    command: &'static str,
    wanted: &'static str,
    arguments: &'a [&'a str],
) -> Result<&'a [&'a str], CommandRefused> {
    match arguments.split_first() {
        Some((first, rest)) if first.eq_ignore_ascii_case(wanted) => Ok(rest),
        _ => Err(CommandRefused::Subcommand { command, wanted }),
    }
}

fn shown(argument: &str) -> String {
    argument.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// `--name` and `--name=value`, each asked for once; what nobody asked for is refused at the end.
struct Options<'a> {
    command: &'static str,
    left: Vec<(String, Option<&'a str>)>,
}

impl<'a> Options<'a> {
    fn read(command: &'static str, arguments: &[&'a str]) -> Result<Self, CommandRefused> {
        let mut left: Vec<(String, Option<&'a str>)> = Vec::new();
        for argument in arguments {
            let option = argument.strip_prefix("--").filter(|option| !option.is_empty());
            let option = option.ok_or_else(|| CommandRefused::Unknown { command, argument: shown(argument) })?;
            let (name, value) =
                option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value.trim())));
            let name = name.to_ascii_lowercase();
            if left.iter().any(|(known, _)| *known == name) {
                return Err(CommandRefused::Twice(shown(&name)));
            }
            left.push((name, value));
        }
        Ok(Self { command, left })
    }

    fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(known, _)| known == name)
    }

    fn take(&mut self, name: &str) -> Option<Option<&'a str>> {
        let place = self.left.iter().position(|(known, _)| known == name)?;
        Some(self.left.swap_remove(place).1)
    }

    fn text(&mut self, name: &str) -> Result<Option<&'a str>, CommandRefused> {
        match self.take(name) {
            None => Ok(None),
            Some(Some(value)) if !value.is_empty() => Ok(Some(value)),
            Some(_) => Err(CommandRefused::ValueMissing(name.to_owned())),
        }
    }

    fn value<T>(&mut self, name: &str) -> Result<Option<T>, CommandRefused>
    where
        T: FromStr<Err = ValueError> + Display,
    {
        let text = self.text(name)?;
        text.map(|text| text.parse().map_err(|source| CommandRefused::Value { option: name.to_owned(), source }))
            .transpose()
    }

    fn switch(&mut self, name: &str) -> Result<bool, CommandRefused> {
        match self.take(name) {
            None => Ok(false),
            Some(value) => yes_or_no(value).map_err(|source| CommandRefused::Value { option: name.to_owned(), source }),
        }
    }

    fn end(self) -> Result<(), CommandRefused> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(CommandRefused::Unknown { command: self.command, argument: format!("--{}", shown(name)) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quoting::split;
    use proptest::prelude::*;

    fn read(command: &str, arguments: &[&str]) -> Result<String, String> {
        let parsed = StationCommand::parse(command, arguments, &AllowedCommands::default());
        let line = parsed.map_err(|error| error.to_string())?.command_line().unwrap();
        Ok(line.arguments.join(" "))
    }

    #[test]
    fn a_caller_says_what_is_run() {
        for (command, arguments, line) in [
            ("prepare-session", &[][..], "prepare-session --guard-grace=90"),
            (
                "prepare-session",
                &["--guard-grace=10", "--user=LABUSER"],
                "prepare-session --user=LABUSER --guard-grace=30",
            ),
            ("prepare-session", &["--no-guard", "--guard-grace=90"], "prepare-session --no-guard"),
            (
                "prepare-session",
                &["--guard-message=It's yours in 2 min", "--guard-silent"],
                r#"prepare-session --guard-grace=90 "--guard-message=It's yours in 2 min" --guard-silent"#,
            ),
            ("release-session", &["--reboot"], "release-session --reboot --reboot-timeout=20"),
            ("release-session", &["--reboot", "--reboot-timeout=0"], "release-session --reboot --reboot-timeout=15"),
            ("release-session", &["--reboot=no", "--reboot-timeout=40"], "release-session"),
            ("session", &["guard", "--grace=5", "--soft"], "session guard --grace=30 --soft"),
            (
                "power",
                &["shutdown", "--delay=60", "--reason=Remote order"],
                r#"power shutdown --delay=60 "--reason=Remote order""#,
            ),
            (
                "power",
                &["Hibernate", "--repair-wake=yes", "--no-force"],
                "power hibernate --no-force --repair-wake=yes",
            ),
            ("power", &["hibernate", "--repair-wake=no"], "power hibernate"),
            ("recovery", &["reboot-if-needed"], "recovery reboot-if-needed --timeout=20"),
            (
                "recovery",
                &["reboot-if-needed", "--timeout=30", "--force"],
                "recovery reboot-if-needed --force --timeout=30",
            ),
            ("status-json", &[], "status-json"),
            ("status-json", &[r"C:\LabStation\data\now.json"], r"status-json C:\LabStation\data\now.json"),
        ] {
            assert_eq!(read(command, arguments).as_deref(), Ok(line), "{command} {arguments:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (command, arguments, said) in [
            ("account", &[][..], "command 'account' not allowed"),
            ("service", &[], "command 'service' not allowed"),
            ("winrm", &[], "command 'winrm' not allowed"),
            ("read-file", &[], "command 'read-file' not allowed"),
            ("set-local-mode", &[], "command 'set-local-mode' not allowed"),
            ("", &[], "command '' not allowed"),
            ("power & calc", &[], "command 'power & calc' not allowed"),
            ("Power", &["shutdown"], "command 'Power' not allowed"),
            ("session", &[], "session wants guard first"),
            ("session", &["list"], "session wants guard first"),
            ("power", &[], "power wants shutdown or hibernate first"),
            ("power", &["reboot"], "power wants shutdown or hibernate first"),
            ("power", &["shutdown", "now"], "power has no argument 'now'"),
            ("power", &["shutdown", "--delay"], "--delay wants a value"),
            (
                "power",
                &["shutdown", "--delay=soon"],
                "--delay is not taken: it must be a whole number of seconds from 0 to 3600",
            ),
            ("power", &["shutdown", "--force", "--no-force"], "--force and --no-force exclude each other"),
            (
                "power",
                &["shutdown", "--require-wake", "--skip-wake-check"],
                "--require-wake and --skip-wake-check exclude each other",
            ),
            (
                "power",
                &["shutdown", "--reason=a\nb"],
                "--reason is not taken: it has a line break or another control character",
            ),
            (
                "power",
                &["shutdown", "--reason=\" & calc \""],
                "--reason is not taken: its quotation marks would expose one of & | < > ^ ( ) ! to the shell: leave the marks out",
            ),
            ("prepare-session", &["--reboot"], "prepare-session has no argument '--reboot'"),
            ("prepare-session", &["&", "calc"], "prepare-session has no argument '&'"),
            ("prepare-session", &["--user=a", "--USER=b"], "--user is given twice"),
            ("prepare-session", &["--no-guard=perhaps"], "--no-guard is not taken: it must be yes or no"),
            (
                "prepare-session",
                &["--user=a&b"],
                "--user is not taken: it is no Windows account (NAME or DOMAIN\\NAME of letters, digits, spaces and . _ - $ @)",
            ),
            (
                "recovery",
                &["reboot-if-needed", "--reason=why not"],
                "recovery reboot-if-needed takes no --reason, which would reboot a healthy station too: use --force for that",
            ),
            ("recovery", &["reset"], "recovery wants reboot-if-needed first"),
            ("status-json", &[r"C:\Windows\x.json"], "status-json writes below C:\\LabStation only"),
            ("status-json", &[r"C:\LabStation\LabStation.exe"], "status-json writes below C:\\LabStation only"),
            ("status-json", &["--all"], "status-json has no argument '--all'"),
        ] {
            assert_eq!(read(command, arguments), Err(said.to_owned()), "{command} {arguments:?}");
        }
    }

    #[test]
    fn one_text_of_arguments_is_split_like_a_command_line() {
        let arguments = split(r#"--reboot "--user=María del Mar""#);
        let parsed = StationCommand::parse("release-session", &arguments, &AllowedCommands::default()).unwrap();
        assert_eq!(parsed.arguments(), ["release-session", "--user=María del Mar", "--reboot", "--reboot-timeout=20"]);
    }

    #[test]
    fn the_steps_of_a_reservation_take_arguments_too() {
        let grace = |arguments: &[&str]| match PrepareSession::from_arguments(arguments, Grace::seconds(45).unwrap())
            .unwrap()
            .guard
        {
            PrepareGuard::Guarded { grace, .. } => Some(grace.to_string()),
            PrepareGuard::Off => None,
        };
        assert_eq!(grace(&[]).as_deref(), Some("45"));
        assert_eq!(grace(&["--guard-grace=100"]).as_deref(), Some("100"));
        assert_eq!(grace(&["--no-guard"]), None);
        let release = ReleaseSession::from_arguments(&["--reboot", "--reboot-timeout=1"]).unwrap();
        assert_eq!(release.reboot.unwrap().to_string(), "15");
        assert_eq!(Power::from_arguments("hibernate", &["--delay=5"]).unwrap().delay_seconds, Some(5));
        assert!(Power::from_arguments("reboot", &[""; 0]).is_err());
        assert!(ReleaseSession::from_arguments(&["&"]).is_err());
    }

    #[test]
    fn a_command_outside_of_the_list_is_refused() {
        let (allowed, _) = AllowedCommands::narrowed("status-json");
        let refused = StationCommand::parse("prepare-session", &[""; 0], &allowed);
        assert_eq!(refused, Err(CommandRefused::NotAllowed("prepare-session".into())));
    }

    proptest! {
        #[test]
        fn whatever_a_caller_sends_runs_one_command(
            command in "prepare-session|release-session|session|power|recovery|status-json|\\PC{0,10}",
            arguments in prop::collection::vec("guard|shutdown|--(user|reason|guard-message|message)=\\PC{0,20}|.{0,20}", 0..4),
        ) {
            let Ok(parsed) = StationCommand::parse(&command, &arguments, &AllowedCommands::default()) else { return Ok(()) };
            let line = parsed.command_line().unwrap();
            prop_assert_eq!(split(&line.arguments.join(" ")), parsed.arguments());
            let outside: String = line.to_string().split('"').step_by(2).collect();
            prop_assert!(!outside.contains(['&', '|', '<', '>', '^', '!', '\n', '\r']), "{}", line);
        }
    }
}
