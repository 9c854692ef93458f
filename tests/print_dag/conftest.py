from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.print_dag.printed import Printed


@pytest.fixture
def control(emulator: EmulatorServer) -> Iterator[EmulatorControl]:
    emulator.control.set_switches(scheduled_runs=False)
    with clock.installed(VirtualClock.in_step_with(emulator.control)):
        yield emulator.control


@pytest.fixture
def printed(
    control: EmulatorControl, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Printed:
    """Prints into a folder, and runs what it has printed."""
    return Printed(control, tmp_path, monkeypatch)
