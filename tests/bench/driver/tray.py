"""Figures of the tray app: how soon its icon is there and right, and what it takes when nobody looks at it.

Each run has a desktop of its own: a session bus without a keychain, a screen in memory, a window manager, a place for tray icons.
"""

import asyncio
import datetime
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from parts import ROOT, Figure, Measured, apt_install, median, memory_mb, percentile
from service import Up, at, healthy, s3_client, utc_now

PACKAGES = ("dbus-daemon", "Xvfb", "openbox", "xdotool")
ITEM = "org.kde.StatusNotifierItem"
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir={folder}</listen><policy context="default">
<allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""


class Watcher(ServiceInterface):
    """Where tray icons are registered: when one came."""

    def __init__(self):
        super().__init__("org.kde.StatusNotifierWatcher")
        self.came = threading.Event()
        self.at = None

    @dbus_method()
    def RegisterStatusNotifierItem(self, service: "s"):  # noqa: F821, N802
        self.at = time.monotonic()
        self.came.set()

    @dbus_method()
    def RegisterStatusNotifierHost(self, service: "s"):  # noqa: F821, N802
        pass

    @dbus_property(access=PropertyAccess.READ)
    def IsStatusNotifierHostRegistered(self) -> "b":  # noqa: F821, N802
        return True

    @dbus_property(access=PropertyAccess.READ)
    def RegisteredStatusNotifierItems(self) -> "as":  # noqa: F722, N802
        return []

    @dbus_property(access=PropertyAccess.READ)
    def ProtocolVersion(self) -> "i":  # noqa: F821, N802
        return 0


class Desktop:
    """See the module. `icons`: when the icon changed."""

    def __init__(self, bench):
        missing = [name for name in PACKAGES if shutil.which(name) is None]
        if missing:
            apt_install("dbus", "xvfb", "openbox", "xdotool", "libayatana-appindicator3-1", "libwebkit2gtk-4.1-0")
        self.bench = bench
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=bench.folder))
        runtime = self.folder / "run"
        runtime.mkdir(mode=0o700)
        config = self.folder / "bus.conf"
        config.write_text(BUS.format(folder=runtime))
        self.started = []
        self.bus_address = self.line("dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1")
        display = self.line("Xvfb", "-displayfd", "1", "-screen", "0", "900x760x24", "-nolisten", "tcp", "-noreset")
        self.variables = {
            **bench.environment(), "DBUS_SESSION_BUS_ADDRESS": self.bus_address, "DISPLAY": f":{display}", "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(runtime), "LANG": "C.UTF-8",
        }
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            self.variables.pop(name, None)
        self.started.append(subprocess.Popen(["openbox"], env=self.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self.watcher, self.icons = Watcher(), []
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self.watch(), self.loop).result(10)

    def line(self, *words):
        """Starts a server that says in its first line where it is."""
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.bench.environment(), text=True)
        self.started.append(process)
        said = process.stdout.readline().strip()
        if not said:
            raise RuntimeError(f"{words[0]} did not start")
        return said

    async def watch(self):
        self.bus = await MessageBus(bus_address=self.bus_address, bus_type=BusType.SESSION).connect()
        self.bus.export("/StatusNotifierWatcher", self.watcher)
        await self.bus.request_name("org.kde.StatusNotifierWatcher")
        self.bus.add_message_handler(self.hear)
        rule = Message("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", signature="s", body=[f"type='signal',interface='{ITEM}'"])
        await self.bus.call(rule)

    def hear(self, message):
        if message.message_type == MessageType.SIGNAL and message.interface == ITEM and message.member == "NewIcon":
            self.icons.append(time.monotonic())
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self.leave(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        for process in reversed(self.started):
            process.terminate()
            process.wait()

    async def leave(self):
        self.bus.disconnect()

    def pair(self, where):
        """As the app keeps a connection, and its token where there is no keychain."""
        address = where["api"].split("/")[2]
        connection = http.client.HTTPConnection(address, timeout=30)
        headers = {"Authorization": f"Bearer {where['admin_token']}", "Content-Type": "application/json"}
        connection.request("POST", "/api/v1/tokens", json.dumps({"name": "bench", "role": "instructor"}), headers)
        answer = connection.getresponse()
        minted = json.load(answer)
        if answer.status not in (200, 201):
            raise RuntimeError(f"no token for the tray app: {minted}")
        gateway = f"http://{address}"
        folder = self.folder / ".config/org.stationkeeper.tray"
        folder.mkdir(parents=True)
        folder.chmod(0o700)
        person = {"name": "bench", "role": "instructor", "labs": None}
        for name, text in {"connection.json": json.dumps({"gateway": gateway, "person": person}), "token": f"{gateway}\n{minted['token']}\n"}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        return minted["token"]

    def tray(self, *words):
        return Tray(self, *words)

    def window(self):
        """Whether a window of the app is on the screen."""
        found = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", "^Stationkeeper$"], env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return found.stdout.split()

    def key(self, name):
        subprocess.run(["xdotool", "search", "--onlyvisible", "--name", "^Stationkeeper$", "windowfocus", "--sync", "key", name], env=self.variables, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Tray:
    """The app, running."""

    def __init__(self, desktop, *words):
        desktop.watcher.came.clear()
        program = desktop.bench.program("stationkeeper-tray")
        self.began = time.monotonic()
        self.process = subprocess.Popen([program, *words], env=desktop.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not desktop.watcher.came.wait(30):
            self.process.kill()
            raise RuntimeError("the tray app showed no icon for 30 s")
        self.icon_after = desktop.watcher.at - self.began

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def children(self):
        """Its processes of the web view, by name."""
        listed = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(self.process.pid)], stdout=subprocess.PIPE, text=True).stdout
        return {int(pid): name for pid, name in (line.split(None, 1) for line in listed.splitlines()) if name.startswith("WebKit")}


def until(what, holds, seconds=60):
    end = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return found


def start(bench):
    count = bench.times(20)
    took = []
    with Up(bench, "--demo", "12") as up, Desktop(bench) as desktop:
        desktop.pair(up.where)
        for number in range(count + 1):
            with desktop.tray("--minimized") as tray:
                if number:  # the first reads the program from the disk
                    took.append(tray.icon_after * 1e3)
    return Measured(
        f"median {median(took):.0f} ms, at most {max(took):.0f} ms", max(took) < 700,
        f"{count} starts with `--minimized`, paired with `up --demo 12`; from its start to its icon's registration",
    )


class Listener(threading.Thread):
    """Hears the gateway's events beside the app: when the last one of a station came."""

    def __init__(self, where, token):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(where["api"].split("/")[2], timeout=600)
        self.connection.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {token}", "Accept": "text/event-stream"})
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise RuntimeError(f"no events: {self.answer.status}")
        self.heard = []
        self.start()

    def run(self):
        kind = None
        try:
            while line := self.answer.readline():
                if line.startswith(b"event:"):
                    kind = line[6:].strip()
                elif line.startswith(b"data:") and kind not in (b"hello", b"tick"):
                    self.heard.append(time.monotonic())
        except (OSError, ValueError, AttributeError):
            pass  # the gateway was stopped


def event(bench):
    """A station is ready and needs attention in turns; the icon follows."""
    count = bench.times(100)
    template = healthy(bench)
    took, whole = [], []
    with Up(bench) as up, Desktop(bench) as desktop:
        token = desktop.pair(up.where)
        listener = Listener(up.where, token)
        s3 = s3_client(up.where)

        def put(second, ready):
            body = at(template, "LAB-WS01", begun + datetime.timedelta(seconds=second))
            if not ready:
                heartbeat = json.loads(body)
                heartbeat["summary"].update({"ready": False, "issues": ["a bench"]})
                body = json.dumps(heartbeat)
            s3.put_object(Bucket=up.where["bucket"], Key="stations/LAB-WS01/heartbeat.json", Body=body.encode())

        begun = utc_now() - datetime.timedelta(seconds=90)  # a heartbeat a second of the station's clock, two a second of ours
        put(0, True)
        with desktop.tray("--minimized"):
            time.sleep(5)  # it connects, and the icon becomes what it is
            for number in range(count):
                seen, known = len(desktop.icons), len(listener.heard)
                sent = time.monotonic()
                put(number + 1, number % 2 == 1)
                until("a change of the icon", lambda: len(desktop.icons) > seen)
                until("an event", lambda: len(listener.heard) > known)
                took.append(max(0.0, desktop.icons[seen] - listener.heard[known]) * 1e3)
                whole.append((desktop.icons[seen] - sent) * 1e3)
                time.sleep(0.3)
    p99 = percentile(took, 0.99)
    return Measured(
        f"p99 {p99:.0f} ms, median {median(took):.0f} ms (from the upload: p99 {percentile(whole, 0.99):.0f} ms)", p99 < 500,
        f"{count} heartbeats that make a station ready or not, `up` on SQLite; from the event at another listener to the icon's signal",
    )


def idle(bench):
    seconds = 30 if bench.quick else 300
    with Up(bench, "--demo", "12") as up, Desktop(bench) as desktop:
        desktop.pair(up.where)
        with desktop.tray("--minimized") as tray:
            time.sleep(10)
            before = tray.cpu_seconds()
            time.sleep(seconds)
            share = (tray.cpu_seconds() - before) / seconds
    return Measured(f"{share * 100:.2f} % of a core", share < 0.003, f"{seconds} s with `up --demo 12`, connected to its events, no window")


def memory(bench):
    with Up(bench, "--demo", "12") as up, Desktop(bench) as desktop:
        desktop.pair(up.where)
        with desktop.tray() as tray:
            until("the window", desktop.window)
            until("the web view", lambda: any(name.startswith("WebKitWeb") for name in tray.children().values()))
            time.sleep(5)
            opened, view = memory_mb(tray.process.pid), sum(map(memory_mb, tray.children()))
            desktop.key("Escape")
            until("the window to close", lambda: not desktop.window())
            until("the web view to be freed", lambda: not any(name.startswith("WebKitWeb") for name in tray.children().values()), 300)
            time.sleep(5)
            closed, left = memory_mb(tray.process.pid), sum(map(memory_mb, tray.children()))
    return Measured(
        f"{closed:.0f} MB, and {left:.0f} MB of the web view; {opened:.0f} and {view:.0f} MB with its window", closed < 80,
        "share of all pages (PSS), paired with `up --demo 12`: the window was opened, closed, and its web view freed",
    )


def installer(bench):
    if shutil.which("npm") is None:
        apt_install("npm")
    built = subprocess.run(["tray-app/package"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    package = pathlib.Path(built.stdout.strip().splitlines()[-1])
    size = package.stat().st_size / 1e6
    return Measured(f"{size:.1f} MB", size < 12, f"`{package.name}`")


FIGURES = [
    Figure("tray-start", "icon within 700 ms", start, frozenset({"release", "tray"})),
    Figure("tray-event", "event on the icon within 500 ms (p99)", event, frozenset({"release", "tray"})),
    Figure("tray-idle", "under 0.3 % of a core", idle, frozenset({"release", "tray"})),
    Figure("tray-memory", "main process under 80 MB, window closed", memory, frozenset({"release", "tray"})),
    Figure("tray-installer", "under 12 MB", installer, frozenset({"tray"})),
]
