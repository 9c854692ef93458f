"""The fault matrix, its row 31: runs that fail in AEP, or end well with failed records."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_flowservice.client import Window
from airflow_provider_flowservice.exceptions import (
    FlowServiceException,
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.operators.flows import FlowServiceRunFlowOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowRunSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.batch import make_batch_flow
from tests.support.dags import run
from tests.support.files import exported, make_file_flow
from tests.support.operations import Sandbox

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("airflow_database")]

WINDOW = Window(1_700_000_000, 1_700_086_400)
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
#: What the operator says, by how the emulator's runs end; a number of failed records is in each.
TOLD = {
    "failed": ("ended with status failed", "1000 failed", "CONNECTOR-2001-500: The run could not process"),
    "partialSuccess": ("ended with status partialSuccess", "1 failed", "MAPPER-3700-400: A record could not"),
    "success-with-errors": ("ended with status success", "1 failed", "MAPPER-3700-400: A record could not"),
}
OUTCOMES = pytest.mark.parametrize("outcome", TOLD)


@pytest.fixture
def source_flow(sandbox: Sandbox) -> str:
    sandbox.control.set_switches(scheduled_runs=False, run_seconds=100)
    return make_batch_flow(sandbox.hook)


@pytest.fixture
def file_flow(sandbox: Sandbox) -> str:
    """A flow to files with two segments."""
    sandbox.control.set_switches(scheduled_runs=False, run_seconds=100)
    flow = make_file_flow(sandbox.hook)
    sandbox.hook.activate_segments(flow, [exported(segment) for segment in sandbox.control.segments[:2]])
    return flow


def run_flow(flow: str, **changes: Any) -> FlowServiceRunFlowOperator:
    window = {"window_start": WINDOW.start, "window_end": WINDOW.end}
    return FlowServiceRunFlowOperator(task_id="act", flow_id=flow, poll_interval=30, **window, **changes)


def export(flow: str, segments: list[str], **changes: Any) -> FlowServiceAdHocActivationOperator:
    arguments = {"task_id": "act", "segments": segments, "poll_interval": 30}
    return FlowServiceAdHocActivationOperator(flow_id=flow, **arguments, **changes)


def runs(sandbox: Sandbox) -> list[str]:
    return [each["id"] for each in sandbox.control.state()["runs"]]


@MODES
@OUTCOMES
def test_row_31_a_run_that_is_not_good_is_told_with_aeps_reasons_and_tried_again(
    sandbox: Sandbox,
    source_flow: str,
    time: VirtualClock,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    outcome: str,
    deferrable: bool,
) -> None:
    control = sandbox.control
    control.set_switches(run_outcome=outcome)

    def heals(seconds: float) -> None:
        control.advance(seconds)
        control.set_switches(run_outcome="success")

    time.follow(heals)
    retries = {"retries": 1, "retry_delay": timedelta(0)}
    ran = run(
        f"row_31_{outcome}_{deferrable}", lambda: run_flow(source_flow, deferrable=deferrable, **retries)
    )
    assert ran.succeeded
    first, second = runs(sandbox)
    assert ran.results["act"] == second
    # Airflow writes the error of an attempt that is followed by another one to its log, which may be the output.
    log = "".join((caplog.text, *capsys.readouterr()))
    assert f"run {first} of flow {source_flow} {TOLD[outcome][0]}" in log
    for told in (*TOLD[outcome], f"/platform/source/dataflows/{source_flow}"):
        assert told in log
    assert control.faults_left() == []
    assert 200 <= time.monotonic() <= 300


@MODES
@pytest.mark.parametrize(("outcome", "limit"), [("partialSuccess", 0.001), ("success-with-errors", 1)])
def test_row_31_failed_records_are_green_if_they_are_allowed(
    sandbox: Sandbox, source_flow: str, time: VirtualClock, outcome: str, limit: float, deferrable: bool
) -> None:
    sandbox.control.set_switches(run_outcome=outcome)
    ran = run(
        f"row_31_allowed_{outcome}_{deferrable}",
        lambda: run_flow(source_flow, deferrable=deferrable, max_failed_records=limit),
    )
    assert ran.succeeded
    assert runs(sandbox) == [ran.results["act"]]
    assert time.monotonic() <= 140


@MODES
@OUTCOMES
def test_row_31_each_export_is_told_with_aeps_reasons(
    sandbox: Sandbox, file_flow: str, time: VirtualClock, outcome: str, deferrable: bool
) -> None:
    sandbox.control.set_switches(run_outcome=outcome)
    segments = sandbox.control.segments[:2]
    ran = run(
        f"row_31_export_{outcome}_{deferrable}", lambda: export(file_flow, segments, deferrable=deferrable)
    )
    assert isinstance(ran.error, FlowServiceTransientException)
    told = str(ran.error)
    assert told.startswith("2 of 2 flow runs did not succeed: run ")
    assert all(f"run {run_id} of flow {file_flow} {TOLD[outcome][0]}" in told for run_id in runs(sandbox))
    assert told.count("AEP's errors: ACTIVATION_BATCH-0000-FAILED: Job aborted") == 2
    assert time.monotonic() <= 140


@MODES
@OUTCOMES
@pytest.mark.parametrize("given", [False, True], ids=["window", "run"])
def test_row_31_the_sensor_tells_the_same_and_waits_for_another_run_only_if_there_can_be_one(
    sandbox: Sandbox, source_flow: str, time: VirtualClock, outcome: str, deferrable: bool, given: bool
) -> None:
    sandbox.control.set_switches(run_outcome=outcome)
    hook_run = sandbox.hook.run_flow(source_flow, WINDOW)
    which = {"run_id": hook_run} if given else {"started_after": 1_700_000_000}
    ran = run(
        f"row_31_sensor_{outcome}_{deferrable}_{given}",
        lambda: FlowServiceFlowRunSensor(
            task_id="act", flow_id=source_flow, deferrable=deferrable, poke_interval=30, timeout=600, **which
        ),
    )
    assert isinstance(ran.error, FlowServiceException)
    assert isinstance(ran.error, FlowServicePermanentException) is given
    assert str(ran.error).startswith(f"run {hook_run} of flow {source_flow} {TOLD[outcome][0]}")
    assert all(told in str(ran.error) for told in TOLD[outcome])
