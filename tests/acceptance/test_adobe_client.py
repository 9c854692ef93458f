"""Adobe's own client, aepp, as a user of the emulator. Its tests run in an environment that has little else."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests import environments
from tests.acceptance.environment import made_of
from tests.environments import Environment

pytestmark = pytest.mark.acceptance

FOLDER = Path(__file__).parent / "adobe_client"
LOG = environments.BUILD / "aepp.log"


@pytest.fixture(scope="session")
def environment() -> Environment:
    return made_of(FOLDER / "requirements.txt", "aepp", LOG)


def test_adobes_client_gets_what_it_expects(
    environment: Environment, emulator: EmulatorServer, report: list[str], monkeypatch: pytest.MonkeyPatch
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
