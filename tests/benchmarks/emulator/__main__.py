"""What the emulator costs: its start, empty and with a busy sandbox, the reads of that sandbox, and its page.

Run ``python -m tests.benchmarks.emulator``, on Linux. The server has one core. How many reads it serves in a second is
told by the CPU time that its process takes for each, since that does not depend on what else the machine does; beside
it stands how many were served in a second of real time. The bounds are part of the result: the exit status is 1 if one
is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.benchmarks.emulator.load import Cost, send_all
from tests.benchmarks.emulator.page import load_page
from tests.benchmarks.emulator.reads import Reader, filtered_reads, reads_by_id
from tests.support.processes import running

_EMPTY = ("airflow_provider_flowservice.emulator", "--port", "0")
_BUSY = "tests.benchmarks.emulator.server"
_CONNECTIONS = 8


@dataclass(frozen=True)
class Size:
    """How much is measured.

    :param runs: number of runs of each flow.
    :param reads: number of requests of each kind and round.
    :param rounds: how often everything is measured; the best time counts.
    """

    flows: int
    runs: int
    reads: int
    rounds: int


@dataclass(frozen=True)
class Limits:
    """The bounds.

    :param empty: seconds to start without resources.
    :param busy: seconds to start with the busy sandbox.
    :param by_id: reads of single resources in a second of CPU time.
    :param filtered: reads of filtered lists in a second of CPU time, as many of each kind.
    :param page: seconds until the first view of the page is complete.
    :param portion: seconds for the portion of the page that takes longest: so long it may hold up other requests.
    """

    empty: float = 0.8
    busy: float = 3.0
    by_id: float = 4_000
    filtered: float = 2_000
    page: float = 1.0
    portion: float = 0.2


@dataclass(frozen=True)
class Bound:
    """What is bounded: at most by its limit, or at least."""

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether it is on the right side of its limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


SIZE = Size(flows=5_000, runs=4, reads=4_000, rounds=3)


def measure_starts(size: Size, limits: Limits) -> Iterator[Bound]:
    """Start the command, and the server with the busy sandbox."""
    for name, command, limit in (
        ("start, empty, s", _EMPTY, limits.empty),
        (f"start with {size.flows:,} flows, s", (_BUSY, str(size.flows), str(size.runs)), limits.busy),
    ):
        seconds = []
        for _ in range(size.rounds):
            began = time.perf_counter()
            with _started(command):
                seconds.append(time.perf_counter() - began)
        yield Bound(name, min(seconds), limit)


def measure_reads(size: Size, limits: Limits, *handicap: str) -> Iterator[Bound]:
    """Read the busy sandbox, and print a table.

    :param handicap: further options of the server.
    """
    with _started((_BUSY, str(size.flows), str(size.runs), *handicap)) as (url, server):
        reader = Reader(url)
        print(
            f"| read, of {size.flows:,} flows and {size.flows * size.runs:,} runs | µs of CPU each | in a CPU second |"
            " in a second |\n|---|--:|--:|--:|"
        )
        by_id = _costs(reader, server, reads_by_id(reader), size)
        yield Bound("reads by id in a CPU second", _rate(by_id), limits.by_id, at_least=True)
        filtered = _costs(reader, server, filtered_reads(reader), size)
        yield Bound("filtered reads in a CPU second", _rate(filtered), limits.filtered, at_least=True)


def measure_page(size: Size, limits: Limits, *handicap: str) -> Iterator[Bound]:
    """Load the page and portions of each of its views from a server that was just started.

    :param handicap: further options of the server.
    """
    costs = []
    for _ in range(size.rounds):
        with _started((_BUSY, str(size.flows), str(size.runs), *handicap)) as (url, _server):
            costs.append(load_page(url))
    yield Bound("page, first view, s", min(cost.view for cost in costs), limits.page)
    yield Bound("page, longest portion, s", min(cost.longest for cost in costs), limits.portion)


def _costs(reader: Reader, server: int, targets: Mapping[str, Sequence[str]], size: Size) -> list[Cost]:
    costs = []
    for name, each in targets.items():
        rounds = [
            send_all(reader.url, server, each, reader.headers, count=size.reads, connections=_CONNECTIONS)
            # The first round finds no index yet, and nothing rendered.
            for _ in range(size.rounds + 1)
        ]
        best = min(rounds[1:], key=lambda cost: cost.cpu)
        print(
            f"| {name} | {best.cpu / best.requests * 1e6:.0f} | {best.per_cpu_second:,.0f} | {best.per_second:,.0f} |"
        )
        costs.append(best)
    return costs


def _rate(costs: Sequence[Cost]) -> float:
    return sum(cost.requests for cost in costs) / sum(cost.cpu for cost in costs)


@contextmanager
def _started(command: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Start a module that prints its URL; this URL, and the id of the process."""
    with running([sys.executable, "-m", *command], stdout=subprocess.PIPE) as process:
        assert process.stdout
        line = process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError("the emulator did not start")
        yield f"http://{line.partition('http://')[2].split()[0]}", process.pid


def run(size: Size, limits: Limits, *handicap: str) -> int:
    """Measure, and print tables.

    :returns: 1 if a bound is missed.
    """
    bounds = [
        *measure_starts(size, limits),
        *measure_reads(size, limits, *handicap),
        *measure_page(size, limits),
    ]
    print("\n| measured | limit | value | |\n|---|--:|--:|---|")
    for bound in bounds:
        sign, verdict = "≥" if bound.at_least else "≤", "kept" if bound.is_kept else "**missed**"
        value = f"{bound.value:,.0f}" if bound.value >= 100 else f"{bound.value:.2f}"
        print(f"| {bound.name} | {sign} {bound.limit:,g} | {value} | {verdict} |")
    return int(not all(bound.is_kept for bound in bounds))


def main() -> int:
    """Measure everything; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.emulator",
        description="Measure the emulator's start, reads and page.",
    )
    parser.parse_args()
    return run(SIZE, Limits())


if __name__ == "__main__":
    sys.exit(main())
