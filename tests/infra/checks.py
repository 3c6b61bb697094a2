"""What a check is, and how checks are run and counted."""

import sys
import traceback

CHECKS = []


def check(sentence):
    """Registers a function that yields what is wrong; the sentence says what holds when it yields nothing."""

    def register(function):
        CHECKS.append((sentence, function))
        return function

    return register


def faults_of(function, *arguments):
    """What a check finds. A check that breaks off has found something."""
    try:
        return list(function(*arguments) or [])
    except Exception:  # whatever a broken input makes of a check is a finding
        return [traceback.format_exc(limit=-3).strip()]


def run(checks, *arguments):
    """Runs checks, a line each; the last line is what tests/run counts."""
    failed = 0
    for sentence, function in checks:
        faults = faults_of(function, *arguments)
        failed += bool(faults)
        print(f"{'FAILED' if faults else 'ok    '} {sentence}")
        for fault in faults:
            print("       " + str(fault).replace("\n", "\n       "))
        sys.stdout.flush()
    print(f"test result: {'FAILED' if failed else 'ok'}. {len(checks) - failed} passed; {failed} failed; 0 ignored; 0 measured")
    return 1 if failed else 0
