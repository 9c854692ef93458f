from __future__ import annotations

import uuid

import pytest

from airflow_provider_flowservice.client.activation import adhoc
from airflow_provider_flowservice.client.activation.adhoc import SegmentRun
from airflow_provider_flowservice.client.errors import BadRequestError, ServerError
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.support.clients import Client
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
    assert list(adhoc.activate_adhoc(plain_client, FLOW, SEGMENTS[:1])) == [SegmentRun(SEGMENTS[0], "r1")]


def test_busy_segments_are_attached_to_one_by_one(plain_client: Client, control: EmulatorControl) -> None:
    def busy(segment: str, run: str) -> dict[str, object]:
        text = f"Run already going on for audience {segment} for order {FLOW} with run id {run}"
        return fault("status", "POST", ADHOC, status=400, body={"message": text})

    control.inject(busy(SEGMENTS[1], "r1"), busy(SEGMENTS[0], "r0"))
    started = [{"segment": SEGMENTS[2], "order": FLOW, "statusURL": "/runs/r2"}]
    control.inject(fault("status", "POST", ADHOC, status=200, body={"order": started}))
    assert list(adhoc.activate_adhoc(plain_client, FLOW, SEGMENTS[:3])) == [
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
        list(adhoc.activate_adhoc(plain_client, FLOW, SEGMENTS[:1]))
    assert len(control.requests("POST", ADHOC)) == 1


def test_no_segments_are_no_call(plain_client: Client, control: EmulatorControl) -> None:
    assert list(adhoc.activate_adhoc(plain_client, FLOW, [])) == []
    assert control.requests() == []


def test_an_aep_that_stays_down_is_given_up(plain_client: Client, control: EmulatorControl) -> None:
    control.inject(fault("status", "POST", ADHOC, times=99, status=503))
    with pytest.raises(ServerError):
        list(adhoc.activate_adhoc(plain_client, FLOW, SEGMENTS))
    assert len(control.requests("POST", ADHOC)) == adhoc.ATTEMPTS


def test_exports_that_are_started_while_the_answer_is_cut_off_are_attached_to(
    plain_client: Client, control: EmulatorControl
) -> None:
    hook = FlowServiceHook()
    flow = make_file_flow(hook)
    hook.activate_segments(flow, [exported(segment) for segment in SEGMENTS])
    hook.close()
    control.inject(fault("truncate", "POST", ADHOC))
    found = list(adhoc.activate_adhoc(plain_client, flow, SEGMENTS))
    assert [run.segment for run in found] == SEGMENTS
    assert all(run.attached for run in found)
    assert {run.run_id for run in found} == {each["id"] for each in control.state()["runs"]}
