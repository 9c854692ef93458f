"""What ``make test-cluster`` runs on: one cluster for all tests, each of which finds the emulator empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster import cluster as clusters
from tests.cluster.cluster import Cluster
from tests.support.postgresql import Server

_REPORT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORT] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash[_REPORT]:
        terminalreporter.section("what was checked on two Celery workers")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> list[str]:
    """Lines that are printed when all tests are done."""
    return pytestconfig.stash[_REPORT]


@pytest.fixture(scope="session")
def running(postgresql: Server, report: list[str]) -> Iterator[Cluster]:
    with clusters.running(postgresql) as cluster:
        yield cluster
        report.append(f"in all: {cluster.totals()}")


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    running.control.reset()
    return running
