"""What ``make test-cluster`` runs on: one cluster for all tests, each of which finds the emulator empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster import cluster as clusters
from tests.cluster.cluster import Cluster
from tests.support.postgresql import Server
from tests.support.report import Report

_REPORT = Report("what was checked on two Celery workers")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_REPORT)


@pytest.fixture(scope="session")
def report() -> list[str]:
    """Lines that are printed when all tests are done."""
    return _REPORT.lines


@pytest.fixture(scope="session")
def running(postgresql: Server, report: list[str]) -> Iterator[Cluster]:
    with clusters.running(postgresql) as cluster:
        yield cluster
        report.append(f"in all: {cluster.totals()}")


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    running.control.reset()
    return running
