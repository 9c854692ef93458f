"""The fault matrix, its rows 25, 26, 28 and 29: arguments, Airflow's own outages, responses that are too much."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.secrets.environment_variables import EnvironmentVariablesBackend

from airflow_provider_flowservice.client.errors import FlowServiceError, InvalidInputError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.waits import FlowInState
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
    FlowServiceWaitTimeout,
)
from airflow_provider_flowservice.operators.arguments import TakesArguments
from airflow_provider_flowservice.operators.base import FlowServiceOperator
from airflow_provider_flowservice.operators.connections import FlowServiceCreateConnectionOperator
from airflow_provider_flowservice.operators.flows import (
    FlowServiceDeleteFlowOperator,
    FlowServiceSetFlowStateOperator,
)
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.testing.database import register
from airflow_provider_flowservice.triggers import sessions
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.fuzz import kinds, mutations
from tests.support import operators
from tests.support.aep import make_flow, writes
from tests.support.airflow import flowservice_connection, task_states
from tests.support.arguments import kind_of, task_types, with_argument
from tests.support.clients import TRANSPORTS, open_client
from tests.support.dags import run
from tests.support.deferral import run_to_end
from tests.support.hostile import GZIP, TOO_MANY_HEADERS, TOO_MUCH
from tests.support.memory import MB, peak_megabytes
from tests.support.operation import REQUEST_TRIES, SEGMENTS, Operation, Sandbox
from tests.support.operations import operations
from tests.support.outage import Database, SecretsBackend, refuse
from tests.support.raw import RawServer, answer, sending, serving
from tests.support.tasks import Attempts, rendered
from tests.support.tasks import run as run_operator
from tests.support.triggers import fire, first_event

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
    "_primary_identity": [],
    "character": [],
    "choice": [],
    "epoch_seconds": [],  # a time has ten digits
    "flag": [("False", False), ("true", True), (True, True)],
    "items": [(["a"], ["a"])],
    "list_of": [(["a"], ["a"])],
    "mapping": [({"a": "b"}, {"a": "b"})],
    "moment": _AS_NUMBER,
    "number_or_ratio": [("10", 10), (NUMBER, NUMBER)],
    "resource_id": _AS_STRING,
    "resource_ids": [*((each, [each]) for each in STRINGS), (["a"], ["a"])],
    "seconds": [*_AS_NUMBER, (MINUTES, 300.0)],
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
    "list_of": tuple,
    "moment": str,
    "number_or_ratio": str,
    "resource_ids": tuple,
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
    assert flags
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


# --- row 28: Airflow's own outages -----------------------------------------------------------------------------


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> SecretsBackend:
    """The secrets backend with the connections, which nothing hinders at first."""
    hindered = SecretsBackend(lambda *_: None)
    monkeypatch.setattr(
        EnvironmentVariablesBackend,
        "get_conn_value",
        lambda self, *arguments, **options: hindered.get_conn_value(self, *arguments, **options),
    )
    return hindered


def begin(operation: Operation, sandbox: Sandbox) -> Any:
    told = operation.prepare(sandbox)
    if operation.meanwhile is not None:
        operation.meanwhile(sandbox, told)
    sandbox.control.clear_requests()
    return told


@pytest.mark.parametrize("operation", OPERATIONS)
def test_row_28_a_worker_that_gets_no_connection_leaves_it_to_a_retry(
    sandbox: Sandbox, time: VirtualClock, backend: SecretsBackend, operation: Operation
) -> None:
    told, attempts = begin(operation, sandbox), Attempts(has_store=True)
    fails_at = 0
    while True:
        fails_at, backend.lookups = fails_at + 1, 0
        backend.hinder = lambda number, _, fails_at=fails_at: refuse() if number == fails_at else None
        try:
            run_to_end(operation.build(told), **attempts.another())
        except FlowServiceTransientException:
            assert fails_at > 1 or sandbox.control.requests() == []
        else:
            break
    backend.hinder = lambda *_: None
    # A trigger looks it up again by itself.
    assert fails_at > 1 or operation.deferred
    assert operation.left(sandbox, told) == operation.wanted


@pytest.mark.parametrize("operation", OPERATIONS)
def test_row_28_a_database_that_fails_while_a_task_works_makes_nothing_twice(
    sandbox: Sandbox, time: VirtualClock, operation: Operation
) -> None:
    told, attempts = begin(operation, sandbox), Attempts(has_store=True)
    database = Database(0)
    while database.calls >= database.fails_at:
        database = Database(database.fails_at + 1)
        try:
            run_to_end(operation.build(told), **database.behind(attempts.another()))
        except AirflowRuntimeError:  # which Airflow retries
            assert database.calls >= database.fails_at
    assert operation.left(sandbox, told) == operation.wanted


def state_wait(flow: str, **changes: Any) -> FlowServiceFlowStateSensor:
    arguments = {"task_id": "wait", "deferrable": True, "poke_interval": 30, "timeout": 3600, "retries": 0}
    return FlowServiceFlowStateSensor(flow_id=flow, state="enabled", **{**arguments, **changes})


def test_row_28_a_trigger_goes_on_once_the_backend_is_back(
    sandbox: Sandbox, time: VirtualClock, backend: SecretsBackend
) -> None:
    flow = make_flow(sandbox.hook)
    sandbox.control.clear_requests()
    began = time.monotonic()
    backend.hinder = lambda *_: refuse() if time.monotonic() - began < 200 else None
    ran = run("row_28", lambda: state_wait(flow))
    assert ran.succeeded, ran.errors
    assert len(sandbox.control.requests("GET", flow)) == 1
    assert 200 <= time.monotonic() - began <= 200 + sessions.PAUSE


def test_row_28_a_trigger_does_not_wait_for_a_backend_forever(
    sandbox: Sandbox, time: VirtualClock, backend: SecretsBackend
) -> None:
    flow = make_flow(sandbox.hook)
    sandbox.control.clear_requests()
    began = time.monotonic()
    backend.hinder = lambda *_: refuse()
    ran = run("row_28_down", lambda: state_wait(flow))
    assert isinstance(ran.error, FlowServiceTransientException)
    assert "secrets backend" in str(ran.error)
    assert sandbox.control.requests() == []
    assert time.monotonic() - began == sessions.PATIENCE


def test_row_28_a_backend_that_answers_late_is_waited_for(
    sandbox: Sandbox, time: VirtualClock, backend: SecretsBackend
) -> None:
    flow = make_flow(sandbox.hook)
    began = time.monotonic()

    def late(number: int, _: str) -> None:
        time.advance(45)
        if number == 2:
            refuse()  # so that the wait goes on in the triggerer

    backend.hinder = late
    ran = run("row_28_late", lambda: operators.activate(flow, SEGMENTS) >> state_wait(flow))
    assert ran.succeeded, ran.errors
    assert sandbox.selected(flow)[0] == SEGMENTS
    assert backend.lookups >= 3
    assert time.monotonic() - began >= 3 * 45


def trigger(flow: str, conn_id: str, deadline: float) -> FlowServiceTrigger:
    return FlowServiceTrigger(
        flowservice_conn_id=conn_id,
        sandbox=None,
        wait=FlowInState(flow_id=flow, state="enabled").to_json(),
        poll_interval=30.0,
        deadline=deadline,
    )


@pytest.fixture
def held(
    sandbox: Sandbox, backend: SecretsBackend, monkeypatch: pytest.MonkeyPatch
) -> Iterator[threading.Event]:
    """The backend does not answer for the connection ``slow`` until this is set."""
    control, released = sandbox.control, threading.Event()
    connection = flowservice_connection(control.url, control.credential)
    monkeypatch.setenv("AIRFLOW_CONN_SLOW", connection)
    backend.hinder = lambda _, conn_id: released.wait(30) if conn_id == "slow" else None
    yield released
    released.set()


def test_row_28_a_backend_that_does_not_answer_holds_up_no_other_trigger(
    sandbox: Sandbox, time: VirtualClock, backend: SecretsBackend, held: threading.Event
) -> None:
    flow, deadline = make_flow(sandbox.hook), time.wall() + 600

    async def both() -> tuple[dict[str, Any], dict[str, Any]]:
        other = asyncio.create_task(first_event(trigger(flow, "flowservice_default", deadline)))
        slow = asyncio.create_task(first_event(trigger(flow, "slow", deadline)))
        first = await asyncio.wait_for(other, 10)
        assert not slow.done()
        held.set()
        return first, await slow

    first, second = asyncio.run(both())
    assert first == second
    assert first["status"] == "done"


def test_row_28_a_look_up_that_is_never_answered_ends_at_the_deadline(
    sandbox: Sandbox, time: VirtualClock, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = make_flow(sandbox.hook)
    sandbox.control.clear_requests()
    monkeypatch.setattr(sessions, "PAUSE", 0.1)

    async def work() -> dict[str, Any]:
        try:
            return await asyncio.wait_for(first_event(trigger(flow, "slow", time.wall() + 0.1)), 10)
        finally:
            held.set()  # the thread that looks it up would hold up the end of the loop

    event = asyncio.run(work())
    assert event["status"] == "error"
    assert event["error"]["permanent"] is False
    assert "found no connection 'slow'" in event["error"]["message"]
    assert sandbox.control.requests() == []


# --- row 29: responses that are too much -----------------------------------------------------------------------

#: No more memory than this, in MB, whatever is sent: a body of 64 MB, and what it takes to read one.
MOST = 96
FLOW = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
#: What fails, as a permanent error or not, with a message.
Failure = tuple[bool, str]


def of_an_operator(operator: FlowServiceOperator) -> Failure:
    with pytest.raises((FlowServicePermanentException, FlowServiceTransientException)) as failed:
        run_operator(operator)
    return isinstance(failed.value, FlowServicePermanentException), str(failed.value)


def of_a_reader(_: RawServer, time: VirtualClock) -> Failure:
    return of_an_operator(FlowServiceSetFlowStateOperator(task_id="x", flow_id=FLOW, state="enabled"))


def of_a_poster(server: RawServer, time: VirtualClock) -> Failure:
    return of_an_operator(
        FlowServicePostToInletOperator(
            task_id="x", inlet_url=f"{server.url}/collection/a", messages=[{"a": 1}]
        )
    )


def of_a_trigger(_: RawServer, time: VirtualClock) -> Failure:
    event = fire(trigger(FLOW, "flowservice_default", time.wall() + 60))
    assert event["status"] == "error"
    return event["error"]["permanent"], event["error"]["message"]


SIDES = {"worker": of_a_reader, "worker that posts": of_a_poster, "triggerer": of_a_trigger}


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Leads the connection to a server."""

    def lead(server: RawServer, retries: int = 0) -> None:
        extra = {
            "org_id": "o@AdobeOrg",
            "sandbox": "dev",
            "ims_host": server.url,
            "collection_host": server.url,
            "access_token": "ready.t0ken.of.tests",
            "retries": retries,
        }
        connection = {"conn_type": "flowservice", "host": server.url, "login": "c", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", json.dumps(connection))

    return lead


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("too_much", TOO_MUCH)
def test_row_29_what_is_too_much_is_given_up_and_fills_no_memory(
    time: VirtualClock, hostile: Callable[..., None], too_much: str, side: str
) -> None:
    respond = TOO_MUCH[too_much]()
    with serving(respond) as server, peak_megabytes() as most:
        hostile(server)
        permanent, message = SIDES[side](server, time)
        assert most() < MOST
    assert permanent
    assert "limit of" in message
    assert len(server.requests) == 1


@pytest.mark.parametrize("side", ["worker", "triggerer"])
def test_row_29_large_responses_that_are_asked_for_again_do_not_add_up(
    time: VirtualClock, hostile: Callable[..., None], side: str
) -> None:
    content = gzip.compress(b'{"items": 5, "x": "' + b"x" * (30 * MB) + b'"}', compresslevel=1)
    with serving(sending(answer(content, GZIP))) as server, peak_megabytes() as most:
        hostile(server, retries=REQUEST_TRIES - 1)
        permanent, message = SIDES[side](server, time)
        assert most() < MOST
    assert not permanent
    assert "invalid response" in message
    assert len(server.requests) >= REQUEST_TRIES


@pytest.mark.parametrize("side", SIDES)
def test_row_29_headers_without_end_fill_no_memory(
    time: VirtualClock, hostile: Callable[..., None], side: str
) -> None:
    with serving(TOO_MANY_HEADERS) as server, peak_megabytes() as most:
        hostile(server)
        permanent, message = SIDES[side](server, time)
        assert most() < MOST
    assert not permanent
    assert message


#: What a value is replaced with.
WRONG: tuple[Any, ...] = (None, True, 5, "x", [5], {"x": None})


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_row_29_a_value_of_a_wrong_type_is_an_error_of_the_clients_wherever_it_is(transport: str) -> None:
    content = b""

    def respond(connection: Any) -> None:
        connection.sendall(content)

    escaped, failed = [], 0
    with (
        serving(respond, keep=True) as server,
        open_client(transport, server.settings(retries=0, read_timeout=5)) as client,
    ):
        for kind in kinds.kinds():
            for changed in one_wrong(kind.document):
                content = answer(json.dumps(changed).encode())
                try:
                    kind.use(client.send(kind.request))
                except FlowServiceError:
                    failed += 1
                except Exception as error:  # noqa: BLE001 (each that escapes is told with what it was raised for)
                    escaped.append((kind.name, changed, repr(error)[:200]))
    assert escaped == []
    assert failed > 500


def one_wrong(document: Any) -> Iterator[Any]:
    """A document with each of its values replaced in turn, itself among them."""
    holder = [json.loads(json.dumps(document))]
    for parent, key in list(mutations.places(holder)):
        right = parent[key]
        for wrong in WRONG:
            if type(wrong) is not type(right):
                parent[key] = wrong
                yield holder[0]
        parent[key] = right
