"""How fast the operator posts, beside other ways to do it, on this machine and against the same small server.

Run ``python -m tests.benchmarks.inlet``, on Linux. Every sender runs in a fresh process, and every message must arrive
exactly once. The bounds are part of the result: the exit status is 1 if one is missed. ``build/`` gets the tables and a
plot of messages per second and memory over time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.inlet.comparison import compare
from tests.benchmarks.inlet.plot import Canvas, Curve, chart
from tests.benchmarks.inlet.remote import server
from tests.benchmarks.inlet.report import Result, tables
from tests.benchmarks.inlet.scenarios import Scenario, all_scenarios
from tests.benchmarks.inlet.senders import ALL
from tests.support.airflow import environment

_CHART = (720, 240)
#: Seconds between two points of a curve of messages per second.
_PERIOD = 0.1


def run(scenarios: Sequence[Scenario], folder: Path, output: Path) -> int:
    """Measure scenarios and print the tables.

    :param folder: for files that are deleted afterwards.
    :param output: gets ``bench-inlet.md`` and ``bench-inlet.png``.
    :returns: 1 if a bound is missed or a sender fails.
    """
    with server() as at:
        results = [
            Result(scenario, *compare(scenario, at, folder, lambda line: print(line, flush=True)))
            for scenario in scenarios
        ]
    text = "\n".join(tables(results))
    print(f"\n{text}")
    output.mkdir(exist_ok=True)
    (output / "bench-inlet.md").write_text(f"{text}\n")
    _draw(results, output / "bench-inlet.png")
    print(f"\n{output}/bench-inlet.png shows messages per second and memory over time.")
    return 0 if all(result.is_good for result in results) else 1


def _draw(results: Sequence[Result], path: Path) -> None:
    """Draw the last run of each sender, a row for each scenario."""
    width, height = _CHART
    canvas = Canvas(2 * width, height * len(results))
    for row, result in enumerate(results):
        last = [
            (n, each.name, result.runs[each.name][-1])
            for n, each in enumerate(ALL)
            if result.runs.get(each.name)
        ]
        rates = [Curve(name, number, run.rates(_PERIOD)) for number, name, run in last]
        memory = [Curve(name, number, run.memory) for number, name, run in last]
        chart(canvas, (0, row * height), _CHART, f"messages/s: {result.scenario.name}", rates)
        chart(canvas, (width, row * height), _CHART, "memory above that of an idle worker, MB", memory)
    canvas.save(path)


def main() -> int:
    """Measure all scenarios; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.inlet", description="Measure the operator."
    )
    parser.add_argument("--quick", action="store_true", help="post less, and leave out what takes a minute")
    parser.add_argument("--only", default="", help="only scenarios whose name contains this text")
    arguments = parser.parse_args()
    scenarios = [each for each in all_scenarios(quick=arguments.quick) if arguments.only in each.name]
    with tempfile.TemporaryDirectory(prefix="flowservice-bench-") as folder:
        os.environ.update(environment(Path(folder)))
        return run(scenarios, Path(folder), Path("build"))


if __name__ == "__main__":
    sys.exit(main())
