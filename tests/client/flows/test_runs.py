from __future__ import annotations

import uuid

import pytest

from airflow_provider_flowservice.client.errors import DriftError, ServerError
from airflow_provider_flowservice.client.flows import iterate_runs, runs
from airflow_provider_flowservice.client.flows.runs import NewestRuns, Window
from airflow_provider_flowservice.client.model import Flow, RunState, SpecRef
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.support.batch import make_batch_flow
from tests.support.clients import Client, KeptState
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
        runs.start_run(plain_client, FLOW, WINDOW, NewestRuns())
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


def test_a_started_run_is_known_by_its_window_and_by_what_was_there_before(
    plain_client: Client, control: EmulatorControl
) -> None:
    flow = make_batch_flow(plain_client)

    def start(window: Window) -> str:
        control.advance(1)
        return plain_client.send(runs.create_run(flow, window)).id

    def found(newest: NewestRuns) -> str | None:
        return runs.look_for_started(plain_client, flow, WINDOW, newest)

    nothing = NewestRuns.read(plain_client, flow)
    other = start(Window(1_600_000_000, 1_600_000_001))
    assert found(nothing) is None
    first = start(WINDOW)
    after_first = NewestRuns.read(plain_client, flow)
    second = start(WINDOW)
    after_second = NewestRuns.read(plain_client, flow)
    assert (nothing, after_first.ids, after_second.ids) == (NewestRuns(), (first,), (second,))
    assert (found(nothing), found(after_first), found(after_second)) == (first, second, None)
    assert [run.id for run in nothing.later(plain_client, flow)] == [other, first, second]
    assert {run.id for run in iterate_runs(plain_client, flow)} == {other, first, second}


def test_runs_of_one_millisecond_are_told_apart(plain_client: Client, control: EmulatorControl) -> None:
    items = [{"id": name, "flowId": FLOW, "createdAt": at} for name, at in (("c", 7), ("b", 7), ("a", 5))]
    control.inject(fault("status", "GET", "runs", times=2, status=200, body={"items": items[1:]}))
    newest = NewestRuns.read(plain_client, FLOW)
    assert newest == NewestRuns(7, ("b",))
    control.clear_faults()
    control.inject(fault("status", "GET", "runs", status=200, body={"items": items}))
    assert [run.id for run in newest.later(plain_client, FLOW)] == ["c"]


@pytest.mark.parametrize("is_started", [True, False])
def test_an_interrupted_attempts_run_is_used_and_not_started_again(
    plain_client: Client, control: EmulatorControl, is_started: bool
) -> None:
    flow = make_batch_flow(plain_client)
    before = plain_client.send(runs.create_run(flow, WINDOW)).id
    control.advance(1)
    state = KeptState(NewestRuns.read(plain_client, flow).to_state())
    started = [plain_client.send(runs.create_run(flow, WINDOW)).id] if is_started else []
    run_id = runs.run_flow(plain_client, flow, WINDOW, state)
    assert {each["id"] for each in control.state()["runs"]} == {before, run_id}
    assert not started or started == [run_id]
    assert state.load() == {"run": run_id}


def test_a_failed_run_is_not_taken_for_the_one_that_is_started_after_it(
    plain_client: Client, control: EmulatorControl
) -> None:
    flow = make_batch_flow(plain_client)
    state = KeptState(NewestRuns.read(plain_client, flow).to_state())
    control.set_switches(run_outcome="failed", run_seconds=0)
    failed = plain_client.send(runs.create_run(flow, WINDOW)).id
    control.advance(1)
    control.set_switches(run_outcome="success")
    control.inject(fault("reset_after", "POST", "runs"))
    run_id = runs.run_flow(plain_client, flow, WINDOW, state)
    assert {each["id"] for each in control.state()["runs"]} == {failed, run_id}
    assert run_id != failed


def test_a_long_history_costs_one_page(plain_client: Client, control: EmulatorControl) -> None:
    flow = make_batch_flow(plain_client)
    for _ in range(25):
        plain_client.send(runs.create_run(flow, WINDOW))
        control.advance(1)
    control.clear_requests()
    run_id = runs.run_flow(plain_client, flow, WINDOW)
    assert run_id == max(control.state()["runs"], key=lambda each: each["createdAt"])["id"]
    reads = control.requests("GET", "/runs")
    assert len(reads) == 1


def test_a_run_that_aep_shows_without_parameters_may_be_ours(
    plain_client: Client, control: EmulatorControl
) -> None:
    item = {"id": "r", "flowId": FLOW, "createdAt": 1}
    control.inject(fault("status", "GET", "runs", status=200, body={"items": [item]}))
    assert runs.look_for_started(plain_client, FLOW, WINDOW, NewestRuns()) == "r"


def test_a_window_goes_out_in_aeps_words() -> None:
    assert WINDOW.to_params() == {"windowStartTime": 1_700_000_000, "windowEndTime": 1_700_086_400}
    assert Window(1, 2, "changed").to_params()["deltaColumn"] == {"name": "changed"}
