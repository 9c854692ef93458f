"""One real Airflow for the whole session, and one emulator that every test finds empty."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_flowservice.testing.database import share_api_server
from tests.support import airflow as support

if TYPE_CHECKING:
    from airflow_provider_flowservice.emulator.control import EmulatorControl
    from airflow_provider_flowservice.emulator.server import EmulatorServer
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
    from airflow_provider_flowservice.testing.clock import VirtualClock
    from tests.support.postgresql import Server

_HOME = tempfile.TemporaryDirectory(prefix="flowservice-airflow-")
# Airflow reads these when it is imported, which the first test module may do.
os.environ.update(support.environment(Path(_HOME.name)))


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's database, made once, and what tasks that run in process need."""
    support.migrate()
    share_api_server()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A database server for tests of a whole Airflow; each creates a database of its own in it."""
    from tests.support import postgresql, processes

    log = Path("build/postgresql.log").resolve()
    log.parent.mkdir(exist_ok=True)
    with processes.termination_raises(), postgresql.running(log) as server:
        yield server


@pytest.fixture
def emulator(
    flowservice_emulator_server: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmulatorServer]:
    """An empty emulator to which the Airflow connections of the example DAGs lead."""
    from airflow_provider_flowservice.client.http import auth

    auth.forget_all()
    control = flowservice_emulator_server.control
    control.reset()
    for name, value in support.connections(control.url, control.credential).items():
        monkeypatch.setenv(name, value)
    yield flowservice_emulator_server
    auth.forget_all()


@pytest.fixture
def control(emulator: EmulatorServer) -> EmulatorControl:
    """The control of the emulator."""
    return emulator.control


@pytest.fixture
def hook(control: EmulatorControl) -> Iterator[FlowServiceHook]:
    """Another user of the same sandbox."""
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

    hook = FlowServiceHook()
    yield hook
    hook.close()


@pytest.fixture
def virtual_clock() -> Iterator[VirtualClock]:
    """The client's time, which jumps where it would wait."""
    from airflow_provider_flowservice.client import clock
    from airflow_provider_flowservice.testing.clock import VirtualClock

    virtual = VirtualClock()
    with clock.installed(virtual):
        yield virtual


@pytest.fixture
def task_log(caplog: pytest.LogCaptureFixture, mocker: Any) -> pytest.LogCaptureFixture:
    """What operators, sensors and client log, as a task's log has it."""
    from airflow_provider_flowservice.operators.base import FlowServiceOperator
    from airflow_provider_flowservice.sensors.base import FlowServiceSensor

    # Airflow's own way to a task's log leads past pytest.
    log = logging.getLogger("tests.tasks")
    for kind in (FlowServiceOperator, FlowServiceSensor):
        mocker.patch.object(kind, "log", log)
    caplog.set_level("INFO")
    return caplog
