"""The Grafana dashboard: every query runs on the real schema, and the figures are right."""

import json
import os
import re
from datetime import datetime, timezone
from functools import lru_cache
from urllib.parse import urlsplit

import pymysql
from pymysql.constants import CLIENT

from checks import check
from template import ROOT

MIGRATIONS = ROOT / "functions/store/migrations/mysql"
NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
FROM = datetime(2026, 11, 24, 8, tzinfo=timezone.utc)

# Two stations on a morning. LAB-WS01 is well but for ten minutes, LAB-WS02 goes down at 11:00 and has no lab.
# R1 goes as it should, R2 finds its station down, R3 begins in the ten minutes and has not ended long enough ago,
# R4 was cancelled, R5 is still to come.
MORNING = """
insert into lab_hosts (name, lab, status, created_at) values
  ('LAB-WS01', 'electronics', 'active', '2026-11-01'), ('LAB-WS02', null, 'active', '2026-11-01'), ('LAB-WS09', 'electronics', 'retired', '2026-11-01');
insert into lab_station_state (host, timestamp_utc, advanced_at, ready, memory, word, word_since, word_cause, skew_ms) values
  ('LAB-WS01', '2026-11-24 11:59:00', '2026-11-24 11:59:01', 1, '{}', 'ready', '2026-11-24 10:40:00', null, 1000),
  ('LAB-WS02', '2026-11-24 10:56:00', '2026-11-24 10:56:59', 1, '{}', 'down', '2026-11-24 11:00:00', '{"code": "silent"}', null),
  ('LAB-WS09', null, null, null, '{}', 'unknown', '2026-11-01', null, null);
insert into station_state_runs (host, from_at, to_at, state) values
  ('LAB-WS01', '2026-11-23 08:00:00', '2026-11-24 10:30:00', 'ready'), ('LAB-WS01', '2026-11-24 10:30:00', '2026-11-24 10:40:00', 'attention'),
  ('LAB-WS01', '2026-11-24 10:40:00', null, 'ready'),
  ('LAB-WS02', '2026-11-24 08:00:00', '2026-11-24 11:00:00', 'ready'), ('LAB-WS02', '2026-11-24 11:00:00', null, 'down');
insert into reservations (id, lab, host, start_at, end_at, status) values
  ('R1', 'electronics', 'LAB-WS01', '2026-11-24 09:00:00', '2026-11-24 10:00:00', 'completed'),
  ('R2', null, 'LAB-WS02', '2026-11-24 11:30:00', '2026-11-24 11:40:00', 'confirmed'),
  ('R3', 'electronics', 'LAB-WS01', '2026-11-24 10:35:00', '2026-11-24 11:55:00', 'confirmed'),
  ('R4', 'electronics', 'LAB-WS01', '2026-11-24 08:10:00', '2026-11-24 08:20:00', 'cancelled'),
  ('R5', 'electronics', 'LAB-WS01', '2026-11-24 14:00:00', '2026-11-24 15:00:00', 'confirmed');
insert into alerts (id, rule, host, reservation_id, state, opened_at, resolved_at, cause) values
  ('a1', 'not_ready', 'LAB-WS01', '', 'resolved', '2026-11-24 10:33:00', '2026-11-24 10:40:00', '{"code": "issues"}'),
  ('a2', 'heartbeat_missing', 'LAB-WS02', '', 'open', '2026-11-24 11:00:00', null, '{"code": "silent"}'),
  ('a3', 'ingest_stalled', null, '', 'open', '2026-11-24 11:30:00', null, '{"code": "stalled"}');
insert into alert_transitions (alert_id, at, to_state, from_state, actor, cause) values
  ('a1', '2026-11-24 10:33:00', 'open', null, 'ingest', '{}'), ('a1', '2026-11-24 10:40:00', 'resolved', 'open', 'ingest', '{}'),
  ('a2', '2026-11-24 11:00:00', 'open', null, 'check', '{}');
insert into reservation_forced_logoffs (host, timestamp, user_key, session_key, occurrence, `user`, reservation_id, found_in) values
  ('LAB-WS01', '2026-11-24 08:58:00', '=ana', 2, 0, 'ana', 'R1', 'jsonl');
insert into quarantined_objects (object_key, object_version, host, reason, detail, first_bytes, size_bytes, arrived_at, quarantined_at) values
  ('stations/LAB-WS02/heartbeat.json', 'v1', 'LAB-WS02', 'malformed_json', '', '', 2, '2026-11-24 10:00:00', '2026-11-24 10:00:01'),
  ('stations/LAB-WS02/heartbeat.json', 'v2', 'LAB-WS02', 'malformed_json', '', '', 2, '2026-11-24 10:01:00', '2026-11-24 10:01:01');
update overdue_checks set last_run_at = '2026-11-24 11:59:30';
"""

# Title of a panel → what its query gives: the rows, or their number.
FIGURES = {
    "Stations by state": [("down", 1), ("ready", 1)],
    "Unresolved alerts": [(2,)],
    "Newest heartbeat of all": [(59,)],
    "Last overdue check": [(30,)],
    "Stations": 2,
    "Unresolved alerts, in detail": 2,
    "State of each station": 5,
    "Ready at the start": [(33.3333,)],
    "Prepared in the half hour before": [(33.3333,)],
    "Cleaned up within 15 minutes of the end": [(50.0,)],
    "Reservations that began": [(3,)],
    "Service levels by day": 1,
    "Reservations that fell short": 2,
    # Each begins and ends; none follows at once.
    "Reservations by station": 6,
    "Put aside, by reason": [("malformed_json", 2, datetime(2026, 11, 24, 10, 1, 1))],
    "Forced logoffs": 1,
    "Alerts opened, by rule": 3,
    # 08:00 to 12:00 by the minute, LAB-WS02 until 10:56.
    "Heartbeats an hour, by station": [
        *[(datetime(2026, 11, 24, hour), host, 60) for hour in (8, 9) for host in ("LAB-WS01", "LAB-WS02")],
        (datetime(2026, 11, 24, 10), "LAB-WS01", 60), (datetime(2026, 11, 24, 10), "LAB-WS02", 57), (datetime(2026, 11, 24, 11), "LAB-WS01", 60),
    ],
    # 240 minutes: 230 ready and 10 in attention; 180 ready and 60 down.
    "Share of time by state": [("LAB-WS02", 75.0, 75.0, 0.0, 25.0, 0.0), ("LAB-WS01", 95.8333, 95.8333, 4.1667, 0.0, 0.0)],
    # Begin, end, prepared, released, the logoff; no state changes in these 2 hours, and the alert is later than half an hour.
    "What happened around reservation $reservation": [
        (datetime(2026, 11, 24, 8, 55), "prepared", "LAB-WS01"),
        (datetime(2026, 11, 24, 8, 58), "forced logoff", "ana, found in jsonl"),
        (datetime(2026, 11, 24, 9), "reservation begins", "LAB-WS01, completed"),
        (datetime(2026, 11, 24, 10), "reservation ends", "LAB-WS01"),
        (datetime(2026, 11, 24, 10, 2), "released", "LAB-WS01"),
    ],
}  # fmt: skip


def heartbeats():
    """One a minute; LAB-WS01 was prepared at 08:55 and released at 10:02."""
    for host, last in (("LAB-WS01", 12 * 60), ("LAB-WS02", 10 * 60 + 57)):
        for minute in range(8 * 60, last):
            at = datetime(2026, 11, 24, minute // 60, minute % 60)
            prepared = datetime(2026, 11, 24, 8, 55) if host == "LAB-WS01" and minute >= 8 * 60 + 56 else None
            released = datetime(2026, 11, 24, 10, 2) if host == "LAB-WS01" and minute >= 10 * 60 + 3 else None
            yield (host, at, at, at, bytes(32), prepared, None if prepared is None else 1, released)


def dashboard():
    return json.loads((ROOT / "infra/grafana/dashboard.json").read_text(encoding="utf-8"))


def queries():
    """(title, query, format) of every panel and variable. Two panels share a title: the second is the detailed one."""
    found = {}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            title = panel["title"] if panel["title"] not in found else f"{panel['title']}, in detail"
            found[title] = (target["rawSql"], target["format"])
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            found[f"variable {variable['name']}"] = (variable["query"], "variable")
    return found


def filled(query):
    """A query as Grafana sends it."""
    for macro, value in {
        "$__unixEpochFrom()": str(int(FROM.timestamp())),
        "$__unixEpochTo()": str(int(NOW.timestamp())),
        "${lab:sqlstring}": "'electronics','-'",
        "${host:sqlstring}": "'LAB-WS01','LAB-WS02'",
        "${reservation:sqlstring}": "'R1'",
    }.items():
        query = query.replace(macro, value)
    return query


@lru_cache(maxsize=1)
def connection():
    """A database of its own with the released migrations and the morning in it, at noon of that day."""
    url = urlsplit(os.environ["STATIONKEEPER_TEST_MYSQL_URL"])
    made = pymysql.connect(host=url.hostname, port=url.port, user=url.username, password=url.password, client_flag=CLIENT.MULTI_STATEMENTS, autocommit=True)
    cursor = made.cursor()
    name = f"grafana_{os.getpid()}"
    cursor.execute(f"create database {name} character set utf8mb4")
    cursor.execute(f"use {name}")
    migrations = sorted(MIGRATIONS.glob("*.sql"))
    for text in [*(path.read_text(encoding="utf-8") for path in migrations), MORNING]:
        cursor.execute(text)
        while cursor.nextset():
            pass
    cursor.executemany(
        "insert into lab_station_heartbeat (host, timestamp_utc, first_arrived_at, ingested_at, sha256, last_prepare_at, last_prepare_success, last_release_at, raw_format, raw_length, ready, issues) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, 1, 0, 1, '[]')",
        list(heartbeats()),
    )
    # utc_timestamp() stands still: `now` of every query is noon.
    cursor.execute(f"set timestamp = {NOW.timestamp()}")
    return made


def drop_database():
    """What the checks made goes with them."""
    if connection.cache_info().currsize:
        connection().cursor().execute(f"drop database grafana_{os.getpid()}")
        connection().close()


def rounded(rows):
    return [tuple(round(float(value), 4) if isinstance(value, (float, int)) or type(value).__name__ == "Decimal" else value for value in row) for row in rows]


def result(query):
    cursor = connection().cursor()
    cursor.execute(filled(query))
    return [column[0] for column in cursor.description], cursor.fetchall()


@check("every query of the Grafana dashboard runs on the migrated schema, whatever the time zone of the session, and gives the right figures")
def figures(_template=None):
    seen = queries()
    for title in set(FIGURES) - set(seen):
        yield f"there is no panel {title!r}"
    for title, (query, _format) in seen.items():
        answers = []
        for zone in ("+00:00", "+09:00"):
            connection().cursor().execute(f"set time_zone = '{zone}'")
            try:
                answers.append(result(query)[1])
            except pymysql.Error as error:
                yield f"{title}: {error}"
                break
        else:
            if answers[0] != answers[1]:
                yield f"{title} depends on the time zone of the session"
            wanted = FIGURES.get(title)
            if wanted is None and not title.startswith("variable "):
                yield f"{title} has no expected figures: add them to FIGURES"
            elif isinstance(wanted, int) and len(answers[0]) != wanted:
                yield f"{title} gives {len(answers[0])} rows, not {wanted}: {answers[0]}"
            elif isinstance(wanted, list) and rounded(answers[0]) != rounded(wanted):
                yield f"{title} gives {rounded(answers[0])}, not {rounded(wanted)}"
            if title.startswith("variable ") and not answers[0]:
                yield f"{title} offers nothing"


@check("every query of the Grafana dashboard uses known macros, gives the columns that its panel formats, and reads heartbeats by their key")
def shapes(_template=None):
    for title, (query, form) in queries().items():
        left = re.findall(r"\$\w*|\$\{\w+\}", filled(query).replace("'$.code'", ""))
        if left:
            yield f"{title} has {left} left"
        columns, _rows = result(query)
        if form == "time_series" and columns[0] != "time":
            yield f"{title} gives {columns[0]} first, not time"
        cursor = connection().cursor(pymysql.cursors.DictCursor)
        cursor.execute("explain " + filled(query))
        tables = {"b", "lab_station_heartbeat"}
        for step in cursor.fetchall():
            if step["table"] in tables and step["key"] != "PRIMARY":
                yield f"{title} reads heartbeats by {step['key']}: the table has half a million rows a station and year"
    seen = queries()
    for panel in dashboard()["panels"]:
        for override in panel.get("fieldConfig", {}).get("overrides", []):
            columns, _rows = result(panel["targets"][0]["rawSql"])
            if override["matcher"]["options"] not in columns:
                yield f"{panel['title']} formats {override['matcher']['options']}, which it does not have"
    if len(seen) < 20:
        yield f"found only {len(seen)} queries: look at how this check reads the dashboard"


@check("the panels of the Grafana dashboard have ids of their own, lie beside each other, and ask the data source that one chooses")
def layout(_template=None):
    taken, ids = set(), set()
    for panel in dashboard()["panels"]:
        if panel["id"] in ids:
            yield f"{panel['title']} shares the id {panel['id']}"
        ids.add(panel["id"])
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        if cells & taken or at["x"] + at["w"] > 24:
            yield f"{panel['title']} lies over another"
        taken |= cells
        if panel["type"] != "row" and panel["datasource"] != {"type": "mysql", "uid": "${datasource}"}:
            yield f"{panel['title']} asks {panel['datasource']}"
