from __future__ import annotations

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.support.clients import Client
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
