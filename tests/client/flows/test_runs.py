from __future__ import annotations

import uuid

import pytest

from airflow_provider_flowservice.client.errors import DriftError, ServerError
from airflow_provider_flowservice.client.flows import runs
from airflow_provider_flowservice.client.flows.runs import Window
from airflow_provider_flowservice.client.model import Flow, RunState, SpecRef
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.support.batch import make_batch_flow
from tests.support.clients import Client
from tests.support.faults import fault

FLOW = str(uuid.UUID(int=1))
WINDOW = Window(1_700_000_000, 1_700_086_400)


@pytest.fixture
def control(emulator: EmulatorServer) -> EmulatorControl:
    emulator.control.set_switches(scheduled_runs=False)
    return emulator.control


@pytest.mark.parametrize(
    ("text", "state"),
    [
        *((text, RunState.SUCCESS) for text in ("success", "Success", "SUCCESS", "COMPLETED")),
        *((text, RunState.PARTIAL) for text in ("partialSuccess", "PARTIAL_SUCCESS", "Partial Success")),
        *((text, RunState.FAILED) for text in ("failed", "FAILED", "PARTIAL_FAILURE", "partialFailure")),
        *((text, RunState.RUNNING) for text in ("inProgress", "Processing", "QUEUED", "new word", "", None)),
    ],
)
def test_each_spelling_of_a_state_is_known_and_others_count_as_running(
    text: str | None, state: RunState
) -> None:
    assert RunState.from_text(text) is state
    assert state.is_terminal is (state is not RunState.RUNNING)


def test_an_aep_that_stays_down_is_given_up(plain_client: Client, control: EmulatorControl) -> None:
    control.inject(fault("status", "POST", "runs", times=99, status=503))
    with pytest.raises(ServerError):
        runs.start_run(plain_client, FLOW, WINDOW, frozenset())
    assert len(control.requests("POST", "/runs")) == runs.ATTEMPTS


@pytest.mark.parametrize(
    ("schedule", "shown"),
    [(None, "none"), ({}, "none"), ({"frequency": "day"}, "day"), ({"timeUnit": "hour"}, "none")],
)
def test_only_what_is_scheduled_once_can_be_run(schedule: dict[str, str] | None, shown: str) -> None:
    flow = Flow(id="f", name="n", flow_spec=SpecRef(id="s"), schedule_params=schedule)
    with pytest.raises(DriftError, match=rf"^flow f \('n'\) has the schedule {shown}; only a source flow"):
        runs.check_can_run(flow)
    runs.check_can_run(Flow(id="f", flow_spec=SpecRef(id="s"), schedule_params={"frequency": "once"}))


def test_a_started_run_is_known_by_its_window(plain_client: Client, control: EmulatorControl) -> None:
    flow = make_batch_flow(plain_client)
    start = runs.create_run
    other = plain_client.send(start(flow, Window(1_600_000_000, 1_600_000_001))).id
    assert runs.find_started(plain_client, flow, WINDOW, frozenset()) is None
    first = plain_client.send(start(flow, WINDOW)).id
    control.advance(1)
    second = plain_client.send(start(flow, WINDOW)).id
    assert runs.find_started(plain_client, flow, WINDOW, frozenset()) == first
    assert runs.find_started(plain_client, flow, WINDOW, frozenset({first})) == second
    assert runs.find_started(plain_client, flow, WINDOW, frozenset({first, second})) is None
    assert {run.id for run in runs.runs_of(plain_client, flow)} == {other, first, second}


def test_a_run_that_aep_shows_without_parameters_may_be_ours(
    plain_client: Client, control: EmulatorControl
) -> None:
    item = {"id": "r", "flowId": FLOW, "createdAt": 1}
    control.inject(fault("status", "GET", "runs", status=200, body={"items": [item]}))
    assert runs.find_started(plain_client, FLOW, WINDOW, frozenset()) == "r"


def test_a_window_goes_out_in_aeps_words() -> None:
    assert WINDOW.to_params() == {"windowStartTime": 1_700_000_000, "windowEndTime": 1_700_086_400}
    assert Window(1, 2, "changed").to_params()["deltaColumn"] == {"name": "changed"}
