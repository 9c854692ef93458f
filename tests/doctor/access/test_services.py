"""The table of what operators and sensors need says what they really ask AEP for."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk import BaseOperator

from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.doctor.services import NEEDS, Service
from airflow_provider_flowservice.get_provider_info import get_provider_info
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.operators.connections import FlowServiceDeleteConnectionOperator
from airflow_provider_flowservice.operators.flows import FlowServiceFindFlowOperator
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.operators.runs import FlowServiceFlowRunReportOperator
from airflow_provider_flowservice.sensors.flows import (
    FlowServiceFlowStateSensor,
    FlowServiceFlowValidationSensor,
)
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import operators
from tests.support.aep import kinesis, make, make_ends, make_flow, profile_store
from tests.support.deferral import run_to_end
from tests.support.files import exported, make_file_flow
from tests.support.operation import NAME, POLL, Operation, Sandbox
from tests.support.operations import operations
from tests.support.streaming import open_source, people

BY_NAME = [{"name": "Loyal customers"}]
FLOW_SPEC = "upsToStreamingDestination"


def use(name: str, prepare: Callable[[Sandbox], Any], build: Callable[[Any], Any]) -> Operation:
    return Operation(name=name, prepare=prepare, build=build, places={}, left=lambda *_: None, wanted=None)


def other_uses() -> Iterator[Operation]:
    """What looks something up by its name, and other uses that the fault matrix leaves out."""

    def flow(sandbox: Sandbox) -> str:
        return make_flow(sandbox.hook, NAME)

    def activated(sandbox: Sandbox) -> str:
        made = flow(sandbox)
        sandbox.hook.activate_segments(made, BY_NAME)
        return made

    def file_flow(sandbox: Sandbox) -> str:
        sandbox.control.set_switches(scheduled_runs=False, run_seconds=0)
        made = make_file_flow(sandbox.hook)
        sandbox.hook.activate_segments(made, [exported(each) for each in sandbox.control.segments])
        return made

    def deleting(kind: str) -> Callable[[str], Any]:
        return lambda it: FlowServiceDeleteConnectionOperator(task_id="x", connection_id=it, kind=kind)

    yield use("state", flow, lambda it: FlowServiceFlowStateSensor(task_id="x", flow_id=it))
    yield use("activate by name", flow, lambda it: operators.activate(it, BY_NAME))
    yield use(
        "validate by name",
        activated,
        lambda it: FlowServiceFlowValidationSensor(task_id="x", flow_id=it, segments=BY_NAME),
    )
    yield use(
        "export by name",
        file_flow,
        lambda it: FlowServiceAdHocActivationOperator(
            task_id="x", flow_id=it, segments=BY_NAME, deferrable=False
        ),
    )
    yield use(
        "find by spec",
        flow,
        lambda _: FlowServiceFindFlowOperator(task_id="x", name=NAME, flow_spec=FLOW_SPEC),
    )
    yield use(
        "source by spec name",
        lambda sandbox: make(sandbox.hook, profile_store()),
        lambda base: operators.create_source(base, NAME, connection_spec="Unified Profile Service"),
    )
    yield use(
        "target by spec name",
        lambda sandbox: make(sandbox.hook, kinesis()),
        lambda base: operators.create_target(base, NAME, connection_spec="Amazon Kinesis"),
    )
    yield use(
        "flow by spec name",
        lambda sandbox: make_ends(sandbox.hook),
        lambda ends: operators.create_flow(*ends, NAME, flow_spec=FLOW_SPEC),
    )
    yield use("delete base", lambda sandbox: make(sandbox.hook, kinesis()), deleting("base"))
    yield use("delete source", lambda sandbox: make_ends(sandbox.hook)[0], deleting("source"))
    yield use(
        "report on all",
        flow,
        lambda _: FlowServiceFlowRunReportOperator(task_id="x", since=1_600_000_000, until=4_000_000_000),
    )
    yield use(
        "post to a URL",
        lambda sandbox: open_source(sandbox.hook, authenticated=False),
        lambda source: FlowServicePostToInletOperator(
            task_id="x", inlet_url=source.inlet.url, messages=people(1), settle_seconds=0, max_failures=1
        ),
    )


USES = [*operations(), *other_uses()]


def perform(operation: Operation, sandbox: Sandbox, time: VirtualClock) -> str:
    """Run an operation to its end in an empty sandbox, and return the name of the operator."""
    auth.forget_all()
    sandbox.control.reset()
    told = operation.prepare(sandbox)
    sandbox.control.clear_requests()
    moved, happens = time.followed, [operation.meanwhile] if operation.meanwhile else []

    def passed(seconds: float) -> None:
        moved(seconds)
        if happens and seconds > POLL / 2:
            happens.pop()(sandbox, told)

    operator = operation.build(told)
    time.follow(passed)
    try:
        run_to_end(operator)
    finally:
        time.follow(moved)
    return type(operator).__name__


def services_asked(sandbox: Sandbox) -> set[Service]:
    paths = [entry["path"] for entry in sandbox.control.requests() if not entry["path"].startswith("/ims")]
    found = {path: [each for each in Service if f"{path}/".startswith(f"{each.base}/")] for path in paths}
    assert [path for path, services in found.items() if len(services) != 1] == []
    return {service for services in found.values() for service in services}


@pytest.mark.usefixtures("airflow_database")
def test_each_operator_asks_exactly_the_services_that_the_table_says(
    sandbox: Sandbox, time: VirtualClock
) -> None:
    asked: dict[str, list[set[Service]]] = {}
    for operation in (*operations(), *other_uses()):
        name = perform(operation, sandbox, time)
        asked.setdefault(name, []).append(services_asked(sandbox))
    always = {name: frozenset(set.intersection(*sets)) for name, sets in asked.items()}
    at_all = {name: frozenset(set.union(*sets)) for name, sets in asked.items()}
    assert {name: needs.always for name, needs in NEEDS.items()} == always
    assert {name: needs.always | needs.sometimes for name, needs in NEEDS.items()} == at_all


def test_the_table_has_every_operator_and_sensor() -> None:
    info = get_provider_info()
    modules = [
        name for key in ("operators", "sensors") for each in info[key] for name in each["python-modules"]
    ]
    classes = {
        name
        for module in modules
        for name, member in inspect.getmembers(importlib.import_module(module), inspect.isclass)
        if issubclass(member, BaseOperator) and f"{member.__module__}.".startswith(f"{module}.")
    }
    assert {name for name in classes if not name.startswith("_")} == set(NEEDS)
