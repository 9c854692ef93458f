"""A real Airflow without a task state store tries a task again whose worker was lost after it started runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.crash import child, driver
from tests.support.batch import make_batch_flow
from tests.support.files import exported, make_file_flow

DAG = """
from airflow.sdk import DAG
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.operators.flows import FlowServiceRunFlowOperator

with DAG("starts_runs", schedule=None) as dag:
    FlowServiceRunFlowOperator(
        task_id="run", flow_id={source!r}, window_start=1700000000, window_end=1700086400, deferrable={deferrable}
    )
    FlowServiceAdHocActivationOperator(
        task_id="export", flow_id={files!r}, segments={segments!r}, deferrable={deferrable}
    )
"""


class LostError(BaseException):
    """Stands for the loss of the worker: no code of the provider catches it."""


@pytest.fixture
def flows(control: EmulatorControl, hook: FlowServiceHook, virtual_clock: VirtualClock) -> tuple[str, str]:
    """A source flow, and a flow to files that has exported its segments before."""
    control.set_switches(scheduled_runs=False, run_seconds=10)
    virtual_clock.follow(control.advance)
    source, files = make_batch_flow(hook), make_file_flow(hook)
    segments = control.segments[:2]
    hook.activate_segments(files, [exported(segment) for segment in segments])
    hook.export_segments(files, segments)
    control.advance(11)
    return source, files


@pytest.fixture
def starts(mocker: Any, control: EmulatorControl, flows: tuple[str, str]) -> list[str]:
    """The paths of the requests that start runs. After the first to each path the task is lost until the runs end."""
    attempt, paths = RequestsTransport._attempt, list[str]()

    def mortal(transport: RequestsTransport, step: Any) -> Any:
        answer = attempt(transport, step)
        if step.method == "POST" and step.path.endswith(("/adhocrun", "/runs")):
            paths.append(step.path)
            if paths.count(step.path) == 1:
                control.advance(11)
                raise LostError
        return answer

    mocker.patch.object(RequestsTransport, "_attempt", mortal)
    return paths


@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
def test_runs_of_an_attempt_that_was_lost_are_not_started_again_even_after_their_end(
    control: EmulatorControl,
    flows: tuple[str, str],
    starts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    deferrable: bool,
) -> None:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    source, files = flows
    before = [each["id"] for each in control.state()["runs"]]
    text = DAG.format(source=source, files=files, segments=control.segments[:2], deferrable=deferrable)
    (tmp_path / "starts_runs.py").write_text(text)
    # What hides the store is undone after the test.
    monkeypatch.setattr(
        RuntimeTaskInstance, name := "get_template_context", getattr(RuntimeTaskInstance, name)
    )
    child.hide_state_store()
    warm = driver.warm_up([tmp_path], ["starts_runs"])["starts_runs"]
    run_id = f"lost-{deferrable}"
    driver.create_run(warm, run_id, {})
    assert driver.Driver(warm, run_id).carry_on() == "success"
    assert len(starts) == 2
    started = [each["flowId"] for each in control.state()["runs"] if each["id"] not in before]
    assert sorted(started) == sorted([source, files, files])
