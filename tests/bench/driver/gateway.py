"""Figures of the gateway: how fast it lists, begins and tells, what hanging stations cost the others, what it takes when nobody asks."""

import datetime
import http.client
import json
import pathlib
import sys
import tempfile
import threading
import time

from parts import ROOT, Figure, Measured, median, memory_mb, percentile, say

SERVICE = ROOT / "tests/bench/python_service.py"
TEXTS = ROOT / "functions/api/i18n/en.json"
LIST = "/api/v1/stations?limit=500"


class Gateway:
    """A running `gateway` over a database and, where there are any, simulated stations that it commands."""

    def __init__(self, bench, url, stations=None):
        folder = pathlib.Path(tempfile.mkdtemp(dir=bench.folder))
        variables = {}
        if stations:
            (folder / "hosts.json").write_text(json.dumps({"hosts": stations["hosts"]}))
            variables = {
                "OPS_CONFIG": str(folder / "hosts.json"), "WINRM_MANAGEMENT_CIDRS": "127.0.0.0/16",
                "WINRM_USER": stations.get("user", "nobody"), "WINRM_PASSWORD": stations.get("password", "none"),
            }
        self.process, self.where = bench.start(
            bench.program("stationkeeper"), "gateway", "--json", "--data", folder / "data", "--listen", "127.0.0.1:0", "--database", url, **variables,
        )
        self.address = self.where["page"].split("/")[2]
        self.token = self.where["admin_token"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Runs on stations that hang would be waited for.
        self.process.kill()
        self.process.wait()

    def ask(self, method, path, body=None, patience=60):
        """Status and document, over a connection of its own."""
        connection = http.client.HTTPConnection(self.address, timeout=patience)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        return answer.status, json.loads(read or b"null")

    def did(self, method, path, body=None):
        status, document = self.ask(method, path, body)
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {status} {document}")
        return document

    def book(self, name, host, begins_in, lasts):
        """A reservation, so many seconds from now and so many long."""
        now = datetime.datetime.now(datetime.timezone.utc)
        at = lambda seconds: (now + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"host": host, "start_at": at(begins_in), "end_at": at(begins_in + lasts), "confirm_local_mode": True, "reason": "a bench"}
        self.did("PUT", f"/api/v1/reservations/{name}", body)

    def start(self, name, host, patience=600):
        """A start by the older service's address; whether it went well."""
        status, document = self.ask("POST", "/api/reservations/start", {"reservationId": name, "host": host}, patience)
        return status == 200 and document["success"], document

    def memory_mb(self):
        return memory_mb(self.process.pid)


class Stations:
    """Simulated stations in a process of their own."""

    def __init__(self, bench, count):
        self.process, self.where = bench.start(bench.program("bench-stations"), "--stations", count)
        self.names = [one["name"] for one in self.where["hosts"]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def tell(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def filled(bench):
    """A database with 500 stations that were heard."""
    url = bench.database("mariadb")
    bench.run(bench.program("bench-lab"), "fill", "--database", url, "--stations", 500, "--heartbeats", 10_000)
    return url


# --- the list -----------------------------------------------------------------------------------------------------------------


def same(gateway, theirs, path):
    """Both answer with the same document, but for what has grown older between the two requests."""
    def document(address):
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {gateway.token}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{address}{path}: {answer.status}")
        document = json.loads(body)
        for one in document["items"]:
            one.pop("age_seconds")
        return document

    ours, other = document(gateway.address), document(theirs)
    if ours != other:
        for one, another in zip(ours["items"], other["items"]):
            for name in one:
                if one[name] != another.get(name):
                    raise RuntimeError(f"the two services differ: {one['host']} {name}: {one[name]!r} and {another.get(name)!r}")
        raise RuntimeError("the two services differ")
    return len(ours["items"])


def stations_list(bench):
    url = filled(bench)
    turns = 2 if bench.quick else 7
    python, where = bench.start(sys.executable, SERVICE, "--database", url, "--texts", TEXTS)
    got = {"ours": [], "theirs": []}
    try:
        with Gateway(bench, url) as gateway:
            names = [one["host"] for one in gateway.did("GET", LIST)["items"]]
            for number, name in enumerate(names[::2]):
                gateway.book(f"today-{number}", name, 10_800, 3_600)
                gateway.book(f"then-{number}", name, 100_000, 3_600)
            items = same(gateway, where["address"], LIST)
            sides = {"ours": gateway.address, "theirs": where["address"]}
            for turn in range(turns):
                for side in sides if turn % 2 == 0 else reversed(sides):
                    one = bench.run(
                        bench.program("bench-requests"), "ask", "--server", sides[side], "--path", LIST, "--token", gateway.token,
                        "--connections", 8, "--seconds", 10 if side == "theirs" else 5,
                    )
                    got[side].append(one)
                say("   " + ", ".join(f"{side}: {one[-1]['per_second']:.1f}/s, p99 {one[-1]['p99_ms']:.1f} ms" for side, one in got.items()))
            same(gateway, where["address"], LIST)
    finally:
        python.kill()
        python.wait()
    rates = [ours["per_second"] / theirs["per_second"] for ours, theirs in zip(got["ours"], got["theirs"])]
    waits = [theirs["p99_ms"] / ours["p99_ms"] for ours, theirs in zip(got["ours"], got["theirs"])]
    of = lambda side, name: median([one[name] for one in got[side]])
    bench.drop(url)
    return Measured(
        f"{median(rates):.1f} × ({of('ours', 'per_second'):.0f} and {of('theirs', 'per_second'):.1f} requests/s), p99 1/{median(waits):.1f} ({of('ours', 'p99_ms'):.1f} and {of('theirs', 'p99_ms'):.0f} ms)",
        median(rates) >= 20 and median(waits) >= 10,
        f"{items} stations, {of('ours', 'bytes_of_one') // 1000} kB an answer, the same but for `age_seconds`; 8 connections, {turns} turns each; "
        f"both read token, stations and reservations of one MariaDB anew for each request; the client takes {of('ours', 'cpu_share') * 100:.0f} % of a core",
    )


# --- stations that are commanded ----------------------------------------------------------------------------------------------


def start_latency(bench):
    """From a request to the prepare command on the station."""
    count = bench.times(100)
    url = bench.database("mariadb")
    sent, failed, asking = {}, [], []

    def ask(gateway, host):
        sent[host] = time.time()
        well, document = gateway.start(f"r-{host}", host)
        if not well:
            failed.append(document)

    with Stations(bench, count) as stations, Gateway(bench, url, stations.where) as gateway:
        for host in stations.names:
            thread = threading.Thread(target=ask, args=(gateway, host))
            thread.start()
            asking.append(thread)
            time.sleep(0.25)
        for thread in asking:
            thread.join()
        given = stations.tell("given")
    if failed:
        raise RuntimeError(f"{len(failed)} starts went wrong: {failed[0]}")
    begun = {host: next(at for at, line in lines if "prepare-session" in line) for host, lines in given.items()}
    took = [begun[host] / 1e3 - at * 1e3 for host, at in sent.items()]
    bench.drop(url)
    return Measured(
        f"p99 {percentile(took, 0.99):.0f} ms, median {median(took):.0f} ms",
        percentile(took, 0.99) <= 100,
        f"{count} starts by `POST /api/reservations/start`, four a second, each on a simulated station that is up: request sent to `prepare-session` received, over TLS and NTLM; MariaDB",
    )


def started_together(bench, hanging):
    """Seconds until the 180 stations that answer are prepared, all asked for at once."""
    url = bench.database("mariadb")
    ended, failed, threads = [], [], []
    with Stations(bench, 200) as stations, Gateway(bench, url, stations.where) as gateway:
        hang = stations.names[::10]
        answering = [name for name in stations.names if name not in hang]
        if hanging:
            stations.tell("hang", *hang)
        together = threading.Barrier(1 + len(answering) + (len(hang) if hanging else 0))

        def ask(host, counts):
            together.wait()
            try:
                well, document = gateway.start(f"r-{host}", host)
            except OSError:
                well, document = False, "the connection ended"  # of one that hangs, when the turn is over
            if counts:
                ended.append(time.monotonic())
                if not well:
                    failed.append(document)

        for host in answering + (hang if hanging else []):
            threads.append((threading.Thread(target=ask, args=(host, host in answering), daemon=True), host in answering))
            threads[-1][0].start()
        together.wait()
        begun = time.monotonic()
        for thread, counts in threads:
            if counts:
                thread.join()
        given = stations.tell("given")
    if failed:
        raise RuntimeError(f"{len(failed)} starts went wrong: {failed[0]}")
    if any(given[host] for host in hang):
        raise RuntimeError("a station that hangs was given a command")
    bench.drop(url)
    return max(ended) - begun


def hanging_starts(bench):
    turns = 1 if bench.quick else 5
    took = {False: [], True: []}
    for turn in range(turns):
        for hanging in (False, True) if turn % 2 == 0 else (True, False):
            took[hanging].append(started_together(bench, hanging))
        say(f"   without: {took[False][-1]:.2f} s, with: {took[True][-1]:.2f} s")
    ratio = median([slow / quick for quick, slow in zip(took[False], took[True])])
    return Measured(
        f"{ratio:.2f} × ({median(took[True]):.2f} and {median(took[False]):.2f} s)",
        ratio <= 1.1,
        f"200 simultaneous starts of which 20 never get an answer of their station, and 180 alone, {turns} turns each; the 180 prepared; simulated stations in real time, MariaDB",
    )


# --- listeners ----------------------------------------------------------------------------------------------------------------


def listeners(bench):
    events = bench.times(300)
    url = bench.database("mariadb")
    with Gateway(bench, url, {"hosts": [{"name": "LAB-WS01", "address": "127.0.1.1"}]}) as gateway:
        client, _ = bench.start(
            bench.program("bench-requests"), "listen", "--server", gateway.address, "--path", "/api/v1/events", "--token", gateway.token,
            "--listeners", 500, "--events", events,
        )
        for number in range(events):
            gateway.book(f"r-{number}", "LAB-WS01", 86_400 * (2 + number), 3_600)
            time.sleep(0.2)
        got = json.loads(client.stdout.readline())
        client.wait()
    bench.drop(url)
    return Measured(
        f"p99 {got['p99_ms']:.1f} ms, median {got['p50_ms']:.1f} ms, at most {got['greatest_ms']:.1f} ms",
        got["p99_ms"] <= 50 and got["events"] == events,
        f"{got['events']} changes of a reservation, some four a second, from the first of 500 listeners to the last; all in one process, which takes {got['cpu_share'] * 100:.0f} % of a core",
    )


# --- memory -------------------------------------------------------------------------------------------------------------------


def gateway_memory(bench):
    seconds = 5 if bench.quick else 30
    url = filled(bench)
    with Gateway(bench, url) as gateway:
        time.sleep(seconds)
        fresh = gateway.memory_mb()
        for _ in range(20):
            gateway.did("GET", LIST)
        time.sleep(seconds)
        rested = gateway.memory_mb()
    bench.drop(url)
    return Measured(
        f"{fresh:.0f} MB, {rested:.0f} MB after lists of all stations",
        max(fresh, rested) < 60,
        f"share of all pages (PSS) of `gateway` with 500 stations in the catalog, idle for {seconds} s; then 20 lists of all, and idle again; MariaDB",
    )


FIGURES = [
    Figure("stations-list", "at least 20 × the requests/s of Flask and waitress, p99 at most 1/10", stations_list),
    Figure("start-latency", "at most 100 ms (p99) from request to prepare", start_latency),
    Figure("hanging-starts", "at most 1.1 × the time without those that hang", hanging_starts),
    Figure("listeners", "the last within 50 ms of the first (p99)", listeners),
    Figure("gateway-memory", "idle under 60 MB", gateway_memory),
]
