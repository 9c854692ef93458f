"""Runs of senders, each in a fresh process and all against one server, and what they took."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tests.benchmarks.inlet.remote import Server
from tests.benchmarks.inlet.senders import Job, Sender
from tests.benchmarks.inlet.server import SLOT, Report
from tests.benchmarks.inlet.worker import Usage, work

_RUN_SECONDS = 180
#: Seconds between two looks at the memory of a worker.
_LOOK = 0.1
_PAGE = 4096


class BenchmarkError(Exception):
    """A run failed, or did not deliver what it was given."""


@dataclass(frozen=True)
class Run:
    """One run of a sender.

    :param memory: seconds since the begin of the run, and the memory above that of the idle worker in MB.
    """

    usage: Usage
    report: Report
    memory: list[tuple[float, float]]

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.report.messages / self.usage.seconds

    @property
    def cpu_per_message(self) -> float:
        """Microseconds of processor time."""
        return self.usage.cpu_seconds / self.report.messages * 1e6

    @property
    def peak(self) -> float:
        """The most memory above that of the idle worker, in MB."""
        return (self.usage.peak_bytes - self.usage.idle_bytes) / 2**20

    def rates(self, period: float) -> list[tuple[float, float]]:
        """Seconds since the begin of the run, and the messages per second in the period that ends then.

        The first period begins with the first message. What is left after the last whole one is not looked at.
        """
        if not self.report.timeline:
            return []
        width = round(period / SLOT)
        first, end_of_all = min(self.report.timeline), max(self.report.timeline) + 1
        ends = range(first + width, max(end_of_all, first + width) + 1, width)
        counts = (sum(self.report.timeline.get(slot, 0) for slot in range(end - width, end)) for end in ends)
        return [
            (end * SLOT - self.usage.began, count / period) for end, count in zip(ends, counts, strict=True)
        ]


def measured(sender: Sender, job: Job, at: Server, latency: float, records: int) -> Run:
    """Run a sender.

    :param latency: of the server, in seconds.
    :param records: number of records in the file.
    :raises BenchmarkError: if it fails, or if the server has not got each record exactly once.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__])
    ours, theirs = context.Pipe()
    log = job.path.with_suffix(".log")
    process = context.Process(target=work, args=(theirs, sender.prepare, job, log), daemon=True)
    process.start()
    theirs.close()
    assert process.pid
    samples: list[tuple[float, int]] = []
    try:
        _received(ours, sender, log)
        at.begin(latency)
        ours.send("go")
        statm = Path(f"/proc/{process.pid}/statm")
        usage = _received(ours, sender, log, lambda: samples.append((time.perf_counter(), _resident(statm))))
    finally:
        process.kill()
        process.join()
    assert isinstance(usage, Usage)
    report = at.report()
    if sender.has_end and (report.messages != records or report.distinct != records):
        arrived = f"{report.messages} messages, {report.distinct} of them different"
        raise BenchmarkError(f"{sender.name} posted {arrived}, not {records}")
    memory = [(when - usage.began, (size - usage.idle_bytes) / 2**20) for when, size in samples]
    return Run(usage, report, memory)


def _received(
    channel: Connection, sender: Sender, log: Path, meanwhile: Callable[[], None] = lambda: None
) -> object:
    """What the worker sends next."""
    until = time.perf_counter() + _RUN_SECONDS
    while not channel.poll(_LOOK):
        meanwhile()
        if time.perf_counter() > until:
            raise BenchmarkError(f"{sender.name} takes more than {_RUN_SECONDS} seconds")
    try:
        received = channel.recv()
    except EOFError:
        received = "its process ended"
    if isinstance(received, str) and received != "ready":
        printed = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        raise BenchmarkError(f"{sender.name} failed: {received}\n{printed}")
    return received


def _resident(statm: Path) -> int:
    """The memory of a process in bytes, or 0 if it has ended."""
    fields = statm.read_text().split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0
