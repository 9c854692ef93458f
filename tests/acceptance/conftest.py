"""What ``make test-emulator`` runs. A fixture collects the counts that it prints at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.emulator.conftest import Api

#: Run by another interpreter, which has what they import.
collect_ignore = ["adobe_client"]

_REPORT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORT] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash[_REPORT]:
        terminalreporter.section("what was found of the emulator")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> list[str]:
    """Lines that are printed when all tests are done."""
    return pytestconfig.stash[_REPORT]


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
