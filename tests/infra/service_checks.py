"""The systemd unit, the container file and the compose file."""

import re
import subprocess
import tempfile
from pathlib import Path

import yaml

from checks import check
from template import ROOT

INFRA = ROOT / "infra"
UNIT = INFRA / "stationkeeper.service"


def flags_of(struct):
    """Flags that a struct of the command line's definition takes, with those of each struct that it flattens."""
    command_line = ROOT / "functions/stationkeeper/src"
    text = "\n".join(file.read_text(encoding="utf-8") for file in [command_line / "cli.rs", *command_line.glob("cli/*.rs")])
    body = re.search(rf"pub struct {struct} \{{(.*?)\n\}}", text, re.S).group(1)
    flags = set()
    for flattened, field, kind in re.findall(r"(#\[command\(flatten\)\]\s+(?:#\[.*\]\s+)*)?pub (\w+): (\w+)", body):
        flags |= flags_of(kind) if flattened else {"--" + field.replace("_", "-")}
    return flags


@check("systemd takes the unit, and finds little that it leaves open")
def unit(_template=None):
    text = UNIT.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / UNIT.name
        # systemd also looks whether the program is there; here it stands for itself.
        copy.write_text(text.replace("/usr/local/bin/stationkeeper ", "/bin/true "), encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True)
        if done.returncode != 0 or done.stderr.strip():
            yield done.stdout + done.stderr
        # 20 is an exposure of 2.0 of 10.
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(copy)], capture_output=True, text=True)
        if done.returncode != 0:
            yield (done.stdout + done.stderr).strip().splitlines()[-1]
        copy.write_text("[Service]\nExecStart=/bin/true\n", encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(copy)], capture_output=True, text=True)
        if done.returncode == 0:
            yield "systemd-analyze takes a unit without any hardening: this check sees nothing"


@check("unit, container and compose file start `up` with flags that it has")
def flags(_template=None):
    known = flags_of("Up")
    compose = yaml.safe_load((INFRA / "compose.yaml").read_text(encoding="utf-8"))
    container = (INFRA / "Containerfile").read_text(encoding="utf-8")
    started = {
        UNIT.name: re.search(r"^ExecStart=\S+ (.*)$", UNIT.read_text(encoding="utf-8"), re.M).group(1).split(),
        "Containerfile": re.findall(r'"([^"]+)"', re.search(r"^CMD (.*)$", container, re.M).group(1)),
        "compose.yaml": compose["services"]["stationkeeper"]["command"],
    }
    if len(known) < 8:
        yield "found hardly any flag of up: look at how this check reads the command line"
    for where, words in started.items():
        if words[0] != "up":
            yield f"{where} starts {words[0]}"
        for word in words:
            if word.startswith("--") and word not in known:
                yield f"{where} gives up {word}, which it does not take"


@check("the image is built from pinned bases, from a lock file, and runs as nobody in particular")
def container(_template=None):
    text = (INFRA / "Containerfile").read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)", text, re.M)
    rust = re.search(r'^rust-version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M).group(1)
    if len(bases) < 2:
        yield "it is built in one stage: the compiler goes along"
    for base in bases:
        if not re.search(r":\d+\.\d+(\.\d+)?-|@sha256:", base):
            yield f"{base} is not pinned to a version"
    if f"rust:{rust}" not in bases[0]:
        yield f"it is built by {bases[0]}, the workspace wants Rust {rust}"
    last = text.split("FROM ")[-1]
    user = re.search(r"^USER (\d+):(\d+)", last, re.M)
    if not user or 0 in map(int, user.groups()):
        yield "it runs as root"
    if "--locked" not in text:
        yield "its build may choose other versions"
    members = re.search(r"^members = \[(.*)\]", (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M).group(1)
    for member in re.findall(r'"([a-z-]+)(?:/\*)?"', members):
        if f"COPY {member} {member}" not in text:
            yield f"it does not copy {member}, a member of the workspace"


@check("every service of the compose file is pinned, bounded and restarted, and every secret is asked for")
def compose(_template=None):
    text = (INFRA / "compose.yaml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    for name, service in services.items():
        if "build" not in service and not re.search(r":(\d+\.\d+\.\d+|RELEASE\.[\dTZ-]+)$", service["image"]):
            yield f"{name} runs {service['image']}, which is no version"
        if "no-new-privileges:true" not in service.get("security_opt", []) or "restart" not in service:
            yield f"{name} may gain privileges, or is not started again"
        if service.get("privileged") or service.get("network_mode") == "host":
            yield f"{name} has the whole computer"
        for other, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy" and "healthcheck" not in services[other]:
                yield f"{name} waits for the health of {other}, which has no check"
    used = dict(re.findall(r"\$\{([A-Z_0-9]+)(:[-?][^}]*)?\}", text))
    example = dict(re.findall(r"^([A-Z_0-9]+)=(.*)$", (INFRA / ".env.example").read_text(encoding="utf-8"), re.M))
    if set(used) != set(example):
        yield f"compose.yaml and .env.example differ in {sorted(set(used) ^ set(example))}"
    for name, value in example.items():
        secret = bool(re.search(r"PASSWORD|TOKEN", name))
        if secret and (value or not used.get(name, "").startswith(":?")):
            yield f"{name} is a secret: without a value in .env.example, and asked for in compose.yaml"
        if not secret and used.get(name) != f":-{value}":
            yield f"{name} is {value!r} in .env.example and {used.get(name)!r} in compose.yaml"
