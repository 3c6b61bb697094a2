"""The table tests/bench/RESULTS.md: a row a figure, and the computer that it was measured on."""

import dataclasses
import pathlib
import platform
import re
import subprocess

from parts import ROOT, TARGET, Measured

PATH = ROOT / "tests/bench/RESULTS.md"
HEAD = "| figure | measured | must be | verdict | what was run |\n|---|---|---|---|---|"
NOTES = "## Notes"


@dataclasses.dataclass
class Row:
    """A row as it was measured."""

    name: str
    target: str
    measured: Measured

    def markdown(self):
        verdict = "met" if self.measured.met else "**missed**"
        return f"| `{self.name}` | {self.measured.text} | {self.target} | {verdict} | {self.measured.ran} |"


def markdown(rows):
    return "\n".join([HEAD, *(row.markdown() for row in rows)])


def write(rows, server):
    """Puts rows into the table; rows of other figures, and the notes, stay."""
    old = PATH.read_text() if PATH.exists() else ""
    lines = {name: line for line in old.splitlines() for name in re.findall(r"^\| `([\w-]+)` \|", line)}
    lines.update({row.name: row.markdown() for row in rows})
    from __main__ import FIGURES

    ordered = [lines[figure.name] for figure in FIGURES if figure.name in lines]
    notes = old[old.index(NOTES):] if NOTES in old else f"{NOTES}\n"
    mariadb = server or next(iter(re.findall(r"MariaDB (\S+),", old)), "not used")
    text = f"""# Figures

Made by `tests/bench/run`; ratios of one run, both sides in turns, medians. Only rows that were measured anew change.

{computer()} MariaDB {mariadb}, its default durability, a buffer pool of 1 GiB.

{HEAD}
""" + "\n".join(ordered) + f"\n\n{notes}"
    PATH.write_text(text.rstrip("\n") + "\n")


def computer():
    processor = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", read("/proc/meminfo"))
    parts = [
        processor.group(1) if processor else platform.processor() or platform.machine(),
        f"{read('/proc/cpuinfo').count('processor')} cores",
        f"{int(memory.group(1)) // (1 << 20)} GiB" if memory else "memory unknown",
        f"{platform.system()} {platform.release()}",
        f"disk {disk()}",
        subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True).stdout.split(" (")[0],
        f"Python {platform.python_version()}",
    ]
    return ", ".join(parts) + "."


def disk():
    """The file system of the temporary folder, where databases stand."""
    done = subprocess.run(["df", "--output=fstype", "/tmp"], stdout=subprocess.PIPE, text=True)
    return done.stdout.split()[-1] if done.stdout else "unknown"


def read(path):
    path = pathlib.Path(path)
    return path.read_text() if path.exists() else ""
