from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.waits import FlowInState, RunsEnded, RunsSucceeded, Wait
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import START, VirtualClock
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.support.batch import make_batch_flow
from tests.support.faults import fault
from tests.support.triggers import fire

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
BASE: dict[str, Any] = {
    "flowservice_conn_id": "flowservice_default",
    "sandbox": None,
    "poll_interval": 30.0,
    "deadline": START + 300,
}


def trigger(wait: Wait, **changes: Any) -> FlowServiceTrigger:
    return FlowServiceTrigger(**{**BASE, "wait": wait.to_json(), **changes})


def ended(*run_ids: str) -> FlowServiceTrigger:
    return trigger(RunsEnded(run_ids=run_ids))


def in_state(flow: str, state: str, **changes: Any) -> FlowServiceTrigger:
    return trigger(FlowInState(flow_id=flow, state=state), **changes)


def succeeded(flow: str, started_after: float) -> FlowServiceTrigger:
    return trigger(RunsSucceeded(flow_id=flow, started_after=started_after))


@pytest.fixture
def control(emulator: EmulatorServer, virtual_clock: VirtualClock) -> EmulatorControl:
    virtual_clock.follow(emulator.control.advance)
    emulator.control.set_switches(scheduled_runs=False, run_seconds=100)
    return emulator.control


@pytest.fixture
def flow(control: EmulatorControl) -> str:
    hook = FlowServiceHook()
    flow = make_batch_flow(hook)
    hook.close()
    return flow


def start_run(flow: str) -> str:
    hook = FlowServiceHook()
    run_id = hook.send(create_run(flow, Window(1_700_000_000, 1_700_000_001))).id
    hook.close()
    return run_id


def states(event: dict[str, Any]) -> dict[str, str]:
    return {run_id: outcome["state"] for run_id, outcome in event["detail"].items()}


@pytest.mark.parametrize(
    "trigger",
    [
        trigger(RunsEnded(run_ids=("a", "b"))),
        trigger(FlowInState(flow_id="f", state="enabled"), sandbox="prod"),
        trigger(RunsSucceeded(flow_id="f", started_after=1.5, max_failed_records=0.01)),
    ],
    ids=lambda trigger: trigger.wait["wait"],
)
def test_each_survives_serialisation(trigger: FlowServiceTrigger) -> None:
    from tests.support.moved import serde

    path, arguments = trigger.serialize()
    assert path == "airflow_provider_flowservice.triggers.base.FlowServiceTrigger"
    for way in (
        json.loads(json.dumps(arguments)),
        serde.deserialize(json.loads(json.dumps(serde.serialize(arguments)))),
    ):
        assert type(trigger)(**way).serialize() == (path, arguments)
    assert set(BASE) < set(arguments)


def test_all_runs_are_waited_for_and_none_is_read_after_its_end(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock
) -> None:
    first = start_run(flow)
    control.advance(60)
    control.set_switches(run_outcome="failed")
    second = start_run(flow)
    control.clear_requests()
    event = fire(ended(first, second))
    assert (event["status"], states(event)) == ("done", {first: "success", second: "failed"})
    reads = [entry["path"].rpartition("/")[2] for entry in control.requests("GET", "/runs/")]
    assert reads.count(first) < reads.count(second)
    assert 100 <= virtual_clock.wall() - START < 150


def test_runs_that_go_on_are_told_when_the_deadline_passes(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock
) -> None:
    first = start_run(flow)
    control.set_switches(run_seconds=10_000)
    second = start_run(flow)
    event = fire(ended(first, second))
    assert (event["status"], states(event)) == ("timeout", {first: "success", second: "running"})
    assert virtual_clock.wall() - START == pytest.approx(300)


def test_no_runs_are_all_over(control: EmulatorControl) -> None:
    assert fire(ended()) == {"status": "done", "detail": {}}


@pytest.mark.parametrize("status", ["Processing", "QUEUED", "somewhere", None, 5])
def test_a_state_that_nobody_knows_counts_as_running(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, status: Any
) -> None:
    control.set_switches(run_seconds=0)
    run_id = start_run(flow)
    odd = {"items": [{"id": run_id, "metrics": {"statusSummary": {"status": status}}}]}
    control.inject(fault("status", "GET", "runs/*", times=2, status=200, body=odd))
    assert states(fire(ended(run_id))) == {run_id: "success"}
    assert len(virtual_clock.sleeps) == 2


def test_a_run_without_metrics_counts_as_running(control: EmulatorControl, flow: str) -> None:
    control.set_switches(run_seconds=0)
    run_id = start_run(flow)
    control.inject(fault("status", "GET", "runs/*", times=1, status=200, body={"items": [{"id": run_id}]}))
    assert fire(ended(run_id))["status"] == "done"
    assert control.faults_left() == []


def test_a_run_that_is_not_there_ends_the_wait(control: EmulatorControl) -> None:
    event = fire(ended(UNKNOWN))
    assert (event["status"], event["error"]["permanent"], event["error"]["status"]) == ("error", True, 404)


def test_a_flows_state_is_waited_for(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock
) -> None:
    assert fire(in_state(flow, "enabled"))["detail"] == "enabled"
    assert virtual_clock.sleeps == []
    event = fire(in_state(flow, "disabled"))
    assert event == {"status": "timeout", "detail": "enabled"}
    hook = FlowServiceHook()
    hook.action(request.FLOWS, flow, "disable")
    hook.close()
    assert fire(in_state(flow, "disabled", deadline=START))["status"] == "done"


def test_a_good_run_makes_up_for_one_that_failed_before(control: EmulatorControl, flow: str) -> None:
    control.set_switches(run_outcome="failed", run_seconds=0)
    start_run(flow)
    control.advance(10)
    control.set_switches(run_outcome="success")
    newest = start_run(flow)
    event = fire(succeeded(flow, 0.0))
    assert (event["status"], event["detail"]["totals"]["run_ids"]) == ("done", [newest])
    event = fire(succeeded(flow, control.now() + 10_000))
    assert (event["status"], event["detail"]["count"]) == ("timeout", 0)


def test_a_run_at_the_very_moment_counts(control: EmulatorControl, flow: str) -> None:
    control.set_switches(run_seconds=0)
    run_id = start_run(flow)
    (made,) = control.state()["runs"]
    event = fire(succeeded(flow, made["createdAt"] / 1000))
    assert event["detail"]["totals"]["run_ids"] == [run_id]
