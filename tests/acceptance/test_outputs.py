"""What flows export, read back from streams and files, in an environment with AWS's own client and moto's AWS."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import environments
from tests.acceptance.environment import made_of

pytestmark = pytest.mark.acceptance

FOLDER = Path(__file__).parent / "outputs"
TESTS = environments.ROOT / "tests" / "emulator"
LOG = environments.BUILD / "outputs.log"


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("Amazon Kinesis", "test_kinesis_output.py"),
        ("Azure Event Hubs", "test_event_hubs_output.py"),
        ("files", "test_file_output.py"),
    ],
)
def test_what_is_exported_arrives(name: str, module: str, report: list[str]) -> None:
    environment = made_of(FOLDER / "requirements.txt", "outputs", LOG)
    arguments = ["-c", str(FOLDER / "pytest.ini"), f"--confcutdir={TESTS}", "-p", "no:cacheprovider"]
    outcome = environments.run_pytest(environment.interpreter, [*arguments, str(TESTS / module)], LOG)
    report.append(f"Exports to {name}: {outcome.text}")
    assert outcome.passed, f"see {LOG}\n" + "\n".join(outcome.failures)
    assert " 0 skipped" in outcome.text
