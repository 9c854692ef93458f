from __future__ import annotations

import uuid

import pytest

from airflow_provider_flowservice.client.activation import adhoc
from airflow_provider_flowservice.client.errors import BadRequestError, DriftError, ServerError
from airflow_provider_flowservice.client.flows import NewestRuns
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.support.clients import Client, KeptState
from tests.support.faults import fault
from tests.support.files import exported, make_file_flow

ADHOC = "/data/core/activation/disflowprovider/adhocrun"
FLOW = str(uuid.UUID(int=1))
SEGMENTS = [str(uuid.UUID(int=number)) for number in range(2, 6)]


@pytest.fixture
def control(emulator: EmulatorServer) -> EmulatorControl:
    emulator.control.set_switches(scheduled_runs=False)
    return emulator.control


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
    assert adhoc.export_segments(plain_client, FLOW, SEGMENTS[:1]) == {SEGMENTS[0]: "r1"}


def test_busy_segments_are_attached_to_one_by_one(plain_client: Client, control: EmulatorControl) -> None:
    def busy(segment: str, run: str) -> dict[str, object]:
        text = f"Run already going on for audience {segment} for order {FLOW} with run id {run}"
        return fault("status", "POST", ADHOC, status=400, body={"message": text})

    control.inject(busy(SEGMENTS[1], "r1"), busy(SEGMENTS[0], "r0"))
    started = [{"segment": SEGMENTS[2], "order": FLOW, "statusURL": "/runs/r2"}]
    control.inject(fault("status", "POST", ADHOC, status=200, body={"order": started}))
    exports = adhoc.export_segments(plain_client, FLOW, SEGMENTS[:3])
    assert exports == {SEGMENTS[1]: "r1", SEGMENTS[0]: "r0", SEGMENTS[2]: "r2"}
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
        adhoc.export_segments(plain_client, FLOW, SEGMENTS[:1])
    assert len(control.requests("POST", ADHOC)) == 1


def test_no_segments_are_no_call(plain_client: Client, control: EmulatorControl) -> None:
    assert adhoc.export_segments(plain_client, FLOW, []) == {}
    assert control.requests() == []


def test_an_aep_that_stays_down_is_given_up(plain_client: Client, control: EmulatorControl) -> None:
    control.inject(fault("status", "POST", ADHOC, times=99, status=503))
    with pytest.raises(ServerError):
        adhoc.export_segments(plain_client, FLOW, SEGMENTS)
    assert len(control.requests("POST", ADHOC)) == adhoc.ATTEMPTS


@pytest.fixture
def flow() -> str:
    """A flow to files with four segments."""
    hook = FlowServiceHook()
    flow = make_file_flow(hook)
    hook.activate_segments(flow, [exported(segment) for segment in SEGMENTS])
    hook.close()
    return flow


def export(client: Client, flow: str, segments: list[str]) -> dict[str, str]:
    """Export in one request, as another attempt or another task does."""
    return client.send(adhoc.adhoc(flow, segments))


@pytest.mark.parametrize("seconds", [0, 1000])
def test_exports_that_are_started_while_the_answer_is_cut_off_are_not_started_again(
    plain_client: Client, control: EmulatorControl, flow: str, seconds: int
) -> None:
    control.set_switches(run_seconds=seconds)
    control.inject(fault("truncate", "POST", ADHOC))
    found = adhoc.export_segments(plain_client, flow, SEGMENTS)
    assert list(found) == SEGMENTS
    assert set(found.values()) == {each["id"] for each in control.state()["runs"]}
    assert len(control.requests("POST", ADHOC)) == 1


def test_exports_of_an_interrupted_attempt_are_not_repeated_after_their_end(
    plain_client: Client, control: EmulatorControl, flow: str
) -> None:
    control.set_switches(run_seconds=10)
    before = export(plain_client, flow, SEGMENTS[:1])
    control.advance(11)
    newest = NewestRuns.read(plain_client, flow)
    assert newest.ids == tuple(before.values())
    first = export(plain_client, flow, SEGMENTS[:2])
    control.advance(11)
    later = export(plain_client, flow, SEGMENTS[1:2])
    control.advance(11)
    state = KeptState(newest.to_state())
    found = adhoc.export_segments(plain_client, flow, SEGMENTS[:3], state)
    assert {segment: found[segment] for segment in SEGMENTS[:2]} == first
    assert found[SEGMENTS[2]] not in {*before.values(), *first.values(), *later.values()}
    assert len(control.state()["runs"]) == 5
    assert state.load() == {**newest.to_state(), "runs": found}


def test_of_the_exports_of_an_earlier_attempt_only_those_that_failed_are_repeated(
    plain_client: Client, control: EmulatorControl, flow: str
) -> None:
    control.set_switches(run_seconds=10)
    state = KeptState(NewestRuns.read(plain_client, flow).to_state())
    good = export(plain_client, flow, SEGMENTS[:1])
    control.set_switches(run_outcome="failed")
    export(plain_client, flow, SEGMENTS[1:2])
    control.advance(11)
    found = adhoc.export_segments(plain_client, flow, SEGMENTS[:2], state)
    assert found == {**good, SEGMENTS[1]: control.state()["runs"][2]["id"]}


def test_what_was_saved_before_each_request_is_enough_for_the_next_attempt(
    plain_client: Client, control: EmulatorControl, flow: str
) -> None:
    state = KeptState()
    control.inject(fault("status", "POST", ADHOC, status=400, body={"message": "no"}))
    with pytest.raises(BadRequestError):
        adhoc.export_segments(plain_client, flow, SEGMENTS[:1], state)
    assert state.load() == {**NewestRuns().to_state(), "runs": {}}
    found = adhoc.export_segments(plain_client, flow, SEGMENTS[:1], state)
    assert list(found.values()) == [each["id"] for each in control.state()["runs"]]


def test_a_segment_for_which_aep_starts_no_run_is_named_and_not_taken_for_exported(
    plain_client: Client, control: EmulatorControl
) -> None:
    orders = [{"segment": SEGMENTS[0], "statusURL": "/runs/r0"}, {"segment": SEGMENTS[1], "statusURL": ""}]
    control.inject(fault("status", "POST", ADHOC, status=200, body={"order": orders}))
    state = KeptState()
    with pytest.raises(DriftError, match=f"no run for segments {SEGMENTS[1]}, {SEGMENTS[2]} of flow {FLOW}"):
        adhoc.export_segments(plain_client, FLOW, SEGMENTS[:3], state)
    assert (state.load() or {})["runs"] == {SEGMENTS[0]: "r0"}
