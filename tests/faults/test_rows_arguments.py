"""The fault matrix, its rows 25 and 26: arguments that turn out to be nothing, or of another kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, task

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.flows.pruning import MIN_PREFIX
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException, FlowServiceWaitTimeout
from airflow_provider_flowservice.operators.arguments import TakesArguments
from airflow_provider_flowservice.operators.base import FlowServiceOperator
from airflow_provider_flowservice.operators.connections import FlowServiceCreateConnectionOperator
from airflow_provider_flowservice.operators.flows import (
    FlowServiceDeleteFlowOperator,
    FlowServiceFindFlowOperator,
)
from airflow_provider_flowservice.operators.runs import FlowServiceFlowRunReportOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.testing.database import register
from tests.support import operators
from tests.support.aep import make_flow, writes
from tests.support.airflow import task_states
from tests.support.arguments import kind_of, task_types, with_argument
from tests.support.dags import run
from tests.support.deferral import run_to_end
from tests.support.operation import SEGMENTS, Operation, Sandbox
from tests.support.operations import operations
from tests.support.tasks import rendered
from tests.support.tasks import run as run_operator

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("airflow_database")]

TASK_TYPES = [pytest.param(each, id=each.__name__) for each in task_types()]
OPERATIONS = [pytest.param(each, id=each.name) for each in operations()]


# --- row 25: what was given turns out to be None ---------------------------------------------------------------

SKIPPED = "{{ ti.xcom_pull('skipped') }}"
#: How a skipped task's XCom comes to an argument.
GIVEN: dict[str, Callable[[type[FlowServiceOperator], str], Any]] = {
    "as None": lambda task_type, name: with_template(task_type, name, native=True),
    "as a string": lambda task_type, name: with_template(task_type, name, native=False),
    "in a mapped task": lambda task_type, name: with_argument(
        task_type, name, None, _airflow_from_mapped=True
    ),
}


def with_template(task_type: type[FlowServiceOperator], name: str, *, native: bool) -> Any:
    """A task of which Airflow has rendered one argument."""
    with DAG("row_25", schedule=None, render_template_as_native_obj=native):
        operator = with_argument(task_type, name, SKIPPED)
    operator.render_template_fields({"ti": SimpleNamespace(xcom_pull=lambda _: None)})
    return operator


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_row_25_no_argument_may_turn_out_to_be_none(
    control: EmulatorControl, task_type: type[FlowServiceOperator], given: str
) -> None:
    for name in task_type.arguments:
        operator = GIVEN[given](task_type, name)
        assert getattr(operator, name) == ("None" if given == "as a string" else None)
        with pytest.raises(FlowServicePermanentException) as refused:
            run_operator(operator)
        assert str(refused.value).startswith(
            f"{name}: is {getattr(operator, name)!r}, although it was given."
        )
        assert "was it skipped?" in str(refused.value)
    assert control.requests() == []


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


@pytest.mark.parametrize(("way", "native"), [*((way, False) for way in WAYS), ("jinja", True)])
@pytest.mark.parametrize("task_of", [connect, wait, wait_deferred])
def test_row_25_a_sandbox_that_a_skipped_task_did_not_choose_is_not_replaced_by_the_connections(
    sandbox: Sandbox,
    errors: list[str],
    task_of: Callable[[str], tuple[type[Any], dict[str, Any]]],
    way: str,
    native: bool,
) -> None:
    control = sandbox.control
    kind, arguments = task_of(make_flow(sandbox.hook))
    known = {**arguments, "task_id": "act", "trigger_rule": "all_done", "retries": 1}
    with DAG(f"given_{way}", schedule=None, render_template_as_native_obj=native) as dag:

        @task
        def choose() -> str:
            raise AirflowSkipException

        chosen = choose()
        chosen >> WAYS[way](kind, known, chosen)
    register(dag)
    control.clear_requests()
    states = task_states(dag.test())
    assert states == {"choose": "skipped", "act": "failed"}
    assert control.requests() == []
    assert errors
    assert all(error.startswith("sandbox: is ") for error in errors), errors
    assert all("omit the argument" in error for error in errors), errors


# --- row 26: a value of another kind ---------------------------------------------------------------------------

STRINGS = ("False", "true", "10", "2.5", "ten")
MINUTES = timedelta(minutes=5)
NUMBER = 20260101
#: What may stand for any argument.
ODD: tuple[Any, ...] = (*STRINGS, MINUTES, NUMBER, 2.5, True, ["a"], {"a": "b"}, b"10", object())
Pairs = list[tuple[Any, Any]]
_AS_STRING: Pairs = [*((each, each) for each in STRINGS), (NUMBER, str(NUMBER))]
_AS_NUMBER: Pairs = [("10", 10.0), ("2.5", 2.5), (NUMBER, float(NUMBER)), (2.5, 2.5)]
#: How each kind reads what it does not refuse.
READ: dict[str, Pairs] = {
    "_columns": [(["a"], {"a": {"type": "string"}})],
    "_name_prefix": [(given, read) for given, read in _AS_STRING if len(read) >= MIN_PREFIX],
    "_primary_identity": [],
    "character": [],
    "choice": [],
    "epoch_seconds": [],  # a time has ten digits
    "flag": [("False", False), ("true", True), (True, True)],
    "items": [(["a"], ["a"])],
    "iterable": [(["a"], ["a"])],
    "list_of": [(["a"], ["a"])],
    "mapping": [({"a": "b"}, {"a": "b"})],
    "number_or_ratio": [("10", 10), (NUMBER, NUMBER)],
    "number_range": [],
    "rate": _AS_NUMBER,
    "resource_id": _AS_STRING,
    "resource_ids": [*((each, [each]) for each in STRINGS), (["a"], ["a"])],
    "seconds": [*_AS_NUMBER, (MINUTES, 300.0)],
    "share": [],
    "storage_path": _AS_STRING,
    "string": _AS_STRING,
    "text": _AS_STRING,
    "text_encoding": [],
    "whole_number": [("10", 10), (NUMBER, NUMBER)],
}
#: The list whose elements are mappings.
MAPPINGS = {"primary_fields", "transformations"}


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_row_26_every_argument_is_read_by_its_kind_or_refused(
    control: EmulatorControl, task_type: type[FlowServiceOperator]
) -> None:
    for name, argument in task_type.arguments.items():
        known = [] if name in MAPPINGS else READ[kind_of(argument)]
        for odd in ODD:
            operator = rendered(
                lambda **value: with_argument(task_type, *value, *value.values()), **{name: odd}
            )
            operator.perform = dict  # nothing but its arguments is of interest
            wanted = [read for value, read in known if same(value, odd)]
            if wanted:
                run_operator(operator)
                assert same(getattr(operator, name), wanted[0]), (name, odd)
                with_argument(task_type, name, odd)
                continue
            with pytest.raises(FlowServicePermanentException) as refused:
                run_operator(operator)
            assert str(refused.value).startswith((f"{name}: ", f"{name}[0]: ")), (name, odd)
            with pytest.raises(InvalidInputError, match=rf"^{name}(\[0\])?: "):
                with_argument(task_type, name, odd)
    assert control.requests() == []


#: Another way to write what is given, by kind.
RESPELLED: dict[str, Callable[[Any], Any]] = {
    "epoch_seconds": str,
    "flag": str,
    "items": tuple,
    "iterable": tuple,
    "list_of": tuple,
    "number_or_ratio": str,
    "rate": str,
    "resource_ids": tuple,
    "share": str,
    "seconds": lambda value: timedelta(seconds=value),
    "whole_number": str,
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_row_26_what_is_written_otherwise_does_the_same(
    sandbox: Sandbox, time: VirtualClock, operation: Operation
) -> None:
    told = operation.prepare(sandbox)
    if operation.meanwhile is not None:
        operation.meanwhile(sandbox, told)
    operator = operation.build(told)
    flags = 0
    for name, argument in operator.arguments.items():
        value, respelled = getattr(operator, name), RESPELLED.get(kind_of(argument))
        if value is not None and respelled is not None:
            setattr(operator, name, respelled(value))
            flags += kind_of(argument) == "flag"
    # What neither changes anything nor waits has none.
    assert flags or isinstance(operator, (FlowServiceFindFlowOperator, FlowServiceFlowRunReportOperator))
    run_to_end(operator)
    assert operation.left(sandbox, told) == operation.wanted


def test_row_26_a_false_that_is_a_string_removes_no_segment(sandbox: Sandbox) -> None:
    flow = make_flow(sandbox.hook)
    sandbox.hook.activate_segments(flow, SEGMENTS)
    sandbox.control.clear_requests()
    ran = run(
        "row_26_sync",
        lambda: operators.activate(
            flow, [], activation_mode="sync", allow_empty="{{ 1 > 2 }}", max_removals="10"
        ),
    )
    assert isinstance(ran.error, FlowServicePermanentException)
    assert "allow_empty=True" in str(ran.error)
    assert sandbox.selected(flow)[0] == SEGMENTS
    assert sandbox.control.requests() == []


def test_row_26_a_false_that_is_a_string_deletes_no_connection(sandbox: Sandbox) -> None:
    flow = make_flow(sandbox.hook)
    sandbox.control.clear_requests()
    ran = run(
        "row_26_delete",
        lambda: FlowServiceDeleteFlowOperator(task_id="x", flow_id=flow, with_connections="{{ 1 > 2 }}"),
    )
    assert ran.succeeded
    assert ran.results["x"] == {"deleted": [flow], "left": []}
    assert writes(sandbox.control) == [("DELETE", "flows")]
    state = sandbox.control.state()
    assert [len(state[kind]) for kind in ("flows", "targetConnections", "sourceConnections")] == [0, 1, 1]
    assert len(state["connections"]) == 2


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
