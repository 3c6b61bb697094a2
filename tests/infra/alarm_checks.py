"""Alarms, metrics in and out of log lines, and the dashboard."""

import json
import re

from checks import check
from template import ROOT

RUNBOOK = re.compile(r"see ([A-Z][a-z ]+?) in the runbook", re.I)


def watched(template):
    """(namespace, metric, resource) → alarm."""
    found = {}
    for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
        for dimension in alarm.get("Dimensions", [{"Value": None}]):
            found[template.text(alarm["Namespace"]), alarm["MetricName"], template.target(dimension["Value"])] = (name, alarm)
    return found


@check("every queue has an alarm on its depth and one on its age")
def queues(template):
    alarms = watched(template)
    for queue in template.of_type("AWS::SQS::Queue"):
        for metric in ("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"):
            if ("AWS/SQS", metric, queue) not in alarms:
                yield f"nobody watches {metric} of {queue}"
    for queue in ("IngestDeadLetterQueue", "NotifyDeadLetterQueue"):
        alarm = alarms["AWS/SQS", "ApproximateNumberOfMessagesVisible", queue][1]
        if alarm["Threshold"] != 0 or alarm["EvaluationPeriods"] != 1:
            yield f"the first dead letter in {queue} raises nothing"


@check("every function has an alarm on errors, and one on silence that counts missing data as trouble")
def functions(template):
    alarms = watched(template)
    for function in template.functions():
        if ("AWS/Lambda", "Errors", function) not in alarms:
            yield f"nobody watches the errors of {function}"
        _, alarm = alarms.get(("AWS/Lambda", "Invocations", function), (None, {}))
        if alarm.get("ComparisonOperator") != "LessThanThreshold" or alarm.get("TreatMissingData") != "breaching":
            yield f"nobody notices that {function} does not run"


@check("missing data breaches where silence means trouble: nothing uploaded, nothing run, no database")
def silence(template):
    for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
        low = alarm["ComparisonOperator"] == "LessThanThreshold"
        wanted = "breaching" if low or alarm["Namespace"] == "AWS/RDS" else "notBreaching"
        if alarm.get("TreatMissingData") != wanted:
            yield f"{name} treats missing data as {alarm.get('TreatMissingData')}, not as {wanted}"
    if ("AWS/SQS", "NumberOfMessagesSent", "IngestQueue") not in watched(template):
        yield "nobody notices that no station uploads"
    for metric in ("CPUUtilization", "FreeStorageSpace", "DatabaseConnections"):
        if ("AWS/RDS", metric, "Database") not in watched(template):
            yield f"nobody watches {metric} of the database"


@check("every alarm is told to the topic when it begins and when it ends, and the runbook has what it points to")
def told(template):
    readme = (ROOT / "infra/README.md").read_text(encoding="utf-8")
    for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
        for actions in ("AlarmActions", "OKActions"):
            if [template.target(one) for one in alarm.get(actions, [])] != ["AlarmsTopic"]:
                yield f"{name} has no {actions}"
        for heading in RUNBOOK.findall(alarm["AlarmDescription"]):
            if f"### {heading}" not in readme:
                yield f"{name} points to {heading!r}, which infra/README.md does not have"
        if not template.text(alarm["AlarmName"]).startswith("stationkeeper-"):
            yield f"{name} has a name that the topic's policy does not let in"


@check("what a function refuses lest it break an invariant raises an alarm with the first time")
def violations(template):
    heard = set()
    for one in template.of_type("AWS::Logs::MetricFilter").values():
        if "would break an invariant" in one["FilterPattern"] and one["MetricTransformations"][0]["MetricName"] == "Violations":
            heard.add(template.target(one["LogGroupName"]))
    for name in ("IngestFunction", "MissingHeartbeatFunction"):
        if template.target(template.functions()[name]["LoggingConfig"]["LogGroup"]) not in heard:
            yield f"nobody counts what {name} refuses"
    yield from unless_first_raises(template, "Violations")


@check("a notification that is given up raises an alarm with the first one")
def dead_notifications(template):
    yield from unless_first_raises(template, "NotificationsDead")


def unless_first_raises(template, metric):
    _, alarm = watched(template).get(("Stationkeeper/stationkeeper", metric, None), (None, {}))
    if alarm.get("Threshold") != 0 or alarm.get("EvaluationPeriods") != 1:
        yield f"the first of {metric} raises nothing"
    if metric not in template.metrics():
        yield f"nothing writes {metric}"


@check("every metric out of a log line reads a message and a field that the code writes")
def log_lines(template):
    code = (ROOT / "functions/pipeline/src/observe.rs").read_text(encoding="utf-8")
    lines = {}
    for call in re.findall(r"tracing::(?:info|warn|error)!\((.*?)\);", code, re.S):
        message = re.findall(r'"([^"]+)"\s*$', call.strip())
        if message:
            lines[message[0]] = call
    if not lines:
        yield "found no log line in functions/pipeline/src/observe.rs: look at how this check reads it"
    filters = template.of_type("AWS::Logs::MetricFilter")
    if not filters:
        yield "there are no metrics out of log lines"
    for name, one in filters.items():
        (message,) = re.findall(r'\$\.fields\.message = "([^"]+)"', one["FilterPattern"])
        if message not in lines:
            yield f"{name} waits for {message!r}, which nothing logs"
            continue
        for field in re.findall(r"^\$\.fields\.(\w+)$", one["MetricTransformations"][0]["MetricValue"]):
            if not re.search(rf"\b{field}\b\s*(=|,)", lines[message]):
                yield f"{name} reads {field}, which {message!r} does not have"


@check("every function is told the namespace that alarms and the dashboard read")
def namespace(template):
    for name, function in template.functions().items():
        told = template.text(function["Environment"]["Variables"].get("STATIONKEEPER_METRICS_NAMESPACE", "none"))
        if told != "Stationkeeper/stationkeeper":
            yield f"{name} writes its metrics to {told}"
    if len(template.metrics()) < 10:
        yield "found hardly any metric: look at how this check reads functions/pipeline/src/embedded_metrics.rs"


@check("the dashboard is JSON and shows metrics that exist")
def dashboard(template):
    body = json.loads(template.text(template.resources["Dashboard"]["Properties"]["DashboardBody"]))
    ours = template.metrics()
    shown = set()
    for widget in body["widgets"]:
        namespace = metric = None
        for row in widget["properties"]["metrics"]:
            if row[0] != "...":
                namespace = namespace if row[0] == "." else row[0]
                metric = metric if row[1] == "." else row[1]
            if namespace.startswith("Stationkeeper/"):
                shown.add(metric)
    for metric in shown - ours:
        yield f"{metric} is shown and written by nothing"
    for metric in ours - shown:
        yield f"{metric} is written and shown nowhere"
