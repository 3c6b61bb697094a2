"""Figures of the ingest: parsing, CPU, commits, bytes kept, and what does not grow."""

import pathlib
import subprocess
import sys

from parts import ROOT, Figure, Measured, median, say

WORKER = ROOT / "tests/bench/python_worker.py"


def normalize(bench):
    labs = [ROOT / "tests/corpus/lab-10x30", ROOT / "tests/corpus/lab-12x45"]
    got = bench.run(bench.program("bench-normalize"), *labs, "--rounds", bench.times(300))
    return Measured(
        f"{got['ratio']:.2f} × ({got['normalize_us']:.1f} and {got['value_us']:.1f} µs of {got['bytes_per_heartbeat']} bytes)",
        got["ratio"] <= 0.6,
        f"{got['heartbeats']} heartbeats of the corpus, {bench.times(300)} rounds, one thread",
    )


def cpu(bench, through_s3, limit):
    """Client CPU of the handler in batches of 10 and of 50, and of the Python worker, in turns."""
    lab = bench.lab(100, 30)
    rounds = 2 if bench.quick else 7
    turns = {"python": [], 10: [], 50: []}
    bucket = None
    if through_s3:
        bucket, where = bench.bucket()
    try:
        for turn in range(rounds):
            sides = list(turns)
            for side in sides if turn % 2 == 0 else reversed(sides):
                url = bench.database("mariadb")
                if side == "python":
                    words, variables = [sys.executable, WORKER, lab, "--database", url], {}
                    if through_s3:
                        words += ["--through-s3", where["endpoint"], where["bucket"]]
                        variables = {"AWS_ACCESS_KEY_ID": where["access_key_id"], "AWS_SECRET_ACCESS_KEY": where["secret_access_key"]}
                    got = bench.run(*words, **variables)
                else:
                    words = [bench.program("stationkeeper"), "bench", "ingest", lab, "--json", "--database", url, "--batch", side]
                    # As much work as a clock can measure, and the first batches weigh little.
                    got = bench.run(*words, *(["--through-s3"] if through_s3 else []), "--repeat", 1 if through_s3 else 4)
                turns[side].append(got["cpu_ms_per_heartbeat"])
                bench.drop(url)
            say("   " + ", ".join(f"{side}: {values[-1]:.4f} ms" for side, values in turns.items()))
    finally:
        if bucket:
            bucket.stdin.close()
            bucket.wait()
    python = median(turns["python"])
    ratios = {batch: median([python / ours for python, ours in zip(turns["python"], turns[batch])]) for batch in (10, 50)}
    return Measured(
        ", ".join(f"1/{ratios[batch]:.1f} in batches of {batch} ({median(turns[batch]) * 1e3:.0f} µs)" for batch in ratios) + f"; Python {python * 1e3:.0f} µs",
        min(ratios.values()) >= limit,
        f"lab of 100 stations for 30 minutes, {rounds} turns each, MariaDB" + (", S3 endpoint in another process" if through_s3 else ", objects in memory"),
    )


def commits(bench, kind, handlers, least):
    heartbeats = bench.times(200_000)
    databases = [bench.database(kind) for _ in range(3)]
    got = bench.run(
        bench.program("bench-commits"), "--databases", *databases, "--handlers", handlers, "--heartbeats", heartbeats,
        "--legs", 4 if bench.quick else 20, "--disk", bench.folder,
    )
    for url in databases:
        bench.drop(url)
    return Measured(
        f"{got['ratio'] * 100:.0f} % ({got['heartbeats_per_s']:.0f} and {got['bare_per_s']:.0f} heartbeats/s; fdatasync {got['fdatasync_per_s']:.0f}/s)",
        got["ratio"] >= least,
        f"{got['rows']} rows of history, batches of 10, {handlers} handlers and bare clients",
    )


def backlog(bench, kind):
    messages = bench.times(96_000)
    databases = [bench.database(kind) for _ in range(2)]
    account = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_EC2_METADATA_DISABLED": "true"}
    got = bench.run(bench.program("bench-backlog"), "--databases", *databases, "--messages", messages, "--legs", 4 if bench.quick else 8, **account)
    for url in databases:
        bench.drop(url)
    return Measured(
        f"{got['ratio'] * 100:.0f} % ({got['messages_per_s']:.0f} messages/s and {got['direct_per_s']:.0f} heartbeats/s)",
        got["ratio"] >= 0.7,
        f"{got['rows']} messages of a bare queue endpoint in the same process, {got['pollers']} pollers; {got['handlers']} handlers fed directly in batches of 10; objects in memory",
    )


def kept(bench, kind):
    url = bench.database(kind)
    got = bench.run(bench.program("bench-lab"), "fill", "--database", url, "--stations", 100, "--heartbeats", bench.times(100_000))
    if kind == "sqlite":
        path = url.removeprefix("sqlite:")
        size = sum(one.stat().st_size for one in bench.folder.glob(pathlib.Path(path).name + "*"))
    else:
        # Pages that are only in memory yet are in no file: a full checkpoint first.
        bench.sql(f"set global innodb_max_dirty_pages_pct = 0; flush tables; select sleep(3); set global innodb_max_dirty_pages_pct = default")
        folder = bench.folder / "mariadb/rows" / url.rsplit("/", 1)[1]
        size = int(subprocess.run(["du", "-sb", str(folder)], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0])
    bench.drop(url)
    share = size / got["raw_bytes"]
    each = got["heartbeats"]
    return Measured(
        f"{share * 100:.1f} % ({size / each:.0f} of {got['raw_bytes'] / each:.0f} bytes)",
        share <= 0.12,
        f"files of all tables after {each} heartbeats of 100 stations, names and seed foreign to the dictionary",
    )


def history(bench):
    bench.start_server()
    short, long = bench.database("mariadb"), bench.database("mariadb")
    got = bench.run(
        bench.program("bench-lab"), "history", "--short", short, "--long", long, "--server", bench.server.pid,
        "--thousands", bench.times(1_000), "--rounds", 3 if bench.quick else 11, "--beats", 2_000,
    )
    bench.drop(short)
    bench.drop(long)
    return Measured(
        f"{got['ratio']:.2f} × (client {got['client_long_ms'] * 1e3:.0f} and {got['client_short_ms'] * 1e3:.0f} µs, server {got['server_long_ms'] * 1e3:.0f} and {got['server_short_ms'] * 1e3:.0f} µs)",
        got["ratio"] <= 1.15,
        f"{got['rows']} and 1000 rows of history on one server, {got['rounds']} rounds of 2000 heartbeats into each",
    )


def stations(bench):
    many = bench.times(100_000)
    got = bench.run(bench.program("bench-lab"), "stations", "--together", many // 100)
    return Measured(
        f"{got['ratio']:.2f} × ({got['many_cpu_ms'] * 1e3:.0f} and {got['few_cpu_ms'] * 1e3:.0f} µs)",
        got["ratio"] <= 1.2,
        f"{got['many_heartbeats']} heartbeats of {many} stations in 5 simulated minutes, and {got['labs_of_few']} labs of 100 stations for an hour each, all known before, SQLite",
    )


RECORDED = frozenset({"release", "record"})
FIGURES = [
    Figure("normalize", "at most 0.6 × `serde_json` parsing a `Value`", normalize),
    Figure("client-cpu", "at most 1/15 of the Python worker's CPU", lambda bench: cpu(bench, False, 15)),
    Figure("client-cpu-s3", "at most 1/6 of the Python worker's CPU with boto3", lambda bench: cpu(bench, True, 6)),
    Figure("commits-sqlite", "at least 80 % of a bare client", lambda bench: commits(bench, "sqlite", 1, 0.8), RECORDED),
    Figure("commits-sqlite-8", "at least 70 % of 8 bare clients", lambda bench: commits(bench, "sqlite", 8, 0.7), RECORDED),
    Figure("commits-mariadb", "at least 80 % of a bare client", lambda bench: commits(bench, "mariadb", 1, 0.8), RECORDED),
    Figure("commits-mariadb-8", "at least 70 % of 8 bare clients", lambda bench: commits(bench, "mariadb", 8, 0.7), RECORDED),
    Figure("backlog", "at least 70 % of the commit rate", lambda bench: backlog(bench, "mariadb")),
    Figure("bytes-sqlite", "at most 12 % of the raw bytes", lambda bench: kept(bench, "sqlite")),
    Figure("bytes-mariadb", "at most 12 % of the raw bytes", lambda bench: kept(bench, "mariadb")),
    Figure("history", "at most 1.15 × the CPU (client and server)", history),
    Figure("stations", "at most 1.2 × the CPU of a lab of 100", stations),
]
