"""Prometheus' alert rules: they fire when they should, and name only what the binary exports."""

import re
import subprocess

import yaml

from checks import check
from template import ROOT

RULES = ROOT / "infra/prometheus/alerts.yaml"
# What Prometheus itself knows of a target.
OWN = {"up"}


def sources():
    return {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "functions").glob("*/src/**/*.rs"))}


def exported():
    """Series that `/metrics` can have: of counters and gauges the name, of summaries those with their suffixes too."""
    names = set()
    for text in sources().values():
        for kind, name in re.findall(r'metrics::(counter|gauge|histogram)!\(\s*"([a-z_0-9]+)"', text):
            names.add(name)
            if kind == "histogram":
                names |= {f"{name}_sum", f"{name}_count"}
        names |= set(re.findall(r'family\(\s*"([a-z_0-9]+)"', text))
    return names


def label_values():
    """Values that labels of closed lists can have."""
    words = (ROOT / "functions/rules/src/station.rs").read_text(encoding="utf-8")
    rules = (ROOT / "functions/rules/src/alert.rs").read_text(encoding="utf-8")
    named = lambda text: set(re.findall(r'Self::\w+ => "([a-z_]+)"', text))  # noqa: E731
    return {"state": named(words) | named(rules), "rule": named(rules), "outcome": set(re.findall(r'"(\w+)"', sources()[ROOT / "functions/pipeline/src/observe.rs"]))}


def expressions():
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"], rule


@check("Prometheus reads the alert rules, and each fires when it should and is silent when all is well")
def fires(_template=None):
    for command in (["check", "rules", RULES], ["test", "rules", ROOT / "tests/infra/alerts.test.yaml"]):
        done = subprocess.run(["promtool", *map(str, command)], capture_output=True, text=True)
        if done.returncode != 0:
            yield done.stdout + done.stderr
    tests = (ROOT / "tests/infra/alerts.test.yaml").read_text(encoding="utf-8")
    for alert, _expression, _rule in expressions():
        if f'alertname="{alert}"' not in tests:
            yield f"{alert} is never seen to fire: add it to tests/infra/alerts.test.yaml"


@check("the alert rules name only metrics that the binary exports, and labels by values that exist")
def names(_template=None):
    known, values = exported() | OWN, label_values()
    if len(known) < 10:
        yield "found hardly any metric in functions/*/src: look at how this check reads it"
    for alert, expression, _rule in expressions():
        # What stands before a selector or a range, or alone.
        used = set(re.findall(r"\b((?:stationkeeper|http)_[a-z_0-9]+|up)\b(?!\s*=)", re.sub(r"\{[^}]*\}", "", expression)))
        for name in used - known:
            yield f"{alert} asks for {name}, which nothing exports"
        if not used:
            yield f"{alert} asks for no metric"
        for label, operator, text in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', expression):
            if label not in values:
                continue
            for value in text.split("|") if "~" in operator else [text]:
                if value not in values[label]:
                    yield f"{alert} asks for {label}={value!r}, which nothing exports"


@check("every alert rule has a severity and a sentence")
def texts(_template=None):
    for alert, _expression, rule in expressions():
        if rule.get("labels", {}).get("severity") not in ("critical", "warning", "info") or not rule["annotations"].get("summary"):
            yield f"{alert} has no severity or no summary"
