"""Arguments that a real Airflow makes None, or another kind, in each way in which a task can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, task

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.arguments import TakesArguments
from airflow_provider_flowservice.operators.connections import FlowServiceCreateConnectionOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor
from airflow_provider_flowservice.testing.database import register
from tests.support.aep import make_flow
from tests.support.airflow import task_states

pytestmark = pytest.mark.usefixtures("airflow_database")

#: Tasks that take a sandbox, by how it is given.
Way = Callable[[type[Any], dict[str, Any], Any], Any]
WAYS: dict[str, Way] = {
    "plain": lambda kind, known, chosen: kind(**known, sandbox=chosen),
    "jinja": lambda kind, known, _: kind(**known, sandbox="{{ ti.xcom_pull('choose') }}"),
    "partial": lambda kind, known, chosen: kind.partial(**known, sandbox=chosen).expand(doc_md=["a", "b"]),
    "expand": lambda kind, known, _: kind.partial(**known).expand(sandbox=[None]),
    "expand_kwargs": lambda kind, known, _: kind.partial(**known).expand_kwargs([{"sandbox": None}]),
}


@pytest.fixture
def control(emulator: EmulatorServer) -> EmulatorControl:
    return emulator.control


@pytest.fixture
def flow(control: EmulatorControl) -> str:
    hook = FlowServiceHook()
    flow = make_flow(hook)
    hook.close()
    return flow


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is wrong with arguments; callbacks of tasks do not run in ``dag.test()`` of every Airflow."""
    read, found = TakesArguments.read_arguments, list[str]()

    def recorded(self: TakesArguments) -> None:
        try:
            read(self)
        except InvalidInputError as error:
            found.append(str(error))
            raise

    monkeypatch.setattr(TakesArguments, "read_arguments", recorded)
    return found


def connect(_: str) -> tuple[type[Any], dict[str, Any]]:
    return FlowServiceCreateConnectionOperator, {
        "name": "store",
        "connection_spec": specs.UNIFIED_PROFILE_SERVICE,
    }


def wait(flow: str) -> tuple[type[Any], dict[str, Any]]:
    return FlowServiceFlowStateSensor, {"flow_id": flow, "state": "enabled", "deferrable": False}


def wait_deferred(flow: str) -> tuple[type[Any], dict[str, Any]]:
    return FlowServiceFlowStateSensor, {"flow_id": flow, "state": "enabled", "deferrable": True}


def run_dag(dag: DAG) -> Any:
    register(dag)
    return dag.test()


@pytest.mark.parametrize(("way", "native"), [*((way, False) for way in WAYS), ("jinja", True)])
@pytest.mark.parametrize("task_of", [connect, wait, wait_deferred])
def test_a_sandbox_that_a_skipped_task_did_not_choose_is_not_replaced_by_the_connections(
    control: EmulatorControl,
    flow: str,
    errors: list[str],
    task_of: Callable[[str], tuple[type[Any], dict[str, Any]]],
    way: str,
    native: bool,
) -> None:
    kind, arguments = task_of(flow)
    known = {**arguments, "task_id": "act", "trigger_rule": "all_done", "retries": 1}
    with DAG(f"given_{way}", schedule=None, render_template_as_native_obj=native) as dag:

        @task
        def choose() -> str:
            raise AirflowSkipException

        chosen = choose()
        chosen >> WAYS[way](kind, known, chosen)
    control.clear_requests()
    states = task_states(run_dag(dag))
    assert states == {"choose": "skipped", "act": "failed"}
    assert control.requests() == []
    assert errors
    assert all(error.startswith("sandbox: is ") for error in errors), errors
    assert all("omit the argument" in error for error in errors), errors
