"""What the tests of the test kit share: an emulator that stands for production, and pytest in a project of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.support.airflow import flowservice_connection

ROOT = Path(__file__).parents[2]
#: The plugin, whether or not the installed metadata names it already.
PLUGIN = ("-p", "airflow_provider_flowservice.testing.plugin")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorControl]:
    """Another emulator, to which the connections ``flowservice_default`` and ``flowservice_eu`` lead."""
    with EmulatorServer() as server:
        control = server.control
        for conn_id, sandbox in (("FLOWSERVICE_DEFAULT", "prod"), ("FLOWSERVICE_EU", "eu")):
            connection = flowservice_connection(server.url, control.credential, sandbox=sandbox)
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", connection)
        yield control


@pytest.fixture
def project(tmp_path: Path) -> Run:
    """Runs pytest in a folder with one test file, as somebody who has configured nothing of Airflow."""

    def run(test: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "project").mkdir(exist_ok=True)
        (tmp_path / "home").mkdir(exist_ok=True)
        (tmp_path / "project" / "test_dags.py").write_text(test)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *PLUGIN],
            cwd=tmp_path / "project",
            env={
                "HOME": str(tmp_path / "home"),
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run
