"""What a sender runs in: a process forked for one run, from one that has imported the operator and done nothing."""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tests.benchmarks.inlet.senders import Job, Prepare
from tests.support.memory import resident_bytes


@dataclass(frozen=True)
class Usage:
    """What a run took.

    :param began: monotonic time of its begin, which all processes share.
    :param idle_bytes: memory before it.
    :param peak_bytes: the most memory during it.
    """

    began: float
    seconds: float
    cpu_seconds: float
    idle_bytes: int
    peak_bytes: int


def work(channel: Connection, prepare: Prepare, job: Job, log: Path) -> None:
    """Prepare, say so, wait for the permission, run, and send the :class:`Usage` or the text of an error."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    try:
        run = prepare(job)
        channel.send("ready")
        channel.recv()
        with suppress(OSError):  # Otherwise the peak may be that of the preparation.
            Path("/proc/self/clear_refs").write_text("5")
        idle = resident_bytes()
        cpu, began = _cpu_seconds(), time.perf_counter()
        run()
        seconds, cpu = time.perf_counter() - began, _cpu_seconds() - cpu
        channel.send(Usage(began, seconds, cpu, idle, resident_bytes(peak=True)))
    except BaseException:  # noqa: BLE001 (whatever it is, the parent reports it)
        channel.send(traceback.format_exc())


def _cpu_seconds() -> float:
    """Processor time of this process and of those that it has waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)
