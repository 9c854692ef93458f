"""pytest fixtures for people who test their DAGs.

pytest imports this module in every run, so it imports nothing heavy until a test uses a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_flowservice.emulator.server import EmulatorServer
    from airflow_provider_flowservice.testing.clock import VirtualClock
    from airflow_provider_flowservice.testing.emulator import FlowServiceEmulator


_SWITCHES = "flowservice_switches"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting of the emulator's switches."""
    parser.addini(_SWITCHES, "JSON file of switches, as for flowservice-emulator --switches", default="")


@pytest.fixture(scope="session")
def flowservice_emulator_server(pytestconfig: pytest.Config) -> Iterator[EmulatorServer]:
    """One emulator for the whole test session. No connection leads to it.

    It has the switches of the JSON file that pytest's setting ``flowservice_switches`` names, if any, relative to
    pytest's root folder.
    """
    from airflow_provider_flowservice.emulator.server import EmulatorServer
    from airflow_provider_flowservice.emulator.settings import read_switches

    path = pytestconfig.getini(_SWITCHES)
    with EmulatorServer(switches=read_switches(pytestconfig.rootpath / path) if path else None) as server:
        yield server


@pytest.fixture(scope="session")
def flowservice_airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``AIRFLOW_HOME`` of the tests that use ``flowservice_emulator``, unless the environment configures one."""
    return tmp_path_factory.mktemp("flowservice_airflow_home")


@pytest.fixture
def flowservice_emulator(
    flowservice_emulator_server: EmulatorServer, flowservice_airflow_home: Path
) -> Iterator[FlowServiceEmulator]:
    """An empty emulator to which every Airflow connection of type ``flowservice`` leads, even one that is missing.

    A connection keeps its sandbox, which the emulator opens when it is first used. Operators, hooks and triggers
    can reach no other host, in this process and in its children.
    """
    from airflow_provider_flowservice.testing.database import airflow_database
    from airflow_provider_flowservice.testing.emulator import FlowServiceEmulator

    control = flowservice_emulator_server.control
    control.reset()
    control.set_switches(unknown_sandbox="open")
    emulator = FlowServiceEmulator(control)
    with airflow_database(flowservice_airflow_home), emulator.active():
        yield emulator


@pytest.fixture
def flowservice_clock(
    flowservice_emulator: FlowServiceEmulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[VirtualClock]:
    """A clock on which waiting takes no time: for operators, triggers and sensors, and for the emulator.

    It holds for this process; a child process that waits moves the emulator's clock, but not this one.
    """
    from airflow_provider_flowservice.client import clock
    from airflow_provider_flowservice.testing.clock import VirtualClock

    virtual = VirtualClock.in_step_with(flowservice_emulator.control)
    # A sensor that does not defer waits in Airflow's own code.
    monkeypatch.setattr("airflow.sdk.bases.sensor.time", virtual)
    with clock.installed(virtual):
        yield virtual
