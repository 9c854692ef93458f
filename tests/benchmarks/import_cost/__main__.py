"""What a DAG file pays for importing a provider's operators and sensors, beside what it pays for Airflow itself.

Run ``python -m tests.benchmarks.import_cost``. It measures this provider beside others, in an environment of its own
that has all of them, and prints a table in Markdown. DAG files are parsed all day, so the bounds are part of the
result: the exit status is 1 if one is exceeded.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import environments
from tests.acceptance.environment import made_of

ROUNDS = 9
#: Share of the CPU time of importing ``airflow.sdk`` with the names that every DAG file with operators loads.
BOUND = 0.04
#: How many times the CPU time of the cheapest other provider, which may have no more than one operator and one sensor.
TIMES_CHEAPEST = 3.0
AIRFLOW = "from airflow.sdk import DAG, BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator"
PROVIDERS = {
    "flowservice": "airflow_provider_flowservice",
    "airbyte": "airflow.providers.airbyte",
    "databricks": "airflow.providers.databricks",
    "dbt Cloud": "airflow.providers.dbt.cloud",
    "http": "airflow.providers.http",
}
OURS = "flowservice"
#: Imports all modules of a provider that have operators or sensors, and reports what that took.
_MEASURE = """
import importlib, json, pkgutil, sys, time
{airflow}
from airflow.sdk.bases import operator
before, modules = time.process_time(), len(sys.modules)
for name in {packages}:
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{{name}}.{{module.name}}")
took, loaded = time.process_time() - before, len(sys.modules) - modules
classes = {{
    each
    for name in list(sys.modules)
    if name.startswith(tuple({packages}))
    for each in vars(sys.modules[name]).values()
    if isinstance(each, type) and issubclass(each, operator.BaseOperator) and each.__module__ == name
}}
leaves = [each for each in classes if not any(each in other.__bases__ for other in classes)]
print(json.dumps([before, took, loaded, len(leaves)]))
"""


@dataclass(frozen=True)
class Cost:
    """The cost of a provider.

    :param airflow: CPU seconds of ``airflow.sdk`` in the same processes.
    :param seconds: CPU seconds on top.
    :param share: of the former; the median of the shares.
    :param modules: number of modules that are loaded on top.
    :param classes: number of operators and sensors, without those that others are derived from.
    """

    airflow: float
    seconds: float
    share: float
    modules: int
    classes: int


def main() -> int:
    """Print the medians; 1 if a bound is exceeded."""
    environments.BUILD.mkdir(parents=True, exist_ok=True)
    log = environments.BUILD / "import-cost.log"
    requirements = Path(__file__).with_name("requirements.txt")
    python = made_of(requirements, "import-cost", log).interpreter
    # Without it, each process would compile what it imports, where Python is told not to write that.
    for folder in (python.parents[1], environments.ROOT / PROVIDERS[OURS]):
        subprocess.run([python, "-m", "compileall", "-q", folder], stdout=subprocess.DEVNULL, check=False)
    start = statistics.median(measured(python, None)[0] for _ in range(ROUNDS))
    costs = measure_all(python, start)
    print_table(costs)
    return 0 if are_kept(costs) else 1


def measure_all(python: Path, start: float) -> dict[str, Cost]:
    """Measure all providers, interleaved.

    :param start: CPU seconds of an interpreter that imports nothing.
    """
    taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in PROVIDERS}
    for number in range(ROUNDS + 1):
        for name, package in PROVIDERS.items():
            before, took, modules, classes = measured(python, package)
            # The first round only fills the caches of the operating system.
            if number:
                taken[name].append((before - start, took, took / (before - start), modules, classes))
    return {
        name: Cost(
            *map(statistics.median, list(zip(*values, strict=True))[:3]), int(values[0][3]), int(values[0][4])
        )
        for name, values in taken.items()
    }


def measured(python: Path, package: str | None) -> list[float]:
    """Return what a fresh interpreter reports that imports a provider; without one, only its own start."""
    packages = [f"{package}.operators", f"{package}.sensors"]
    code = _MEASURE.format(airflow=AIRFLOW, packages=packages)
    if package is None:
        code = "import time; print([time.process_time()])"
    finished = subprocess.run(
        [python, "-c", code],
        cwd=environments.ROOT,
        env={**environments.child_variables(), "PYTHONPATH": str(environments.ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    return list(json.loads(finished.stdout.splitlines()[-1]))


def print_table(costs: dict[str, Cost]) -> None:
    """Print the table of the page about performance."""
    print("| provider | operators and sensors | modules on top | CPU on top, ms | of airflow.sdk |")
    print("|---|--:|--:|--:|--:|")
    for name, cost in sorted(costs.items(), key=lambda item: item[1].share):
        print(f"| {name} | {cost.classes} | {cost.modules} | {cost.seconds * 1000:.0f} | {cost.share:.1%} |")


def are_kept(costs: dict[str, Cost]) -> bool:
    """Say whether the bounds are kept."""
    ours, (cheapest, least) = (
        costs[OURS],
        min(((name, cost) for name, cost in costs.items() if name != OURS), key=lambda item: item[1].share),
    )
    times = ours.share / least.share
    is_small, is_comparable = ours.share <= BOUND, times <= TIMES_CHEAPEST
    airflow = statistics.median(cost.airflow for cost in costs.values())
    print(
        f"bench: {len(costs)} providers, {ROUNDS} rounds, medians; airflow.sdk: {airflow * 1000:.0f} ms of CPU; ours"
        f" {ours.share:.1%} of that (bound {BOUND:.0%}, {'kept' if is_small else 'exceeded'}), {times:.1f} times"
        f" {cheapest} (bound {TIMES_CHEAPEST:.0f}, {'kept' if is_comparable else 'exceeded'})"
    )
    return is_small and is_comparable


if __name__ == "__main__":
    sys.exit(main())
