from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.client.waits import TOLERATED_FAILURES
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
    FlowServiceWaitTimeout,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.flows import FlowServiceRunFlowOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import make_flow
from tests.support.batch import make_batch_flow, runs
from tests.support.deferral import run_to_end
from tests.support.faults import fault
from tests.support.files import make_file_flow
from tests.support.tasks import Attempts, RecordingTaskInstance, TaskStateStore, refused, rendered, run

START, END = 1_700_000_000, 1_700_086_400
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
pytestmark = pytest.mark.usefixtures("runs_on_demand")


@pytest.fixture
def source_flow(hook: FlowServiceHook) -> str:
    return make_batch_flow(hook)


def run_flow(flow: str, **changes: Any) -> FlowServiceRunFlowOperator:
    arguments = {"task_id": "x", "flow_id": flow, "window_start": START, "window_end": END}
    return FlowServiceRunFlowOperator(**{**arguments, "poll_interval": 30, **changes})


def metrics(flow: str, run_id: str, counts: Sequence[int | None]) -> dict[str, Any]:
    """The XCom about one run; ``counts`` are those of the records read, written, failed and skipped."""
    names = ("records_read", "records_written", "records_failed", "records_skipped")
    return {"flow_id": flow, "runs": 1, "run_ids": [run_id], **dict(zip(names, counts, strict=True))}


@MODES
def test_a_flow_is_run_over_its_window_and_waited_for(
    control: EmulatorControl, source_flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    operator = run_flow(source_flow, delta_column="changed", deferrable=deferrable)
    ti = RecordingTaskInstance()
    run_id, deferrals = run_to_end(operator, ti=ti)
    assert [run_id] == runs(control)
    assert ti.pushed["metrics"] == metrics(source_flow, run_id, (1000, 1000, 0, 0))
    assert len(deferrals) == deferrable
    assert 100 <= sum(virtual_clock.sleeps) < 160
    (made,) = control.state()["runs"]
    window = {"windowStartTime": START, "windowEndTime": END, "deltaColumn": {"name": "changed"}}
    assert made["params"] == window


def test_without_waiting_the_run_is_only_started(
    control: EmulatorControl, source_flow: str, virtual_clock: VirtualClock
) -> None:
    store = TaskStateStore()
    texts = {"window_start": str(START), "window_end": f" {END} "}
    run_id, pushed = run(run_flow(source_flow, wait_for_completion=False, **texts), task_state_store=store)
    assert [run_id] == runs(control)
    assert pushed == {"run_id": run_id, "metrics": metrics(source_flow, run_id, (None,) * 4)}
    assert virtual_clock.sleeps == []
    assert store == {}


@MODES
@pytest.mark.parametrize("has_store", [True, False])
def test_after_a_run_that_failed_a_retry_starts_another(
    control: EmulatorControl, source_flow: str, deferrable: bool, has_store: bool
) -> None:
    attempts = Attempts(has_store)
    operator = run_flow(source_flow, deferrable=deferrable)
    control.set_switches(run_outcome="failed")
    for number in range(2):
        with pytest.raises(FlowServiceTransientException) as caught:
            run_to_end(operator, **attempts.another())
        assert str(caught.value) == (
            f"1 of 1 flow runs did not succeed: run {runs(control)[number]} of flow {source_flow} ended with status"
            " failed (records: 1000 read, 0 written, 1000 failed, 0 skipped). AEP's errors: CONNECTOR-2001-500: The"
            " run could not process all of its data. See https://experience.adobe.com/#/sname:"
            f"{control.credential.sandbox}/platform/source/dataflows/{source_flow} A retry of the task, or clearing it,"
            " starts others."
        )
        ended = metrics(source_flow, runs(control)[number], (1000, 0, 1000, 0))
        assert attempts.pushed["metrics"] == ended
    control.set_switches(run_outcome="success")
    assert run_to_end(operator, **attempts.another())[0] == runs(control)[2]
    # The worker was lost before Airflow recorded the success.
    assert run_to_end(operator, **attempts.another())[0] == runs(control)[2]
    assert run_to_end(operator, **attempts.cleared())[0] == runs(control)[3]


@MODES
@pytest.mark.parametrize("outcome", ["partialSuccess", "success-with-errors"])
@pytest.mark.parametrize("limit", [1, 0.001, "0.5", None, "any"])
def test_a_run_of_which_no_more_records_failed_than_may_is_a_success(
    control: EmulatorControl,
    source_flow: str,
    deferrable: bool,
    outcome: str,
    limit: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    control.set_switches(run_outcome=outcome)
    operator = run_flow(source_flow, deferrable=deferrable, max_failed_records=limit)
    assert [run_to_end(operator)[0]] == runs(control)
    assert "(records: 1000 read, 999 written, 1 failed, 0 skipped)" in caplog.text
    assert "MAPPER-3700-400" in caplog.text


@MODES
@pytest.mark.parametrize("outcome", ["partialSuccess", "success-with-errors"])
@pytest.mark.parametrize("has_store", [True, False])
def test_after_a_run_with_too_many_failed_records_a_retry_starts_another(
    control: EmulatorControl, source_flow: str, deferrable: bool, outcome: str, has_store: bool
) -> None:
    attempts = Attempts(has_store)
    operator = run_flow(source_flow, deferrable=deferrable)
    control.set_switches(run_outcome=outcome)
    with pytest.raises(FlowServiceTransientException) as caught:
        run_to_end(operator, **attempts.another())
    assert "more records failed than max_failed_records=0 allows" in str(caught.value)
    control.set_switches(run_outcome="success")
    assert run_to_end(operator, **attempts.another())[0] == runs(control)[1]


@pytest.mark.parametrize("limit", [1, None])
@pytest.mark.parametrize("has_store", [True, False])
def test_runs_with_as_many_failed_records_as_may_are_not_started_again(
    control: EmulatorControl, source_flow: str, limit: Any, has_store: bool
) -> None:
    """The worker was lost before Airflow recorded the success."""
    control.set_switches(run_outcome="partialSuccess")
    operator = run_flow(source_flow, max_failed_records=limit)
    attempts = Attempts(has_store)
    first, _ = run_to_end(operator, **attempts.another())
    assert run_to_end(operator, **attempts.another())[0] == first
    assert len(runs(control)) == 1


def test_a_limit_of_a_mapped_task_that_is_none_is_refused(control: EmulatorControl, source_flow: str) -> None:
    known = {"task_id": "x", "flow_id": source_flow, "window_start": START, "window_end": END}

    def mapped(limit: Any) -> Any:
        with DAG("mapped", schedule=None):
            task = FlowServiceRunFlowOperator.partial(**known).expand(max_failed_records=[limit])
        return task.unmap({"max_failed_records": limit})

    for limit in (None, "None"):
        assert "max_failed_records: is " in refused(mapped(limit))
    assert runs(control) == []
    control.set_switches(run_outcome="partialSuccess")
    assert [run(mapped("any"))[0]] == runs(control)


@MODES
def test_a_run_that_takes_too_long_is_named_and_attached_to_when_the_task_is_cleared(
    control: EmulatorControl, source_flow: str, deferrable: bool
) -> None:
    control.set_switches(run_seconds=1000)
    store = TaskStateStore()
    operator = run_flow(source_flow, deferrable=deferrable, wait_timeout=300)
    with pytest.raises(FlowServiceWaitTimeout) as caught:
        run_to_end(operator, task_state_store=store)
    assert (
        str(caught.value) == f"Timed out after 300 seconds: flow runs {runs(control)[0]} have not ended yet."
        " Check it in AEP, or wait longer."
    )
    run_id, _ = run_to_end(run_flow(source_flow, deferrable=deferrable), task_state_store=store)
    assert [run_id] == runs(control)
    assert store == {}


@MODES
def test_a_wait_that_breaks_off_is_taken_up_by_the_next_attempt(
    control: EmulatorControl, source_flow: str, deferrable: bool
) -> None:
    store = TaskStateStore()
    looks = TOLERATED_FAILURES + 1 + deferrable  # the look before the task defers is tolerated too
    control.inject(fault("status", "GET", "runs/*", times=5 * looks, status=503))
    with pytest.raises(FlowServiceTransientException):
        run_to_end(run_flow(source_flow, deferrable=deferrable), task_state_store=store)
    control.clear_faults()
    run_id, _ = run_to_end(run_flow(source_flow, deferrable=deferrable), task_state_store=store)
    assert [run_id] == runs(control)
    assert store == {}


@MODES
def test_a_run_that_is_gone_is_forgotten_so_that_a_cleared_task_starts_another(
    control: EmulatorControl, source_flow: str, deferrable: bool
) -> None:
    store = TaskStateStore()
    control.inject(fault("status", "GET", "runs/*", times=2, status=404))
    with pytest.raises(FlowServicePermanentException, match="404"):
        run_to_end(run_flow(source_flow, deferrable=deferrable), task_state_store=store)
    assert store == {}
    control.clear_faults()
    run_id, _ = run_to_end(run_flow(source_flow, deferrable=deferrable), task_state_store=store)
    assert [run_id] == runs(control)[1:]


@pytest.mark.parametrize("kind", ["reset_after", "reset", "html"])
def test_a_start_whose_answer_is_lost_gives_one_run(
    control: EmulatorControl, source_flow: str, kind: str
) -> None:
    control.inject(fault(kind, "POST", "runs"))
    assert [run_to_end(run_flow(source_flow))[0]] == runs(control)
    assert control.faults_left() == []


def test_a_run_that_somebody_else_started_over_another_window_is_not_taken_for_this_one(
    control: EmulatorControl, hook: FlowServiceHook, source_flow: str, virtual_clock: VirtualClock
) -> None:
    theirs: list[str] = []

    def somebody_starts(seconds: float) -> None:
        virtual_clock.follow(control.advance)
        theirs.append(hook.send(create_run(source_flow, Window(START - 1, END - 1))).id)

    control.inject(fault("reset", "POST", "runs"))
    virtual_clock.follow(somebody_starts)
    ours, _ = run_to_end(run_flow(source_flow))
    assert runs(control) == [*theirs, ours]


def test_what_was_started_before_the_attempt_ended_is_found_again(
    control: EmulatorControl, source_flow: str
) -> None:
    """The first attempt dies after its start had its effect and before it was noted."""
    store = TaskStateStore()
    control.inject(
        fault("reset_after", "POST", "runs"), fault("status", "GET", "runs", after=1, times=9, status=403)
    )
    with pytest.raises(FlowServicePermanentException):
        run(run_flow(source_flow), task_state_store=store)
    control.clear_faults()
    run_id, _ = run_to_end(run_flow(source_flow), task_state_store=store)
    assert [run_id] == runs(control)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("stream", "has the schedule none; only a source flow that is scheduled once"),
        ("daily", "has the schedule day; only a source flow"),
        ("files", "For a file destination, use FlowServiceAdHocActivationOperator"),
    ],
)
def test_a_flow_that_cannot_be_run_is_refused_before_it_is_sent(
    control: EmulatorControl, hook: FlowServiceHook, kind: str, problem: str
) -> None:
    makers = {"stream": make_flow, "files": make_file_flow}
    flow = makers[kind](hook) if kind in makers else make_batch_flow(hook, "day", interval=1)
    assert problem in refused(run_flow(flow))
    assert control.requests("POST", "/runs") == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"window_start": "yesterday"},
            "window_start: 'yesterday' is not a time. Give a time with a time zone",
        ),
        ({"window_start": START * 1000}, "window_start: 1700000000000 seems to be in milliseconds"),
        ({"window_end": None}, "window_end: is None, although it was given"),
        ({"window_end": "2023-11-15"}, "window_end: '2023-11-15' has no time zone. Add a time of day and Z"),
        (
            {"window_start": START + 0.1, "window_end": "2023-11-14T22:13:20.9Z"},
            "window_end: 2023-11-14T22:13:20+00:00 is not after window_start, which is 2023-11-14T22:13:20+00:00",
        ),
        ({"flow_id": ""}, "flow_id: is '', although it was given"),
    ],
)
def test_a_window_that_is_none_is_refused(
    control: EmulatorControl, changes: dict[str, Any], problem: str
) -> None:
    assert problem in refused(rendered(partial(run_flow, "f"), **changes))
    assert control.requests() == []


def test_a_task_that_is_ended_while_it_waits_says_what_goes_on(
    control: EmulatorControl,
    source_flow: str,
    virtual_clock: VirtualClock,
    task_log: pytest.LogCaptureFixture,
) -> None:
    operator = run_flow(source_flow)
    operator.on_kill()
    assert task_log.messages == []
    run_to_end(operator)
    (run_id,) = runs(control)
    task_log.clear()
    operator.on_kill()
    (told,) = [record for record in task_log.records if record.levelname == "WARNING"]
    assert f"flow runs {run_id} may go on: AEP has no call that stops a run" in told.getMessage()
