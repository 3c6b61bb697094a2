//! What exit codes mean. Lab Station's 1 is a warning, but with `power` and `recovery` a no.

use crate::command::StationCommand;

/// What came of a command, by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandOutcome {
    /// All of it.
    Done,
    /// It was done; something is worth a look.
    DoneWithWarnings,
    /// It looked and did not do it.
    NotDone,
    /// It could not.
    Failed,
}

impl CommandOutcome {
    /// Whether what was asked has happened.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::DoneWithWarnings)
    }
}

impl StationCommand {
    /// What an exit code of it means.
    pub fn outcome(&self, exit_code: i32) -> CommandOutcome {
        match (self, exit_code) {
            (_, 0) => CommandOutcome::Done,
            (Self::Power(_) | Self::RebootIfNeeded(_), 1) => CommandOutcome::NotDone,
            (Self::ReadFile(_) | Self::SetLocalMode { .. }, _) => CommandOutcome::Failed,
            (_, 1) => CommandOutcome::DoneWithWarnings,
            _ => CommandOutcome::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CommandOutcome::*;
    use super::*;
    use crate::command::{Power, PowerMode, PrepareSession, RebootIfNeeded, ReleaseSession, SessionGuard, StatusJson};
    use crate::station_file::StationPath;

    #[test]
    fn an_exit_code_means_what_its_command_says() {
        let prepare = StationCommand::PrepareSession(PrepareSession::default());
        let released = StationCommand::ReleaseSession(ReleaseSession::default());
        let guard = StationCommand::SessionGuard(SessionGuard::default());
        let power = StationCommand::Power(Power::new(PowerMode::Hibernate));
        let recovery = StationCommand::RebootIfNeeded(RebootIfNeeded::default());
        let status = StationCommand::StatusJson(StatusJson::default());
        let file = StationCommand::ReadFile(StationPath::EVENTS.parse().unwrap());
        let local_mode = StationCommand::SetLocalMode { enabled: true };
        for (command, codes) in [
            (prepare, [Done, DoneWithWarnings, Failed]),
            (released, [Done, DoneWithWarnings, Failed]),
            (guard, [Done, DoneWithWarnings, Failed]),
            (power, [Done, NotDone, Failed]),
            (recovery, [Done, NotDone, Failed]),
            (status, [Done, DoneWithWarnings, Failed]),
            (file, [Done, Failed, Failed]),
            (local_mode, [Done, Failed, Failed]),
        ] {
            for (code, outcome) in
                [(0, codes[0]), (1, codes[1]), (2, codes[2]), (3, Failed), (9009, Failed), (-1_073_741_510, Failed)]
            {
                assert_eq!(command.outcome(code), outcome, "{} exits with {code}", command.word());
            }
        }
        assert!(Done.is_done() && DoneWithWarnings.is_done() && !NotDone.is_done() && !Failed.is_done());
    }
}
