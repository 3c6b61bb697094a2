"""Reads the template, its intrinsic functions as CloudFormation's long form, and answers questions about it."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATE = ROOT / "infra" / "template.yaml"

# What pseudo parameters stand for where a check wants whole names.
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::StackName": "stationkeeper",
}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def intrinsic(loader, tag, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag in ("Ref", "Condition"):
        return {tag: value}
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{tag}": value}


Loader.add_multi_constructor("!", intrinsic)


def read(path=TEMPLATE):
    """The template as dictionaries, lists and texts."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


class Template:
    """A template and the questions that checks ask of it."""

    def __init__(self, tree):
        self.tree = tree
        self.resources = tree["Resources"]

    def of_type(self, kind):
        """Name → properties of the resources of a type."""
        return {name: one.get("Properties", {}) for name, one in self.resources.items() if one["Type"] == kind}

    def functions(self):
        """Name → properties of the functions, with what `Globals` adds."""
        shared = self.tree["Globals"]["Function"]
        return {name: merged(shared, one) for name, one in self.of_type("AWS::Serverless::Function").items()}

    def metrics(self):
        """Names of the metrics of our own: what the functions write, and what is counted out of log lines."""
        code = (ROOT / "functions/pipeline/src/embedded_metrics.rs").read_text(encoding="utf-8")
        written = set(re.findall(r'Self::(\w+) => "\1"', code))
        return written | {one["MetricTransformations"][0]["MetricName"] for one in self.of_type("AWS::Logs::MetricFilter").values()}

    def number(self, value):
        """A number, or the default of the parameter that it refers to."""
        if isinstance(value, dict):
            value = self.tree["Parameters"][value["Ref"]]["Default"]
        return int(value)

    def text(self, value):
        """A text with references and `Fn::Sub` filled in: parameters by default or name, resources as `<Name>`."""
        if not isinstance(value, dict):
            return str(value)
        if "Ref" in value:
            return self.named(value["Ref"])
        if "Fn::GetAtt" in value:
            resource, attribute = value["Fn::GetAtt"]
            return f"<{resource}.{attribute}>"
        if "Fn::If" in value:
            return self.text(value["Fn::If"][1])
        body = value["Fn::Sub"]
        more = {}
        if isinstance(body, list):
            body, more = body

        def fill(found):
            name = found.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            return self.text(more[name]) if name in more else self.named(name)

        return re.sub(r"\$\{([^}]+)\}", fill, body)

    def named(self, name):
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.tree["Parameters"]:
            return str(self.tree["Parameters"][name].get("Default", name))
        return f"<{name}>"

    def target(self, value):
        """The resource that `Ref` or `Fn::GetAtt` names, else nothing."""
        if isinstance(value, dict):
            if "Ref" in value:
                return value["Ref"]
            if "Fn::GetAtt" in value:
                return value["Fn::GetAtt"][0]
        return None

    def events(self, function, kind):
        """The events of a type that wake a function."""
        return [one["Properties"] for one in function.get("Events", {}).values() if one["Type"] == kind]

    def statements(self):
        """Every policy statement, as (where, statement)."""
        for name, one in self.resources.items():
            properties = one.get("Properties", {})
            documents = [properties.get("PolicyDocument"), properties.get("AssumeRolePolicyDocument")]
            documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
            for document in documents:
                for statement in (document or {}).get("Statement", []):
                    yield name, statement

    def role_of(self, function):
        """The statements of a function's role."""
        role = self.target(function["Role"])
        return [statement for policy in self.resources[role]["Properties"]["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def merged(shared, own):
    """As SAM does it: maps are joined, anything else is replaced."""
    joined = {name: merged(shared[name], value) if isinstance(value, dict) and isinstance(shared.get(name), dict) else value for name, value in own.items()}
    return {**shared, **joined}


def listed(value):
    """One or several, as a list."""
    return value if isinstance(value, list) else [value]
