from __future__ import annotations

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.support.airflow import flowservice_connection


@pytest.fixture
def control(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorControl:
    connection = flowservice_connection(emulator.url, emulator.control.credential, retries=0)
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", connection)
    emulator.control.set_switches(scheduled_runs=False, run_seconds=0)
    return emulator.control
