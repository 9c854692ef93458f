from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from airflow_provider_flowservice.client.streaming import posting
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.clients import Client
from tests.support.held_inlet import HeldInlet, held_inlet
from tests.support.shop import Shop
from tests.support.streaming import open_source


@pytest.fixture
def control(emulator: EmulatorServer) -> EmulatorControl:
    emulator.control.set_switches(settling_seconds=0)
    return emulator.control


@pytest.fixture
def shop(plain_client: Client, control: EmulatorControl) -> Shop:
    """An inlet for raw records that asks for no token."""
    return Shop(plain_client, control, open_source(plain_client))


@pytest.fixture
def xdm_shop(plain_client: Client, control: EmulatorControl) -> Shop:
    """An inlet for XDM messages."""
    return Shop(plain_client, control, open_source(plain_client, "xdm"))


@pytest.fixture
def inlet(virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldInlet]:
    """An inlet that answers when the test lets it. In the end, no thread of a posting is left."""
    # A posting that waits for results reports its progress more often.
    monkeypatch.setattr(posting, "_PATIENCE", 0.02)
    with held_inlet() as running:
        yield running
    assert "flowservice-delivery" not in {thread.name for thread in threading.enumerate()}
