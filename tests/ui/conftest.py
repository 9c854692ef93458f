"""What ``make test-ui`` runs: a whole Airflow with an emulator behind its connections, and a browser."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash import stack
from tests.crash.stack import Stack
from tests.support import airflow as support
from tests.support import browser as chromium
from tests.support import processes
from tests.support.emulator_clock import EMULATOR
from tests.support.postgresql import Server
from tests.support.report import Report
from tests.ui.examples import Examples, Prepared, prepared
from tests.ui.windows import Screenshots, Windows

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

HOME, SCREENSHOTS = Path("build/ui-airflow").resolve(), Path("build/ui").resolve()
_PARTS = Path(__file__).parent / "home"
_TIMEOUT_MILLISECONDS = 60_000
_REPORT = Report("what was checked in the web UI")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_REPORT)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The forms of the examples come first: what they start goes on while other tests run."""
    items.sort(key=lambda item: item.path.stem != "test_trigger_forms")


@pytest.fixture(scope="session")
def tally() -> Counter[str]:
    """How many of what were checked; printed when all tests are done."""
    return _REPORT.tally


@pytest.fixture(scope="session")
def control() -> Iterator[EmulatorControl]:
    with processes.termination_raises(), processes.emulator_process() as control:
        control.set_switches(scheduled_runs=False)
        yield control


@pytest.fixture(scope="session")
def airflow(control: EmulatorControl, postgresql: Server) -> Iterator[Stack]:
    """An Airflow with the example DAGs, all of them paused, and those of this folder."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    folders = {"examples": support.EXAMPLE_DAGS, "tests": _PARTS / "dags"}
    bundles = [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(folder)},
        }
        for name, folder in folders.items()
    ]
    variables = {
        **support.connections(control.url, control.credential),
        EMULATOR: control.url,
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    }
    # With SQLite, the API server answers some requests that the database is locked.
    with stack.running(HOME, _PARTS, postgresql.create_database("ui"), variables) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def context() -> Iterator[BrowserContext]:
    """A profile of the browser, which may paste."""
    with chromium.running() as browser:
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        context.set_default_timeout(_TIMEOUT_MILLISECONDS)
        yield context


@pytest.fixture(scope="session")
def screenshots(tally: Counter[str]) -> Screenshots:
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    return Screenshots(SCREENSHOTS, tally)


@pytest.fixture
def windows(context: BrowserContext) -> Iterator[Windows]:
    """Opens windows; an error of the scripts in one of them fails the test."""
    windows = Windows(context)
    yield windows
    windows.close()
    assert windows.errors == []


@pytest.fixture(scope="session")
def world(control: EmulatorControl) -> Prepared:
    """What the examples work on, in AEP and in files."""
    folder = HOME / "data"
    folder.mkdir(parents=True, exist_ok=True)
    return prepared(control, folder)


@pytest.fixture(scope="session")
def examples(airflow: Stack, control: EmulatorControl, context: BrowserContext, world: Prepared) -> Examples:
    return Examples(airflow, control, context, world)
