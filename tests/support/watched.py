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
from contextlib import suppress

import psutil

_PR_SET_CHILD_SUBREAPER = 36
#: What was killed a moment ago may take so long to be gone.
_GRACE_SECONDS = 5
_KILLS = 3


def run(command: Sequence[str]) -> int:
    """Run a command to its end and return its exit status, or 1 if a process is left; that is killed.

    SIGINT and SIGTERM are passed on to the command, and it is waited for.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become the parent of orphans")
    # In a session of its own, so that the terminal's Ctrl-C reaches it once, through this process.
    process = subprocess.Popen(command, start_new_session=True)

    def pass_on(number: int, frame: object) -> None:
        process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    status = _wait(process.pid)
    if not (left := _left(_GRACE_SECONDS)):
        print("No process is left.")  # noqa: T201
        return status
    for each in left:
        print(f"still running: {_describe(each)}", file=sys.stderr)  # noqa: T201
    for _ in range(_KILLS):
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        if not (left := _left(_GRACE_SECONDS)):
            break
    return status or 1


def _wait(pid: int) -> int:
    """Wait for a child; adopted children that end meanwhile are reaped."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _left(seconds: float) -> list[psutil.Process]:
    """The descendants that still run after so many seconds; returns as soon as there is none."""
    this = psutil.Process()
    psutil.wait_procs(this.children(recursive=True), seconds)
    # Listed anew: what was waited for may have started others.
    return [each for each in this.children(recursive=True) if _is_running(each)]


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())}"
    except psutil.Error:
        return str(process.pid)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
