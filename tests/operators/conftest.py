from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.sdk.io import attach
from airflow.sdk.io.store import _STORE_CACHE

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.letters import AppendRefused, InStore, Local
from tests.support.operators import create_profile_store, create_source
from tests.support.streaming import SETTLED, Source, open_source
from tests.support.tasks import run


@pytest.fixture
def control(emulator: EmulatorServer, virtual_clock: VirtualClock) -> EmulatorControl:
    """An empty emulator to which the Airflow connections lead, and a clock that jumps."""
    return emulator.control


@pytest.fixture
def profiles(control: EmulatorControl) -> str:
    """A source connection of the profile store."""
    return str(run(create_source(run(create_profile_store())[0]))[0])


@pytest.fixture
def in_step(control: EmulatorControl) -> Iterator[VirtualClock]:
    """A clock that jumps together with the emulator's."""
    with clock.installed(VirtualClock.in_step_with(control)) as virtual:
        assert isinstance(virtual, VirtualClock)
        yield virtual


@pytest.fixture
def runs_on_demand(control: EmulatorControl, virtual_clock: VirtualClock) -> None:
    """Runs are only started by hand and take 100 s, which pass while they are waited for."""
    control.set_switches(scheduled_runs=False, run_seconds=100)
    virtual_clock.follow(control.advance)


@pytest.fixture
def source(control: EmulatorControl, hook: FlowServiceHook) -> Source:
    """A source for raw records whose flow is old enough."""
    opened = open_source(hook)
    control.advance(SETTLED)
    control.clear_requests()
    return opened


@pytest.fixture(params=["local", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Local | InStore]:
    """Where the files are."""
    if request.param == "local":
        yield Local(tmp_path)
        return
    attach("memory", fs=AppendRefused())
    AppendRefused.store.clear()
    AppendRefused.pseudo_dirs[:] = [""]
    yield InStore()
    _STORE_CACHE.pop("memory")
    AppendRefused.store.clear()
