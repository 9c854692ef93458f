from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.operators import create_profile_store, create_source
from tests.support.streaming import SETTLED, Source, open_source
from tests.support.tasks import run


@pytest.fixture
def control(emulator: EmulatorServer, virtual_clock: VirtualClock) -> EmulatorControl:
    """An empty emulator to which the Airflow connections lead, and a clock that jumps."""
    return emulator.control


@pytest.fixture
def hook(control: EmulatorControl) -> Iterator[FlowServiceHook]:
    """Another user of the same sandbox."""
    hook = FlowServiceHook()
    yield hook
    hook.close()


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
def source(control: EmulatorControl, hook: FlowServiceHook) -> Source:
    """A source for raw records whose flow is old enough."""
    opened = open_source(hook)
    control.advance(SETTLED)
    control.clear_requests()
    return opened
