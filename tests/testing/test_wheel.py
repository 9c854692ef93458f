"""README's test of a DAG, in a project that has nothing but the installed wheel and pytest."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import SITE, blocks
from tests.support.airflow import EXAMPLE_DAGS
from tests.testing.conftest import ROOT


def pip(python: Path, *arguments: str) -> None:
    command = [python, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", str(folder), ".")
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=120)
    python = folder / "venv" / "bin" / "python"
    pip(python, "install", "--constraint", "constraints.txt", str(wheel), "pytest")
    return python


def readme_test() -> str:
    (code,) = [block.code for block in blocks(SITE / "howto" / "test.md") if block.file == "test_dags.py"]
    return code


def test_readmes_test_of_a_dag_has_five_lines() -> None:
    assert len([line for line in readme_test().splitlines() if line]) == 5


@pytest.mark.wheel
def test_readmes_test_of_a_dag_passes_without_a_conftest(installed: Path, tmp_path: Path) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    (project / "dags").mkdir(parents=True)
    home.mkdir()
    shutil.copy(EXAMPLE_DAGS / "onboard_http_api_source.py", project / "dags")
    (project / "test_dags.py").write_text(readme_test())
    done = subprocess.run(
        [installed, "-m", "pytest", "-q"],
        cwd=project,
        env={"HOME": str(home), "PATH": str(installed.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
