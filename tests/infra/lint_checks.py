"""What the linters of AWS say."""

import os
import subprocess
import sys
from pathlib import Path

from checks import check
from template import TEMPLATE

# Where programs of the same environment stand.
BESIDE = Path(sys.executable).parent
# `sam` asks for a region and otherwise for nobody: it needs no network and no account.
QUIET = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}


@check("cfn-lint finds nothing in the template, warnings included")
def cfn_lint(_template=None):
    done = subprocess.run([str(BESIDE / "cfn-lint"), str(TEMPLATE)], capture_output=True, text=True)
    if done.returncode != 0:
        yield done.stdout + done.stderr


@check("sam validate --lint takes the template")
def sam(_template=None):
    done = subprocess.run([str(BESIDE / "sam"), "validate", "--lint", "--template", str(TEMPLATE)], capture_output=True, text=True, env=QUIET)
    if done.returncode != 0:
        yield done.stdout + done.stderr
