"""Processes of our own: an emulator beside this process, and forked children. Each is ended by its own id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from airflow_provider_flowservice.emulator.control import EmulatorControl

_STOP_SECONDS = 10
_KILL_SECONDS, _KILLS = 5, 3
_LOOKS, _LOOK_SECONDS = 600, 0.1


@contextmanager
def running(
    command: Sequence[str],
    seconds: float = _STOP_SECONDS,
    how: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> Iterator[subprocess.Popen[str]]:
    """A process in a session of its own, nothing of which outlives the block, whatever happens in it.

    :param seconds: that the process gets to end by itself; after that it is killed, and its session with it.
    :param how: the signal that asks for the end.
    :param options: of :class:`subprocess.Popen`.
    """
    process = subprocess.Popen(command, text=True, start_new_session=True, **options)
    try:
        yield process
    finally:
        _send(how, session(process.pid))
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        kill(process)
        if process.stdout:
            process.stdout.close()


def wait_until_ready(process: subprocess.Popen[str], is_ready: Callable[[], bool], log: Path) -> None:
    """Return when a server is ready.

    :param is_ready: whether it is.
    :param log: has what the server prints.
    :raises RuntimeError: if it has ended, or is not ready within a minute.
    """
    pause = threading.Event()
    for _ in range(_LOOKS):
        if is_ready():
            return
        if process.poll() is not None:
            break
        pause.wait(_LOOK_SECONDS)
    raise RuntimeError(f"{process.args} did not start: {log.read_text()[-2000:]}")


def kill(process: subprocess.Popen[str]) -> None:
    """Send SIGKILL to a process of :func:`running` and to its session, and wait until all of them have ended."""
    for _ in range(_KILLS):
        if not (left := session(process.pid)):
            break
        _send(signal.SIGKILL, left)
        psutil.wait_procs(left, _KILL_SECONDS)
    process.wait(_KILL_SECONDS)


def session(leader: int) -> list[psutil.Process]:
    """The running processes of a session; a process group would be too little, since each task has its own."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _send(number: signal.Signals, members: list[psutil.Process]) -> None:
    for process in members:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


@contextmanager
def emulator_process() -> Iterator[EmulatorControl]:
    """An emulator in a process of its own, on a free port: this process gets no thread from it."""
    with emulator_and_process() as (control, _):
        yield control


@contextmanager
def emulator_and_process(*arguments: str) -> Iterator[tuple[EmulatorControl, psutil.Process]]:
    """The same, with its process.

    :param arguments: further ones of its command line.
    """
    command = [sys.executable, "-m", "airflow_provider_flowservice.emulator", "--port", "0", *arguments]
    with running(command, stdout=subprocess.PIPE) as process:
        greeting = process.stdout.readline() if process.stdout else ""
        url = next((word for word in greeting.split() if word.startswith("http://")), None)
        if url is None:
            raise RuntimeError(f"the emulator did not start: {greeting!r}")
        yield EmulatorControl(url), psutil.Process(process.pid)


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

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
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
