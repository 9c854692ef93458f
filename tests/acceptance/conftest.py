"""What ``make test-emulator`` runs. A fixture collects the counts that it prints at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.emulator.conftest import Api
from tests.support.report import Report

#: Run by another interpreter, which has what they import.
collect_ignore = ["adobe_client"]

_REPORT = Report("what was found of the emulator")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_REPORT)


@pytest.fixture(scope="session")
def report() -> list[str]:
    """Lines that are printed when all tests are done."""
    return _REPORT.lines


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer() as emulator:
        yield emulator


@pytest.fixture
def api(emulator: EmulatorServer) -> Iterator[Api]:
    """A caller with a token."""
    api = Api(emulator.url, emulator.control)
    api.log_in()
    yield api
    api.session.close()
