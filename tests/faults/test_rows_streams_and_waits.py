"""The fault matrix, its rows 12 to 22: inlets, interrupted tasks, waits, parallel runs, settings, clocks."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_flowservice.client.http import AiohttpTransport, request
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
    FlowServiceWaitTimeout,
)
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowValidationSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.faults.kinds import REQUEST_TRIES
from tests.support import airflow as support
from tests.support import operators
from tests.support.aep import KINESIS_SECRET, ids, make_flow, writes
from tests.support.crowd import all_at_once
from tests.support.dags import Ran, run
from tests.support.faults import fault
from tests.support.kills import Killed, die_at
from tests.support.operation import NAME, SEGMENTS, Sandbox
from tests.support.operations import kept, operations
from tests.support.streaming import Source, people
from tests.support.tasks import RecordingTaskInstance, TaskStateStore
from tests.support.tasks import run as run_operator
from tests.support.triggers import first_event

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("airflow_database")]

INLET = "/collection/*"
AT_ONCE = pytest.mark.parametrize("concurrency", [1, 8], ids="{} at once".format)


def die_after(patched: pytest.MonkeyPatch, method: str, path: str, count: int) -> None:
    """End the task right after its ``count``-th such request was carried out."""

    def counts(_: Any, step: Any) -> bool:
        return step.method == method and path in step.path

    for transport in (RequestsTransport, AiohttpTransport):
        die_at(patched, transport, "_attempt", "after", count, counts=counts)


def post(source: Source, messages: Any, **changes: Any) -> FlowServicePostToInletOperator:
    arguments = {
        "task_id": "post",
        "connection_id": source.connection_id,
        "flow_id": source.flow_id,
        "settle_seconds": 0,
        "concurrency": 1,
    }
    return FlowServicePostToInletOperator(messages=messages, **{**arguments, **changes})


def sends(control: EmulatorControl) -> list[int | None]:
    return [entry["status"] for entry in control.requests("POST", "/collection/")]


def letters(path: Path) -> list[int]:
    """The positions of the records among the dead letters."""
    return [json.loads(line)["position"] for line in path.read_text().splitlines()]


def test_row_1_a_token_that_an_inlet_refuses_is_renewed_once(
    control: EmulatorControl, source: Source, time: VirtualClock
) -> None:
    control.set_switches(inlet_bad_token="403")
    control.inject(fault("expire_token", "POST", INLET))
    ran = run("row_1_inlet", lambda: post(source, people(3)))
    assert ran.succeeded
    assert sends(control) == [403, 207]
    assert sorted(kept(control, source)) == [0, 1, 2]
    assert ran.results["post"]["maybe_duplicated"] == 0
    assert len(control.requests(path="/ims/token/v3")) == 1
    assert control.faults_left() == []
    assert time.monotonic() <= 1


def test_row_12_every_element_of_a_mixed_answer_is_accounted_for(
    control: EmulatorControl, source: Source, time: VirtualClock, tmp_path: Path
) -> None:
    answer = [
        {"xactionId": "1"},
        {"status": 400, "xactionId": "2", "message": "bad"},
        {"statusCode": 503, "message": "busy"},
        {},
    ]
    control.inject(fault("status", "POST", INLET, status=207, body={"responses": answer}))
    file = tmp_path / "dead.jsonl"
    ran = run("row_12", lambda: post(source, people(5), max_failures=3, dead_letter_path=f"file://{file}"))
    assert ran.succeeded
    result = ran.results["post"]
    assert (result["accepted"], result["rejected"], result["unknown"]) == (2, 1, 2)
    assert result["maybe_duplicated"] == 0
    assert letters(file) == [1, 3, 4]
    # The busy one alone was sent again; the first answer was made up, so nothing else is there.
    assert kept(control, source) == [2]
    assert sends(control) == [207, 207]
    assert control.faults_left() == []
    assert time.monotonic() <= 1


def test_row_12_too_many_refusals_fail_the_task_for_good(
    control: EmulatorControl, source: Source, time: VirtualClock
) -> None:
    answer = [{"xactionId": "1"}, {"status": 400, "message": "bad"}, {"xactionId": "3"}]
    control.inject(fault("status", "POST", INLET, status=207, body={"responses": answer}))
    ran = run("row_12_fails", lambda: post(source, people(3)))
    assert isinstance(ran.error, FlowServicePermanentException)
    assert "2 records were accepted, 1 rejected" in str(ran.error)
    assert sends(control) == [207]
    assert kept(control, source) == []
    assert control.faults_left() == []
    assert time.monotonic() <= 1


def test_row_13_what_is_too_large_is_halved_and_a_single_one_put_aside(
    control: EmulatorControl, source: Source, time: VirtualClock, tmp_path: Path
) -> None:
    control.set_switches(inlet_limit_bytes=1500)
    messages = people(10, filling="x" * 300)
    messages[4]["filling"] = "x" * 3000
    messages[7]["filling"] = "x" * 1_000_001
    file = tmp_path / "dead.jsonl"
    control.inject(fault("status", "POST", INLET, status=413))
    ran = run("row_13", lambda: post(source, messages, max_failures=2, dead_letter_path=f"file://{file}"))
    assert ran.succeeded
    result = ran.results["post"]
    assert (result["accepted"], result["rejected"], result["unknown"]) == (8, 2, 0)
    assert sorted(kept(control, source)) == [0, 1, 2, 3, 5, 6, 8, 9]
    assert sorted(letters(file)) == [4, 7]
    assert set(sends(control)) == {207, 413}
    assert len(sends(control)) <= 12
    assert control.faults_left() == []
    assert time.monotonic() <= 1


@AT_ONCE
def test_row_14_a_batch_whose_answer_is_lost_is_sent_again_and_counted(
    control: EmulatorControl, source: Source, time: VirtualClock, concurrency: int
) -> None:
    control.inject(fault("reset_after", "POST", INLET, after=1))
    ran = run("row_14", lambda: post(source, people(6, _id="stable"), batch_size=2, concurrency=concurrency))
    assert ran.succeeded
    result = ran.results["post"]
    assert (result["accepted"], result["maybe_duplicated"]) == (6, 2)
    sent = control.requests("POST", "/collection/")
    (lost,) = [entry["body"] for entry in sent if entry["status"] is None]
    assert sorted(entry["status"] or 0 for entry in sent) == [0, 207, 207, 207]
    assert [entry["body"] for entry in sent].count(lost) == 2
    twice = {message["n"] for message in lost["messages"]}
    assert Counter(kept(control, source)) == {n: 2 if n in twice else 1 for n in range(6)}
    assert concurrency > 1 or twice == {2, 3}
    assert control.faults_left() == []
    assert time.monotonic() <= 1


@pytest.mark.parametrize("if_exists", ["reuse", "create", "fail"])
@pytest.mark.parametrize("hidden_for", [0, 10], ids=["listed at once", "listed late"])
def test_row_15_a_create_that_was_interrupted_is_taken_up_by_the_next_attempt(
    sandbox: Sandbox, time: VirtualClock, monkeypatch: pytest.MonkeyPatch, if_exists: str, hidden_for: int
) -> None:
    # Real kills are in tests/crash.
    control, store = sandbox.control, TaskStateStore()
    if hidden_for:
        control.inject(fault("eventual", "POST", "connections", seconds=hidden_for))
    die_after(monkeypatch, "POST", "/connections", 1)
    context = {"ti": RecordingTaskInstance(), "task_state_store": store}
    with pytest.raises(Killed):
        operators.create_kinesis(NAME, if_exists=if_exists).execute(context)
    assert store
    created = operators.create_kinesis(NAME, if_exists=if_exists).execute(context)
    assert ids(control.state()["connections"]) == [created]
    assert writes(control) == [("POST", "connections")]
    assert context["ti"].pushed["created"]
    assert KINESIS_SECRET not in json.dumps(store)
    assert not store
    assert control.faults_left() == []
    assert time.monotonic() <= 16


@AT_ONCE
def test_row_15_a_posting_that_was_interrupted_goes_on_where_it_stopped(
    control: EmulatorControl,
    source: Source,
    time: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    concurrency: int,
) -> None:
    store = TaskStateStore()
    options = {"batch_size": 2, "resend_window": 2, "concurrency": concurrency}
    context = {"ti": RecordingTaskInstance(), "task_state_store": store}
    with monkeypatch.context() as patched:
        die_after(patched, "POST", "/collection/", 2)
        with pytest.raises(Killed):
            post(source, people(6), **options).execute(context)
    result = post(source, people(6), **options).execute(context)
    # Only the batch that was on its way may be there twice.
    assert Counter(kept(control, source)) == {0: 1, 1: 1, 2: 2, 3: 2, 4: 1, 5: 1}
    assert (result["accepted"], result["maybe_duplicated"]) == (6, 2)
    assert sends(control) == [207] * 4
    assert not store
    assert control.faults_left() == []
    assert time.monotonic() <= 1


def wait_for(flow: Any, segments: list[str], **changes: Any) -> FlowServiceFlowValidationSensor:
    arguments = {"task_id": "wait", "deferrable": True, "poke_interval": 30, "timeout": 600}
    return FlowServiceFlowValidationSensor(flow_id=flow, segments=segments, **{**arguments, **changes})


def test_row_16_a_trigger_that_runs_twice_and_later_keeps_its_deadline(
    sandbox: Sandbox, time: VirtualClock
) -> None:
    flow = make_flow(sandbox.hook)
    sandbox.control.clear_requests()
    began = time.wall()
    with pytest.raises(TaskDeferred) as deferred:
        wait_for(flow, SEGMENTS).execute({})
    _, arguments = json.loads(json.dumps(deferred.value.trigger.serialize()))
    time.advance(400)  # the triggerer was away for so long

    async def both() -> list[dict[str, Any]]:
        copies = [FlowServiceTrigger(**arguments) for _ in range(2)]
        return await asyncio.gather(*map(first_event, copies))

    first, second = asyncio.run(both())
    assert first == second
    assert first["status"] == "timeout"
    assert sandbox.selected(flow) == ([], [])
    assert {entry["method"] for entry in sandbox.control.requests(path="/flows/")} == {"GET"}
    assert sandbox.control.faults_left() == []
    # Both sleep on one clock, which adds their waits up.
    assert 600 <= time.wall() - began <= 660


def test_row_17_polls_that_fail_now_and_then_do_not_end_a_wait(sandbox: Sandbox, time: VirtualClock) -> None:
    control, flow = sandbox.control, make_flow(sandbox.hook)
    sandbox.hook.activate_segments(flow, SEGMENTS)
    control.clear_requests()
    failing = 4 * REQUEST_TRIES  # the look before the wait, and three polls
    control.inject(fault("status", "GET", "flows/*", times=failing, status=503))
    ran = run("row_17", lambda: wait_for(flow, SEGMENTS))
    assert ran.succeeded
    assert sandbox.selected(flow)[0] == SEGMENTS
    assert [e["status"] for e in control.requests(path=flow)] == [503] * failing + [200]
    assert control.faults_left() == []
    assert time.monotonic() <= 4 * 15 + 3 * 33


def test_row_17_polls_that_always_fail_end_it_with_what_they_met(
    sandbox: Sandbox, time: VirtualClock
) -> None:
    control, flow = sandbox.control, make_flow(sandbox.hook)
    control.inject(fault("status", "GET", "flows/*", times=5 * REQUEST_TRIES, status=503))
    ran = run("row_17_stays", lambda: wait_for(flow, SEGMENTS))
    assert isinstance(ran.error, FlowServiceTransientException)
    assert ran.error.status == 503
    assert {entry["method"] for entry in control.requests(path=flow)} == {"GET"}
    assert sandbox.selected(flow) == ([], [])
    assert control.faults_left() == []
    assert time.monotonic() <= 5 * 15 + 3 * 33


def test_row_18_a_flow_that_is_deleted_by_hand_ends_the_wait(sandbox: Sandbox, time: VirtualClock) -> None:
    control, flow = sandbox.control, make_flow(sandbox.hook)

    def somebody_deletes(seconds: float) -> None:
        control.advance(seconds)
        if time.monotonic() > 100:
            time.follow(control.advance)
            sandbox.hook.delete(request.FLOWS, flow)

    time.follow(somebody_deletes)
    ran = run("row_18", lambda: wait_for(flow, SEGMENTS))
    assert isinstance(ran.error, FlowServicePermanentException)
    assert ran.error.status == 404
    assert flow in str(ran.error)
    assert control.state()["flows"] == []
    assert [e["status"] for e in control.requests("GET", flow)][-1] == 404
    assert control.faults_left() == []
    assert 100 <= time.monotonic() <= 140


def test_row_18_what_never_appears_ends_at_the_deadline(sandbox: Sandbox, time: VirtualClock) -> None:
    control, flow = sandbox.control, make_flow(sandbox.hook)
    ran = run("row_18_never", lambda: wait_for(flow, SEGMENTS[:1]))
    assert isinstance(ran.error, FlowServiceWaitTimeout)
    assert SEGMENTS[0] in str(ran.error)
    assert sandbox.selected(flow) == ([], [])
    assert 20 <= len(control.requests("GET", flow)) <= 24
    assert control.faults_left() == []
    assert time.monotonic() == pytest.approx(600, abs=1)


def test_row_19_runs_of_many_dates_edit_one_flow_at_once(sandbox: Sandbox, mocker: Any) -> None:
    control, flow = sandbox.control, make_flow(sandbox.hook)
    dates = [f"2026-01-{day:02}" for day in range(1, 11)]
    control.inject(fault("conflict", "PATCH", "flows/*", after=5))
    jobs = [
        lambda segment=segment, date=date: run_operator(
            operators.activate(flow, [SEGMENTS[0], segment], profile_attributes=[f"seen.on.{date}"])
        )
        for segment, date in zip(control.segments[1:], dates, strict=False)
    ]
    _, seconds = all_at_once(jobs, control.advance, 0.5, mocker)
    found, attributes = sandbox.selected(flow)
    wanted = [SEGMENTS[0], *control.segments[1 : len(jobs) + 1]]
    assert sorted(segment for segment in found if segment in wanted) == sorted(wanted)
    assert sorted(attributes) == [f"seen.on.{date}" for date in dates[: len(jobs)]]
    patches = Counter(entry["status"] for entry in control.requests("PATCH"))
    assert patches[200] == len(jobs)
    assert patches.total() <= 6 * len(jobs)
    assert control.faults_left() == []
    assert seconds <= 90


@pytest.mark.parametrize(
    ("injected", "changes", "told"),
    [
        ({}, {"sandbox": "nowhere"}, "nowhere"),
        ({"status": 403, "body": {"error_code": "403027", "message": "User region is missing"}}, {}, "403"),
        ({"status": 403, "body": {"title": "Forbidden", "status": 403}}, {}, "role"),
    ],
    ids=["sandbox", "organisation", "permission"],
)
def test_row_20_what_a_retry_does_not_cure_is_told_at_once(
    control: EmulatorControl, time: VirtualClock, injected: dict[str, Any], changes: dict[str, Any], told: str
) -> None:
    if injected:
        control.inject(fault("status", "GET", "connectionSpecs/*", **injected))
    name = "row_20_" + "_".join(filter(str.isalpha, told))
    ran: Ran = run(name, lambda: operators.create_profile_store(NAME, **changes))
    assert isinstance(ran.error, FlowServicePermanentException)
    assert told in str(ran.error)
    assert control.state()["connections"] == []
    assert writes(control) == []
    assert len(control.requests(path="/flowservice/")) == 1
    assert control.faults_left() == []
    assert time.monotonic() == 0


def test_row_21_parsing_a_dag_and_making_its_tasks_needs_no_network(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a connection was made")

    with monkeypatch.context() as offline:
        offline.setattr(socket.socket, "connect", refused)
        offline.setattr(socket, "getaddrinfo", refused)
        for path in support.EXAMPLE_DAGS.glob("*.py"):
            assert support.load_dag(path.stem).tasks
        for operation in operations():
            operation.build(operation.example)
    assert emulator.control.requests() == []


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_row_22_a_wall_clock_that_is_wrong_ages_no_token(
    control: EmulatorControl, time: VirtualClock, seconds: int
) -> None:
    time.set_wall_ahead(time.wall() - time.monotonic() + seconds)
    ran = run(f"row_22_{'ahead' if seconds > 0 else 'behind'}", _two_creates)
    assert ran.succeeded
    assert len(control.state()["connections"]) == len(control.state()["sourceConnections"]) == 1
    assert len(control.requests(path="/ims/token/v3")) == 1
    assert control.requests(status=401) == []
    assert control.faults_left() == []
    assert time.monotonic() <= 1


def _two_creates() -> None:
    operators.create_source(operators.create_profile_store().output)
