//! The grammar of Lab Station's own commands.

/// A well-formed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Prepare { user: String, guard: Option<Warning> },
    Release { user: String, reboot_after: Option<u32> },
    Guard { user: Option<String>, warning: Warning, force: bool },
    Power(PowerOrder),
    RebootIfNeeded { force: bool, timeout: u32, reason: Option<String> },
    StatusJson { path: Option<String> },
}

/// How people at the station are told that their session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// Seconds.
    pub grace: u32,
    pub message: String,
    /// Not shown to anybody.
    pub silent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PowerOrder {
    pub hibernate: bool,
    /// Seconds.
    pub delay: u32,
    pub reason: Option<String>,
    pub force: bool,
    pub require_wake: bool,
    pub skip_wake_check: bool,
    pub repair_wake: bool,
}

/// Nobody is warned for less.
const GRACE_FLOOR: u32 = 30;
const MESSAGE: &str = "Your session ends soon. Save your work.";

/// Reads an order. The error is what Lab Station complains of.
pub(crate) fn order(arguments: &[String]) -> Result<Order, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).take_while(|word| !word.starts_with("--")).collect();
    let mut options = Options(arguments[words.len()..].iter().map(String::as_str).collect());
    let order = match words.as_slice() {
        ["prepare-session"] => Order::Prepare {
            user: options.text("--user").unwrap_or_default(),
            guard: {
                let warning = Warning {
                    grace: options.seconds("--guard-grace", 90)?.max(GRACE_FLOOR),
                    message: options.text("--guard-message").unwrap_or_else(|| MESSAGE.to_owned()),
                    silent: options.flag("--guard-silent"),
                };
                (!options.flag("--no-guard")).then_some(warning)
            },
        },
        ["release-session"] => {
            let timeout = options.seconds("--reboot-timeout", 0)?;
            Order::Release {
                user: options.text("--user").unwrap_or_default(),
                reboot_after: options.flag("--reboot").then_some(timeout),
            }
        }
        ["session", "guard"] => Order::Guard {
            user: options.text("--user").filter(|user| !user.is_empty()),
            warning: Warning {
                grace: options.seconds("--grace", 120)?.max(GRACE_FLOOR),
                message: options.text("--message").unwrap_or_else(|| MESSAGE.to_owned()),
                silent: options.flag("--silent"),
            },
            force: !options.flag("--soft"),
        },
        ["power", mode @ ("shutdown" | "hibernate")] => Order::Power(PowerOrder {
            hibernate: *mode == "hibernate",
            delay: options.seconds("--delay", 0)?,
            reason: options.text("--reason"),
            force: !options.flag("--no-force"),
            require_wake: options.flag("--require-wake"),
            skip_wake_check: options.flag("--skip-wake-check"),
            repair_wake: options.text("--repair-wake").is_some_and(|value| value == "yes"),
        }),
        ["recovery", "reboot-if-needed"] => Order::RebootIfNeeded {
            force: options.flag("--force"),
            timeout: options.seconds("--timeout", 20)?,
            reason: options.text("--reason").filter(|reason| !reason.is_empty()),
        },
        ["status-json"] => Order::StatusJson { path: None },
        ["status-json", path] => Order::StatusJson { path: Some((*path).to_owned()) },
        [] => return Err("no command".to_owned()),
        other => return Err(format!("unknown command: {}", other.join(" "))),
    };
    match options.0.first() {
        Some(unknown) => Err(format!("unknown option: {unknown}")),
        None => Ok(order),
    }
}

/// What stands behind the command; whoever understands an option takes it out.
struct Options<'a>(Vec<&'a str>);

impl Options<'_> {
    fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|option| *option != name);
        self.0.len() < before
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let value = |option: &str| option.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        let found = self.0.iter().find_map(|option| value(option));
        self.0.retain(|option| value(option).is_none());
        found
    }

    fn seconds(&mut self, name: &str, default: u32) -> Result<u32, String> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text.trim().parse().map_err(|_| format!("{name} wants whole seconds, not '{text}'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Order, String> {
        order(&super::super::arguments(&format!("LabStation.exe {line}"))[1..])
    }

    fn warning(grace: u32) -> Warning {
        Warning { grace, message: MESSAGE.to_owned(), silent: false }
    }

    #[test]
    fn every_command_has_its_defaults_and_floors() {
        let power = PowerOrder {
            hibernate: false,
            delay: 0,
            reason: None,
            force: true,
            require_wake: false,
            skip_wake_check: false,
            repair_wake: false,
        };
        let prepare = |user: &str, guard| Order::Prepare { user: user.to_owned(), guard };
        let release = |reboot_after| Order::Release { user: String::new(), reboot_after };
        for (line, expected) in [
            ("prepare-session", prepare("", Some(warning(90)))),
            ("prepare-session --user=ana --guard-grace=5", prepare("ana", Some(warning(30)))),
            ("prepare-session --no-guard --guard-silent", prepare("", None)),
            (
                "prepare-session --guard-grace=300 \"--guard-message=Adiós, \\\"ñ\\\"\" --guard-silent",
                prepare("", Some(Warning { grace: 300, message: "Adiós, \"ñ\"".to_owned(), silent: true })),
            ),
            ("release-session", release(None)),
            ("release-session --reboot", release(Some(0))),
            ("release-session --reboot --reboot-timeout=15", release(Some(15))),
            ("release-session --reboot-timeout=15", release(None)),
            ("session guard", Order::Guard { user: None, warning: warning(120), force: true }),
            (
                "session guard --grace=45 --user=ana --soft",
                Order::Guard { user: Some("ana".to_owned()), warning: warning(45), force: false },
            ),
            ("power shutdown", Order::Power(power.clone())),
            (
                "power shutdown --delay=60 \"--reason=Remote order\"",
                Order::Power(PowerOrder { delay: 60, reason: Some("Remote order".to_owned()), ..power.clone() }),
            ),
            (
                "power hibernate --no-force --require-wake --repair-wake=yes",
                Order::Power(PowerOrder {
                    hibernate: true,
                    force: false,
                    require_wake: true,
                    repair_wake: true,
                    ..power
                }),
            ),
            ("recovery reboot-if-needed", Order::RebootIfNeeded { force: false, timeout: 20, reason: None }),
            (
                "recovery reboot-if-needed --force --timeout=5",
                Order::RebootIfNeeded { force: true, timeout: 5, reason: None },
            ),
            ("status-json", Order::StatusJson { path: None }),
            (r"status-json C:\x.json", Order::StatusJson { path: Some(r"C:\x.json".to_owned()) }),
        ] {
            assert_eq!(read(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (line, complaint) in [
            ("", "no command"),
            ("account create", "unknown command: account create"),
            ("power reboot", "unknown command: power reboot"),
            ("prepare-session --guard-grace=soon", "--guard-grace wants whole seconds, not 'soon'"),
            ("power shutdown --now", "unknown option: --now"),
            ("session", "unknown command: session"),
        ] {
            assert_eq!(read(line), Err(complaint.to_owned()), "{line}");
        }
    }
}
