from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.clients import TRANSPORTS, Client, emulator_settings, open_client

Opener = Callable[..., Client]


@pytest.fixture(params=sorted(TRANSPORTS))
def transport(request: pytest.FixtureRequest) -> str:
    """Name of the transport under test."""
    return str(request.param)


@pytest.fixture
def open_to_emulator(emulator: EmulatorServer, virtual_clock: VirtualClock) -> Iterator[Opener]:
    """Opens clients of the emulator, ``open_to_emulator(transport, **settings)``, closed after the test."""
    with ExitStack() as stack:

        def opener(transport: str = "requests", **changes: Any) -> Client:
            settings = emulator_settings(emulator.url, emulator.control.credential, **changes)
            return stack.enter_context(open_client(transport, settings))

        yield opener


@pytest.fixture
def client(open_to_emulator: Opener, transport: str) -> Client:
    """A client of the emulator; tests that use it run once for each transport."""
    return open_to_emulator(transport)


@pytest.fixture
def plain_client(open_to_emulator: Opener) -> Client:
    """A client of the emulator, for what does not depend on the transport."""
    return open_to_emulator()
