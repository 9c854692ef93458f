from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock


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
