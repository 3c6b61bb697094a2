"""pywinrm, a client of WS-Management that is not ours: does what it is told and says what came of it.

Standard input: {"endpoint", "user", "password", "transport", "trust": file or null, "wait", "patience", "jobs": [...]}; standard output: one answer a job.
A job is {"do": "cmd", "command", "arguments"?, "code_page"?, "leave_open"?}, {"do": "ps", "script"}, or asks for output that nobody has
({"do": "unknown_shell"}, {"do": "unknown_command"}); what is printed comes back as base64.
"""

import base64
import json
import sys
import time
import warnings

import winrm

warnings.simplefilter("ignore")


def run(session, job):
    if job["do"] == "ps":
        answer = session.run_ps(job["script"])
        return answer.std_out, answer.std_err, answer.status_code
    protocol = session.protocol
    if job["do"] == "unknown_shell":
        return protocol.get_command_output("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000")
    shell = protocol.open_shell(codepage=job.get("code_page", 437))
    try:
        if job["do"] == "unknown_command":
            return protocol.get_command_output(shell, "00000000-0000-0000-0000-000000000000")
        command = protocol.run_command(shell, job["command"], job.get("arguments", []))
        said = protocol.get_command_output(shell, command)
        protocol.cleanup_command(shell, command)
        return said
    finally:
        if not job.get("leave_open"):
            protocol.close_shell(shell)


def answer(asked, job):
    trust = asked["trust"]
    session = winrm.Session(
        asked["endpoint"],
        auth=(asked["user"], asked["password"]),
        transport=asked["transport"],
        server_cert_validation="validate" if trust else "ignore",
        ca_trust_path=trust or "legacy_requests",
        operation_timeout_sec=asked["wait"],
        read_timeout_sec=asked["patience"],
    )
    begun = time.monotonic()
    try:
        out, err, code = run(session, job)
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {
        "exit_code": code,
        "out": base64.b64encode(out).decode(),
        "err": base64.b64encode(err).decode(),
        "seconds": time.monotonic() - begun,
    }


def main():
    asked = json.load(sys.stdin)
    json.dump([answer(asked, job) for job in asked["jobs"]], sys.stdout)


main()
