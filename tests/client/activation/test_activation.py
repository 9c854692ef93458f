from __future__ import annotations

import threading
from typing import Any

import pytest

from airflow_provider_flowservice.client.activation import activation as activating
from airflow_provider_flowservice.client.activation.activation import ActivationResult, resolve
from airflow_provider_flowservice.client.activation.segments import Segment, read_segments
from airflow_provider_flowservice.client.activation.selectors import ActivationMode, DesiredSelectors
from airflow_provider_flowservice.client.converge import ATTEMPTS
from airflow_provider_flowservice.client.errors import DriftError, NotFoundError, PreconditionError
from airflow_provider_flowservice.client.flows.specs import empty_transformation
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.client.conftest import Opener
from tests.support.aep import make_flow, selected
from tests.support.clients import Client
from tests.support.faults import fault

THEIRS = "8a1e7c2a-0000-4000-8000-000000000001"
PATCH = ("PATCH", "flows/*")


@pytest.fixture
def segments(control: EmulatorControl) -> list[str]:
    return control.segments


def activate(client: Client, flow: str, segments: list[str], *attributes: str) -> ActivationResult:
    wanted = DesiredSelectors(resolve(client, read_segments(segments)), attributes)
    return activating.activate(client, flow, wanted, ActivationMode.ADD)


def calls(control: EmulatorControl) -> list[tuple[str, int | None]]:
    return [(entry["method"], entry["status"]) for entry in control.requests(path="/flows/")]


def flow_now(control: EmulatorControl) -> dict[str, Any]:
    (flow,) = control.state()["flows"]
    return dict(flow)


def test_whatever_number_is_missing_one_patch_adds_it(
    client: Client, control: EmulatorControl, segments: list[str]
) -> None:
    flow = make_flow(client)
    wanted = (
        Segment(segments[0], {"name": "Men", "description": "over 50"}),
        *(Segment(segment) for segment in segments[1:]),
    )
    attributes = ("person.name", "a.b")
    activation = activating.activate(client, flow, DesiredSelectors(wanted, attributes), ActivationMode.ADD)
    assert selected(flow_now(control)) == (segments, ["person.name", "a.b"])
    assert calls(control) == [("GET", 200), ("PATCH", 200), ("GET", 200)]
    assert (activation.flow_id, activation.etag) == (flow, flow_now(control)["etag"])
    plan = activation.patch
    assert (plan.added, plan.present, plan.attributes_added) == (tuple(segments), (), attributes)
    assert control.exports(flow)


def test_nothing_missing_is_one_read(client: Client, control: EmulatorControl, segments: list[str]) -> None:
    flow = make_flow(client)
    activate(client, flow, segments[:2], "a")
    control.clear_requests()
    again = activate(client, flow, [segments[1].upper(), segments[0]], "a")
    assert calls(control) == [("GET", 200)]
    assert (again.patch.added, again.patch.attributes_added) == ((), ())
    assert again.patch.present == (segments[1], segments[0])
    assert again.etag == flow_now(control)["etag"]


def test_what_is_there_already_is_told_from_what_was_added(
    plain_client: Client, control: EmulatorControl, segments: list[str]
) -> None:
    flow = make_flow(plain_client)
    activate(plain_client, flow, segments[:1])
    second = activate(plain_client, flow, segments[:2])
    assert (second.patch.present, second.patch.added) == ((segments[0],), (segments[1],))


@pytest.mark.parametrize("times", [1, 3])
def test_another_editors_change_is_kept(
    client: Client, control: EmulatorControl, segments: list[str], times: int
) -> None:
    flow = make_flow(client)
    control.inject(fault("conflict", *PATCH, times=times, segment_id=THEIRS))
    activation = activate(client, flow, segments[:2], "a")
    found, attributes = selected(flow_now(control))
    assert found == [THEIRS] * times + segments[:2]
    assert attributes == ["a"]
    assert activation.patch.added == tuple(segments[:2])
    statuses = [status for method, status in calls(control) if method == "PATCH"]
    assert statuses == [412] * times + [200]
    assert control.faults_left() == []


def test_what_another_editor_activated_meanwhile_is_not_added_twice(
    client: Client, control: EmulatorControl, segments: list[str]
) -> None:
    flow = make_flow(client)
    control.inject(fault("conflict", *PATCH, segment_id=segments[0]))
    activate(client, flow, segments[:2])
    assert selected(flow_now(control))[0] == segments[:2]


def test_a_flow_that_changes_all_the_time_is_given_up(
    plain_client: Client, control: EmulatorControl, segments: list[str], virtual_clock: VirtualClock
) -> None:
    flow = make_flow(plain_client)
    control.inject(fault("conflict", *PATCH, times=ATTEMPTS))
    with pytest.raises(PreconditionError):
        activate(plain_client, flow, segments[:1])
    assert control.faults_left() == []
    assert len([call for call in calls(control) if call[0] == "PATCH"]) == ATTEMPTS
    assert len(virtual_clock.sleeps) == ATTEMPTS - 1
    assert activate(plain_client, flow, segments[:1]).patch.added == (segments[0],)


@pytest.mark.parametrize("answer", ["reset_after", "reset", "status"])
def test_a_patch_whose_answer_is_lost_adds_once(
    client: Client, control: EmulatorControl, segments: list[str], answer: str
) -> None:
    flow = make_flow(client)
    control.inject(fault(answer, *PATCH, **({"status": 502} if answer == "status" else {})))
    activation = activate(client, flow, segments[:2], "a")
    assert selected(flow_now(control)) == (segments[:2], ["a"])
    assert activation.patch.added == tuple(segments[:2])
    assert activation.patch.attributes_added == ("a",)
    assert activation.etag == flow_now(control)["etag"]
    assert control.faults_left() == []


def test_a_patch_that_is_answered_without_a_body_counts(
    client: Client, control: EmulatorControl, segments: list[str]
) -> None:
    control.set_switches(patch_response="202")
    flow = make_flow(client)
    assert activate(client, flow, segments[:1]).etag == flow_now(control)["etag"]


def test_a_patch_that_aep_confirms_and_does_not_do_is_an_error(
    plain_client: Client, control: EmulatorControl, segments: list[str]
) -> None:
    flow = make_flow(plain_client)
    control.set_switches(silent_patch=True)
    with pytest.raises(DriftError) as caught:
        activate(plain_client, flow, segments[:1], "a.b")
    assert segments[0] in caught.value.message
    assert "a.b" in caught.value.message


def test_a_flow_without_selectors_is_refused_before_anything_is_sent(
    plain_client: Client, control: EmulatorControl, segments: list[str]
) -> None:
    flow = make_flow(plain_client, transformations=[])
    control.clear_requests()
    with pytest.raises(DriftError, match="FlowServiceCreateFlowOperator"):
        activate(plain_client, flow, segments[:1])
    assert calls(control) == [("GET", 200)]


def test_all_transformations_of_a_flow_count(
    plain_client: Client, control: EmulatorControl, segments: list[str]
) -> None:
    held = [{"type": "PLATFORM_SEGMENT", "value": {"id": segments[0]}}]
    first, second = (empty_transformation() for _ in range(2))
    second["params"]["segmentSelectors"]["selectors"] = held
    flow = make_flow(plain_client, transformations=[first, second])

    def lists() -> list[list[str]]:
        held = [
            each["params"]["segmentSelectors"]["selectors"] for each in flow_now(control)["transformations"]
        ]
        return [[selector["value"]["id"] for selector in selectors] for selectors in held]

    control.clear_requests()
    assert activate(plain_client, flow, segments[:1]).patch.present == (segments[0],)
    assert calls(control) == [("GET", 200)]
    activate(plain_client, flow, segments[:2])
    assert lists() == [[segments[1]], [segments[0]]]
    desired = DesiredSelectors(resolve(plain_client, read_segments(segments[:1])), None)
    activating.activate(plain_client, flow, desired, ActivationMode.REMOVE)
    assert lists() == [[segments[1]], []]


def test_a_flow_that_is_not_there_is_named(plain_client: Client, segments: list[str]) -> None:
    with pytest.raises(NotFoundError, match="8256cfb4-17e6-432c-a469-6aedafb16cd5"):
        activate(plain_client, "8256cfb4-17e6-432c-a469-6aedafb16cd5", segments[:1])


def test_many_workers_that_edit_one_flow_lose_nothing(
    open_to_emulator: Opener, control: EmulatorControl, segments: list[str]
) -> None:
    flow = make_flow(open_to_emulator())
    workers = 4
    barrier = threading.Barrier(workers)
    failures: list[BaseException] = []

    def work(client: Client, segment: str) -> None:
        try:
            barrier.wait()
            activate(client, flow, [segment], f"a.{segment[:4]}")
        except BaseException as failure:  # noqa: BLE001 (raised below, in the test's own thread)
            failures.append(failure)

    threads = [
        threading.Thread(target=work, args=(open_to_emulator(), segment)) for segment in segments[:workers]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found, attributes = selected(flow_now(control))
    assert sorted(found) == sorted(segments[:workers])
    assert len(attributes) == workers


def test_the_version_is_guarded(plain_client: Client, control: EmulatorControl, segments: list[str]) -> None:
    flow = make_flow(plain_client)
    etag = plain_client.send(request.get(request.FLOWS, flow)).etag
    activate(plain_client, flow, segments[:1])
    (entry,) = control.requests("PATCH")
    assert entry["headers"]["if-match"] == etag
