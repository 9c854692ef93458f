"""The emulator's journal names the task of each request, wherever the request was sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.sdk import task

from airflow_provider_flowservice import __version__
from airflow_provider_flowservice.client import FLOWS
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.flows import FlowServiceUpdateFlowOperator
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor
from airflow_provider_flowservice.testing.emulator import FlowServiceEmulator
from tests.support.aep import make_flow
from tests.support.dags import run
from tests.support.streaming import open_source

pytestmark = pytest.mark.usefixtures("airflow_database", "flowservice_clock")

AGENT = f"airflow-provider-flowservice/{__version__} Airflow/{airflow_version}"


@pytest.fixture
def hook(flowservice_emulator: FlowServiceEmulator) -> Iterator[FlowServiceHook]:
    """Another user of the sandbox, outside of Airflow's tasks."""
    hook = FlowServiceHook()
    yield hook
    hook.close()


@pytest.fixture
def dag_id(request: pytest.FixtureRequest) -> str:
    """A DAG of the test's own: Airflow's API server remembers the tasks of those that it has seen."""
    return str(request.node.name)


def by_task(emulator: FlowServiceEmulator, dag_id: str) -> dict[str, list[str]]:
    """The paths of the requests so far by task. Each names its DAG and run, too."""
    found = defaultdict(list)
    runs = set()
    for entry in emulator.requests:
        assert entry["headers"]["user-agent"] == AGENT
        assert entry["caller"]["dag"] == dag_id
        runs.add(entry["caller"]["run"])
        found[entry["caller"]["task"]].append(entry["path"])
    assert len(runs) == 1
    assert "+00:00" in runs.pop()
    return dict(found)


def test_operators_mapped_ones_and_task_functions_are_named(
    flowservice_emulator: FlowServiceEmulator, hook: FlowServiceHook, dag_id: str
) -> None:
    flow = make_flow(hook)
    flowservice_emulator.control.clear_requests()

    def build() -> None:
        @task
        def count() -> None:
            FlowServiceHook().count(FLOWS)

        rename = FlowServiceUpdateFlowOperator.partial(task_id="rename", flow_id=flow)
        rename.expand(new_name=["one", "two"])
        count()

    assert run(dag_id, build).succeeded
    journal = by_task(flowservice_emulator, dag_id)
    assert set(journal) == {"rename[0]", "rename[1]", "count"}
    assert [path.rpartition("/")[2] for path in journal["count"]] == ["flows"]


def test_a_request_outside_of_tasks_names_airflow_alone(
    flowservice_emulator: FlowServiceEmulator, hook: FlowServiceHook
) -> None:
    hook.count(FLOWS)
    sent: list[Any] = [
        (entry["headers"]["user-agent"], entry["caller"]) for entry in flowservice_emulator.requests
    ]
    assert sent == [(AGENT, {}), (AGENT, {})]


def test_the_trigger_of_a_waiting_task_is_named(
    flowservice_emulator: FlowServiceEmulator, hook: FlowServiceHook, dag_id: str
) -> None:
    flow = make_flow(hook)
    # The first look finds the flow enabled, so that the task defers; its trigger sees the change.
    flowservice_emulator.control.set_switches(change_delay_seconds=100)
    hook.action(FLOWS, flow, "disable")
    flowservice_emulator.control.clear_requests()

    def build() -> None:
        FlowServiceFlowStateSensor(task_id="wait", flow_id=flow, state="disabled", deferrable=True)

    assert run(dag_id, build).succeeded
    journal = by_task(flowservice_emulator, dag_id)
    assert set(journal) == {"wait"}
    assert len(journal["wait"]) > 2


def test_posted_batches_are_named(
    flowservice_emulator: FlowServiceEmulator, hook: FlowServiceHook, dag_id: str
) -> None:
    source = open_source(hook, authenticated=True)
    flowservice_emulator.control.clear_requests()

    def build() -> None:
        FlowServicePostToInletOperator(
            task_id="post", flow_id=source.flow_id, messages=[{"first": "Ada"}] * 4, batch_size=2
        )

    assert run(dag_id, build).succeeded
    journal = by_task(flowservice_emulator, dag_id)
    assert set(journal) == {"post"}
    assert journal["post"].count(source.paths[1]) == 2
