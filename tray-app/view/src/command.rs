//! What a person can ask for, from menu, window and notifications. Each has an id that stays the same, and reads back as itself.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stationkeeper_telemetry::HostName;

use crate::Zones;

/// How long a station is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldLength {
    /// Half an hour.
    HalfHour,
    /// An hour.
    Hour,
    /// As the gateway decides: until the next reservation needs the station.
    UntilNext,
}

impl HoldLength {
    /// All of them, as they are offered.
    pub const ALL: [Self; 3] = [Self::HalfHour, Self::Hour, Self::UntilNext];

    /// As the API takes it; none: it decides.
    pub const fn minutes(self) -> Option<u32> {
        match self {
            Self::HalfHour => Some(30),
            Self::Hour => Some(60),
            Self::UntilNext => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::HalfHour => "30",
            Self::Hour => "60",
            Self::UntilNext => "next",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|length| length.word() == word)
    }
}

/// How long notifications are off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseLength {
    /// Half an hour.
    HalfHour,
    /// An hour.
    Hour,
    /// Until midnight in the laboratory.
    UntilTomorrow,
}

impl PauseLength {
    /// All of them, as they are offered.
    pub const ALL: [Self; 3] = [Self::HalfHour, Self::Hour, Self::UntilTomorrow];

    /// When it is over.
    pub fn until(self, zones: &Zones, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::HalfHour => now + TimeDelta::minutes(30),
            Self::Hour => now + TimeDelta::hours(1),
            Self::UntilTomorrow => zones.tomorrow(now),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::HalfHour => "30",
            Self::Hour => "60",
            Self::UntilTomorrow => "tomorrow",
        }
    }
}

/// Something that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The window, at its list.
    Open,
    /// The window, at a station's card.
    Show(HostName),
    /// The window, at what comes up today.
    ShowUpcoming,
    /// The window, at the connection to the gateway.
    ShowPairing,
    /// The page, in the browser.
    OpenLabManager,
    /// Try the gateway again now.
    TryNow,
    /// Wake a station.
    Wake(HostName),
    /// Wake it no longer.
    StopWake(HostName),
    /// Hold it in local mode.
    Hold(HostName, HoldLength),
    /// Ask first: it would stand in the way of a reservation.
    AskHold(HostName, HoldLength),
    /// Hold it no longer.
    EndHold(HostName),
    /// The older service's flag, without an end.
    LocalMode(HostName, bool),
    /// Whoever sits at this PC leaves it.
    Leaving(HostName),
    /// Whoever sits at this PC asks for ten minutes more.
    MoreTime(HostName),
    /// No notifications for a while.
    Pause(PauseLength),
    /// Notifications again.
    Resume,
    /// End the app.
    Quit,
}

/// Not the id of a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is no command")]
pub struct BadCommand(String);

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Show(host) => write!(f, "show:{host}"),
            Self::ShowUpcoming => f.write_str("show-upcoming"),
            Self::ShowPairing => f.write_str("show-pairing"),
            Self::OpenLabManager => f.write_str("lab-manager"),
            Self::TryNow => f.write_str("try-now"),
            Self::Wake(host) => write!(f, "wake:{host}"),
            Self::StopWake(host) => write!(f, "stop-wake:{host}"),
            Self::Hold(host, length) => write!(f, "hold-{}:{host}", length.word()),
            Self::AskHold(host, length) => write!(f, "ask-hold-{}:{host}", length.word()),
            Self::EndHold(host) => write!(f, "end-hold:{host}"),
            Self::LocalMode(host, true) => write!(f, "local-mode-on:{host}"),
            Self::LocalMode(host, false) => write!(f, "local-mode-off:{host}"),
            Self::Leaving(host) => write!(f, "leaving:{host}"),
            Self::MoreTime(host) => write!(f, "more-time:{host}"),
            Self::Pause(length) => write!(f, "pause-{}", length.word()),
            Self::Resume => f.write_str("resume"),
            Self::Quit => f.write_str("quit"),
        }
    }
}

impl FromStr for Command {
    type Err = BadCommand;

    fn from_str(id: &str) -> Result<Self, BadCommand> {
        let bad = || BadCommand(id.to_owned());
        let Some((verb, host)) = id.split_once(':') else {
            return match id {
                "open" => Ok(Self::Open),
                "show-upcoming" => Ok(Self::ShowUpcoming),
                "show-pairing" => Ok(Self::ShowPairing),
                "lab-manager" => Ok(Self::OpenLabManager),
                "try-now" => Ok(Self::TryNow),
                "resume" => Ok(Self::Resume),
                "quit" => Ok(Self::Quit),
                _ => {
                    let word = id.strip_prefix("pause-").ok_or_else(bad)?;
                    PauseLength::ALL.into_iter().find(|length| length.word() == word).map(Self::Pause).ok_or_else(bad)
                }
            };
        };
        let host = HostName::parse(host).map_err(|_not_a_host| bad())?;
        match verb {
            "show" => Ok(Self::Show(host)),
            "wake" => Ok(Self::Wake(host)),
            "stop-wake" => Ok(Self::StopWake(host)),
            "end-hold" => Ok(Self::EndHold(host)),
            "local-mode-on" => Ok(Self::LocalMode(host, true)),
            "local-mode-off" => Ok(Self::LocalMode(host, false)),
            "leaving" => Ok(Self::Leaving(host)),
            "more-time" => Ok(Self::MoreTime(host)),
            _ => {
                if let Some(length) = verb.strip_prefix("hold-").and_then(HoldLength::parse) {
                    return Ok(Self::Hold(host, length));
                }
                let length = verb.strip_prefix("ask-hold-").and_then(HoldLength::parse).ok_or_else(bad)?;
                Ok(Self::AskHold(host, length))
            }
        }
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every command of a station; a new one is missed by the count below.
    fn commands(host: &HostName) -> Vec<Command> {
        let host = || host.clone();
        let mut all = vec![
            Command::Open,
            Command::Show(host()),
            Command::ShowUpcoming,
            Command::ShowPairing,
            Command::OpenLabManager,
            Command::TryNow,
            Command::Wake(host()),
            Command::StopWake(host()),
            Command::EndHold(host()),
            Command::LocalMode(host(), true),
            Command::LocalMode(host(), false),
            Command::Leaving(host()),
            Command::MoreTime(host()),
            Command::Resume,
            Command::Quit,
        ];
        all.extend(HoldLength::ALL.map(|length| Command::Hold(host(), length)));
        all.extend(HoldLength::ALL.map(|length| Command::AskHold(host(), length)));
        all.extend(PauseLength::ALL.map(Command::Pause));
        all
    }

    proptest! {
        #[test]
        fn every_id_reads_back_as_its_command(name in "[A-Za-z0-9ñÁß][A-Za-z0-9_ñÁß-]{0,14}") {
            let host = HostName::parse(&name).unwrap();
            let all = commands(&host);
            let ids: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
            prop_assert_eq!(ids.len(), all.len(), "two commands share an id");
            for command in all {
                prop_assert_eq!(command.to_string().parse::<Command>(), Ok(command));
            }
        }

        #[test]
        fn what_is_no_id_is_refused_and_nothing_panics(text in ".{0,40}") {
            if let Ok(command) = text.parse::<Command>() {
                prop_assert_eq!(command.to_string().to_uppercase(), text.to_uppercase());
            }
        }
    }

    #[test]
    fn an_id_with_anything_wrong_is_no_command() {
        for id in ["", "open:", "wake:", "wake", "wake:a b", "hold-45:LAB", "pause-", "hold:LAB", "show:LAB:X", "Open"]
        {
            assert_eq!(id.parse::<Command>(), Err(BadCommand(id.to_owned())), "{id}");
        }
    }
}
