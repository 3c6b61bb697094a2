"""A plain ingest worker, as one writes it in an afternoon: parse, one row of history, one state, one commit each.

    python_worker.py LAB --database mysql://USER:PASSWORD@HOST:PORT/NAME [--repeat N] [--through-s3 ENDPOINT BUCKET]

Prints one line of JSON. CPU is user and system time of this process between the first heartbeat and the last commit.
"""

import argparse
import datetime
import json
import pathlib
import re
import time
from urllib.parse import urlsplit

import pymysql

TABLES = [
    """create table if not exists plain_history (
        host varchar(64) not null, timestamp_utc datetime(6) not null, ready tinyint, local_mode tinyint, local_session tinyint,
        issues longtext, raw longtext not null, arrived_at datetime(6) not null, primary key (host, timestamp_utc)) default character set utf8mb4""",
    """create table if not exists plain_state (
        host varchar(64) not null primary key, timestamp_utc datetime(6) not null, ready tinyint, raw longtext not null) default character set utf8mb4""",
]
INSERT = """insert into plain_history (host, timestamp_utc, ready, local_mode, local_session, issues, raw, arrived_at)
    values (%s, %s, %s, %s, %s, %s, %s, %s) on duplicate key update raw = values(raw)"""
UPSERT = """insert into plain_state (host, timestamp_utc, ready, raw) values (%s, %s, %s, %s)
    on duplicate key update timestamp_utc = values(timestamp_utc), ready = values(ready), raw = values(raw)"""


def readable(lab):
    """The heartbeats of a lab's folder that parse, by their timestamps: host and bytes."""
    found = []
    for path in pathlib.Path(lab).glob("*/heartbeat-*.json"):
        body = path.read_bytes()
        try:
            heartbeat = json.loads(body.decode("utf-8-sig"))
            found.append((heartbeat["timestamp"], path.parent.name, body))
        except (ValueError, KeyError, TypeError):
            continue
    found.sort()
    return [(host, body) for _, host, body in found]


def moved(body, days):
    """The same bytes with every date later."""
    if not days:
        return body

    def later(date):
        return (datetime.date.fromisoformat(date.group().decode()) + datetime.timedelta(days)).isoformat().encode()

    return re.sub(rb"\b\d{4}-\d\d-\d\d(?=T)", later, body)


def ingest(connection, host, body, arrived_at):
    """One heartbeat, from bytes to committed rows."""
    text = body.decode("utf-8-sig")
    heartbeat = json.loads(text)
    timestamp = datetime.datetime.fromisoformat(heartbeat["timestamp"].replace("Z", "+00:00")).replace(tzinfo=None)
    summary = heartbeat.get("summary") or {}
    status = heartbeat.get("status") or {}
    ready = summary.get("ready")
    with connection.cursor() as cursor:
        cursor.execute(INSERT, (
            host, timestamp, ready, status.get("localModeEnabled"), status.get("localSessionActive"),
            json.dumps(summary.get("issues")), text, arrived_at,
        ))
        cursor.execute(UPSERT, (host, timestamp, ready, text))
    connection.commit()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("lab")
    arguments.add_argument("--database", required=True)
    arguments.add_argument("--repeat", type=int, default=1)
    arguments.add_argument("--through-s3", nargs=2, metavar=("ENDPOINT", "BUCKET"), help="keys by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    asked = arguments.parse_args()
    where = urlsplit(asked.database)
    connection = pymysql.connect(
        host=where.hostname, port=where.port, user=where.username, password=where.password,
        database=where.path.lstrip("/"), charset="utf8mb4", autocommit=False,
    )
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(table)
    s3 = None
    if asked.through_s3:
        import boto3
        from botocore.config import Config

        endpoint, bucket = asked.through_s3
        s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))
    beats = readable(asked.lab)
    done, cpu, wall = 0, 0.0, 0.0
    for repeat in range(asked.repeat):
        bodies = [(host, moved(body, repeat)) for host, body in beats]
        if s3:
            bodies = [
                (host, key, s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"])
                for host, body in bodies
                for key in [f"stations/{host}/heartbeat.json"]
            ]
        arrived_at = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        started, spent = time.perf_counter(), time.process_time()
        for one in bodies:
            if s3:
                host, key, version = one
                body = s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
            else:
                host, body = one
            ingest(connection, host, body, arrived_at)
        cpu += time.process_time() - spent
        wall += time.perf_counter() - started
        done += len(bodies)
    print(json.dumps({
        "heartbeats": done, "wall_s": round(wall, 4), "cpu_ms_per_heartbeat": round(cpu * 1e3 / done, 4),
        "heartbeats_per_s": round(done / wall, 1),
    }))


if __name__ == "__main__":
    main()
