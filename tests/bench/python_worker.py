"""A plain ingest worker, as one writes it in an afternoon: parse, one row of history, one state, one commit each.

    python_worker.py LAB --database mysql://USER:PASSWORD@HOST:PORT/NAME [--repeat N] [--through-s3 ENDPOINT BUCKET]

Prints one line of JSON. CPU is user and system time of this process between the first heartbeat and the last commit.
"""

import argparse
import datetime
import hashlib
import json
import pathlib
import re
import time
from urllib.parse import urlsplit

import pymysql

TABLES = [
    """create table if not exists plain_history (
        host varchar(64) not null, timestamp_utc datetime(6) not null, arrived_at datetime(6) not null, ingested_at datetime(6) not null,
        sha256 binary(32) not null, raw longtext not null, ready tinyint, state text, issues longtext, local_session_active tinyint,
        local_mode_enabled tinyint, sleep_compliant tinyint, hibernate_compliant tinyint, last_prepare_at varchar(64),
        last_release_at varchar(64), last_power_action_at varchar(64), last_power_mode varchar(64), last_forced_logoff_at varchar(64),
        last_forced_logoff_user varchar(191), version varchar(64), primary key (host, timestamp_utc)) default character set utf8mb4""",
    """create table if not exists plain_state (
        host varchar(64) not null primary key, timestamp_utc datetime(6) not null, ready tinyint, raw longtext not null)
        default character set utf8mb4""",
]
# The columns that the real table keeps.
INSERT = """insert into plain_history values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    on duplicate key update host = host"""
UPSERT = """insert into plain_state (host, timestamp_utc, ready, raw) values (%s, %s, %s, %s)
    on duplicate key update timestamp_utc = values(timestamp_utc), ready = values(ready), raw = values(raw)"""


def readable(lab):
    """The heartbeats of a lab's folder that parse, by their timestamps: host and bytes."""
    found = []
    for path in pathlib.Path(lab).glob("*/heartbeat-*.json"):
        body = path.read_bytes()
        if len(body) > 4 << 20:
            continue  # larger than a bucket takes
        try:
            heartbeat = json.loads(body.decode("utf-8-sig"))
            if heartbeat["host"].upper() == path.parent.name.upper():
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


def block(parent, name):
    """An object below another; the emitter writes an empty one as a list."""
    found = parent.get(name)
    return found if isinstance(found, dict) else {}


def ingest(connection, host, body, arrived_at):
    """One heartbeat, from bytes to committed rows."""
    text = body.decode("utf-8-sig")
    heartbeat = json.loads(text)
    if heartbeat["host"].upper() != host.upper():
        raise ValueError(f"{host} speaks of {heartbeat['host']}")
    timestamp = datetime.datetime.fromisoformat(heartbeat["timestamp"].replace("Z", "+00:00")).replace(tzinfo=None)
    summary, status, operations = block(heartbeat, "summary"), block(heartbeat, "status"), block(heartbeat, "operations")
    power, prepare, release = block(status, "power"), block(operations, "lastPrepareSession"), block(operations, "lastReleaseSession")
    action, logoff = block(operations, "lastPowerAction"), block(operations, "lastForcedLogoff")
    ready = summary.get("ready")
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    with connection.cursor() as cursor:
        cursor.execute(INSERT, (
            host, timestamp, arrived_at, now, hashlib.sha256(body).digest(), text, ready, summary.get("state"),
            json.dumps(summary.get("issues")), status.get("localSessionActive"), status.get("localModeEnabled"),
            power.get("sleepCompliant"), power.get("hibernateCompliant"), prepare.get("timestamp"), release.get("timestamp"),
            action.get("timestamp"), action.get("mode"), logoff.get("timestamp"), logoff.get("user"), heartbeat.get("version"),
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
