#!/usr/bin/env python3
"""Checks of infra/: what the template promises, and whether everything beside it names only what exists.

    tests/infra/check.py            all; wants STATIONKEEPER_TEST_MYSQL_URL (a server on which databases may be made), promtool,
                                    systemd-analyze and tests/infra/requirements.txt: `tests/run infra` brings them
    tests/infra/check.py WORD…      only the checks whose sentence has one of these words
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import broken  # noqa: E402
import checks  # noqa: E402
import template as templates  # noqa: E402

# A module registers its checks.
import template_checks, iam_checks, alarm_checks, lint_checks  # noqa: E401, E402, F401

OF_TEMPLATE = list(checks.CHECKS)

import grafana_checks, prometheus_checks, readme_checks, service_checks  # noqa: E401, E402, F401


def main(words):
    tree = templates.read()
    wanted = checks.CHECKS + list(broken.tests(tree, OF_TEMPLATE, checks.faults_of))
    if words:
        wanted = [one for one in wanted if any(word in one[0] for word in words)]
    try:
        return checks.run(wanted, templates.Template(tree))
    finally:
        grafana_checks.drop_database()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
