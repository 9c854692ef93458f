"""What a DAG file pays for importing the provider's operators and sensors, beside what it pays for Airflow itself.

Run ``python -m tests.benchmarks.import_cost``. DAG files are parsed all day, so the bound is part of the result: the
exit status is 1 if it is exceeded.
"""

from __future__ import annotations

import compileall
import pkgutil
import statistics
import subprocess
import sys
from pathlib import Path

import airflow_provider_flowservice
from airflow_provider_flowservice import operators, sensors

PAIRS = 9
#: Share of the CPU time of importing ``airflow.sdk`` with the names that every DAG file with operators loads.
BOUND = 0.04
AIRFLOW = "from airflow.sdk import DAG, BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator"
OURS = "\n".join(
    f"import {package.__name__}.{module.name}"
    for package in (operators, sensors)
    for module in pkgutil.iter_modules(package.__path__)
)


def cpu_seconds(code: str) -> float:
    """CPU seconds of a fresh interpreter that runs some code, its own start included."""
    report = "import time; print('cpu', time.process_time())"
    finished = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True, timeout=120
    )
    return float(finished.stdout.split("cpu ")[-1])


def main() -> int:
    """Print the medians; 1 if the bound is exceeded."""
    compileall.compile_dir(Path(airflow_provider_flowservice.__file__).parent, quiet=1)
    for code in (AIRFLOW, f"{AIRFLOW}\n{OURS}"):
        cpu_seconds(code)
    start = statistics.median(cpu_seconds("") for _ in range(PAIRS))
    pairs = [(cpu_seconds(AIRFLOW) - start, cpu_seconds(f"{AIRFLOW}\n{OURS}") - start) for _ in range(PAIRS)]
    airflow = statistics.median(alone for alone, _ in pairs)
    share = statistics.median((both - alone) / alone for alone, both in pairs)
    print(f"airflow.sdk: {airflow * 1000:.0f} ms of CPU; all operators and sensors on top: {share:.1%}")
    print(f"bound: {BOUND:.0%}, {'kept' if share <= BOUND else 'exceeded'} ({PAIRS} pairs, medians)")
    return 0 if share <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
