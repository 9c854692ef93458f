"""What the fixtures give, and what they leave alone."""

from __future__ import annotations

import json
import os
import sqlite3
import textwrap
import threading
import time
from pathlib import Path

import pytest
import requests

from airflow_provider_flowservice.client import FLOWS, clock, errors
from airflow_provider_flowservice.client.settings import TEST_EMULATOR_VARIABLE
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.testing.emulator import FlowServiceEmulator
from tests.support import airflow as support
from tests.support.aep import make_flow
from tests.support.tasks import run
from tests.testing.conftest import Run

needs_database = pytest.mark.usefixtures("airflow_database")
FLOW_SERVICE = "/data/foundation/flowservice"


@needs_database
def test_the_emulator_shows_what_is_there_in_all_sandboxes(flowservice_emulator: FlowServiceEmulator) -> None:
    made = [make_flow(FlowServiceHook(sandbox=sandbox)) for sandbox in ("prod", "dev", "my-own")]
    assert {each["id"] for each in flowservice_emulator.state["flows"]} == set(made)
    assert flowservice_emulator.requests == flowservice_emulator.control.requests()
    assert flowservice_emulator.segments["Loyal customers"] in flowservice_emulator.control.segments
    assert flowservice_emulator.control.health()["segments"][0] == {
        "id": "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02",
        "name": "Men over 50",
    }


@needs_database
@pytest.mark.parametrize("number", [1, 2])
def test_each_test_finds_the_emulator_empty(flowservice_emulator: FlowServiceEmulator, number: int) -> None:
    assert flowservice_emulator.requests == []
    assert flowservice_emulator.state["flows"] == []
    assert flowservice_emulator.control.switches()["patch_response"] == "200"
    flowservice_emulator.control.set_switches(patch_response="202")
    make_flow(FlowServiceHook())


@pytest.mark.parametrize(("value", "code"), [("ignored", 0), ("nonsense", 1)])
def test_the_emulator_has_the_switches_of_a_file(project: Run, tmp_path: Path, value: str, code: int) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\nflowservice_switches = habits.json\n")
    (folder / "habits.json").write_text(json.dumps({"switches": {"list_order": value}}))
    test = """
        def test_it(flowservice_emulator_server):
            control = flowservice_emulator_server.control
            control.reset()
            assert control.switches()["list_order"] == "ignored"
    """
    done = project(textwrap.dedent(test))
    assert done.returncode == code, done.stdout
    assert ("habits.json: switch 'list_order' must be one of" in done.stdout) == bool(code)


@needs_database
def test_faults_can_be_added(
    flowservice_emulator: FlowServiceEmulator, flowservice_clock: VirtualClock
) -> None:
    faults = flowservice_emulator.faults
    faults.add("status", method="GET", path="*/flows", times=2, status=503)
    faults.add("status", path="*/runs", after=1, status=500)
    assert [rule["times"] for rule in faults.pending()] == [2, 1]
    FlowServiceHook().count(FLOWS)
    assert [entry["status"] for entry in flowservice_emulator.requests][-3:] == [503, 503, 200]
    assert len(flowservice_clock.sleeps) == 2
    faults.clear()
    assert faults.pending() == []
    with pytest.raises(requests.HTTPError, match=r"fault\.kind must be one of"):
        faults.add("earthquake")


@needs_database
def test_a_connection_for_others(
    flowservice_emulator: FlowServiceEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", flowservice_emulator.airflow_connection(sandbox="mine"))
    monkeypatch.delenv(TEST_EMULATOR_VARIABLE)
    flowservice_emulator.control.set_switches(unknown_sandbox="refuse")
    with pytest.raises(errors.SandboxNotFoundError):
        FlowServiceHook("mine").count(FLOWS)
    flowservice_emulator.control.open_sandbox("mine")
    assert FlowServiceHook("mine").count(FLOWS) == 0
    assert json.loads(flowservice_emulator.airflow_connection())["extra"]["sandbox"] == "dev"


@needs_database
def test_five_minutes_take_no_time(
    flowservice_emulator: FlowServiceEmulator, flowservice_clock: VirtualClock
) -> None:
    began, started = flowservice_emulator.control.now(), time.monotonic()  # noqa: TID251
    dag_run = support.run_dag("onboard_http_api_source")
    assert dag_run.state == "success", support.task_states(dag_run)
    assert sum(flowservice_clock.sleeps) >= 300
    assert flowservice_emulator.control.now() - began >= 300
    assert time.monotonic() - started < 60  # noqa: TID251
    (messages,) = flowservice_emulator.state["messages"].values()
    assert [message["dropped"] for message in messages] == [False, False]


@needs_database
def test_a_sensor_that_does_not_defer_takes_no_time(
    flowservice_emulator: FlowServiceEmulator, flowservice_clock: VirtualClock
) -> None:
    hook = FlowServiceHook()
    flow_id = make_flow(hook)
    flowservice_emulator.control.set_switches(change_delay_seconds=100)
    hook.action(FLOWS, flow_id, "disable")
    sensor = FlowServiceFlowStateSensor(task_id="x", flow_id=flow_id, state="disabled", deferrable=False)
    started = time.monotonic()  # noqa: TID251
    run(sensor)
    assert sum(flowservice_clock.sleeps) >= 100
    assert time.monotonic() - started < 30  # noqa: TID251


@needs_database
def test_the_clock_holds_in_all_threads(
    flowservice_emulator: FlowServiceEmulator, flowservice_clock: VirtualClock
) -> None:
    began = flowservice_emulator.control.now()
    threads = [threading.Thread(target=lambda: clock.current().sleep(1000)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert flowservice_clock.monotonic() == 3000
    assert flowservice_emulator.control.now() - began >= 3000


DAG_TEST = """
import os
from airflow.sdk import DAG, task
from airflow_provider_flowservice.client import FLOWS
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

with DAG("counts", schedule=None) as dag:
    @task
    def count():
        return FlowServiceHook().count(FLOWS)
    count()

BEFORE = dict(os.environ)

def location():
    from airflow import settings
    return settings.SQL_ALCHEMY_CONN

WHERE = location()

def test_with(flowservice_emulator):
    assert "flowservice_airflow_home" in location()
    assert dag.test().state == "success"
    assert flowservice_emulator.requests

def test_again(flowservice_emulator):
    assert dag.test().state == "success"

def test_without():
    changed = {k for k in {**BEFORE, **os.environ} if BEFORE.get(k) != os.environ.get(k)}
    # Airflow leaves AIRFLOW_CTX_... behind.
    assert {k for k in changed if "_CTX_" not in k} <= {"PYTEST_CURRENT_TEST"}, changed
    assert location() == WHERE
"""


def test_who_configures_nothing_gets_a_temporary_database(project: Run, tmp_path: Path) -> None:
    done = project(DAG_TEST)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert not list((tmp_path / "home").rglob("airflow.db"))


@pytest.mark.parametrize("exists", [True, False])
def test_a_configured_database_is_left_alone(project: Run, tmp_path: Path, exists: bool) -> None:
    database = tmp_path / "mine.db"
    if exists:
        with sqlite3.connect(database) as mine:
            mine.execute("create table treasure (gold int)")
        mine.close()
    before = database.read_bytes() if exists else None
    variable = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    done = project(DAG_TEST, **{variable: f"sqlite:///{database}"})
    assert "2 errors" in done.stdout, done.stdout + done.stderr
    told = "is not migrated" if exists else "does not exist"
    assert (
        f"sqlite:///{database}, which is configured by {variable}, {told}. Run `airflow db migrate`"
        in done.stdout
    )
    assert f"or unset {variable}" in done.stdout
    assert (database.read_bytes() if database.exists() else None) == before


@pytest.mark.usefixtures("airflow_database")
def test_a_configured_database_that_is_migrated_is_used(project: Run) -> None:
    home = os.environ["AIRFLOW_HOME"]
    test = (
        "def test_it(flowservice_emulator):\n    import os\n    assert os.environ['AIRFLOW_HOME'] == "
        f"{home!r}\n"
    )
    done = project(
        test, AIRFLOW_HOME=home, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home}/airflow.db"
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_without_the_fixture_the_plugin_changes_nothing(project: Run) -> None:
    done = project(
        "import os, sys\n"
        "BEFORE = dict(os.environ)\n"
        "def test_it():\n"
        "    heavy = {'airflow', 'requests', 'aiohttp', 'fastapi', 'uvicorn', 'msgspec'}\n"
        "    assert not heavy & set(sys.modules)\n"
        "    assert {k for k in os.environ if BEFORE.get(k) != os.environ[k]} <= {'PYTEST_CURRENT_TEST'}\n"
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
