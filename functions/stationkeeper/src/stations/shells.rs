//! The remote shells of one station and the commands in them. Time is an argument.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use oem_cp::{Cp437, Cp850, StrExt as _};
use stationkeeper_simulator::{Course, Printed, Stream};
use uuid::Uuid;

use super::answer::{Output, SoapFault};

/// As Windows has them, for one user.
const MOST_SHELLS: usize = 30;
const MOST_COMMANDS: usize = 15;
/// A shell that nobody uses for so long is gone.
const IDLE: TimeDelta = TimeDelta::hours(2);
/// What an envelope needs beside the output that it carries, in bytes.
const ENVELOPE: usize = 4_096;
/// No answer carries less, however small an envelope the client wants.
const LEAST_PIECE: usize = 1_024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Shells(BTreeMap<String, Shell>);

#[derive(Debug)]
struct Shell {
    code_page: u16,
    used_at: DateTime<Utc>,
    commands: BTreeMap<String, Command>,
}

/// A command that was given.
#[derive(Debug)]
pub(super) struct Command {
    /// What it does.
    pub course: Course,
    /// As it was given.
    pub line: String,
    /// Printed, and not yet delivered.
    left: VecDeque<(DateTime<Utc>, Stream, Vec<u8>)>,
}

impl Shells {
    /// Opens one.
    pub fn create(&mut self, code_page: u16, now: DateTime<Utc>) -> Result<String, SoapFault> {
        self.0.retain(|_, shell| now - shell.used_at < IDLE);
        if self.0.len() >= MOST_SHELLS {
            return Err(SoapFault::TooManyShells(MOST_SHELLS));
        }
        let id = new_id();
        self.0.insert(id.clone(), Shell { code_page, used_at: now, commands: BTreeMap::new() });
        Ok(id)
    }

    /// Whether there is one; using it keeps it.
    pub fn touch(&mut self, shell: &str, now: DateTime<Utc>) -> Result<(), SoapFault> {
        self.shell(shell, now).map(drop)
    }

    /// A command was given in one.
    pub fn begin(&mut self, shell: &str, line: &str, course: Course) -> Result<String, SoapFault> {
        let now = course.begun_at;
        let shell = self.shell(shell, now)?;
        let code_page = shell.code_page;
        let left = course.prints.iter().map(|print| (print.at, print.stream, encoded(&print.printed, code_page)));
        let left = left.filter(|(_, _, bytes)| !bytes.is_empty()).collect();
        let id = new_id();
        shell.commands.insert(id.clone(), Command { line: line.to_owned(), left, course });
        Ok(id)
    }

    /// Whether one more command may be given in it.
    pub fn has_room(&mut self, shell: &str, now: DateTime<Utc>) -> Result<(), SoapFault> {
        let shell = self.shell(shell, now)?;
        if shell.commands.len() < MOST_COMMANDS { Ok(()) } else { Err(SoapFault::TooManyCommands(MOST_COMMANDS)) }
    }

    /// A command in one.
    pub fn command(&mut self, shell: &str, command: &str, now: DateTime<Utc>) -> Result<&mut Command, SoapFault> {
        let commands = &mut self.shell(shell, now)?.commands;
        commands.get_mut(command).ok_or_else(|| SoapFault::UnknownCommand(command.to_owned()))
    }

    /// Takes a command away.
    pub fn end(&mut self, shell: &str, command: &str, now: DateTime<Utc>) -> Result<Command, SoapFault> {
        let commands = &mut self.shell(shell, now)?.commands;
        commands.remove(command).ok_or_else(|| SoapFault::UnknownCommand(command.to_owned()))
    }

    /// Closes a shell; its commands are the caller's to stop.
    pub fn delete(&mut self, shell: &str) -> Result<Vec<Command>, SoapFault> {
        let gone = self.0.remove(shell).ok_or_else(|| SoapFault::UnknownShell(shell.to_owned()))?;
        Ok(gone.commands.into_values().collect())
    }

    /// They end with their PC.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    fn shell(&mut self, shell: &str, now: DateTime<Utc>) -> Result<&mut Shell, SoapFault> {
        let found = self.0.get_mut(shell).ok_or_else(|| SoapFault::UnknownShell(shell.to_owned()))?;
        found.used_at = now;
        Ok(found)
    }
}

impl Command {
    /// What it has printed up to now, as far as an answer of `most_bytes` carries it. `None`: nothing, and it still runs.
    pub fn take(&mut self, now: DateTime<Utc>, most_bytes: usize) -> Option<Output> {
        // Base64 makes four bytes of three.
        let mut room = (most_bytes.saturating_sub(ENVELOPE) / 4 * 3).max(LEAST_PIECE);
        let mut output = Output::default();
        while room > 0
            && let Some((_, stream, mut bytes)) = self.left.pop_front_if(|(at, _, _)| *at <= now)
        {
            let rest = bytes.split_off(bytes.len().min(room));
            room -= bytes.len();
            if !rest.is_empty() {
                self.left.push_front((now, stream, rest));
            }
            output.pieces.push((stream, bytes));
        }
        if self.left.is_empty() && self.course.ends_at <= now {
            output.exit_code = Some(self.course.exit_code);
        }
        (!output.pieces.is_empty() || output.exit_code.is_some()).then_some(output)
    }

    /// When there will be something to take.
    pub fn next_at(&self) -> DateTime<Utc> {
        self.left.front().map_or(self.course.ends_at, |(at, _, _)| *at)
    }
}

fn new_id() -> String {
    Uuid::new_v4().to_string().to_uppercase()
}

/// As a console writes it: what the code page has not is a question mark.
fn encoded(printed: &Printed, code_page: u16) -> Vec<u8> {
    match (printed, code_page) {
        (Printed::Bytes(bytes), _) => bytes.clone(),
        (Printed::Text(text), 65_001) => text.clone().into_bytes(),
        (Printed::Text(text), 850) => text.to_cp_lossy::<Cp850>().into_iter().map(u8::from).collect(),
        (Printed::Text(text), _) => text.to_cp_lossy::<Cp437>().into_iter().map(u8::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stationkeeper_simulator::{LabPlan, LiveLab, Role};

    fn start() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(1_795_507_200)
    }

    fn lab() -> LiveLab {
        let plan = LabPlan { roles: Some(vec![Role::Idle]), ..LabPlan::new(1, start(), None, 5) };
        stationkeeper_simulator::Lab::new(plan).unwrap().emissions().live()
    }

    fn after(seconds: i64) -> DateTime<Utc> {
        start() + TimeDelta::seconds(seconds)
    }

    fn begun(shells: &mut Shells, code_page: u16, line: &str) -> (String, String) {
        let mut lab = lab();
        let host = lab.hosts().next().unwrap().clone();
        lab.put_file(&host, r"C:\long.txt", vec![b'x'; 400_000]);
        let course = lab.give(&host, line, true, after(0)).unwrap();
        let shell = shells.create(code_page, after(0)).unwrap();
        let command = shells.begin(&shell, line, course).unwrap();
        (shell, command)
    }

    #[test]
    fn what_is_printed_comes_in_the_code_page_of_the_shell() {
        for (code_page, bytes) in [
            (437, b"a\xa4o ?\r\n".as_slice()),
            (850, b"a\xa4o ?\r\n"),
            (65_001, "año 日\r\n".as_bytes()),
            (1, b"a\xa4o ?\r\n"),
        ] {
            let mut shells = Shells::default();
            let (shell, command) = begun(&mut shells, code_page, "echo año 日");
            let output = shells.command(&shell, &command, after(1)).unwrap().take(after(1), 153_600).unwrap();
            assert_eq!(
                output,
                Output { pieces: vec![(Stream::Stdout, bytes.to_vec())], exit_code: Some(0) },
                "{code_page}"
            );
        }
    }

    #[test]
    fn long_output_comes_in_pieces_that_fit_an_envelope_and_the_end_with_the_last() {
        let mut shells = Shells::default();
        let (shell, command) = begun(&mut shells, 437, r"type C:\long.txt");
        let (mut bytes, mut answers) = (0, 0);
        loop {
            let command = shells.command(&shell, &command, after(1)).unwrap();
            let output = command.take(after(1), 153_600).unwrap();
            let said = super::super::answer::received("uuid:1", "C", &output);
            assert!(said.len() <= 153_600, "{}", said.len());
            bytes += output.pieces.iter().map(|(_, piece)| piece.len()).sum::<usize>();
            answers += 1;
            if output.exit_code.is_some() {
                break;
            }
        }
        assert_eq!((bytes, answers), (400_000, 4));
    }

    #[test]
    fn a_command_that_runs_says_nothing_until_it_does() {
        let mut shells = Shells::default();
        let (shell, command) = begun(&mut shells, 437, "ping -n 11 127.0.0.1");
        let command = shells.command(&shell, &command, after(1)).unwrap();
        assert!(command.take(after(1), 153_600).unwrap().exit_code.is_none(), "its first line");
        assert_eq!(command.take(after(9), 153_600), None);
        assert!(command.next_at() <= after(10));
        assert_eq!(command.take(after(10), 153_600).unwrap().exit_code, Some(0));
    }

    #[test]
    fn shells_are_bounded_and_forgotten_when_nobody_uses_them() {
        let mut shells = Shells::default();
        let ids: Vec<String> = (0..MOST_SHELLS).map(|_| shells.create(437, after(0)).unwrap()).collect();
        assert_eq!(shells.create(437, after(0)), Err(SoapFault::TooManyShells(MOST_SHELLS)));
        shells.touch(&ids[0], after(7_000)).unwrap();
        shells.create(437, after(7_201)).unwrap();
        assert_eq!(shells.count(), 2);
        assert_eq!(shells.touch(&ids[1], after(7_201)), Err(SoapFault::UnknownShell(ids[1].clone())));
        shells.delete(&ids[0]).unwrap();
        assert_eq!(shells.delete(&ids[0]).err(), Some(SoapFault::UnknownShell(ids[0].clone())));
        assert!(matches!(shells.command("x", "y", after(0)), Err(SoapFault::UnknownShell(_))));
    }
}
