from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.triggers.events import FlowRunCompletedTrigger
from tests.support.airflow import flowservice_connection
from tests.support.batch import make_batch_flow
from tests.support.faults import fault

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
RUNS = "/flowservice/runs"
HOUR = 3600

Events = list[dict[str, Any]]
Actions = Mapping[float, Callable[[], object]]


class Store:
    """What an asset's state store offers a trigger, and what was kept in it."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.fails = False

    async def aget(self, key: str, default: Any = None) -> Any:
        self._check()
        return json.loads(self.kept[key]) if key in self.kept else default

    async def aset(self, key: str, value: Any) -> None:
        self._check()
        self.kept[key] = json.dumps(value)

    def _check(self) -> None:
        if self.fails:
            raise RuntimeError("the API server does not answer")


class SharedStore(Store):
    """The store of a trigger that several assets have."""

    async def aget(self, key: str, default: Any = None) -> Any:
        raise ValueError("Task has 2 concrete inlets and outlets")


@pytest.fixture
def control(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorControl:
    """An emulator whose clients give a request up at its first failure."""
    connection = flowservice_connection(emulator.url, emulator.control.credential, retries=0)
    monkeypatch.setenv("AIRFLOW_CONN_IMPATIENT", connection)
    emulator.control.set_switches(scheduled_runs=False, run_seconds=100)
    return emulator.control


@pytest.fixture
def time(control: EmulatorControl) -> Iterator[VirtualClock]:
    with clock.installed(VirtualClock.in_step_with(control)) as virtual:
        assert isinstance(virtual, VirtualClock)
        yield virtual


@pytest.fixture
def flow(hook: FlowServiceHook) -> str:
    return make_batch_flow(hook)


@pytest.fixture
def start(hook: FlowServiceHook, control: EmulatorControl, flow: str) -> Callable[..., str]:
    """Starts a run of the flow and returns its id."""

    def start(seconds: int = 100, outcome: str = "success") -> str:
        control.set_switches(run_seconds=seconds, run_outcome=outcome)
        return hook.send(create_run(flow, Window(1_700_000_000, 1_700_000_001))).id

    return start


@pytest.fixture
def watch(time: VirtualClock, control: EmulatorControl, flow: str) -> Callable[..., Events]:
    """Runs a trigger for some time, and cancels it as a triggerer does that stops. Returns what it has fired."""

    def watch(
        seconds: float,
        actions: Actions | None = None,
        store: Store | None = None,
        most: float = float("inf"),
        until: Callable[[Events], bool] = lambda _: False,
        **arguments: Any,
    ) -> Events:
        began, pending = time.wall(), sorted((actions or {}).items())

        def moved(by: float) -> None:
            control.advance(by)
            while pending and time.wall() >= began + pending[0][0]:
                pending.pop(0)[1]()
            if time.wall() >= began + seconds or until(fired):
                raise asyncio.CancelledError

        trigger = FlowRunCompletedTrigger(
            **{"flow_id": flow, "flowservice_conn_id": "impatient", **arguments}
        )
        trigger.asset_state_store = store  # type: ignore[assignment]
        fired: Events = []

        async def run() -> None:
            async for event in trigger.run():
                fired.append(event.payload)
                if len(fired) >= most:
                    return
            raise AssertionError("it ended by itself")

        time.follow(moved)
        try:
            asyncio.run(run())
        except asyncio.CancelledError:
            pass
        finally:
            time.follow(control.advance)
        return fired

    return watch


Watch = Callable[..., Events]
Start = Callable[..., str]


def ids(events: Events) -> list[str]:
    return [event["run_id"] for event in events]


def test_a_run_that_ends_fires_once(
    control: EmulatorControl, flow: str, watch: Watch, start: Start, time: VirtualClock
) -> None:
    (event,) = watch(600, {10: start})
    (run,) = control.state()["runs"]
    assert event == {
        "run_id": run["id"],
        "flow_id": flow,
        "state": "success",
        "created_at": event["created_at"],
        "ended_at": event["ended_at"],
        "records_read": 1000,
        "records_written": 1000,
        "records_failed": 0,
    }
    assert event["created_at"].endswith("+00:00")
    assert event["created_at"] < event["ended_at"]
    assert json.loads(json.dumps(event)) == event
    assert all(54 <= seconds <= 66 for seconds in time.sleeps)


def test_runs_fire_in_the_order_of_their_ends(watch: Watch, start: Start) -> None:
    started: dict[str, str] = {}

    def start_all() -> None:
        started.update(slow=start(300), failed=start(200, "failed"), fast=start(100, "partialSuccess"))

    events = watch(900, {10: start_all}, poll_interval=400)
    assert ids(events) == [started["fast"], started["failed"], started["slow"]]
    assert [event["state"] for event in events] == ["partialSuccess", "failed", "success"]
    assert [event["records_failed"] for event in events] == [1, 1000, 0]


def test_a_run_that_was_created_earlier_and_ends_later_is_not_skipped(watch: Watch, start: Start) -> None:
    store, slow = Store(), []
    at: dict[float, Callable[[], object]] = {hour * HOUR: start for hour in range(1, 8)}
    at[10] = lambda: slow.append(start(10 * HOUR))
    events = watch(9 * HOUR, at, store, poll_interval=600)
    assert len(events) == 7
    assert ids(watch(3 * HOUR, store=store, poll_interval=600)) == slow


def test_what_ended_before_the_start_does_not_fire_and_what_goes_on_does(
    control: EmulatorControl, time: VirtualClock, watch: Watch, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    start(10)
    going = start(1000)
    time.advance(30)
    control.inject(fault("status", "GET", "runs", times=2, status=503))
    assert ids(watch(1800)) == [going]
    said = [message for message in caplog.messages if "from now on" in message]
    assert len(said) == 1
    assert said[0].endswith("reporting the runs that end from now on: Airflow keeps no state for assets")


def test_what_ends_while_aep_does_not_answer_fires(
    control: EmulatorControl, watch: Watch, start: Start
) -> None:
    run = start(100)
    control.inject(fault("status", "GET", "runs", times=5, status=503))
    assert ids(watch(900)) == [run]
    assert control.faults_left() == []


def test_after_a_restart_nothing_is_lost_and_nothing_repeated_that_was_kept(
    watch: Watch, start: Start
) -> None:
    store = Store()
    first = watch(600, {10: start}, store)
    assert len(first) == 1
    meanwhile = [start(), start()]
    going = start(1000)
    assert watch(60, store=store) == []
    assert sorted(ids(watch(600, store=store))) == sorted(meanwhile)
    assert ids(watch(1000, store=store)) == [going]
    assert watch(1000, store=store) == []


@pytest.mark.parametrize("most", [1, 2, 3])
def test_what_is_kept_is_not_ahead_of_the_events(watch: Watch, start: Start, most: int) -> None:
    store = Store()
    before = watch(400, {10: start}, store)
    runs = {start(), start(), start()}
    fired = watch(400, store=store, most=most)
    assert len(fired) == most
    again = watch(400, store=store)
    assert set(ids(again)) == runs
    assert len(again) == 3
    assert not set(ids(before)) & runs


def test_what_is_kept_waits_for_airflow_to_take_the_events(watch: Watch, start: Start) -> None:
    store = Store()
    fired = watch(900, {10: start}, store, until=bool)
    assert len(fired) == 1
    assert watch(900, store=store) == fired


def test_what_is_kept_waits_for_airflow_however_short_the_interval_is(watch: Watch, start: Start) -> None:
    store = Store()
    fired = watch(115, {10: start}, store, poll_interval=1)
    assert len(fired) == 1
    assert watch(60, store=store, poll_interval=1) == fired


def test_what_ends_without_a_trigger_fires_even_if_the_first_has_polled_only_once(
    watch: Watch, start: Start, time: VirtualClock
) -> None:
    store = Store()
    assert watch(10, store=store) == []
    run = start()
    time.advance(200)
    assert ids(watch(100, store=store)) == [run]


def test_a_store_that_fails_stops_nothing(
    watch: Watch, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    store.fails = True
    going = start(400)
    assert ids(watch(900, {200: lambda: setattr(store, "fails", False)}, store)) == [going]
    assert "cannot be watched; trying again" in caplog.text
    store.fails = True
    assert watch(200, {100: start}, store) == []
    store.fails = False
    assert len(watch(900, store=store)) == 1


@pytest.mark.parametrize("stored", ['"nonsense"', '{"settled": "x"}'])
def test_what_is_stored_and_cannot_be_read_starts_anew(watch: Watch, start: Start, stored: str) -> None:
    store = Store()
    watch(100, {10: start}, store)
    (key,) = store.kept
    store.kept[key] = stored
    assert len(watch(600, {10: start}, store)) == 2
    assert store.kept[key] != stored


def test_a_watcher_of_several_assets_keeps_nothing(
    watch: Watch, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store = SharedStore()
    assert len(watch(600, {10: start}, store)) == 1
    assert store.kept == {}
    assert "several assets have this watcher" in caplog.text


def test_only_the_given_states_fire_and_the_others_are_dealt_with(watch: Watch, start: Start) -> None:
    store, runs = Store(), []

    def start_both() -> None:
        runs.extend([start(), start(outcome="failed")])

    assert ids(watch(600, {10: start_both}, store, states=["failed"])) == runs[1:]
    assert watch(600, store=store, states=["failed"]) == []
    (key,) = store.kept
    assert key.endswith("-failed")


def test_all_pages_are_read(control: EmulatorControl, watch: Watch, start: Start) -> None:
    store, runs = Store(), []
    watch(100, store=store)
    runs += [start() for _ in range(45)]
    assert sorted(ids(watch(600, store=store))) == sorted(runs)
    control.clear_requests()
    assert watch(4 * HOUR, {2 * HOUR: start}, store, poll_interval=600)
    assert len(control.requests("GET", RUNS)) <= 4 * 6 * 3 + 3
    control.clear_requests()
    watch(600, store=store)
    assert len(control.requests("GET", RUNS)) <= 11


@pytest.mark.parametrize(
    "failing",
    [
        fault("status", "GET", "runs", times=4, status=503),
        fault("status", "GET", "runs", times=2, status=429, headers={"Retry-After": "100"}),
        fault("reset", "GET", "runs", times=3),
        fault("status", "GET", "runs", times=3, status=200, body={"nothing": "known"}),
        fault("status", "GET", "flows/*", times=2, status=500),
    ],
    ids=["503", "429", "reset", "nonsense", "flow"],
)
def test_errors_that_pass_do_not_end_it(
    control: EmulatorControl,
    watch: Watch,
    start: Start,
    caplog: pytest.LogCaptureFixture,
    failing: dict[str, Any],
) -> None:
    def fail_and_start() -> None:
        control.inject(failing)
        start()

    events = watch(3 * HOUR, {200: fail_and_start})
    assert len(events) == 1
    assert control.faults_left() == []
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_a_flow_that_does_not_exist_is_said_clearly_and_asked_for_seldom(
    control: EmulatorControl, watch: Watch, time: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    assert watch(HOUR, flow_id=UNKNOWN) == []
    assert 5 <= len(control.requests("GET", f"/flows/{UNKNOWN}")) <= 7
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) >= 5
    assert all(UNKNOWN in error and "no DAG is started when its runs end" in error for error in errors)


def test_a_flow_that_is_deleted_is_noticed(
    hook: FlowServiceHook, flow: str, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch(2 * HOUR, {600: lambda: hook.delete(request.FLOWS, flow)}, poll_interval=300)
    assert any(record.levelname == "ERROR" and flow in record.getMessage() for record in caplog.records)


def test_a_permission_that_comes_back_is_used(
    control: EmulatorControl, watch: Watch, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    forbidden = fault("status", "GET", "runs", times=2, status=403)
    assert len(watch(HOUR, {10: lambda: control.inject(forbidden), 20: start})) == 1
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 2
    assert control.credential.client_secret not in caplog.text


def test_watchers_of_one_connection_ask_together(
    control: EmulatorControl, hook: FlowServiceHook, time: VirtualClock
) -> None:
    flows = [make_batch_flow(hook) for _ in range(6)]
    runs = [hook.send(create_run(flow, Window(1_700_000_000, 1_700_000_001))).id for flow in flows]

    async def first(flow: str) -> str:
        async for event in FlowRunCompletedTrigger(flow_id=flow).run():
            return str(event.payload["run_id"])
        raise AssertionError

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(first, flows))

    control.clear_requests()
    assert asyncio.run(all_of_them()) == runs
    rounds = len(time.sleeps) / len(flows)
    assert len(control.requests("GET", RUNS)) < 3 * rounds + 6


def test_it_survives_serialization_and_has_one_hash() -> None:
    from tests.support.moved import serde

    before = FlowRunCompletedTrigger(flow_id=UNKNOWN, sandbox="prod", states=("success", "failed"))
    path, arguments = before.serialize()
    assert path == "airflow_provider_flowservice.triggers.events.FlowRunCompletedTrigger"
    assert arguments == {
        "flow_id": UNKNOWN,
        "flowservice_conn_id": "flowservice_default",
        "sandbox": "prod",
        "poll_interval": 60.0,
        "states": ["failed", "success"],
    }
    through_json = json.loads(json.dumps(arguments))
    through_serde = serde.deserialize(json.loads(json.dumps(serde.serialize(arguments))))
    for way in (through_json, through_serde):
        after = FlowRunCompletedTrigger(**way)
        assert after.serialize() == (path, arguments)
        assert after.hash(*after.serialize()) == before.hash(path, arguments)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"flow_id": "{{ var.value.flow }}"}, "flow_id"),
        ({"flow_id": None}, "flow_id"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"poll_interval": "soon"}, "poll_interval"),
        ({"states": "failed"}, "states"),
        ({"states": []}, "states"),
        ({"states": ["running"]}, "states"),
    ],
)
def test_a_wrong_argument_is_rejected_when_the_dag_is_parsed(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        FlowRunCompletedTrigger(**{"flow_id": UNKNOWN, **arguments})
    assert caught.value.field == field
