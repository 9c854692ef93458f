"""Fixtures for tests of whole operations: an emulator, time that jumps, and another user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.operation import Sandbox
from tests.support.streaming import Source, open_source


@pytest.fixture
def control(emulator: EmulatorServer) -> EmulatorControl:
    return emulator.control


@pytest.fixture
def time(control: EmulatorControl, mocker: Any) -> Iterator[VirtualClock]:
    """The client's and Airflow's waiting takes no time and moves the emulator's clock in step."""
    virtual = VirtualClock.in_step_with(control)
    airflow_time = mocker.patch("airflow.sdk.bases.sensor.time")
    airflow_time.sleep.side_effect = virtual.sleep
    airflow_time.monotonic.side_effect = virtual.monotonic
    with clock.installed(virtual):
        yield virtual


@pytest.fixture
def sandbox(control: EmulatorControl, time: VirtualClock) -> Iterator[Sandbox]:
    """The emulator and another user of it."""
    hook = FlowServiceHook()
    yield Sandbox(hook, control)
    hook.close()


@pytest.fixture
def source(sandbox: Sandbox) -> Source:
    """An open source whose inlet keeps what it is sent."""
    opened = open_source(sandbox.hook, authenticated=True)
    sandbox.control.advance(301)
    sandbox.control.clear_requests()
    return opened
