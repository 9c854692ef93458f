"""What it costs to wait for many flows and runs in one triggerer, beside one request for each wait and poll.

Run ``python -m tests.benchmarks.waits``, on Linux. All waits run in one event loop of a fresh process. The bounds are
part of the result: the exit status is 1 if one is missed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.waits.loop import Crowd, Measured, measure
from tests.support.airflow import environment

#: As many waits as the bounds are for.
CROWD = Crowd(flows=5_000, runs=4_000, windows=1_000, interval=10.0, warm_up=5, rounds=3)
#: Whether triggers share their calls, by the name of the way.
WAYS = {"shared": True, "each for itself": False}


def bounds(shared: Measured, crowd: Crowd) -> list[tuple[str, float, float]]:
    """What is bounded: its name, its value, and the most that it may be."""
    pages = crowd.flows / 100 + crowd.runs / 100 + 2 * crowd.windows / 100
    return [
        ("calls a round", shared.calls_a_round, pages),
        ("requests for a token", shared.tokens, 1),
        ("event loop lag, 99th percentile, ms", shared.lag * 1000, 100),
        ("memory, MB", shared.memory_mb, 500),
        ("waits that fired before they were over", shared.early, 0),
        ("waits that did not fire exactly once", shared.wrong, 0),
    ]


def run(crowd: Crowd, ways: Mapping[str, bool]) -> int:
    """Measure, and print a table.

    :param ways: the first one must keep the bounds.
    :returns: 1 if a bound is missed.
    """
    results = {}
    context = multiprocessing.get_context("spawn")
    for name, is_shared in ways.items():
        with context.Pool(1) as pool:
            results[name] = pool.apply(measure, (crowd, is_shared))
    print("| waits | calls a round | lag p99, ms | CPU a round, s | memory, MB |\n|---|--:|--:|--:|--:|")
    for name, each in results.items():
        print(
            f"| {name} | {each.calls_a_round:,.0f} | {each.lag * 1000:.0f} | {each.cpu_a_round:.2f} |"
            f" {each.memory_mb:.0f} |"
        )
    print("\n| measured | limit | value | |\n|---|--:|--:|---|")
    missed = False
    for name, value, limit in bounds(next(iter(results.values())), crowd):
        is_kept = value <= limit
        missed = missed or not is_kept
        print(f"| {name} | {limit:g} | {value:,.1f} | {'kept' if is_kept else '**missed**'} |")
    return int(missed)


def main() -> int:
    """Measure all waits; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.waits", description="Measure waiting in the triggerer."
    )
    parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flowservice-bench-") as folder:
        os.environ.update(environment(Path(folder)))
        return run(CROWD, WAYS)


if __name__ == "__main__":
    sys.exit(main())
