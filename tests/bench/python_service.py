"""A plain service over the same tables, as one writes it in an afternoon: Flask for the routes, waitress with 4 threads, PyMySQL.

    python_service.py --database mysql://USER:PASSWORD@HOST:PORT/NAME --texts en.json

Answers `GET /api/v1/stations?limit=N` with the bytes that `stationkeeper gateway` answers, from the same rows, which are read anew for each request, the
token's among them. Prints one line of JSON once it listens: its address.
"""

import argparse
import datetime
import hashlib
import hmac
import json
import re
import threading
from urllib.parse import urlsplit

import pymysql
import waitress.server
from flask import Flask, Response, abort, request

AHEAD = datetime.timedelta(days=7)
TOKEN = "select sha256, revoked_at from api_tokens where sha256 = %s"
STATIONS = """select h.name, h.lab, s.advanced_at, s.snapshot, s.memory, s.word, s.word_since, s.word_cause, s.skew_ms
    from lab_hosts h join lab_station_state s on s.host = h.name order by h.name limit %s"""
RESERVATIONS = """select id, host, start_at, end_at, status from reservations where end_at >= %s and start_at <= %s
    order by start_at, id limit 10000"""
HELD = "select count(*) from local_mode_orders"
LOGOFF = ("timestamp", "user", "session_id", "grace", "force", "message", "source")
POWER = ("timestamp", "mode", "forced", "wake_ready", "success")
REBOOT = ("timestamp", "rebooted", "success", "reason", "message", "issues")
SESSION = ("timestamp", "success", "duration_ms", "user")

threads = threading.local()
asked = None
texts = {}
app = Flask(__name__)


def connection():
    """The thread's own, kept; a request that finds it broken makes another."""
    if not hasattr(threads, "connection"):
        where = urlsplit(asked.database)
        threads.connection = pymysql.connect(
            host=where.hostname, port=where.port, user=where.username, password=where.password,
            database=where.path.lstrip("/"), charset="utf8mb4", autocommit=True,
        )
    return threads.connection


def rows(statement, *values):
    with connection().cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def written(at):
    """An instant of a column: no fraction where it is zero, and no zeros at its end."""
    if at is None:
        return None
    text = at.isoformat()
    return (text.rstrip("0") if at.microsecond else text) + "Z"


def instant(text):
    """An instant of a document, as the API writes it."""
    if text is None or "." not in text:
        return text
    whole, fraction = text.rstrip("Z").split(".")
    fraction = fraction[:6].rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def minute(text):
    return f"{text[:10]} {text[11:16]} UTC"


def newest(heartbeat, ini):
    """The newer of the two; at the same instant the heartbeat's."""
    if heartbeat and ini:
        return ini if (ini["timestamp"] or "") > (heartbeat["timestamp"] or "") else heartbeat
    return heartbeat or ini


def operation(one, fields):
    if one is None:
        return None
    shown = {field: one.get(field) for field in fields}
    shown["timestamp"] = instant(shown["timestamp"])
    return shown


def sentence(cause):
    """Of a cause, by its template."""
    if cause is None:
        return None
    key, values = cause["code"], dict(cause)
    if key == "issues":
        key = "issues" if cause["issues"] else "issues_unsaid"
        values["issues"] = "; ".join(cause["issues"])
    elif key in ("wake_not_ready", "off_on_purpose") and cause.get("issues" if key == "wake_not_ready" else "mode") is None:
        key += "_unsaid"
    elif key == "local_session":
        key = "local_session" if cause["users"] else "local_session_unnamed"
        values["users"] = ", ".join(cause["users"])
    elif key == "clock_skew":
        key = "clock_skew_behind" if cause["seconds"] < 0 else key
        values["seconds"] = abs(cause["seconds"])
    elif key == "alert_open":
        values["rule"] = texts["rule"].get(cause["rule"], cause["rule"])
    elif key == "power_drift":
        values["timeouts"] = "; ".join(timeout(name, seconds) for name, seconds in cause["timeouts"])
    elif key == "nic_policy":
        values["deviations"] = "; ".join(deviation(one) for one in cause["deviations"])
    for name in ("since", "start", "end", "last", "at", "timestamp"):
        if isinstance(values.get(name), str):
            values[name] = minute(values[name])
    return filled(texts["cause"][key], values)


def filled(template, values):
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found.group(1), found.group())), template)


def timeout(name, seconds):
    template = texts["power_timeout"].get(name)
    return filled(template, {"seconds": seconds}) if template else f"{name}: {seconds} s"


def deviation(one):
    before, after = one.get("from"), one.get("to")
    if before and after:
        key = "changed"
    elif before:
        key = "lost"
    elif after:
        key = "fault" if one["setting"] == "compliance" else "new"
    else:
        key = "bare"
    return filled(texts["nic_deviation"][key], one)


def action(running, advanced_at, now):
    """What is done to it now. A wake is over once something was heard."""
    if not running or now >= datetime.datetime.fromisoformat(running["until"].rstrip("Z")):
        return None
    since = datetime.datetime.fromisoformat(running["since"].rstrip("Z"))
    if running["doing"] == "wake" and advanced_at is not None and advanced_at > since:
        return None
    return {"doing": running["doing"], "since": instant(running["since"]), "until": instant(running["until"])}


def booked(reservation):
    return None if reservation is None else {"id": reservation[0], "start": written(reservation[2]), "end": written(reservation[3])}


def view(row, reservations, now):
    host, lab, advanced_at, snapshot, memory, word, word_since, word_cause, skew_ms = row
    snapshot = json.loads(snapshot) if snapshot else {}
    memory = json.loads(memory)
    cause = json.loads(word_cause) if word_cause else None
    details = snapshot.get("details") or {}
    ini = memory["service_state"][0] if memory.get("service_state") else {}
    status = memory.get("status")
    power = [one for one in (memory.get("powered"), newest(snapshot.get("last_power_action"), ini.get("last_power_action"))) if one]
    kept = [one for one in reservations if one[4] in ("confirmed", "active")]
    current = next((one for one in kept if one[2] <= now < one[3]), None)
    coming = next((one for one in kept if now < one[2]), None)
    return {
        "host": host,
        "lab": lab,
        "state": word,
        "state_since": written(word_since),
        "cause": cause,
        "cause_text": sentence(cause),
        "timestamp_utc": instant(snapshot.get("timestamp_utc")),
        "arrived_at": written(advanced_at) if snapshot else None,
        "age_seconds": max(0, int((now - advanced_at).total_seconds())) if snapshot else None,
        "skew_seconds": None if skew_ms is None else int(skew_ms / 1000),
        "ready": snapshot.get("ready"),
        "issues": snapshot.get("issues") or [],
        "local_mode_enabled": snapshot.get("local_mode_enabled"),
        "local_session_active": snapshot.get("local_session_active"),
        "local_users": details.get("local_users") or [],
        "nic_issue_count": snapshot.get("nic_issue_count"),
        "sleep_compliant": snapshot.get("sleep_compliant"),
        "hibernate_compliant": snapshot.get("hibernate_compliant"),
        "last_prepare": operation(newest(snapshot.get("last_prepare"), ini.get("last_prepare")), SESSION),
        "last_release": operation(newest(snapshot.get("last_release"), ini.get("last_release")), SESSION),
        "last_power_action": operation(max(power, key=lambda one: one["timestamp"] or "") if power else None, POWER),
        "last_forced_logoff": operation(newest(snapshot.get("last_forced_logoff"), ini.get("last_forced_logoff")), LOGOFF),
        "last_safeguard_reboot": operation(newest(snapshot.get("last_safeguard_reboot"), ini.get("last_safeguard_reboot")), REBOOT),
        "version": details.get("version"),
        "status_as_of": instant(status["snapshot"]["timestamp_utc"]) if status else None,
        "current_action": action(memory.get("running"), advanced_at, now),
        "current_reservation": booked(current),
        "next_reservation": booked(coming),
        "hold": None,
    }


@app.get("/api/v1/stations")
def stations():
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
    digest = hashlib.sha256(sent.encode()).digest()
    if not any(hmac.compare_digest(kept, digest) and revoked_at is None for kept, revoked_at in rows(TOKEN, digest)):
        abort(401)
    limit = min(500, max(1, request.args.get("limit", 100, type=int)))
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    found = rows(STATIONS, limit + 1)
    by_host = {}
    for reservation in rows(RESERVATIONS, now, now + AHEAD):
        by_host.setdefault(reservation[1], []).append(reservation)
    if rows(HELD)[0][0]:
        raise NotImplementedError("local mode that was ordered is not shown here")
    items = [view(row, by_host.get(row[0], []), now) for row in found[:limit]]
    after = json.dumps(items[-1]["host"]).encode().hex() if len(found) > limit else None
    body = json.dumps({"items": items, "next": after}, ensure_ascii=False, separators=(",", ":"))
    return Response(body, content_type="application/json")


def main():
    global asked
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database", required=True)
    arguments.add_argument("--texts", required=True, help="the catalogue of sentences")
    asked = arguments.parse_args()
    with open(asked.texts, encoding="utf-8") as catalogue:
        texts.update(json.load(catalogue))
    server = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=4)
    print(json.dumps({"address": f"127.0.0.1:{server.effective_port}"}), flush=True)
    server.run()


if __name__ == "__main__":
    main()
