//! What a remote shell's command line does on a PC: `cmd.exe` with the few programs that somebody at a distance runs.

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cmd::{self, Joined, arguments};
use super::course::{Change, Course, Down, Printed, Stream};
use super::file_system::{FilePath, Named};
use super::lab_station::{Order, PowerOrder, Warning, order};
use super::power_shell::{self, Script};
use crate::operation::{Logoff, Operation, PowerRun, SessionRun, WakeCheck};

/// Someone who sits at the PC, or has left without logging off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sitting {
    pub user: String,
    pub session_id: i64,
    pub state: &'static str,
}

/// How the PC is at the moment a command is given.
pub(crate) struct Surroundings<'a> {
    pub host: &'a str,
    /// Station time − true time.
    pub clock_offset: TimeDelta,
    /// Other people than the lab user.
    pub sitting: Vec<Sitting>,
    pub lab_user_is_on: bool,
    /// What keeps adapters from waking the PC, in Lab Station's words.
    pub wake_faults: Option<String>,
    pub armed_devices: usize,
    /// Issues of the summary.
    pub issues: Vec<String>,
    /// A shutdown or reboot is already ordered.
    pub is_going_down: bool,
    /// `None`: there is no such file.
    pub file: &'a dyn Fn(&Named) -> Option<Vec<u8>>,
    /// `status.json` as the command line would write it now.
    pub status: &'a dyn Fn() -> Vec<u8>,
}

/// Plans a command line. `shell`: it goes through `cmd.exe`, which is what a remote shell does unless it is told not to.
pub(crate) fn plan(
    line: &str,
    shell: bool,
    at: DateTime<Utc>,
    around: &Surroundings<'_>,
    random: &mut ChaCha8Rng,
) -> Course {
    let mut run = Running { course: Course::new(at), around, random };
    if !shell {
        run.one(line.trim());
        return run.course;
    }
    let variable = |name: &str| {
        Some(match name.to_ascii_uppercase().as_str() {
            "COMPUTERNAME" => around.host.to_owned(),
            "USERNAME" => "labadmin".to_owned(),
            "SYSTEMROOT" | "WINDIR" => r"C:\Windows".to_owned(),
            "COMSPEC" => r"C:\Windows\system32\cmd.exe".to_owned(),
            _ => return None,
        })
    };
    for part in cmd::parts(line, variable) {
        match part.joined {
            Joined::IfDone if run.course.exit_code != 0 => continue,
            Joined::IfFailed if run.course.exit_code == 0 => continue,
            Joined::Pipe => run.course.prints.clear(),
            Joined::Always | Joined::IfDone | Joined::IfFailed => {}
        }
        let printed_before = run.course.prints.len();
        run.one(&part.text);
        if let Some(target) = part.output_to {
            let printed = run.course.prints.split_off(printed_before);
            if !target.eq_ignore_ascii_case("nul") {
                let bytes = printed.into_iter().flat_map(|print| match print.printed {
                    Printed::Text(text) => text.into_bytes(),
                    Printed::Bytes(bytes) => bytes,
                });
                let bytes = bytes.collect();
                run.course.change(Change::Write(target, bytes));
            }
        }
    }
    run.course
}

struct Running<'a, 'r> {
    course: Course,
    around: &'a Surroundings<'a>,
    random: &'r mut ChaCha8Rng,
}

impl Running<'_, '_> {
    fn take(&mut self, milliseconds: std::ops::RangeInclusive<i64>) {
        self.course.ends_at += TimeDelta::milliseconds(self.random.random_range(milliseconds));
    }

    fn end(&mut self, exit_code: i32) {
        self.course.exit_code = exit_code;
    }

    fn complain(&mut self, line: &str, exit_code: i32) {
        self.course.say(Stream::Stderr, line);
        self.end(exit_code);
    }

    fn stamp(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at + self.around.clock_offset
    }

    /// One program.
    fn one(&mut self, text: &str) {
        let words = arguments(text);
        let Some((name, rest)) = words.split_first() else { return };
        if FilePath::new(name).is_lab_station() {
            return self.lab_station(rest);
        }
        let program = name.rsplit(['\\', '/']).next().unwrap_or(name).to_lowercase();
        match program.trim_end_matches(".exe") {
            "powershell" => self.power_shell(rest),
            "echo" => {
                self.take(5..=30);
                let said = text.get(name.len() + 1..).unwrap_or("").to_owned();
                self.course.say(Stream::Stdout, said);
                self.end(0);
            }
            "hostname" => {
                self.take(20..=60);
                self.course.say(Stream::Stdout, self.around.host);
                self.end(0);
            }
            "exit" => {
                let code = rest.iter().find_map(|word| word.parse().ok()).unwrap_or(self.course.exit_code);
                self.end(code);
            }
            "ping" => {
                // `-n N` takes N - 1 seconds, the usual way to wait without a console.
                let count = rest.iter().skip_while(|word| *word != "-n").nth(1).and_then(|word| word.parse().ok());
                let seconds = i64::from(count.unwrap_or(4_u32).clamp(1, 3600)) - 1;
                self.course.say(Stream::Stdout, "Pinging 127.0.0.1 with 32 bytes of data:");
                self.course.ends_at += TimeDelta::seconds(seconds);
                self.course.say(Stream::Stdout, "Reply from 127.0.0.1: bytes=32 time<1ms TTL=128");
                self.end(0);
            }
            "type" => match rest.first().map(|path| (path, self.read(path))) {
                _ if rest.first().is_some_and(|path| path.eq_ignore_ascii_case("nul")) => self.end(0),
                Some((_, Some(bytes))) => {
                    self.take(10..=60);
                    self.bytes(bytes);
                    self.end(0);
                }
                _ => self.complain("The system cannot find the file specified.", 1),
            },
            "del" | "erase" => {
                if let Some(path) = rest.iter().find(|word| !word.starts_with('/')) {
                    self.course.change(Change::Remove(path.clone()));
                }
                self.end(0);
            }
            _ => {
                self.take(20..=80);
                let said = format!(
                    "'{name}' is not recognized as an internal or external command,\r\noperable program or batch file."
                );
                self.complain(&said, 1);
            }
        }
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        (self.around.file)(&FilePath::new(path).named())
    }

    fn bytes(&mut self, bytes: Vec<u8>) {
        let at = self.course.ends_at;
        self.course.prints.push(super::Print { at, stream: Stream::Stdout, printed: Printed::Bytes(bytes) });
    }

    fn power_shell(&mut self, arguments: &[String]) {
        self.take(900..=2500);
        let script = power_shell::script(arguments);
        let found = match &script {
            Some(Script::Base64(path) | Script::Text(path)) => self.read(path),
            _ => None,
        };
        match (script, found) {
            (Some(Script::Base64(_)), Some(bytes)) => self.course.say(Stream::Stdout, STANDARD.encode(bytes)),
            (Some(Script::Text(_)), Some(bytes)) => {
                let bytes = bytes.strip_prefix(crate::station_view::BOM).unwrap_or(&bytes);
                let text = String::from_utf8_lossy(bytes).into_owned();
                self.course.say(Stream::Stdout, text);
            }
            (Some(Script::Base64(path) | Script::Text(path)), None) => {
                let said = format!("Could not find file '{path}'.");
                return self.complain(&said, 1);
            }
            (Some(Script::Make(path)), _) => self.course.change(Change::Write(path, Vec::new())),
            (Some(Script::Remove(path)), _) => self.course.change(Change::Remove(path)),
            (Some(Script::Exists(path)), _) => {
                let said = if self.read(&path).is_some() { "True" } else { "False" };
                self.course.say(Stream::Stdout, said);
            }
            (Some(Script::Unknown(text)), _) => {
                let first = text.split_whitespace().next().unwrap_or("").to_owned();
                let said = format!("{first} : The term '{first}' is not recognized as the name of a cmdlet.");
                return self.complain(&said, 1);
            }
            (None, _) => return self.complain("Cannot process the command: it is not properly encoded.", 1),
        }
        self.end(0);
    }

    fn lab_station(&mut self, arguments: &[String]) {
        self.take(150..=400);
        match order(arguments) {
            Err(complaint) => self.complain(&format!("LabStation: {complaint}"), 2),
            Ok(Order::Prepare { user, guard }) => self.prepare(user, guard.as_ref()),
            Ok(Order::Release { user, reboot_after }) => self.release(user, reboot_after),
            Ok(Order::Guard { user, warning, force }) => {
                let sitting = self.sitting(user.as_deref());
                self.guard(&sitting, &warning, force);
                self.end(0);
            }
            Ok(Order::Power(power)) => self.power(power),
            Ok(Order::RebootIfNeeded { force, timeout, reason }) => self.reboot_if_needed(force, timeout, reason),
            Ok(Order::StatusJson { path }) => {
                self.take(5_000..=15_000);
                let status = (self.around.status)();
                match path {
                    Some(path) => self.course.change(Change::Write(path, status)),
                    // On standard output there is no mark.
                    None => self.bytes(status.strip_prefix(crate::station_view::BOM).unwrap_or(&status).to_vec()),
                }
                self.end(0);
            }
        }
    }

    fn sitting(&self, user: Option<&str>) -> Vec<Sitting> {
        let wanted = |one: &&Sitting| user.is_none_or(|user| user.eq_ignore_ascii_case(&one.user));
        self.around.sitting.iter().filter(wanted).cloned().collect()
    }

    /// Lets the grace pass, and logs them off.
    fn guard(&mut self, sitting: &[Sitting], warning: &Warning, force: bool) {
        if sitting.is_empty() {
            return self.course.say(Stream::Stdout, "session guard: nobody else is logged on");
        }
        let told = if warning.silent { "not told" } else { "told" };
        let said = format!("session guard: {} session(s) end in {} s, {told}", sitting.len(), warning.grace);
        self.course.say(Stream::Stdout, said);
        self.course.ends_at += TimeDelta::seconds(i64::from(warning.grace));
        for one in sitting {
            self.take(300..=1500);
            let logoff = Logoff {
                state: one.state.to_owned(),
                message: warning.message.clone(),
                grace: f64::from(warning.grace),
                force,
                ..Logoff::new(whole(self.stamp(self.course.ends_at)), &one.user, one.session_id)
            };
            self.course.change(Change::LogOff(one.user.clone()));
            self.course.change(Change::Record(Operation::ForcedLogoff(logoff)));
            self.course.say(Stream::Stdout, format!("session guard: logged off {}", one.user));
        }
    }

    fn session_run(&self, success: bool, user: String) -> SessionRun {
        let duration_ms = (self.course.ends_at - self.course.begun_at).num_milliseconds();
        SessionRun { at: whole(self.stamp(self.course.ends_at)), success, duration_ms, user }
    }

    fn prepare(&mut self, user: String, guard: Option<&Warning>) {
        let sitting = self.sitting(None);
        let mut warnings = Vec::new();
        match guard {
            Some(warning) => self.guard(&sitting, warning, true),
            None if !sitting.is_empty() => warnings.push("somebody else is logged on"),
            None => {}
        }
        self.take(2_000..=5_000);
        if !matches!(user.to_lowercase().as_str(), "" | "labuser") {
            warnings.push("the profile of this user does not exist yet");
        }
        for warning in &warnings {
            self.course.say(Stream::Stdout, format!("prepare-session: warning: {warning}"));
        }
        let success = warnings.is_empty();
        let run = self.session_run(success, user);
        self.course.change(Change::Record(Operation::Prepare(run)));
        let said = if success { "prepare-session: done" } else { "prepare-session: done with warnings" };
        self.course.say(Stream::Stdout, said);
        self.end(i32::from(!success));
    }

    fn release(&mut self, user: String, reboot_after: Option<u32>) {
        self.take(2_000..=5_000);
        let success = self.around.lab_user_is_on;
        if success {
            self.course.change(Change::LabUserLeaves);
        } else {
            self.course.say(Stream::Stdout, "release-session: warning: the lab user was not logged on");
        }
        let run = self.session_run(success, user);
        self.course.change(Change::Record(Operation::Release(run, reboot_after)));
        self.course.say(Stream::Stdout, "release-session: done");
        if let Some(timeout) = reboot_after {
            self.course.say(Stream::Stdout, format!("release-session: reboot in {timeout} s"));
            self.go_down(Down::Reboot, timeout);
        }
        self.end(i32::from(!success));
    }

    /// After the command has ended. A shutdown that is already ordered stays the one.
    fn go_down(&mut self, down: Down, seconds: u32) {
        if !self.around.is_going_down {
            // Windows needs a moment to begin even at once: the reply gets through, mostly.
            let after = TimeDelta::milliseconds(i64::from(seconds) * 1000 + 700);
            self.course.changes.push((self.course.ends_at + after, Change::GoDown(down)));
        }
    }

    fn power(&mut self, order: PowerOrder) {
        self.take(400..=1_200);
        if order.repair_wake && self.around.wake_faults.is_some() {
            self.take(2_000..=4_000);
            self.course.change(Change::RepairWake);
        }
        let faults = self.around.wake_faults.clone().filter(|_| !order.repair_wake && !order.skip_wake_check);
        // One line too many: the blank one at the end of what powercfg prints.
        let armed = i64::try_from(self.around.armed_devices.max(1)).unwrap_or(i64::MAX) + 1;
        let wake = match &faults {
            _ if order.skip_wake_check => WakeCheck::Skipped,
            Some(faults) => WakeCheck::NotReady(armed, faults.clone()),
            None => WakeCheck::Ready(armed),
        };
        let refused = if order.require_wake && faults.is_some() {
            Some("the station would not wake".to_owned())
        } else if !order.force && !self.around.sitting.is_empty() {
            Some("somebody is logged on".to_owned())
        } else if self.around.is_going_down {
            Some("a system shutdown has already been scheduled (1190)".to_owned())
        } else {
            None
        };
        let (mode, down) = if order.hibernate { ("hibernate", Down::Hibernate) } else { ("shutdown", Down::Shutdown) };
        let run = PowerRun {
            at: whole(self.stamp(self.course.ends_at)),
            success: refused.is_none(),
            mode: mode.to_owned(),
            delay: i64::from(order.delay),
            force: order.force,
            reason: order.reason,
            wake,
        };
        self.course.change(Change::Record(Operation::Power(run)));
        match refused {
            Some(why) => self.complain(&format!("power {mode}: not done: {why}"), 1),
            None => {
                self.course.say(Stream::Stdout, format!("power {mode}: in {} s", order.delay));
                self.go_down(down, order.delay);
                self.end(0);
            }
        }
    }

    fn reboot_if_needed(&mut self, force: bool, timeout: u32, reason: Option<String>) {
        self.take(5_000..=15_000);
        let issues = self.around.issues.join("; ");
        let rebooted = force || reason.is_some() || !issues.is_empty();
        let why = match (&reason, force, issues.is_empty()) {
            (Some(reason), _, _) => reason.clone(),
            (None, true, _) => "forced".to_owned(),
            (None, false, false) => "issues".to_owned(),
            (None, false, true) => "healthy".to_owned(),
        };
        self.course.change(Change::Record(Operation::SafeguardReboot {
            at: whole(self.stamp(self.course.ends_at)),
            rebooted,
            success: true,
            reason: why,
            message: if rebooted { "reboot scheduled" } else { "skipped" }.to_owned(),
            issues: (!issues.is_empty()).then_some(issues),
        }));
        if rebooted {
            self.course.say(Stream::Stdout, format!("recovery: reboot in {timeout} s"));
            self.go_down(Down::Reboot, timeout);
        } else {
            self.course.say(Stream::Stdout, "recovery: healthy, nothing to do");
        }
        self.end(i32::from(!rebooted));
    }
}

/// Lab Station's instants have whole seconds.
fn whole(at: DateTime<Utc>) -> DateTime<Utc> {
    use chrono::SubsecRound;
    at.trunc_subsecs(0)
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
