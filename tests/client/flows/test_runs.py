from __future__ import annotations

import uuid

import pytest

from airflow_provider_flowservice.client.errors import BadRequestError, DriftError, ServerError
from airflow_provider_flowservice.client.flows import runs
from airflow_provider_flowservice.client.flows.runs import SegmentRun, Window
from airflow_provider_flowservice.client.model import Flow, RunState, SpecRef
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.support.batch import make_batch_flow
from tests.support.clients import Client
from tests.support.faults import fault
from tests.support.files import exported, make_file_flow

ADHOC = "/data/core/activation/disflowprovider/adhocrun"
FLOW = str(uuid.UUID(int=1))
SEGMENTS = [str(uuid.UUID(int=number)) for number in range(2, 6)]
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


@pytest.mark.parametrize(
    "url",
    [
        "https://platform.adobe.io/data/foundation/flowservice/runs/r1",
        "https://platform.adobe.io/data/foundation/flowservice/runs/r1/",
        "/runs/r1",
        "r1",
    ],
)
def test_of_the_status_url_only_the_id_counts(
    plain_client: Client, control: EmulatorControl, url: str
) -> None:
    body = {"order": [{"segment": SEGMENTS[0], "order": FLOW, "statusURL": url, "new": True}]}
    control.inject(fault("status", "POST", ADHOC, status=200, body=body))
    assert list(runs.activate_adhoc(plain_client, FLOW, SEGMENTS[:1])) == [SegmentRun(SEGMENTS[0], "r1")]


def test_busy_segments_are_attached_to_one_by_one(plain_client: Client, control: EmulatorControl) -> None:
    def busy(segment: str, run: str) -> dict[str, object]:
        text = f"Run already going on for audience {segment} for order {FLOW} with run id {run}"
        return fault("status", "POST", ADHOC, status=400, body={"message": text})

    control.inject(busy(SEGMENTS[1], "r1"), busy(SEGMENTS[0], "r0"))
    started = [{"segment": SEGMENTS[2], "order": FLOW, "statusURL": "/runs/r2"}]
    control.inject(fault("status", "POST", ADHOC, status=200, body={"order": started}))
    assert list(runs.activate_adhoc(plain_client, FLOW, SEGMENTS[:3])) == [
        SegmentRun(SEGMENTS[1], "r1", attached=True),
        SegmentRun(SEGMENTS[0], "r0", attached=True),
        SegmentRun(SEGMENTS[2], "r2"),
    ]
    asked = [entry["body"]["activationInfo"][FLOW] for entry in control.requests("POST", ADHOC)]
    assert asked == [SEGMENTS[:3], [SEGMENTS[0], SEGMENTS[2]], [SEGMENTS[2]]]


@pytest.mark.parametrize(
    "message",
    [
        f"Run already going on for audience {SEGMENTS[3]} for order {FLOW} with run id r",
        f"Segments {SEGMENTS[0]} are not part of this dataflow or out of schedule range!",
        "no",
    ],
)
def test_another_refusal_is_an_error(plain_client: Client, control: EmulatorControl, message: str) -> None:
    control.inject(fault("status", "POST", ADHOC, times=9, status=400, body={"message": message}))
    with pytest.raises(BadRequestError, match=message[:20]):
        list(runs.activate_adhoc(plain_client, FLOW, SEGMENTS[:1]))
    assert len(control.requests("POST", ADHOC)) == 1


def test_no_segments_are_no_call(plain_client: Client, control: EmulatorControl) -> None:
    assert list(runs.activate_adhoc(plain_client, FLOW, [])) == []
    assert control.requests() == []


def test_an_aep_that_stays_down_is_given_up(plain_client: Client, control: EmulatorControl) -> None:
    control.inject(fault("status", "POST", ADHOC, times=99, status=503))
    control.inject(fault("status", "POST", "runs", times=99, status=503))
    with pytest.raises(ServerError):
        list(runs.activate_adhoc(plain_client, FLOW, SEGMENTS))
    assert len(control.requests("POST", ADHOC)) == runs.ATTEMPTS
    with pytest.raises(ServerError):
        runs.start_run(plain_client, FLOW, WINDOW, frozenset())
    assert len(control.requests("POST", "/runs")) == runs.ATTEMPTS


def test_exports_that_are_started_while_the_answer_is_cut_off_are_attached_to(
    plain_client: Client, control: EmulatorControl
) -> None:
    hook = FlowServiceHook()
    flow = make_file_flow(hook)
    hook.activate_segments(flow, [exported(segment) for segment in SEGMENTS])
    hook.close()
    control.inject(fault("truncate", "POST", ADHOC))
    found = list(runs.activate_adhoc(plain_client, flow, SEGMENTS))
    assert [run.segment for run in found] == SEGMENTS
    assert all(run.attached for run in found)
    assert {run.run_id for run in found} == {each["id"] for each in control.state()["runs"]}


@pytest.mark.parametrize(
    ("schedule", "shown"),
    [
        (None, "not at all"),
        ({}, "not at all"),
        ({"frequency": "day"}, "day"),
        ({"timeUnit": "hour"}, "not at all"),
    ],
)
def test_only_what_is_scheduled_once_can_be_run(schedule: dict[str, str] | None, shown: str) -> None:
    flow = Flow(id="f", name="n", flow_spec=SpecRef(id="s"), schedule_params=schedule)
    with pytest.raises(DriftError, match=rf"^flow f \('n'\) is scheduled {shown}; only a source flow"):
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
