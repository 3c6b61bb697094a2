#!/usr/bin/env python3
"""Checks of infra/: what the template promises, and whether everything beside it names only what exists.

    tests/infra/check.py            all; wants STATIONKEEPER_TEST_MYSQL_URL (a server on which databases may be made), promtool
                                    and systemd-analyze: tests/run infra brings them
    tests/infra/check.py WORD…      only the checks whose sentence has one of these words
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import alarm_checks  # noqa: E402, F401 - a module registers its checks
import broken  # noqa: E402
import checks  # noqa: E402
import iam_checks  # noqa: E402, F401
import template as templates  # noqa: E402
import template_checks  # noqa: E402, F401


def main(words):
    tree = templates.read()
    of_template = list(checks.CHECKS)
    wanted = of_template + list(broken.tests(tree, of_template, checks.faults_of))
    if words:
        wanted = [one for one in wanted if any(word in one[0] for word in words)]
    return checks.run(wanted, templates.Template(tree))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
