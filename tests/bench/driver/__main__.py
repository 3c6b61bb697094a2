"""The driver of tests/bench/run: which figures there are, and the order in which they run."""

import argparse
import signal
import sys
import time

import gateway
import ingest
import service
import table
from parts import Bench, say

FIGURES = ingest.FIGURES + service.FIGURES + gateway.FIGURES


def main():
    arguments = argparse.ArgumentParser(prog="tests/bench/run", description="Figures as ratios in one run; see the head of tests/bench/run.")
    arguments.add_argument("names", nargs="*", metavar="NAME", help="figures; without a name: all")
    arguments.add_argument("--list", action="store_true", help="show the names and what each must reach")
    arguments.add_argument("--quick", action="store_true", help="a tenth of the work, to see that it runs; nothing is written")
    arguments.add_argument("--no-build", action="store_true", help="use the programs that the last run built")
    asked = arguments.parse_args()
    if asked.list:
        for figure in FIGURES:
            print(f"{figure.name:18} {figure.target}")
        return 0
    known = {figure.name: figure for figure in FIGURES}
    for name in asked.names:
        if name not in known:
            print(f"tests/bench/run: no figure is called {name!r}; there are: {' '.join(known)}", file=sys.stderr)
            return 2
    wanted = [known[name] for name in asked.names] or FIGURES
    rows, failed = [], []
    with Bench(quick=asked.quick, build=not asked.no_build) as bench:
        bench.build({part for figure in wanted for part in figure.needs})
        for figure in wanted:
            say(f"== {figure.name}: {figure.target}")
            begun = time.monotonic()
            try:
                measured = figure.measure(bench)
            except Exception as error:  # the other figures are worth having
                failed.append(figure.name)
                say(f"== {figure.name} broke off: {error}")
                continue
            rows.append(table.Row(figure.name, figure.target, measured))
            say(f"== {figure.name}: {time.monotonic() - begun:.0f} s")
        server = bench.server_version()
    print(table.markdown(rows))
    if not asked.quick and rows:
        table.write(rows, server)
    if failed:
        print(f"broke off: {' '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


# Ended from outside, it still stops what it started.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
