"""One warm process for all kill points. Run by ``make test-crash``; ``make test`` leaves it out."""

from __future__ import annotations

import os
import secrets as random
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.crash import child, driver, harness
from tests.crash.scenarios import SCENARIOS, SEGMENTS
from tests.support import airflow as support
from tests.support import processes


@dataclass(frozen=True)
class Warm:
    """What children are forked from.

    :param controls: of the emulators, one for each lane.
    :param template: the database in which every DAG run waits to be run.
    :param planted: secrets that nothing may show.
    """

    dags: dict[str, driver.WarmDag]
    controls: list[EmulatorControl]
    template: Path
    planted: list[str]


@pytest.fixture(scope="session")
def folder() -> Path:
    """Everything that the runs write."""
    place = Path("build/crash").resolve()
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


@pytest.fixture(scope="session")
def warm(pytestconfig: pytest.Config, folder: Path) -> Iterator[Warm]:
    """Airflow imported and used once, with no connection to its database and no thread left."""
    if pytestconfig.getoption("capture") != "no":
        pytest.fail("What forked children print is lost: run this with --capture=no")
    if "airflow" in sys.modules:
        pytest.fail("Airflow is imported already: run these tests alone")
    _set_environment()
    with ExitStack() as stack:
        stack.enter_context(processes.termination_raises())
        controls = [stack.enter_context(processes.emulator_process()) for _ in range(harness.LANES)]
        with processes.output_to(folder / "parent.log"):
            dags = _prepare(controls[0])
        template = Path(os.environ["AIRFLOW_HOME"]) / "airflow.db"
        planted = [support.AWS_SECRET, support.SAS_KEY, controls[0].credential.client_secret]
        yield Warm(dags, controls, template, planted)


def _set_environment() -> None:
    # Children write all that Airflow logs, so that it can be searched for secrets.
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "INFO"
    os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = random.token_hex(32)
    # The emulators speak HTTP; a bundle of certificates would be read in every child for nothing.
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        os.environ.pop(variable, None)


def _prepare(control: EmulatorControl) -> dict[str, driver.WarmDag]:
    support.migrate()
    folders = (support.EXAMPLE_DAGS, Path(__file__).parent / "dags")
    dags = driver.warm_up(folders, {scenario.dag_id for scenario in SCENARIOS})
    segments = control.segments[:SEGMENTS]
    for scenario in SCENARIOS:
        for run_id in (scenario.name, f"warm-up.{scenario.name}"):
            driver.create_run(dags[scenario.dag_id], run_id, {"segments": segments, **scenario.conf})
    child.use_emulator(control)
    for deferrable in (True, False):
        scenario = SCENARIOS[0 if deferrable else 2]
        child.set_waiting(dags[scenario.dag_id].dag, deferrable=deferrable)
        with clock.installed(VirtualClock.in_step_with(control)):
            driver.Driver(dags[scenario.dag_id], f"warm-up.{scenario.name}").carry_on()
    auth.forget_all()
    driver.leave_database()
    if threading.active_count() > 1:
        raise AssertionError(f"threads are left: {threading.enumerate()}")
    return dags
