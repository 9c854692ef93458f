"""The fault matrix, its rows 28 and 29: Airflow's own outages, and responses that are too much."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.secrets.environment_variables import EnvironmentVariablesBackend

from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.waits import FlowInState
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.operators.base import FlowServiceOperator
from airflow_provider_flowservice.operators.flows import FlowServiceSetFlowStateOperator
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.triggers import sessions
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.fuzz import kinds, mutations
from tests.support import operators
from tests.support.aep import make_flow
from tests.support.airflow import flowservice_connection
from tests.support.clients import TRANSPORTS, open_client
from tests.support.dags import run
from tests.support.deferral import run_to_end
from tests.support.hostile import GZIP, TOO_MANY_HEADERS, TOO_MUCH
from tests.support.memory import MB, peak_megabytes
from tests.support.operation import REQUEST_TRIES, SEGMENTS, Operation, Sandbox
from tests.support.operations import operations
from tests.support.outage import Database, SecretsBackend, refuse
from tests.support.raw import RawServer, answer, sending, serving
from tests.support.tasks import Attempts
from tests.support.tasks import run as run_operator
from tests.support.triggers import fire, first_event

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("airflow_database")]

OPERATIONS = [pytest.param(each, id=each.name) for each in operations()]


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
