"""``python -m tests.support.watched COMMAND ...``: run a command, and fail if something that it started outlives it.

Orphans of the command become children of this process, which so knows every descendant, whatever session or
process group it went to and whatever name or environment it shows. (Airflow's processes change their titles, which
overwrites the environment that others see.)
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import psutil

_PR_SET_CHILD_SUBREAPER = 36
#: What was killed a moment ago may take so long to be gone.
_GRACE_SECONDS = 5


def run(command: Sequence[str]) -> int:
    """Run a command to its end and return its exit status, or 1 if a process is left; that is killed.

    SIGINT and SIGTERM reach the command as SIGINT, and it is waited for.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become the parent of orphans")
    # In a session of its own, so that the terminal's Ctrl-C reaches it once, through this process.
    process = subprocess.Popen(command, start_new_session=True)

    def interrupt(number: int, frame: object) -> None:
        process.send_signal(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    status = _wait(process.pid)
    left = _still_running()
    for each in left:
        print(f"still running: {each.pid} {each.name()}: {' '.join(each.cmdline())}", file=sys.stderr)  # noqa: T201
        each.kill()
    psutil.wait_procs(left, _GRACE_SECONDS)
    if left:
        return status or 1
    print("No process is left.")  # noqa: T201
    return status


def _wait(pid: int) -> int:
    """Wait for a child; adopted children that end meanwhile are reaped."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _still_running() -> list[psutil.Process]:
    _, alive = psutil.wait_procs(psutil.Process().children(recursive=True), _GRACE_SECONDS)
    return [each for each in alive if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
