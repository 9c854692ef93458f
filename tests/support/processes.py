"""Processes of our own: an emulator beside this process, and forked children. Each is ended by its own id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_flowservice.emulator.control import EmulatorControl

_STOP_SECONDS = 10


@contextmanager
def ended(process: subprocess.Popen[str], seconds: float = _STOP_SECONDS) -> Iterator[subprocess.Popen[str]]:
    """A started process that does not outlive the block, whatever happens in it."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@contextmanager
def emulator_process() -> Iterator[EmulatorControl]:
    """An emulator in a process of its own, on a free port: this process gets no thread from it."""
    command = [sys.executable, "-m", "airflow_provider_flowservice.emulator", "--port", "0"]
    with ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        greeting = process.stdout.readline() if process.stdout else ""
        url = next((word for word in greeting.split() if word.startswith("http://")), None)
        if url is None:
            raise RuntimeError(f"the emulator did not start: {greeting!r}")
        yield EmulatorControl(url)


def start_forked(work: Callable[[], None], log: Path, seconds: int) -> int:
    """Do ``work`` in a forked child and return its process id.

    :param log: gets all that the child prints.
    :param seconds: after so long the child ends itself.
    """
    if threading.active_count() > 1:
        raise RuntimeError(f"a process with threads must not fork: {threading.enumerate()}")
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(seconds)
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        work()
        status = 0
    except BaseException:  # noqa: BLE001 (nothing of the parent may go on in the child)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait_for(pid: int) -> int:
    """Wait for a child: its exit status, or the negative number of the signal that ended it.

    The child is killed if the wait is broken off.
    """
    try:
        _, status = os.waitpid(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return os.waitstatus_to_exitcode(status)


def run_forked(work: Callable[[], None], log: Path, seconds: int) -> int:
    """Do ``work`` in a forked child and wait for it; see :func:`start_forked` and :func:`wait_for`."""
    return wait_for(start_forked(work, log, seconds))


@contextmanager
def termination_raises() -> Iterator[None]:
    """Let SIGTERM unwind this process as Ctrl-C does, so that what it started is ended."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def output_to(log: Path) -> Iterator[None]:
    """Send what this process prints to a file while the block runs: Airflow's tasks print their logs."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for original, target in zip(saved, (1, 2), strict=True):
            os.dup2(original, target)
            os.close(original)
