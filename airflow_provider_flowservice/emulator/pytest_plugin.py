"""A pytest fixture with an emulator, for people who test their DAGs.

pytest imports this module in every run, so it loads nothing heavy by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_flowservice.emulator.server import EmulatorServer


@pytest.fixture(scope="session")
def flowservice_emulator_server() -> Iterator[EmulatorServer]:
    """One emulator for the whole test session."""
    from airflow_provider_flowservice.emulator.server import EmulatorServer

    with EmulatorServer() as server:
        yield server


@pytest.fixture
def flowservice_emulator(flowservice_emulator_server: EmulatorServer) -> EmulatorServer:
    """An empty emulator: call it at ``.url``, inspect and control it with ``.control``."""
    flowservice_emulator_server.control.reset()
    return flowservice_emulator_server
