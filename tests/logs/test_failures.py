"""What the log of a task says, where people read it."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from airflow.sdk import task

import airflow_provider_flowservice
from airflow_provider_flowservice import exceptions
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.exceptions import flowservice_errors
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.flows import FlowServiceSetFlowStateOperator
from tests.support import dags
from tests.support.aep import make_flow
from tests.support.airflow import flowservice_connection
from tests.support.faults import fault
from tests.support.task_logs import Logged, Worker

MISSING = "aaaaaaaa-0000-4000-8000-000000000000"
WIDTH = 100
_INPUT_ERROR = re.compile(r"^(InvalidInputError|NameNotFoundError|self\._invalid|_invalid_\w+)\(")
NUMBERS = itertools.count()
IMPORTS = """\
from airflow_provider_flowservice.exceptions import flowservice_errors
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.flows import FlowServiceSetFlowStateOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor
"""

Work = Callable[[str], Worker]


@pytest.fixture
def work(airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Make a worker for the code of one task."""

    def make(code: str) -> Worker:
        folder = tmp_path / f"logged_{next(NUMBERS)}"
        folder.mkdir()
        return Worker(folder, IMPORTS + code, monkeypatch)

    return make


def check_failure(logged: Logged, message: str) -> None:
    """The log ends with one error, whose message has the remedy at its end, and shows one exception before it."""
    traceback, last = (each for each in logged.on_screen if each["level"] == "error")
    assert traceback["event"] == "Task failed with exception"
    assert last is logged.on_screen[-1]
    assert "error_detail" not in last
    assert message in last["event"].replace("\n", " ")
    lines = last["event"].splitlines()
    assert [line for line in lines if len(line) > WIDTH and " " in line] == []
    (exception,) = traceback["error_detail"]
    assert exception["exc_value"] == " ".join(lines)


def test_a_wrong_argument(work: Work, control: EmulatorControl) -> None:
    code = f"FlowServiceSetFlowStateOperator(task_id='x', flow_id={MISSING!r}, state='{{{{ \"on\" }}}}', retries=1)"
    logged = work(code).attempt()
    assert logged.state == "failed"
    check_failure(logged, "state: 'on' is not supported. Choose one of: enabled, disabled.")


def test_an_error_of_aep(work: Work, control: EmulatorControl) -> None:
    code = f"FlowServiceSetFlowStateOperator(task_id='x', flow_id={MISSING!r}, state='enabled', retries=1)"
    logged = work(code).attempt()
    assert logged.state == "failed"
    check_failure(logged, f"GET /data/foundation/flowservice/flows/{MISSING}")


def test_an_error_that_passes(work: Work, emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    control = emulator.control
    connection = flowservice_connection(emulator.url, control.credential, retries=0)
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", connection)
    control.inject(fault("status", "GET", f"flows/{MISSING}", status=503))
    code = f"FlowServiceSetFlowStateOperator(task_id='x', flow_id={MISSING!r}, state='enabled', retries=1)"
    logged = work(code).attempt()
    assert logged.state == "up_for_retry"
    check_failure(logged, "503")


def test_a_sensor_that_has_waited_too_long(work: Work, hook: FlowServiceHook) -> None:
    flow = make_flow(hook)
    logged = work(
        f"FlowServiceFlowStateSensor(task_id='x', flow_id={flow!r}, state='disabled', timeout=0, deferrable=False)"
    ).attempt()
    assert logged.state == "failed"
    check_failure(logged, f"flow {flow} is enabled, not disabled. Check it in AEP, or wait longer.")


def test_a_wait_that_fails_in_the_triggerer(work: Work, hook: FlowServiceHook) -> None:
    flow = make_flow(hook)
    worker = work(
        f"FlowServiceFlowStateSensor(task_id='x', flow_id={flow!r}, state='disabled', deferrable=True)"
    )
    assert worker.attempt().state == "deferred"
    hook.delete_flow(hook.flow_resources(flow))
    worker.fire()
    logged = worker.attempt()
    assert logged.state == "failed"
    check_failure(logged, f"GET /data/foundation/flowservice/flows/{flow}")


def test_a_taskflow_function(work: Work, control: EmulatorControl) -> None:
    code = f"""\
import logging

def told(context):
    logging.getLogger("user").warning("told by the user")

@task(on_failure_callback=told)
@flowservice_errors
def x():
    FlowServiceHook().set_flow_state({MISSING!r}, "enabled")
x()"""
    logged = work(code).attempt()
    assert logged.state == "failed"
    check_failure(logged, f"GET /data/foundation/flowservice/flows/{MISSING}")
    events = [each["event"] for each in logged.records]
    assert events.index("told by the user") < events.index(logged.on_screen[-1]["event"])


def test_an_input_error_has_no_second_traceback() -> None:
    package = Path(airflow_provider_flowservice.__file__).parent
    files = [file for file in package.rglob("*.py") if "emulator" not in file.parts]
    raised = [(file, each) for file in files for each in _raised_while_handling(file)]
    assert len(raised) > 10
    shown = [f"{file.relative_to(package)}:{each.lineno}" for file, each in raised if not _is_from_none(each)]
    assert shown == []


def _raised_while_handling(file: Path) -> Iterator[ast.Raise]:
    """Where a file raises an input error about another error."""
    for handler in ast.walk(ast.parse(file.read_text())):
        for node in ast.walk(handler) if isinstance(handler, ast.ExceptHandler) else ():
            if isinstance(node, ast.Raise) and node.exc and _INPUT_ERROR.search(ast.unparse(node.exc)):
                yield node


def _is_from_none(node: ast.Raise) -> bool:
    return isinstance(node.cause, ast.Constant) and node.cause.value is None


def test_a_mapped_task(
    airflow_database: None, control: EmulatorControl, caplog: pytest.LogCaptureFixture
) -> None:
    def build() -> None:
        @task
        @flowservice_errors
        def enable(flow_id: str) -> None:
            FlowServiceHook().set_flow_state(flow_id, "enabled")

        enable.expand(flow_id=[MISSING])
        FlowServiceSetFlowStateOperator.partial(task_id="x", state="enabled").expand(flow_id=[MISSING])

    ran = dags.run("mapped_tasks_that_fail", build)
    assert set(ran.states.values()) == {"failed"}
    last = [each.getMessage() for each in caplog.records if each.name == exceptions.__name__]
    assert sum("HTTP 404" in line.replace("\n", " ") for line in last) == 2
