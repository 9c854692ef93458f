"""The fault matrix, its rows 25 to 29: arguments, Airflow's connections, hostile servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError, ResponseTooLargeError
from airflow_provider_flowservice.client.http import body
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
    FlowServiceWaitTimeout,
)
from airflow_provider_flowservice.operators.activation import FlowServiceActivateSegmentsOperator
from airflow_provider_flowservice.operators.flows import FlowServiceDeleteFlowOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import make_flow
from tests.support.airflow import flowservice_connection
from tests.support.deferral import run_to_end
from tests.support.memory import bomb, peak_megabytes
from tests.support.operation import SEGMENTS, Operation, Sandbox
from tests.support.operations import operations
from tests.support.raw import answer, sending, serving
from tests.support.tasks import rendered

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("airflow_database")]

EACH = pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)
CONNECTION = "AIRFLOW_CONN_FLOWSERVICE_DEFAULT"


def each_argument(operation: Operation, told: Any, value: Any) -> Iterator[tuple[str, Any]]:
    """The operator of an operation once for each argument, which a template has turned into a value."""
    operator = operation.build(told)
    known = {
        name: getattr(operator, name) for name in operator.arguments if getattr(operator, name) is not None
    }
    for name in operator.arguments:

        def make(name: str = name, **template: Any) -> Any:
            given = {**known, **template}
            # Of two arguments that exclude each other, the one under test is given.
            for one, other in (
                ("messages", "path"),
                ("connection_id", "inlet_url"),
                ("run_id", "started_after"),
            ):
                if name in (one, other):
                    given = {
                        key: held for key, held in given.items() if key == name or key not in (one, other)
                    }
            if operation.posts and name in ("schema_id", "dataset_id"):
                given = {"schema_id": "s", "dataset_id": "d", **given}
            return type(operator)(task_id="x", **given)

        yield name, rendered(make, **{name: value})


@EACH
def test_row_25_an_argument_that_turns_out_to_be_none_is_rejected_by_name(
    sandbox: Sandbox, operation: Operation
) -> None:
    told = operation.prepare(sandbox)
    sandbox.control.clear_requests()
    for name, operator in each_argument(operation, told, None):
        with pytest.raises(FlowServicePermanentException, match=f"^{name}: is None, although it was given"):
            operator.execute({})
    assert sandbox.control.requests() == []


@EACH
def test_row_26_a_value_of_another_kind_is_rejected_by_name(sandbox: Sandbox, operation: Operation) -> None:
    told = operation.prepare(sandbox)
    sandbox.control.clear_requests()
    for name, operator in each_argument(operation, told, object()):
        with pytest.raises(FlowServicePermanentException, match=rf"^{name}\b.*: "):
            operator.execute({})
    assert sandbox.control.requests() == []


@EACH
def test_row_26_flags_and_numbers_may_come_as_strings(sandbox: Sandbox, operation: Operation) -> None:
    told = operation.prepare(sandbox)
    operator = operation.build(told)
    for name in operator.arguments:
        value = getattr(operator, name)
        if isinstance(value, (bool, int, float)):
            setattr(operator, name, str(value))
    if operation.meanwhile is not None:
        operation.meanwhile(sandbox, told)
    run_to_end(operator)
    assert operation.left(sandbox, told) == operation.wanted


def test_row_26_the_string_false_removes_nothing(sandbox: Sandbox) -> None:
    flow = make_flow(sandbox.hook)
    sandbox.hook.activate_segments(flow, SEGMENTS)

    def sync(**brakes: Any) -> FlowServiceActivateSegmentsOperator:
        return FlowServiceActivateSegmentsOperator(
            task_id="x", flow_id=flow, segments=[], activation_mode="sync", **brakes
        )

    with pytest.raises(FlowServicePermanentException, match="set allow_empty=True"):
        rendered(sync, allow_empty="False").execute({})
    assert sandbox.selected(flow)[0] == SEGMENTS
    delete = rendered(
        lambda **flags: FlowServiceDeleteFlowOperator(task_id="x", flow_id=flow, **flags),
        with_connections="False",
    )
    run_to_end(delete)
    assert len(sandbox.control.state()["targetConnections"]) == 1


def test_row_26_a_wait_takes_a_timedelta(sandbox: Sandbox, time: VirtualClock) -> None:
    flow = make_flow(sandbox.hook)
    sensor = FlowServiceFlowStateSensor(
        task_id="x",
        flow_id=flow,
        state="disabled",
        timeout=timedelta(minutes=5),
        poke_interval=timedelta(minutes=1),
        deferrable=False,
    )
    began = time.monotonic()
    with pytest.raises(FlowServiceWaitTimeout, match="Timed out after 300 seconds"):
        sensor.execute({})
    assert 300 <= time.monotonic() - began <= 361
    with pytest.raises(InvalidInputError, match="timeout: 'soon' is not a duration"):
        FlowServiceFlowStateSensor(task_id="x", flow_id=flow, timeout="soon")


def wait(flow: str, *, deferrable: bool) -> FlowServiceFlowStateSensor:
    return FlowServiceFlowStateSensor(task_id="x", flow_id=flow, deferrable=deferrable, poke_interval=30)


def test_row_28_on_a_worker_a_connection_that_is_away_is_found_by_a_retry(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = make_flow(sandbox.hook)
    with monkeypatch.context() as away:
        away.delenv(CONNECTION)
        with pytest.raises(FlowServiceTransientException, match="secrets backend or database has failed"):
            wait(flow, deferrable=False).execute({})
    wait(flow, deferrable=False).execute({})


def test_row_28_in_the_triggerer_a_connection_that_is_away_is_looked_up_again(
    sandbox: Sandbox, time: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = make_flow(sandbox.hook)
    sandbox.hook.set_flow_state(flow, "disabled")
    connection = flowservice_connection(sandbox.control.url, sandbox.control.credential)
    followed, began = time.followed, time.monotonic()

    def passed(seconds: float) -> None:
        followed(seconds)
        if time.monotonic() - began < 200:
            monkeypatch.delenv(CONNECTION, raising=False)
        else:
            monkeypatch.setenv(CONNECTION, connection)
            sandbox.hook.set_flow_state(flow, "enabled")

    operator = wait(flow, deferrable=True)
    read = operator.perform

    def deferred(context: Any) -> Any:
        try:
            return read(context)
        finally:
            monkeypatch.delenv(CONNECTION)

    monkeypatch.setattr(operator, "perform", deferred)
    time.follow(passed)
    run_to_end(operator)
    assert 200 <= time.monotonic() - began <= 300


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
def test_row_29_a_hostile_answer_costs_no_more_memory_than_the_limit(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    flow = make_flow(sandbox.hook)
    sandbox.hook.set_flow_state(flow, "disabled")
    respond: Callable[[Any], None] = sending(answer(bomb(900), "Content-Encoding: gzip"))
    with serving(respond) as server:
        hostile = flowservice_connection(
            sandbox.control.url, sandbox.control.credential, host=server.url, access_token="ready.token"
        )
        operator = wait(flow, deferrable=deferrable)
        read = operator.perform

        def deferred(context: Any) -> Any:
            try:
                return read(context)
            finally:
                monkeypatch.setenv(CONNECTION, hostile)

        if deferrable:
            monkeypatch.setattr(operator, "perform", deferred)
        else:
            monkeypatch.setenv(CONNECTION, hostile)
        with peak_megabytes() as peak, pytest.raises(FlowServicePermanentException) as caught:
            run_to_end(operator)
    assert peak() < 1.5 * body.MAX_BYTES / 2**20
    assert "the response is larger than the limit of 64 MB" in str(caught.value)
    assert deferrable or isinstance(caught.value.error, ResponseTooLargeError)
