"""Figures of the programs as they run: cold start, time to an alert, memory."""

import concurrent.futures
import datetime
import http.client
import http.server
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

import boto3
from botocore.config import Config

from parts import Figure, Measured, median, percentile, say


def s3_client(where, connections=10):
    """Of `up` or of the bucket alone, by the line that it printed."""
    return boto3.client(
        "s3", endpoint_url=where.get("endpoint") or where["s3"], region_name="us-east-1",
        aws_access_key_id=where["access_key_id"], aws_secret_access_key=where["secret_access_key"],
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=connections),
    )


def healthy(bench):
    """A healthy heartbeat of a simulated lab, as text, with the host and the instant that stand in it."""
    lab = bench.lab(1, 5)
    body = sorted((lab / "LAB-WS01").glob("heartbeat-*.json"))[0].read_bytes().decode("utf-8-sig")
    heartbeat = json.loads(body)
    assert heartbeat["summary"]["ready"], "the first station of a lab is healthy"
    return body, heartbeat["host"], heartbeat["timestamp"]


def at(template, host, instant):
    body, old_host, old_instant = template
    return body.replace(old_host, host).replace(old_instant, instant.strftime("%Y-%m-%dT%H:%M:%SZ"))


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc)


# --- cold start ---------------------------------------------------------------------------------------------------------------


class RuntimeApi:
    """The Lambda Runtime API for one event: when its answer came, and what it was."""

    def __init__(self, event):
        self.answered = threading.Event()
        self.at = None
        self.answer = None
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            given = False

            def do_GET(self):
                if Handler.given:
                    api.answered.wait(30)
                    return  # no second event: the function is about to be stopped
                Handler.given = True
                payload = json.dumps(event).encode()
                self.send_response(200)
                for name, value in {
                    "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-000000000001",
                    "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1e3) + 60_000),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:bench",
                    "Content-Type": "application/json", "Content-Length": str(len(payload)),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(payload)

            def do_POST(self):
                now = time.monotonic()
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path.endswith(("/response", "/error")):
                    api.at, api.answer = now, (self.path.rsplit("/", 1)[1], body)
                    api.answered.set()
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a function that was stopped leaves its connection as it is
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def address(self):
        return f"127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def cold(bench, name, url, where, key, version, size):
    """From spawning a function to its first answer, in seconds."""
    notification = {"Records": [{
        "eventName": "ObjectCreated:Put", "eventTime": utc_now().isoformat().replace("+00:00", "Z"),
        "s3": {"object": {"key": key, "size": size, "versionId": version}},
    }]}
    event = {"Records": [{"messageId": "1", "receiptHandle": "1", "body": json.dumps(notification), "attributes": {}, "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "us-east-1"}]}
    api = RuntimeApi(event)
    variables = {
        **bench.environment(),
        "AWS_LAMBDA_RUNTIME_API": api.address(), "AWS_LAMBDA_FUNCTION_NAME": "bench", "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_LOG_GROUP_NAME": "bench", "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": where["endpoint"], "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": where["access_key_id"], "AWS_SECRET_ACCESS_KEY": where["secret_access_key"],
        "STATIONKEEPER_BUCKET": where["bucket"], "STATIONKEEPER_DATABASE_URL": url,
    }
    started = time.monotonic()
    process = subprocess.Popen([bench.program(name)], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if not api.answered.wait(30):
            raise RuntimeError(f"{name} never answered")
        kind, answer = api.answer
        if kind != "response" or json.loads(answer or b"{}").get("batchItemFailures"):
            raise RuntimeError(f"{name} failed: {answer.decode()}")
        return api.at - started
    finally:
        process.kill()
        process.wait()
        api.close()


def cold_start(bench):
    url = bench.database("mariadb")
    subprocess.run([bench.program("stationkeeper"), "migrate", "--database", url], check=True, stdout=subprocess.DEVNULL, env=bench.environment())
    bench.sql(f"create table {url.rsplit('/', 1)[1]}.bare_objects (id bigint auto_increment primary key, object_key varchar(255), body longblob)")
    process, where = bench.bucket()
    s3, template = s3_client(where), healthy(bench)
    names = ["stationkeeper-ingest", "stationkeeper-bare-lambda"]
    took = {name: [] for name in names}
    rounds = bench.times(60)
    begun = utc_now() - datetime.timedelta(minutes=1)
    for round_number in range(rounds + 1):
        for name in names if round_number % 2 == 0 else reversed(names):
            body = at(template, "LAB-WS01", begun + datetime.timedelta(seconds=round_number)).encode()
            key = "stations/LAB-WS01/heartbeat.json"
            version = s3.put_object(Bucket=where["bucket"], Key=key, Body=body)["VersionId"]
            seconds = cold(bench, name, url, where, key, version, len(body))
            if round_number:  # the first reads the programs from the disk
                took[name].append(seconds * 1e3)
    process.stdin.close()
    process.wait()
    rows = bench.sql(f"select count(*) from {url.rsplit('/', 1)[1]}.lab_station_heartbeat").strip()
    if int(rows) != rounds + 1:
        raise RuntimeError(f"{rows} rows of {rounds + 1} starts")
    ours, bare = (median(took[name]) for name in names)
    ratio = median([one / other for one, other in zip(*took.values())])
    return Measured(f"{ratio:.2f} × ({ours:.1f} and {bare:.1f} ms)", ratio <= 1.5, f"{rounds} starts each in turns, one event, schema up to date")


# --- up -----------------------------------------------------------------------------------------------------------------------


class Up:
    """A running `up`: where it is, and what it takes."""

    def __init__(self, bench, *words):
        folder = pathlib.Path(tempfile.mkdtemp(dir=bench.folder))
        self.process, self.where = bench.start(
            bench.program("stationkeeper"), "up", "--json", "--data", folder / "data", "--listen", "127.0.0.1:0",
            "--s3-listen", "127.0.0.1:0", *words,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def memory_mb(self, of="VmRSS"):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(of + ":"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"no {of}: it ended")

    def handles(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def latency(bench):
    """100 stations in turns, 50 heartbeats a second, every second one with a power plan that drifted."""
    template = healthy(bench)
    assert "0x00000000" in template[0], "the raw text of the power plan has its timeouts"
    seconds = 10 if bench.quick else 90
    answered, latencies, lost = {}, [], []
    lock, stop = threading.Lock(), threading.Event()
    with Up(bench) as up:
        s3 = s3_client(up.where, connections=8)
        address = up.where["api"].split("/")[2]

        def put(number):
            station, turn = number % 100, number // 100
            host = f"LAB-{station:03}"
            body = at(template, host, utc_now())
            bad = turn % 2 == 1
            if bad:
                body = body.replace("0x00000000", "0x00000e10")
            s3.put_object(Bucket=up.where["bucket"], Key=f"stations/{host}/heartbeat.json", Body=body.encode())
            now = time.monotonic()
            with lock:
                if bad:
                    answered.setdefault((host, turn), now)
                elif (host, turn - 1) in answered:
                    lost.append((host, turn - 1))  # two seconds later it was still not there
                    answered.pop((host, turn - 1))

        def poll():
            connection = http.client.HTTPConnection(address)
            headers = {"Authorization": f"Bearer {up.where['admin_token']}"}
            known = set()
            while not stop.is_set():
                begun = time.monotonic()
                connection.request("GET", "/api/v1/alerts?state=open&rule=power_drift&limit=200", headers=headers)
                page = json.load(connection.getresponse())
                now = time.monotonic()
                for alert in page["items"]:
                    if alert["id"] in known:
                        continue
                    known.add(alert["id"])
                    seen.append((alert["host"], now))
                with lock:
                    for host, when in seen[:]:
                        turn = next((turn for name, turn in answered if name == host), None)
                        if turn is not None:
                            latencies.append((when - answered.pop((host, turn))) * 1e3)
                            seen.remove((host, when))
                stop.wait(max(0.0, 0.01 - (time.monotonic() - begun)))

        seen = []
        poller = threading.Thread(target=poll)
        poller.start()
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            puts = []
            for number in range(50 * seconds):
                time.sleep(max(0.0, begun + number / 50 - time.monotonic()))
                puts.append(pool.submit(put, number))
            for one in puts:
                one.result()
        rate = 50 * seconds / (time.monotonic() - begun)
        time.sleep(1)
        stop.set()
        poller.join()
    # An alert can be seen before its PUT's answer was: that is no negative time.
    latencies = [max(0.0, one) for one in latencies]
    if lost or len(latencies) < 50 * seconds // 2 - 200:
        raise RuntimeError(f"{len(lost)} alerts never came, {len(latencies)} did")
    p99 = percentile(latencies, 0.99)
    return Measured(
        f"p99 {p99:.0f} ms, median {median(latencies):.0f} ms",
        p99 < 250,
        f"`up` on SQLite, {len(latencies)} alerts `power_drift` of 100 stations at {rate:.0f} heartbeats/s, polled every 10 ms",
    )


def demo_memory(bench):
    seconds = 20 if bench.quick else 180
    with Up(bench, "--demo", "200") as up:
        time.sleep(seconds)
        peak = up.memory_mb("VmHWM")
        now = up.memory_mb()
    return Measured(f"{peak:.0f} MiB ({now:.0f} MiB at the end)", peak < 150, f"`up --demo 200`, its history and {seconds} s of service")


def hour(bench):
    """An hour of simulated time: the trend over the run after its first quarter."""
    seconds = 30 if bench.quick else 180
    memory, handles = [], []
    with Up(bench, "--demo", "12", "--speed", "20") as up:
        for _ in range(seconds):
            time.sleep(1)
            memory.append(up.memory_mb())
            handles.append(up.handles())
    quarter = seconds // 4
    early, late = memory[quarter:2 * quarter], memory[-quarter:]
    growth = statistics.median(late) / statistics.median(early)
    more = max(handles[-quarter:]) - max(handles[quarter:2 * quarter])
    return Measured(
        f"memory {statistics.median(late):.0f} after {statistics.median(early):.0f} MiB ({growth:.2f} ×), handles {max(handles[-quarter:])} after {max(handles[quarter:2 * quarter])}",
        growth <= 1.05 and more <= 2,
        f"`up --demo 12 --speed 20` for {seconds} s ({seconds // 3} simulated minutes): last quarter and second quarter",
    )


FIGURES = [
    Figure("cold-start", "at most 1.5 × a bare Lambda", cold_start, frozenset({"release", "lambda"})),
    Figure("alert-latency", "p99 under 250 ms at 50 heartbeats/s", latency),
    Figure("demo-memory", "peak under 150 MB", demo_memory),
    Figure("hour", "memory (within 1.05 ×) and file handles (within 2) flat", hour),
]
