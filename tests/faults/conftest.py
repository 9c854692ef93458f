"""What all fault tests share: time that jumps, evidence that is searched for secrets, and the table at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.faults.outcomes import Outcomes
from tests.support.aep import KINESIS_SECRET
from tests.support.airflow import AWS_SECRET, SAS_KEY
from tests.support.sandbox import control, sandbox, source, time  # noqa: F401 (fixtures)
from tests.support.secrets import leaks
from tests.support.tasks import forget_masked

TOKEN_BEGINS = "emulated."
_OUTCOMES = pytest.StashKey[Outcomes]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_OUTCOMES] = Outcomes()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash[_OUTCOMES].lines()
    if lines:
        terminalreporter.section("fault matrix")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def outcomes(pytestconfig: pytest.Config) -> Outcomes:
    """What became of each cell."""
    return pytestconfig.stash[_OUTCOMES]


class Evidence:
    """All that a session wrote, in a folder, and the secrets that must not be in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = {AWS_SECRET, SAS_KEY, KINESIS_SECRET}
        self._parts = 0

    def keep(self, text: str) -> None:
        """Add a text."""
        self._parts += 1
        (self.folder / f"{self._parts}.txt").write_text(text, encoding="utf-8", errors="replace")


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """Keeps what was written; at the end no secret is in it, nor in Airflow's home."""
    found = Evidence(tmp_path_factory.mktemp("evidence"))
    yield found
    # A token may also stand in base64, where its constant beginning is known.
    needles = {*found.secrets, TOKEN_BEGINS}
    for folder in (found.folder, Path(os.environ["AIRFLOW_HOME"])):
        assert any(folder.iterdir())
        assert [str(path) for path, _ in leaks(folder, needles)] == []


@pytest.fixture(autouse=True)
def kept(evidence: Evidence, emulator: EmulatorServer, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Keep the log, the journal and the state of each test."""
    caplog.set_level("INFO")
    evidence.secrets.add(emulator.control.credential.client_secret)
    yield
    evidence.keep(caplog.text)
    evidence.keep(json.dumps([emulator.control.requests(), emulator.control.state()]))
    forget_masked()
