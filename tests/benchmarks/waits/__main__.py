"""What it costs to wait for many flows and runs in one triggerer, and to report on many runs.

Run ``python -m tests.benchmarks.waits``, on Linux. All waits run in one event loop of a fresh process: beside each
other, with calls that fail, and with one request for each wait and poll. The bounds are part of the result: the exit
status is 1 if one is missed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tests.benchmarks.waits import run_report
from tests.benchmarks.waits.loop import Crowd, Measured, Way, each_sends_its_own, measure, nothing
from tests.benchmarks.waits.run_report import History, Reported
from tests.support.airflow import environment

T = TypeVar("T")
#: What is bounded: its name, its value, and the most that it may be.
Bound = tuple[str, float, float]

#: As many waits as the bounds are for.
CROWD = Crowd(flows=5_000, runs=4_000, windows=1_000, interval=10.0, rounds=3)
HISTORY = History(flows=5_000, runs=20_000)
SHARED = Way("shared", warm_up=8)
FAILING = Way("8 % of the calls fail", warm_up=3, failing=0.08)
ALONE = Way("each for itself", warm_up=1, prepare=each_sends_its_own)


def run(crowd: Crowd, ways: Sequence[Way]) -> int:
    """Measure waits, and print tables.

    :param ways: the first one must keep the bounds, and those with calls that fail.
    :returns: 1 if a bound is missed.
    """
    results = {way: _in_fresh_process(measure, crowd, way) for way in ways}
    print(
        "| waits | calls/s | calls a round | a round, s | lag p99, ms | CPU a round, s | memory, MB |"
        "\n|---|--:|--:|--:|--:|--:|--:|"
    )
    for way, each in results.items():
        print(
            f"| {way.name} | {each.calls_a_second:,.1f} | {each.calls_a_round:,.0f} | {each.round_seconds:.1f} |"
            f" {each.lag * 1000:.0f} | {each.cpu_a_round:.2f} | {each.memory_mb:.0f} |"
        )
    return _judged(_bounds(crowd, results))


def report(history: History, prepare: Callable[[], None] = nothing) -> int:
    """Measure a report, and print a table; 1 if a bound is missed."""
    reported: Reported = _in_fresh_process(run_report.measure, history, prepare)
    print(f"A report on {history.runs:,} runs of {history.flows:,} flows took {reported.seconds:.1f} s.")
    return _judged(reported.bounds(history))


def _in_fresh_process(work: Callable[..., T], *arguments: object) -> T:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _bounds(crowd: Crowd, results: Mapping[Way, Measured]) -> Iterator[Bound]:
    (_, shared), *others = results.items()
    pages = crowd.flows / 100 + crowd.runs / 100 + 2 * crowd.windows / 100
    yield "calls a round", shared.calls_a_round, pages
    yield "requests for a token", shared.tokens, 1
    yield "event loop lag, 99th percentile, ms", shared.lag * 1000, 100
    yield "memory, MB", shared.memory_mb, 500
    yield from _ends(shared)
    for way, each in others:
        if way.failing:
            yield f"{way.name}: calls/s (limit: if none fails)", each.calls_a_second, shared.calls_a_second
            yield from ((f"{way.name}: {name}", value, limit) for name, value, limit in _ends(each))


def _ends(measured: Measured) -> Iterator[Bound]:
    yield "waits that fired before they were over", measured.early, 0
    yield "waits that failed", measured.failed, 0
    yield "waits that did not fire exactly once", measured.wrong, 0


def _judged(bounds: Iterable[Bound]) -> int:
    """Print a table; 1 if a bound is missed."""
    print("\n| measured | limit | value | |\n|---|--:|--:|---|")
    missed = 0
    for name, value, limit in bounds:
        is_kept = value <= limit
        missed |= not is_kept
        print(f"| {name} | {limit:.4g} | {value:,.1f} | {'kept' if is_kept else '**missed**'} |")
    print()
    return missed


def main() -> int:
    """Measure all; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.waits", description="Measure waiting in the triggerer, and a report."
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=CROWD.interval,
        help="seconds between two polls; default: %(default)g",
    )
    crowd = replace(CROWD, interval=parser.parse_args().interval)
    with tempfile.TemporaryDirectory(prefix="flowservice-bench-") as folder:
        os.environ.update(environment(Path(folder)))
        return run(crowd, (SHARED, FAILING, ALONE)) | report(HISTORY)


if __name__ == "__main__":
    sys.exit(main())
