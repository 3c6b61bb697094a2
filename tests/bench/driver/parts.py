"""What figures are made of: built programs, a MariaDB of the run's own, folders, processes."""

import dataclasses
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from typing import Callable

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = pathlib.Path(os.environ["CARGO_TARGET_DIR"])


def say(text):
    """To whoever watches; the table alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)


@dataclasses.dataclass
class Measured:
    """What came out: the text of the row, whether it is what it must be, and what was run."""

    text: str
    met: bool
    ran: str


@dataclasses.dataclass
class Figure:
    """A row of the table: its name on the command line, its target, how it is measured, and which programs it needs."""

    name: str
    target: str
    measure: Callable[["Bench"], Measured]
    needs: frozenset = frozenset({"release"})


def apt_install(*packages):
    """Installs packages of the system, as root or by sudo."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*as_root, "apt-get", "update", "-qq"], check=False)
    words = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    subprocess.run([*as_root, *words], check=True, stdout=subprocess.DEVNULL)


def memory_mb(pid):
    """Its share of all pages: those that processes share count in parts."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("no Pss: it ended")


def median(values):
    values = sorted(values)
    return values[(len(values) - 1) // 2]


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Bench:
    """One run. Everything it starts ends with it, and its folder goes."""

    def __init__(self, quick, build):
        self.quick = quick
        self.may_build = build
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stationkeeper-bench."))
        self.folder.chmod(0o755)
        self.server = None
        self.port = None
        self.databases = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.server:
            self.server.terminate()
            self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def times(self, number):
        """So many, or a tenth in a quick run."""
        return max(1, number // 10) if self.quick else number

    # --- programs ---

    def build(self, needs):
        if not self.may_build:
            return
        kept = TARGET / "bench"
        kept.mkdir(exist_ok=True)
        if "record" in needs:
            say("== building the recorder")
            subprocess.run(["cargo", "build", "--release", "--locked", "--workspace", "--exclude", "stationkeeper-tray", "--bins", "--features", "stationkeeper-bench/record"], cwd=ROOT, check=True)
            # Its own copy: the next build is without the feature.
            shutil.copy2(TARGET / "release/bench-commits", kept / "bench-commits")
        if "release" in needs:
            say("== building")
            subprocess.run(["cargo", "build", "--release", "--locked", "--workspace", "--exclude", "stationkeeper-tray", "--bins"], cwd=ROOT, check=True)
        if "lambda" in needs:
            say("== building in the profile lambda")
            subprocess.run(["cargo", "build", "--profile", "lambda", "--locked", "-p", "stationkeeper-ingest", "-p", "stationkeeper-bare-lambda"], cwd=ROOT, check=True)

        if "tray" in needs:
            say("== building the tray app")
            if not shutil.which("pkg-config") or subprocess.run(["pkg-config", "--exists", "webkit2gtk-4.1"], check=False).returncode != 0:
                apt_install("pkg-config", "libwebkit2gtk-4.1-dev", "libayatana-appindicator3-dev", "librsvg2-dev")
            subprocess.run(["cargo", "build", "--release", "--locked", "-p", "stationkeeper-tray"], cwd=ROOT, check=True)

    def program(self, name):
        places = {"bench-commits": "bench", "stationkeeper-ingest": "lambda", "stationkeeper-bare-lambda": "lambda"}
        return str(TARGET / places.get(name, "release") / name)

    def run(self, *words, **variables):
        """Runs a program to its end; its one line of JSON."""
        words = [str(word) for word in words]
        done = subprocess.run(words, stdout=subprocess.PIPE, env={**self.environment(), **variables}, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def start(self, *words, **variables):
        """Starts a program that says in its first line where it is."""
        process = subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**self.environment(), **variables}, text=True,
        )
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{words} said nothing and ended with {process.wait()}")
        return process, json.loads(line)

    @staticmethod
    def environment():
        """Without what this computer's user has configured."""
        return {name: value for name, value in os.environ.items() if not name.startswith(("STATIONKEEPER_", "AWS_", "OPS_", "WINRM_"))}

    def lab(self, stations, minutes):
        """A simulated lab in a folder; its names and its seed are none that the dictionary was trained on."""
        folder = self.folder / f"lab-{stations}x{minutes}"
        if not folder.exists():
            words = ["simulate", "--stations", stations, "--minutes", minutes, "--seed", 4711, "--out", folder]
            subprocess.run([self.program("stationkeeper"), *map(str, words)], check=True, stderr=subprocess.DEVNULL, env=self.environment())
        return folder

    def bucket(self):
        """An S3 endpoint in a process of its own: the process and where it is."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        return self.start(self.program("stationkeeper"), "bench", "bucket", folder)

    # --- MariaDB ---

    def start_server(self):
        if self.server:
            return
        folder = self.folder / "mariadb"
        folder.mkdir()
        as_user = []
        if os.geteuid() == 0:
            as_user = ["--user=mysql"]
            shutil.chown(folder, "mysql")
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", *as_user, f"--datadir={folder}/rows", "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.port = free_port()
        log = open(folder / "log", "w")
        self.server = subprocess.Popen(
            ["mariadbd", "--no-defaults", *as_user, f"--datadir={folder}/rows", f"--socket={folder}/sock", f"--pid-file={folder}/pid",
             f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-log-bin", "--skip-name-resolve", "--max-connections=400",
             "--innodb-buffer-pool-size=1G"],
            stdout=log, stderr=log,
        )
        for _ in range(600):
            if self.sql("select 1", check=False) is not None:
                break
            if self.server.poll() is not None:
                raise RuntimeError(f"MariaDB did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        self.sql("create user sk@'127.0.0.1' identified by 'sk'; grant all on *.* to sk@'127.0.0.1' with grant option;")

    def sql(self, text, check=True):
        """Runs statements as the server's root; what they print."""
        done = subprocess.run(
            ["mariadb", "--no-defaults", "-S", str(self.folder / "mariadb/sock"), "-u", "root", "-N", "-e", text],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        if done.returncode != 0:
            if check:
                raise RuntimeError(done.stderr)
            return None
        return done.stdout

    def database(self, kind):
        """The URL of an empty database."""
        self.databases += 1
        if kind == "sqlite":
            return f"sqlite:{self.folder}/bench-{self.databases}.sqlite"
        self.start_server()
        self.sql(f"create database bench_{self.databases} character set utf8mb4")
        return f"mysql://sk:sk@127.0.0.1:{self.port}/bench_{self.databases}"

    def drop(self, url):
        """A database that is not needed any more."""
        if url.startswith("mysql:"):
            self.sql(f"drop database {url.rsplit('/', 1)[1]}")
        else:
            for path in self.folder.glob(pathlib.Path(url.removeprefix("sqlite:")).name + "*"):
                path.unlink()

    def server_version(self):
        return self.sql("select version()").strip() if self.server else None


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
