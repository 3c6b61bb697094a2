"""infra/README.md: its sums, its commands, and the tool that it names."""

import io
import json
import os
import re
from contextlib import redirect_stdout
from datetime import datetime, timedelta, timezone
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from unittest import mock
from urllib.parse import unquote_plus

import boto3
from moto import mock_aws

from checks import check
from template import ROOT

README = ROOT / "infra/README.md"
# What its commands make; git ignores them.
MADE_BY_HAND = {"infra/.env", "infra/authorities/rds.pem"}


def text():
    return README.read_text(encoding="utf-8")


def commands():
    """Lines of the shell blocks."""
    for block in re.findall(r"```sh\n(.*?)```", text(), re.S):
        yield from block.splitlines()


def cost_lines():
    """(line, reckoning, result) of the table of costs."""
    chapter = text().split("## What 100 stations cost")[1].split("\n## ")[0]
    return re.findall(r"^\| ([^|*]+) \| [^|]* \| `([0-9.×+() ]+)` \| ([0-9.]+) \|$", chapter, re.M)


@check("the costs of infra/README.md are reckoned right, line by line and all together")
def costs(template):
    lines = cost_lines()
    if len(lines) < 12:
        yield f"found only {len(lines)} lines: look at how this check reads the table"
    for line, reckoning, said in lines:
        # Digits, points, brackets, + and × alone: the pattern let nothing else through.
        value = eval(reckoning.replace("×", "*"))  # noqa: S307
        if abs(value - float(said)) > 0.006:
            yield f"{line}: {reckoning} is {value:.3f}, not {said}"
    (total,) = re.findall(r"^\| \*\*all\*\* \| \| \| \*\*([0-9.]+)\*\* \|$", text(), re.M)
    if abs(sum(float(said) for _line, _reckoning, said in lines) - float(total)) > 0.006:
        yield f"all together are {sum(float(said) for _line, _reckoning, said in lines):.2f}, not {total}"
    count = {"CloudWatch alarms": len(template.of_type("AWS::CloudWatch::Alarm"))}
    count["CloudWatch metrics"] = len(template.metrics())
    for line, reckoning, _said in lines:
        if line in count and not reckoning.startswith(f"{count[line]} ×"):
            yield f"{line}: the template has {count[line]}"


@check("the commands of infra/README.md name only subcommands, outputs, resources and files that exist")
def named(template):
    definition = (ROOT / "functions/stationkeeper/src/cli.rs").read_text(encoding="utf-8")
    body = re.search(r"pub enum Command \{(.*?)\n\}", definition, re.S).group(1)
    known = {re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in re.findall(r"^    ([A-Z]\w+)[\s({,]", body, re.M)}
    if not {"up", "normalize", "decode-event"} <= known:
        yield "found hardly any subcommand: look at how this check reads the command line"
    said = text()
    for word in re.findall(r"(?:^|`)stationkeeper ([a-z-]+)", "\n".join(commands()) + said, re.M):
        if word not in known:
            yield f"stationkeeper {word} is no command"
    for output in re.findall(r"\$\(out (\w+)\)", said):
        if output not in template.tree["Outputs"]:
            yield f"{output} is no output of the template"
    names = {template.text(one["FunctionName"]) for one in template.functions().values()}
    for function in re.findall(r"--function-name (\S+)|/aws/lambda/(\S+)", said):
        if max(function) not in names:
            yield f"{max(function)} is no function of the template"
    groups = {template.text(one["GroupName"]) for one in template.of_type("AWS::IAM::Group").values()}
    for group in re.findall(r"--group-name (\S+)|group `(stationkeeper-\S+)`", said):
        group = max(group)
        if group not in groups:
            yield f"{group} is no group of the template"
    for path in re.findall(r"\b(infra/[\w./-]+\w)", said):
        if path not in MADE_BY_HAND and not (ROOT / path).exists():
            yield f"{path} is not there"
    for parameter in re.findall(r"`([A-Z][A-Za-z]+)(?:=\w+)?`", said):
        if parameter not in {**template.tree["Parameters"], **template.resources, "SELECT": 0} and parameter.upper() != parameter:
            yield f"{parameter} is neither parameter nor resource of the template"


@check("the limits that infra/README.md reckons with are those of the code")
def limits(_template=None):
    def constant(path, name):
        source = (ROOT / "functions" / path).read_text(encoding="utf-8")
        return int(re.search(rf"const {name}: \w+ = ([0-9_]+);", source).group(1).replace("_", ""))

    said = " ".join(text().split())
    step, steps = constant("pipeline/src/upkeep.rs", "STEP"), constant("pipeline/src/upkeep.rs", "STEPS")
    for sentence in (
        f"judges at most {constant('pipeline/src/overdue.rs', 'MOST'):,} stations a run",
        f"two requests, {constant('pipeline/src/overdue.rs', 'CONCURRENCY')} stations at once",
        f"at most {steps} steps of {step:,} rows a minute, {step * steps // 60} a second",
        f"connections at most ({constant('pipeline/src/lambda.rs', 'CONNECTIONS')} each",
    ):
        if sentence not in said:
            yield f"infra/README.md does not say {sentence!r}, which the code does: reckon again what scales how"


def tool():
    loader = SourceFileLoader("announce_again", str(ROOT / "infra/announce-again"))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def paths(value, at=""):
    """Every path of keys in a document."""
    if isinstance(value, dict):
        return {path for key, one in value.items() for path in paths(one, f"{at}.{key}")}
    if isinstance(value, list):
        return {path for one in value for path in paths(one, f"{at}[]")}
    return {at}


@check("announce-again tells the queue of each version that was put in the span, once, in the bucket's own form")
def announce(_template=None):
    anyone = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    with mock.patch.dict(os.environ, anyone), mock_aws():
        s3, sqs = boto3.client("s3"), boto3.client("sqs")
        s3.create_bucket(Bucket="lab", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_bucket_versioning(Bucket="lab", VersioningConfiguration={"Status": "Enabled"})
        queue = sqs.create_queue(QueueName="ingest")["QueueUrl"]
        put = [(f"stations/LAB-WS{number % 3:02}/heartbeat.json", f"body {number}".encode()) for number in range(25)]
        put.append(("stations/LAB-Ñ 1/status.json", b"blank and tilde"))
        sent = {(key, s3.put_object(Bucket="lab", Key=key, Body=body)["VersionId"]) for key, body in put}
        s3.put_object(Bucket="lab", Key="quarantine/LAB-WS00/x", Body=b"put aside")
        now = datetime.now(timezone.utc)
        spans = [(timedelta(hours=-1), timedelta(hours=1), sent), (timedelta(hours=-2), timedelta(hours=-1), set()), (timedelta(hours=1), timedelta(hours=2), set())]
        for begin, end, wanted in spans:
            arguments = ["--bucket", "lab", "--queue-url", queue, "--since", (now + begin).isoformat(), "--until", (now + end).isoformat()]
            said = io.StringIO()
            with redirect_stdout(said):
                tool().main([*arguments, "--dry-run"])
                tool().main(arguments)
            bodies = []
            while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
                bodies += [json.loads(message["Body"]) for message in messages]
            stored = [record["s3"]["object"] for body in bodies for record in body["Records"]]
            got = [(unquote_plus(one["key"]), one["versionId"]) for one in stored]
            if sorted(got) != sorted(wanted):
                yield f"{begin} to {end}: told of {len(got)} versions, {len(wanted)} were put"
            if f"announced {len(wanted)} versions" not in said.getvalue():
                yield f"{begin} to {end}: says {said.getvalue()!r}"
            real = json.loads((ROOT / "tests/corpus/bucket-events/s3_one_record.json").read_text(encoding="utf-8"))
            for body in bodies[:1]:
                if strange := paths(body) - paths(real):
                    yield f"says {sorted(strange)}, which S3 does not"
