"""Nothing that a test starts outlives it; and if it does, ``make test-stack`` says so."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil
import pytest

from tests.support import processes

pytestmark = pytest.mark.stack

_SECONDS = 60
#: A process that ignores SIGTERM, in a process group of its own.
_STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.setpgid(0, 0)
print(os.getpid(), flush=True)
signal.pause()
"""
_PARENT = f"""
import signal, subprocess, sys
subprocess.Popen([sys.executable, "-c", {_STUBBORN!r}])
signal.pause()
"""
_LEAVES_ONE = """
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
print(left.pid)
"""
_IS_INTERRUPTED = """
import signal, sys
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler)
try:
    print("ready", flush=True)
    signal.pause()
except KeyboardInterrupt:
    sys.exit(3)
"""


def _watched(program: str) -> list[str]:
    return [sys.executable, "-m", "tests.support.watched", sys.executable, "-c", program]


def test_a_session_ends_as_a_whole() -> None:
    command = [sys.executable, "-c", _PARENT]
    with processes.running(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
    assert parent.returncode == -signal.SIGTERM
    psutil.wait_procs([child], _SECONDS)
    assert not child.is_running()


def test_what_outlives_a_command_is_named_and_killed() -> None:
    done = subprocess.run(_watched(_LEAVES_ONE), capture_output=True, text=True, timeout=_SECONDS)
    pid = int(done.stdout.split()[0])
    assert done.returncode == 1
    assert f"still running: {pid} " in done.stderr
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("status", [0, 4])
def test_without_a_leftover_the_status_is_the_commands_own(status: int) -> None:
    done = subprocess.run(_watched(f"exit({status})"), capture_output=True, text=True, timeout=_SECONDS)
    assert (done.returncode, done.stdout) == (status, "No process is left.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_is_interrupted_and_waited_for(number: signal.Signals) -> None:
    with subprocess.Popen(_watched(_IS_INTERRUPTED), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(_SECONDS) == 3
