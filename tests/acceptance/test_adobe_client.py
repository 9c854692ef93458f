"""Adobe's own client, aepp, as a user of the emulator. Its tests run in an environment that has little else."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests import environments

pytestmark = pytest.mark.acceptance

FOLDER = Path(__file__).parent / "adobe_client"
LOG = environments.BUILD / "aepp.log"


@dataclass(frozen=True)
class ClientEnvironment(environments.Environment):
    """An interpreter with what a requirements file asks for, and without this package."""

    @property
    def packages(self) -> list[str]:
        """Arguments of the installer."""
        return ["--requirement", self.constraints]


@pytest.fixture(scope="session")
def environment() -> ClientEnvironment:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    requirements = str((FOLDER / "requirements.txt").relative_to(environments.ROOT))
    made = ClientEnvironment("aepp", version, requirements)
    environments.BUILD.mkdir(parents=True, exist_ok=True)
    LOG.unlink(missing_ok=True)
    problem = environments.make(made, sys.executable, LOG)
    assert problem is None, problem
    return made


def test_adobes_client_gets_what_it_expects(
    environment: ClientEnvironment,
    emulator: EmulatorServer,
    report: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credential = emulator.control.credential
    for name, value in {
        "URL": emulator.url,
        "CLIENT_ID": credential.client_id,
        "CLIENT_SECRET": credential.client_secret,
        "ORG_ID": credential.org_id,
        "SANDBOX": credential.sandbox,
    }.items():
        monkeypatch.setenv(f"EMULATOR_{name}", value)
    # Neither the configuration nor the fixtures of this project are meant for it.
    arguments = ["-c", str(FOLDER / "pytest.ini"), f"--confcutdir={FOLDER}", "-p", "no:cacheprovider"]
    outcome = environments.run_pytest(environment.interpreter, [*arguments, str(FOLDER)], LOG)
    report.append(f"Adobe's client aepp: {outcome.text}")
    assert outcome.passed, f"see {LOG}\n" + "\n".join(outcome.failures)
