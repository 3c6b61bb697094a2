//! A desktop of a test's own: bus, screen, window manager, home. It ends with the test.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stationkeeper_tests::programs::{Running, variable};
use stationkeeper_tests::waiting::{PATIENCE, until};
use tempfile::TempDir;

use crate::bus::Bus;

/// As a session bus is, but nothing is started because somebody asks for it.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir=RUN</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"#;

/// Whether the desktop keeps secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keychain {
    /// gnome-keyring, unlocked.
    Open,
    /// None.
    Absent,
}

/// See the module. What was started last ends first.
pub struct Desktop {
    /// Who shows trays and notifications there.
    pub bus: Bus,
    environment: Vec<(&'static str, String)>,
    _programs: Vec<Running>,
    folder: TempDir,
}

impl Desktop {
    /// Without a keychain.
    pub async fn start() -> Self {
        Self::start_with(Keychain::Absent, &[]).await
    }

    /// With more variables of its own, too.
    pub async fn start_with(keychain: Keychain, more: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (home, run) = (folder.path().join("home"), folder.path().join("run"));
        for one in [&home, &run] {
            std::fs::create_dir(one).unwrap();
            std::fs::set_permissions(one, PermissionsExt::from_mode(0o700)).unwrap();
        }
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let mut environment: Vec<_> = vec![
            ("PATH", variable("PATH").unwrap()),
            ("HOME", text(&home)),
            ("XDG_RUNTIME_DIR", text(&run)),
            ("TMPDIR", text(&run)),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("NO_AT_BRIDGE", "1".to_owned()),
        ];
        environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));

        let configuration = folder.path().join("bus.conf");
        std::fs::write(&configuration, BUS.replace("RUN", run.to_str().unwrap())).unwrap();
        let mut start = Starting { folder: folder.path(), environment, programs: Vec::new() };
        let file = format!("--config-file={}", configuration.display());
        let address = start.first_line("dbus-daemon", &["--nofork", "--nopidfile", "--print-address", &file]);
        start.environment.push(("DBUS_SESSION_BUS_ADDRESS", address.clone()));
        // Without `-noreset` a screen begins anew whenever the last program leaves it, and drops who comes at that moment.
        let screen = ["-displayfd", "1", "-screen", "0", "1000x800x24", "-nolisten", "tcp", "-noreset"];
        let screen = start.first_line("Xvfb", &screen);
        start.environment.push(("DISPLAY", format!(":{screen}")));
        start.in_background("openbox", &[]);
        let bus = Bus::start(&address).await;
        if keychain == Keychain::Open {
            let line = "exec gnome-keyring-daemon --unlock --components=secrets --foreground <<END\npassword\nEND";
            start.in_background("sh", &["-c", line]);
            bus.until_somebody_is("org.freedesktop.secrets").await;
        }
        let Starting { environment, programs, .. } = start;
        let desktop = Self { bus, environment, _programs: programs, folder };
        // Without a window manager no window has the keyboard.
        until("a window manager", PATIENCE, async || desktop.xdotool(&["get_num_desktops"])).await;
        desktop
    }

    /// A program of this desktop.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        command(program, &self.environment)
    }

    /// Where the app's user keeps everything.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// What goes with the desktop.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The app's own folder.
    pub fn kept(&self) -> PathBuf {
        self.home().join(".config/org.stationkeeper.tray")
    }

    /// All that the app logged.
    pub fn log(&self) -> String {
        let folder = self.home().join(".local/share/org.stationkeeper.tray/logs");
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect()
    }

    /// Whether a window of the app is on the screen.
    pub fn shows_window(&self) -> bool {
        self.xdotool(&["search", "--onlyvisible", "--name", "^Stationkeeper$"]).is_some_and(|found| !found.is_empty())
    }

    /// Whether the window of the app has the keyboard.
    pub fn window_is_active(&self) -> bool {
        self.xdotool(&["getactivewindow", "getwindowname"]).is_some_and(|name| name == "Stationkeeper")
    }

    /// Presses a key as a person does, whoever has the keyboard.
    pub fn press(&self, key: &str) {
        assert!(self.xdotool(&["key", key]).is_some(), "{key} cannot be pressed");
    }

    /// Starts the app, nobody driving its window.
    pub fn run_app(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(app());
        command.args(arguments);
        let mut running = Running::start(command, "stationkeeper-tray", &self.folder().join("app.log"));
        running.keep_output(&self.folder().join("app.out"));
        running
    }

    /// Starts the app a second time, to its end.
    pub fn start_again(&self, arguments: &[&str]) {
        let ended = self.command(app()).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    }

    fn xdotool(&self, arguments: &[&str]) -> Option<String> {
        let output =
            self.command("xdotool").args(arguments).stdin(Stdio::null()).output().expect("xdotool is installed");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// The app that is tested.
pub fn app() -> PathBuf {
    let app = variable("STATIONKEEPER_TEST_TRAY").map(PathBuf::from);
    app.filter(|app| app.is_file()).expect("STATIONKEEPER_TEST_TRAY names the tray app that `tests/run tray` built")
}

fn command(program: impl AsRef<std::ffi::OsStr>, environment: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter().map(|(name, value)| (*name, value)));
    command
}

struct Starting<'a> {
    folder: &'a Path,
    environment: Vec<(&'static str, String)>,
    programs: Vec<Running>,
}

impl Starting<'_> {
    fn start(&self, program: &str, arguments: &[&str]) -> Running {
        let mut command = command(program, &self.environment);
        command.args(arguments);
        Running::start(command, program, &self.folder.join(format!("{program}.log")))
    }

    fn first_line(&mut self, program: &str, arguments: &[&str]) -> String {
        let mut running = self.start(program, arguments);
        let line = running.first_line(PATIENCE).trim().to_owned();
        self.programs.insert(0, running);
        line
    }

    fn in_background(&mut self, program: &str, arguments: &[&str]) {
        let mut running = self.start(program, arguments);
        running.keep_output(&self.folder.join(format!("{program}.out")));
        self.programs.insert(0, running);
    }
}
