from __future__ import annotations

import uuid
from typing import Any

import pytest

from airflow_provider_flowservice.client.activation.adhoc import MAX_AUDIENCES
from airflow_provider_flowservice.client.waits import TOLERATED_FAILURES
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServiceTransientException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import make_flow
from tests.support.batch import runs
from tests.support.deferral import run_to_end
from tests.support.faults import fault
from tests.support.files import exported, make_file_flow
from tests.support.operators import activate
from tests.support.tasks import Attempts, TaskStateStore, refused, run

ADHOC = "/data/core/activation/disflowprovider/adhocrun"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
pytestmark = pytest.mark.usefixtures("runs_on_demand")


@pytest.fixture
def file_flow(control: EmulatorControl, hook: FlowServiceHook) -> str:
    """A flow to files with three segments."""
    flow = make_file_flow(hook)
    hook.activate_segments(flow, [exported(segment) for segment in control.segments[:3]])
    return flow


def export(flow: str, segments: Any, **changes: Any) -> FlowServiceAdHocActivationOperator:
    arguments = {"task_id": "x", "flow_id": flow, "segments": segments, "poll_interval": 30}
    return FlowServiceAdHocActivationOperator(**{**arguments, **changes})


@MODES
def test_segments_are_exported_now_and_waited_for(
    control: EmulatorControl, file_flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    segments = control.segments[:2]
    store = TaskStateStore()
    result, deferrals = run_to_end(
        export(file_flow, [segments[0].upper(), {"name": "Women over 50"}], deferrable=deferrable),
        task_state_store=store,
    )
    assert list(result) == segments
    assert sorted(result.values()) == sorted(runs(control))
    assert len(deferrals) == deferrable
    assert 100 <= sum(virtual_clock.sleeps) < 160
    (call,) = control.requests("POST", ADHOC)
    assert call["headers"]["accept"] == "application/vnd.adobe.adhoc.activation+json; version=2"
    assert store == {}


def test_without_waiting_the_exports_are_only_started(
    control: EmulatorControl, file_flow: str, virtual_clock: VirtualClock
) -> None:
    result, _ = run(export(file_flow, control.segments[:1], wait_for_completion=False))
    assert list(result.values()) == runs(control)
    assert virtual_clock.sleeps == []


@MODES
@pytest.mark.parametrize("has_store", [True, False])
def test_after_exports_that_failed_a_retry_starts_others(
    control: EmulatorControl, file_flow: str, deferrable: bool, has_store: bool
) -> None:
    attempts = Attempts(has_store)
    operator = export(file_flow, control.segments[:2], deferrable=deferrable)
    control.set_switches(run_outcome="failed")
    with pytest.raises(FlowServiceTransientException) as caught:
        run_to_end(operator, **attempts.another())
    assert str(caught.value).startswith("2 of 2 flow runs did not succeed: run ")
    for run_id in runs(control):
        assert f"run {run_id} of flow {file_flow} ended with status failed (records: 1000 read" in str(
            caught.value
        )
    assert (
        str(caught.value).count("AEP's errors: ACTIVATION_BATCH-0000-FAILED: Job aborted. See https://") == 2
    )
    assert "/platform/destination/browse" in str(caught.value)
    control.set_switches(run_outcome="success")
    result, _ = run_to_end(operator, **attempts.another())
    assert sorted(result.values()) == sorted(runs(control)[2:])
    # The worker was lost before Airflow recorded the success.
    assert run_to_end(operator, **attempts.another())[0] == result
    assert len(runs(control)) == 4
    run_to_end(operator, **attempts.cleared())
    assert len(runs(control)) == 6


@pytest.mark.parametrize("limit", [1, None])
@pytest.mark.parametrize("has_store", [True, False])
def test_runs_with_as_many_failed_records_as_may_are_not_started_again(
    control: EmulatorControl, file_flow: str, limit: Any, has_store: bool
) -> None:
    """The worker was lost before Airflow recorded the success."""
    control.set_switches(run_outcome="partialSuccess")
    operator = export(file_flow, control.segments[:2], max_failed_records=limit)
    attempts = Attempts(has_store)
    first, _ = run_to_end(operator, **attempts.another())
    assert run_to_end(operator, **attempts.another())[0] == first
    assert len(runs(control)) == 2


@MODES
@pytest.mark.parametrize("has_store", [True, False])
def test_only_the_exports_that_did_not_succeed_are_told_and_started_again(
    control: EmulatorControl, file_flow: str, deferrable: bool, has_store: bool
) -> None:
    attempts = Attempts(has_store)
    bad, good = control.segments[:2]
    run(export(file_flow, [good], wait_for_completion=False))
    control.set_switches(run_outcome="partialSuccess")
    operator = export(file_flow, [bad, good], deferrable=deferrable)
    with pytest.raises(FlowServiceTransientException) as caught:
        run_to_end(operator, **attempts.another())
    first, second = runs(control)
    assert str(caught.value).startswith(f"1 of 2 flow runs did not succeed: run {second} of flow")
    assert first not in str(caught.value)
    control.set_switches(run_outcome="success")
    result, _ = run_to_end(operator, **attempts.another())
    assert result[bad] == runs(control)[2]


def test_more_segments_than_one_call_takes_are_split(control: EmulatorControl, hook: FlowServiceHook) -> None:
    segments = [str(uuid.UUID(int=number)) for number in range(1, 2 * MAX_AUDIENCES + 2)]
    flow = make_file_flow(hook)
    run(activate(flow, [exported(segment) for segment in segments]))
    result, _ = run_to_end(export(flow, segments))
    assert list(result) == segments
    sizes = [len(entry["body"]["activationInfo"][flow]) for entry in control.requests("POST", ADHOC)]
    assert sizes == [80, 80, 1]


def test_a_segment_that_is_being_exported_is_attached_to(
    control: EmulatorControl, file_flow: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    first, _ = run(export(file_flow, control.segments[1:2], wait_for_completion=False))
    result, _ = run_to_end(export(file_flow, control.segments[:3]))
    assert result[control.segments[1]] == first[control.segments[1]]
    assert len(runs(control)) == len(result) == 3
    assert f"is already exported by run {first[control.segments[1]]}" in caplog.text


@pytest.mark.parametrize("kind", ["reset_after", "reset", "html"])
def test_an_export_whose_answer_is_lost_is_started_once(
    control: EmulatorControl, file_flow: str, kind: str
) -> None:
    control.inject(fault(kind, "POST", ADHOC))
    result, _ = run_to_end(export(file_flow, control.segments[:3]))
    assert sorted(result.values()) == sorted(runs(control))
    assert len(result) == 3
    assert control.faults_left() == []


def test_what_an_attempt_notes_of_exports_is_about_the_segments_however_they_are_given(
    control: EmulatorControl, file_flow: str
) -> None:
    store, (one, other, third) = TaskStateStore(), control.segments[:3]
    control.inject(fault("status", "GET", "runs/*", times=1000, status=503))

    def attempt(segments: Any) -> int:
        """The number of requests that start exports."""
        calls = len(control.requests("POST", ADHOC))
        with pytest.raises(FlowServiceTransientException):
            run(export(file_flow, segments, deferrable=False), task_state_store=store)
        return len(control.requests("POST", ADHOC)) - calls

    assert attempt([one, other]) == 1
    assert attempt([{"id": other}, one, {"id": other.upper()}]) == 0
    # Those that run already are attached to, one request for each.
    assert attempt([one, third]) > 0


@MODES
def test_exports_are_taken_up_by_the_next_attempt(
    control: EmulatorControl, file_flow: str, deferrable: bool
) -> None:
    store = TaskStateStore()
    looks = TOLERATED_FAILURES + 1 + deferrable  # the look before the task defers is tolerated too
    control.inject(fault("status", "GET", "runs/*", times=5 * looks, status=503))
    operator = export(file_flow, control.segments[:3], deferrable=deferrable)
    with pytest.raises(FlowServiceTransientException):
        run_to_end(operator, task_state_store=store)
    control.clear_faults()
    control.advance(1000)
    calls = len(control.requests("POST", ADHOC))
    result, _ = run_to_end(operator, task_state_store=store)
    assert sorted(result.values()) == sorted(runs(control))
    assert len(control.requests("POST", ADHOC)) == calls
    assert store == {}


def test_an_external_audience_is_exported_by_aeps_own_id(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    system_id = str(uuid.UUID(int=77))
    ids = {"id": "extaud9001", "systemSegmentId": system_id, "namespace": "aamSegments"}
    flow = make_file_flow(hook)
    run(activate(flow, [{**exported("x"), **ids}]))
    result, _ = run_to_end(export(flow, [ids]))
    assert list(result) == [system_id]


@pytest.mark.parametrize(
    ("segment", "problem"),
    [
        (str(uuid.UUID(int=5)), "are not part of this dataflow or out of schedule range"),
        ("Men", "segments[0]: 'Men' is not a segment id"),
    ],
)
def test_a_segment_that_is_not_on_the_flow_is_refused(
    control: EmulatorControl, file_flow: str, segment: str, problem: str
) -> None:
    assert problem in refused(export(file_flow, [segment]))
    assert runs(control) == []


def test_a_streaming_destination_exports_nothing_by_hand(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow = make_flow(hook)
    run(activate(flow, control.segments[:1]))
    assert "does not export audiences to files" in refused(export(flow, control.segments[:1]))


@pytest.mark.parametrize(("outcome", "failed"), [("success", 0), ("failed", 1)])
def test_runs_that_have_ended_already_are_judged_without_a_trigger(
    control: EmulatorControl, file_flow: str, outcome: str, failed: int
) -> None:
    """A trigger that fires at once can overtake the scheduler."""
    control.set_switches(run_seconds=0, run_outcome=outcome)
    operator = export(file_flow, control.segments[:2])
    if failed:
        with pytest.raises(FlowServiceTransientException, match="2 of 2 flow runs did not succeed"):
            run(operator)
    else:
        assert sorted(run(operator)[0].values()) == sorted(runs(control))
