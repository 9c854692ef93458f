from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.sdk import BaseHook

from airflow_provider_flowservice.client.activation.mismatch import Keys, Mismatch
from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport
from airflow_provider_flowservice.client.waits import TOLERATED_FAILURES, SelectorsMapped, ThisRunSucceeded
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import START, VirtualClock
from airflow_provider_flowservice.triggers import base, sessions
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.support.aep import make_flow
from tests.support.airflow import flowservice_connection
from tests.support.faults import fault
from tests.support.triggers import fire, first_event

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"


@pytest.fixture
def control(
    emulator: EmulatorServer, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> EmulatorControl:
    """An emulator whose clients give a request up at its first failure."""
    connection = flowservice_connection(emulator.url, emulator.control.credential, retries=0)
    monkeypatch.setenv("AIRFLOW_CONN_IMPATIENT", connection)
    return emulator.control


@pytest.fixture
def flow(control: EmulatorControl) -> str:
    """A flow that sends one segment."""
    hook = FlowServiceHook()
    flow = make_flow(hook)
    hook.activate_segments(flow, control.segments[:1])
    hook.close()
    control.clear_requests()
    return flow


def trigger(
    flow: str, segments: list[str], profile_attributes: tuple[str, ...] = (), **changes: Any
) -> FlowServiceTrigger:
    wait = SelectorsMapped(flow_id=flow, segments=tuple(segments), attributes=profile_attributes)
    arguments: dict[str, Any] = {
        "flowservice_conn_id": "impatient",
        "sandbox": None,
        "wait": wait.to_json(),
        "poll_interval": 30.0,
        "deadline": START + 300,
    }
    return FlowServiceTrigger(**{**arguments, **changes})


def polls(control: EmulatorControl) -> int:
    return len(control.requests("GET", "/flows/"))


def test_it_fires_when_everything_is_mapped(control: EmulatorControl, flow: str) -> None:
    event = fire(trigger(flow, control.segments[:1]))
    assert (event["status"], event["detail"]["mismatch"]) == ("done", Mismatch().to_json())
    assert polls(control) == 1


def test_it_says_what_is_missing_when_the_deadline_passes(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock
) -> None:
    event = fire(trigger(flow, control.segments[:2], profile_attributes=("a.b",)))
    missing = Mismatch(missing_segments=Keys.of([control.segments[1]]), missing_attributes=Keys.of(["a.b"]))
    assert (event["status"], event["detail"]["mismatch"]) == ("timeout", missing.to_json())
    assert virtual_clock.wall() - START == pytest.approx(300)
    assert 10 <= polls(control) <= 13


def test_polls_are_spread_and_the_last_one_is_at_the_deadline(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock
) -> None:
    fire(trigger(flow, control.segments[:2]))
    *waits, last = virtual_clock.sleeps
    assert all(27 <= seconds <= 33 for seconds in waits)
    assert len(set(waits)) > 1
    assert last <= 33


def test_a_restart_does_not_move_the_deadline(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock
) -> None:
    _, arguments = trigger(flow, control.segments[:2]).serialize()
    virtual_clock.advance(200)
    assert fire(FlowServiceTrigger(**arguments))["status"] == "timeout"
    assert virtual_clock.wall() - START == pytest.approx(300)


def test_a_deadline_that_has_passed_still_looks_once(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock
) -> None:
    assert fire(trigger(flow, control.segments[:1], deadline=START - 5))["status"] == "done"
    assert fire(trigger(flow, control.segments[:2], deadline=START - 5))["status"] == "timeout"
    assert virtual_clock.sleeps == []


def test_it_survives_serialisation(control: EmulatorControl) -> None:
    from tests.support.moved import serde

    before = trigger(UNKNOWN, control.segments[:2], profile_attributes=("a",), sandbox="prod")
    path, arguments = before.serialize()
    assert path == "airflow_provider_flowservice.triggers.base.FlowServiceTrigger"
    through_json = json.loads(json.dumps(arguments))
    through_serde = serde.deserialize(json.loads(json.dumps(serde.serialize(arguments))))
    assert through_json == arguments == through_serde
    for way in (through_json, through_serde):
        assert FlowServiceTrigger(**way).serialize() == before.serialize()


def test_its_arguments_hold_no_secret(control: EmulatorControl) -> None:
    _, arguments = trigger(UNKNOWN, control.segments[:1]).serialize()
    assert control.credential.client_secret not in json.dumps(arguments)
    assert set(arguments) == {"flowservice_conn_id", "sandbox", "wait", "poll_interval", "deadline", "caller"}
    assert set(arguments["wait"]) == {
        "wait",
        "flow_id",
        "segments",
        "attributes",
        "absent",
        "exact",
        "fail_fast",
        "first_update",
    }


def test_some_failed_polls_in_a_row_are_tolerated(control: EmulatorControl, flow: str) -> None:
    faults = [
        fault("status", "GET", "flows/*", times=TOLERATED_FAILURES - 1, status=503),
        fault("reset", "GET", "flows/*"),
    ]
    control.inject(*faults)
    assert fire(trigger(flow, control.segments[:1]))["status"] == "done"
    assert polls(control) == TOLERATED_FAILURES + 1
    assert control.faults_left() == []


def test_a_good_poll_starts_the_count_anew(control: EmulatorControl, flow: str) -> None:
    failing = fault("status", "GET", "flows/*", times=TOLERATED_FAILURES, status=503)
    control.inject(failing, {**failing, "after": TOLERATED_FAILURES + 1})
    assert fire(trigger(flow, control.segments[:2], deadline=START + 3_000))["status"] == "timeout"
    assert control.faults_left() == []


def test_too_many_failed_polls_in_a_row_are_an_error(control: EmulatorControl, flow: str) -> None:
    control.inject(fault("status", "GET", "flows/*", times=TOLERATED_FAILURES + 1, status=503))
    event = fire(trigger(flow, control.segments[:1]))
    assert event["status"] == "error"
    assert event["error"]["permanent"] is False
    assert event["error"]["status"] == 503
    assert control.faults_left() == []


def test_a_wish_to_wait_is_kept_between_polls(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock
) -> None:
    busy = fault("status", "GET", "flows/*", status=429, headers={"Retry-After": "50"})
    control.inject(busy)
    assert fire(trigger(flow, control.segments[:1]))["status"] == "done"
    assert virtual_clock.sleeps[0] == 50


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"flow": UNKNOWN}, 404),
        ({"sandbox": "missing"}, 404),
        ({"flowservice_conn_id": "kinesis_destination"}, None),
    ],
)
def test_what_will_not_pass_ends_the_wait_at_once(
    control: EmulatorControl,
    flow: str,
    virtual_clock: VirtualClock,
    changes: dict[str, Any],
    status: int | None,
) -> None:
    event = fire(trigger(**{"flow": flow, "segments": control.segments[:1], **changes}))
    assert event["status"] == "error"
    assert (event["error"]["permanent"], event["error"]["status"]) == (True, status)
    assert virtual_clock.sleeps == []
    assert json.loads(json.dumps(event)) == event


@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize(("seconds", "looks"), [(10_000, 21), (100, 4), (0, 1)])
def test_a_connection_that_airflow_does_not_find_is_looked_up_for_ten_minutes_and_not_beyond_the_deadline(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, mocker: Any, seconds: int, looks: int
) -> None:
    looked = mocker.spy(BaseHook, "get_connection")
    event = fire(
        trigger(flow, control.segments[:1], flowservice_conn_id="not_defined", deadline=START + seconds)
    )
    assert event["status"] == "error"
    assert event["error"]["permanent"] is False
    assert event["error"]["message"].startswith(
        "flowservice_conn_id: Airflow has found no connection 'not_defined'."
    )
    assert looked.call_count == looks
    assert sum(virtual_clock.sleeps) <= min(600, seconds)
    assert polls(control) == 0


@pytest.mark.usefixtures("airflow_database")
def test_a_connection_that_comes_back_is_used(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def come_back(_: float) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_AWAY", flowservice_connection(control.url, control.credential))

    virtual_clock.follow(come_back)
    event = fire(trigger(flow, control.segments[:1], flowservice_conn_id="away"))
    assert event["status"] == "done"
    assert virtual_clock.sleeps == [sessions.PAUSE]


def test_triggers_of_one_loop_and_connection_share_one_transport(
    control: EmulatorControl, flow: str, mocker: Any
) -> None:
    opened = mocker.spy(AiohttpTransport, "__init__")
    closed = mocker.spy(AiohttpTransport, "close")

    async def many() -> list[str]:
        same = [trigger(flow, control.segments[:2]) for _ in range(5)]
        other = trigger(flow, control.segments[:1], sandbox="prod")
        events = await asyncio.gather(*(first_event(each) for each in (*same, other)))
        assert sessions._loops[asyncio.get_running_loop()] == {}
        return [event["status"] for event in events]

    assert asyncio.run(many()) == ["timeout"] * 5 + ["error"]
    assert opened.call_count == closed.call_count == 2


def test_the_connection_is_looked_up_once_however_often_it_polls(
    control: EmulatorControl, flow: str, mocker: Any
) -> None:
    looked_up = mocker.spy(sessions, "connection_settings")
    assert fire(trigger(flow, control.segments[:2]))["status"] == "timeout"
    assert polls(control) > 5
    assert looked_up.call_count == 1


def test_a_trigger_that_is_cancelled_gives_its_transport_back(
    control: EmulatorControl, flow: str, mocker: Any
) -> None:
    closed = mocker.spy(AiohttpTransport, "close")

    async def cancel() -> None:
        waiting = asyncio.create_task(first_event(trigger(flow, control.segments[:2], deadline=START + 1e9)))
        while not control.requests("GET", "/flows/"):
            await asyncio.wait({waiting}, timeout=0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancel())
    assert closed.call_count == 1


def test_whoever_ends_a_wait_is_told_what_goes_on(
    control: EmulatorControl, flow: str, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(trigger(flow, control.segments[:2]).on_kill())
    of_run = FlowServiceTrigger(
        flowservice_conn_id="flowservice_default",
        sandbox=None,
        wait=ThisRunSucceeded(flow_id="f", run_id="r").to_json(),
        poll_interval=30,
        deadline=START,
    )
    asyncio.run(of_run.on_kill())
    assert caplog.messages == [
        "Somebody has ended this wait",
        "Somebody has ended this wait; run r of flow f may go on: AEP has no call that stops a run",
    ]
    assert control.requests() == []


def test_a_call_that_is_held_up_does_not_keep_a_trigger_beyond_its_deadline(
    control: EmulatorControl, flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "LAST_SECONDS", 0.2)
    control.inject(fault("delay", "GET", "flows/*", seconds=3600))
    event = fire(trigger(flow, control.segments[:2], deadline=START))
    assert event["status"] == "error"
    assert event["error"]["message"] == "AEP has not responded before the deadline of the wait"
    assert not event["error"]["permanent"]
