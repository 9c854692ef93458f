"""Runs of a flow in a window of time: how many, how new, and why there may be none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException, FlowServiceWaitTimeout
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowRunSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import dags
from tests.support.aep import make_flow
from tests.support.batch import make_batch_flow
from tests.support.deferral import run_to_end
from tests.support.faults import fault
from tests.support.operation import Sandbox
from tests.support.streaming import Source

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])


@pytest.fixture
def flow(sandbox: Sandbox) -> str:
    """A flow whose runs take 100 seconds."""
    sandbox.control.set_switches(scheduled_runs=False, run_seconds=100)
    flow = make_batch_flow(sandbox.hook)
    sandbox.control.clear_requests()
    return flow


def start_run(sandbox: Sandbox, flow: str) -> str:
    return sandbox.hook.send(create_run(flow, Window(1_700_000_000, 1_700_000_001))).id


def sensor(flow: str, **changes: Any) -> FlowServiceFlowRunSensor:
    return FlowServiceFlowRunSensor(
        task_id="x", flow_id=flow, **{"started_after": 1_700_000_000, "timeout": 5000, **changes}
    )


def paths(control: EmulatorControl) -> list[str]:
    return [entry["path"].rpartition("/flowservice/")[2] for entry in control.requests("GET")]


@MODES
def test_all_runs_of_the_window_are_waited_for_and_their_counts_returned(
    sandbox: Sandbox, flow: str, time: VirtualClock, deferrable: bool
) -> None:
    began = time.wall()
    first = start_run(sandbox, flow)
    time.advance(50)
    second = start_run(sandbox, flow)
    result, _ = run_to_end(sensor(flow, expected_runs=2, deferrable=deferrable, poke_interval=10))
    assert 150 <= time.wall() - began < 170
    assert result == {
        "flow_id": flow,
        "runs": 2,
        "run_ids": [second, first],
        "records_read": 2000,
        "records_written": 2000,
        "records_failed": 0,
        "records_skipped": 0,
    }


@MODES
def test_a_given_run_returns_its_counts(sandbox: Sandbox, flow: str, deferrable: bool) -> None:
    run_id = start_run(sandbox, flow)
    result, _ = run_to_end(sensor(flow, started_after=None, run_id=run_id, deferrable=deferrable))
    assert (result["run_ids"], result["records_written"]) == ([run_id], 1000)


@MODES
def test_another_run_may_follow_a_new_one(
    sandbox: Sandbox, flow: str, time: VirtualClock, deferrable: bool
) -> None:
    sandbox.control.set_switches(run_seconds=0)
    start_run(sandbox, flow)
    began = time.wall()
    run_to_end(sensor(flow, settle_seconds=timedelta(minutes=5), deferrable=deferrable, poke_interval=10))
    assert 300 <= time.wall() - began < 312


@MODES
def test_runs_after_the_window_do_not_count(
    sandbox: Sandbox, flow: str, time: VirtualClock, deferrable: bool
) -> None:
    begin = time.wall()
    run_id = start_run(sandbox, flow)
    time.advance(1000)
    end = time.wall()
    sandbox.control.set_switches(run_outcome="failed")
    for _ in range(30):
        start_run(sandbox, flow)
    time.advance(1000)
    arguments = {"started_after": begin, "started_before": str(end), "deferrable": deferrable}
    result, _ = run_to_end(sensor(flow, **arguments))
    assert result["run_ids"] == [run_id]


@MODES
def test_without_a_run_in_time_the_task_fails_and_names_the_cause(
    sandbox: Sandbox, flow: str, time: VirtualClock, deferrable: bool
) -> None:
    sandbox.hook.set_flow_state(flow, "disabled")
    began = time.wall()
    with pytest.raises(FlowServicePermanentException, match="start_timeout has passed: the flow is disabled"):
        run_to_end(sensor(flow, start_timeout=600, deferrable=deferrable))
    assert 600 <= time.wall() - began < 670
    with pytest.raises(FlowServiceWaitTimeout, match=r"created after .* \(the flow is disabled\)"):
        run_to_end(sensor(flow, timeout=600, deferrable=deferrable))


@MODES
def test_a_streaming_source_is_an_error_at_once(
    sandbox: Sandbox, source: Source, time: VirtualClock, deferrable: bool
) -> None:
    began = time.wall()
    with pytest.raises(FlowServicePermanentException, match=f"flow {source.flow_id} .* never has runs"):
        run_to_end(sensor(source.flow_id, deferrable=deferrable))
    assert time.wall() - began < 5


@MODES
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({}, 900), ({"poke_interval": 30}, 30), ({"default_args": {"poke_interval": 30}}, 30)],
)
def test_a_streaming_destination_is_polled_every_quarter_of_an_hour(
    sandbox: Sandbox, time: VirtualClock, deferrable: bool, arguments: dict[str, Any], expected: float
) -> None:
    flow = make_flow(sandbox.hook)
    sandbox.control.clear_requests()
    before = len(time.sleeps)
    with pytest.raises(FlowServiceWaitTimeout):
        run_to_end(sensor(flow, deferrable=deferrable, **arguments))
    pauses = time.sleeps[before:]
    assert 0.9 * expected <= pauses[0] <= 1.1 * expected
    assert len(pauses) <= 5000 / (0.9 * expected) + 1
    assert [path for path in paths(sandbox.control) if not path.startswith("runs")] == [
        f"flows/{flow}",
        "flowSpecs/71471eba-b620-49e4-90fd-23f1fa0174d8",
    ]


@MODES
def test_a_run_that_is_already_there_costs_one_call(
    sandbox: Sandbox, flow: str, time: VirtualClock, deferrable: bool
) -> None:
    start_run(sandbox, flow)
    time.advance(100)
    sandbox.control.clear_requests()
    run_to_end(sensor(flow, deferrable=deferrable))
    assert paths(sandbox.control) == ["runs"]


def test_the_window_must_not_end_before_it_begins(sandbox: Sandbox, flow: str) -> None:
    with pytest.raises(FlowServicePermanentException, match=r"started_before: .* is not after started_after"):
        run_to_end(sensor(flow, started_before=1_700_000_000))
    assert sandbox.control.requests() == []


@pytest.mark.parametrize("name", ["started_before", "start_timeout"])
def test_a_given_run_has_no_window(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name}: cannot be combined with run_id"):
        sensor("f", started_after=None, run_id="r", **{name: 1_700_000_000})


@pytest.mark.parametrize(
    ("name", "value"),
    [("expected_runs", 0), ("expected_runs", "two"), ("settle_seconds", -1), ("start_timeout", "soon")],
)
def test_what_is_no_number_is_rejected(name: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"^{name}: "):
        sensor("f", **{name: value})


def test_in_reschedule_mode_the_start_is_counted_from_the_first_poll(
    sandbox: Sandbox, flow: str, time: VirtualClock
) -> None:
    class Rescheduled:
        """A task instance whose first poll was ten minutes ago."""

        def get_first_reschedule_date(self, context: Any) -> Any:
            from datetime import UTC, datetime

            return datetime.fromtimestamp(time.wall() - 601, UTC)

    operator = sensor(flow, mode="reschedule", start_timeout=600)
    with pytest.raises(FlowServicePermanentException, match="start_timeout has passed"):
        operator.execute({"ti": Rescheduled()})


@pytest.mark.usefixtures("airflow_database")
def test_in_dag_test_the_counts_are_in_xcom(sandbox: Sandbox, flow: str) -> None:
    run_id = start_run(sandbox, flow)
    ran = dags.run("wait", lambda: sensor(flow, deferrable=True))
    assert ran.succeeded
    assert ran.results["x"]["run_ids"] == [run_id]


@MODES
def test_an_outage_of_the_flow_specs_does_not_fail_the_wait(
    sandbox: Sandbox, flow: str, time: VirtualClock, deferrable: bool
) -> None:
    run_id = start_run(sandbox, flow)
    sandbox.control.inject(fault("status", "GET", "flowSpecs/*", times=1, status=403))
    result, _ = run_to_end(sensor(flow, deferrable=deferrable))
    assert result["run_ids"] == [run_id]
    assert sandbox.control.faults_left() == []


@MODES
def test_what_aep_ignores_fails_at_once_if_that_is_asked_for(
    sandbox: Sandbox, time: VirtualClock, deferrable: bool
) -> None:
    from airflow_provider_flowservice.sensors.flows import FlowServiceFlowValidationSensor

    flow = make_flow(sandbox.hook)

    def colleague_activates_something_else(seconds: float) -> None:
        sandbox.control.advance(seconds)
        if not sandbox.hook.active_segments(flow):
            sandbox.hook.activate_segments(flow, sandbox.control.segments[:1])

    time.follow(colleague_activates_something_else)
    began = time.wall()
    with pytest.raises(
        FlowServicePermanentException, match=r"lacks profile attributes a\.b\. AEP has changed"
    ):
        run_to_end(
            FlowServiceFlowValidationSensor(
                task_id="x",
                flow_id=flow,
                profile_attributes=["a.b"],
                fail_fast=True,
                deferrable=deferrable,
                poke_interval=30,
            )
        )
    assert time.wall() - began < 70
    assert sandbox.hook.send(request.get(request.FLOWS, flow)).has_completed_change


@MODES
def test_the_log_says_what_is_waited_for_what_is_missing_and_when_it_is_over(
    sandbox: Sandbox, flow: str, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    caplog.set_level("INFO", "airflow_provider_flowservice")
    run_id = start_run(sandbox, flow)
    arguments = {"started_after": None, "run_id": run_id, "deferrable": deferrable, "poke_interval": 30}
    run_to_end(sensor(flow, **arguments))
    goal, missing = f"run {run_id} of flow {flow} has succeeded", f"run {run_id} of flow {flow} is running"
    told = [message for message in caplog.messages if run_id in message]
    began, still, counts, over = told[-4:]
    assert began.startswith(f"Waiting until {goal}; polling every 30 s, until ")
    assert still == f"Still waiting: {missing}"
    assert counts.startswith(
        f"AEP: run {run_id} of flow {flow} ended with status success (records: 1000 read"
    )
    assert over.startswith("Waited ")
    assert over.endswith(f" s: {goal}")
    assert told[:-4] == ([f"The wait goes on in the triggerer: {missing}"] if deferrable else [])
    caplog.clear()
    run_to_end(sensor(flow, **arguments))
    assert [message for message in caplog.messages if goal in message] != []
