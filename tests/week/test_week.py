"""A person's week with README, the docstrings and the example DAGs: what it takes to write, and that it works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.airflow import EXAMPLE_DAGS
from tests.testing.conftest import PLUGIN, ROOT
from tests.testing.test_wheel import readme_test

HERE = Path(__file__).parent
CHECKS = HERE / "checks.py"


def lines_of_code(text: str) -> int:
    """How many lines are neither blank nor a comment."""
    lines = [line.strip() for line in text.splitlines()]
    return len([line for line in lines if line and not line.startswith("#")])


def test_a_week_takes_at_most_150_lines(capsys: pytest.CaptureFixture[str]) -> None:
    written = {name: (HERE / name).read_text(encoding="utf-8") for name in ("week.py", "destinations.yaml")}
    written["README's test of a DAG"] = readme_test()
    counts = {name: lines_of_code(text) for name, text in written.items()}
    parts = ", ".join(f"{name} {count}" for name, count in counts.items())
    with capsys.disabled():
        print(f"\nA person's week has {sum(counts.values())} lines of user code: {parts}.")  # noqa: T201
    assert sum(counts.values()) <= 150


def test_the_week_runs_as_it_is_written(tmp_path: Path) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    (project / "dags").mkdir(parents=True)
    home.mkdir()
    shutil.copy(EXAMPLE_DAGS / "onboard_http_api_source.py", project / "dags")
    (project / "test_dags.py").write_text(readme_test(), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--noconftest", "--rootdir", project, *PLUGIN),
            *("-c", os.devnull, project, CHECKS),
        ],
        cwd=project,
        env={
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr
