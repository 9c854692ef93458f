"""AEP answers a change at once and shows it some seconds later: each change is made once and then seen."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.activation.activation import activate
from airflow_provider_flowservice.client.activation.segments import Segment
from airflow_provider_flowservice.client.activation.selectors import ActivationMode, DesiredSelectors
from airflow_provider_flowservice.client.converge import LOOKS
from airflow_provider_flowservice.client.ensure import IfExists, ensure
from airflow_provider_flowservice.client.errors import BadRequestError, DriftError
from airflow_provider_flowservice.client.flows import lifecycle, runs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.client.model import FlowState
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.client.conftest import Opener
from tests.support.aep import ids, kinesis, make, make_ends, make_flow, profile_flow, selected, stream, writes
from tests.support.batch import make_batch_flow
from tests.support.clients import Client, KeptState
from tests.support.crowd import all_at_once
from tests.support.faults import fault

#: Seconds after which AEP is reported to show a change, and far more than anybody waits for.
LATE, NEVER = 8, 60
#: Seconds that a request and its response take.
LATENCY = 0.5
HOURLY = {"startTime": 4_000_000_000, "frequency": "hour", "interval": 1}
Change = Callable[[Sender], Any]
Prepare = Callable[[Client], Change]


@pytest.fixture
def virtual_clock(emulator: EmulatorServer) -> Iterator[VirtualClock]:
    """The client's time, which the emulator's follows."""
    with clock.installed(virtual := VirtualClock.in_step_with(emulator.control)):
        yield virtual


def be_late(control: EmulatorControl, seconds: int = LATE) -> None:
    control.set_switches(change_delay_seconds=seconds)
    control.clear_requests()


def changes(control: EmulatorControl) -> list[str]:
    """The methods of the requests that changed something, those whose response was lost included."""
    return [
        entry["method"]
        for entry in control.requests()
        if entry["method"] != "GET" and (entry["status"] or 200) < 300
    ]


def rename(client: Client) -> Change:
    flow = make_flow(client)
    return lambda sender: lifecycle.rename(sender, flow, "new", None)


def describe(client: Client) -> Change:
    flow = make_flow(client)
    return lambda sender: lifecycle.rename(sender, flow, None, "for summer")


def disable(client: Client) -> Change:
    flow = make_flow(client)
    return lambda sender: lifecycle.set_state(sender, flow, FlowState.DISABLED)


def enable(client: Client) -> Change:
    flow = make_flow(client)
    lifecycle.set_state(client, flow, FlowState.DISABLED)
    return lambda sender: lifecycle.set_state(sender, flow, FlowState.ENABLED)


def publish(client: Client) -> Change:
    body = profile_flow(*make_ends(client)).body
    flow = client.send(request.create(request.FLOWS, body, draft=True)).id
    return lambda sender: lifecycle.publish(sender, request.FLOWS, flow)


def update_connection(client: Client) -> Change:
    make(client, kinesis("mine"))
    return lambda sender: ensure(sender, kinesis("mine", region="eu-west-1"), IfExists.UPDATE)


def update_target(client: Client) -> Change:
    base = make(client, kinesis())
    make(client, stream(base, "mine"))
    return lambda sender: ensure(sender, stream(base, "mine", stream="new"), IfExists.UPDATE)


def update_flow(client: Client) -> Change:
    ends = make_ends(client)
    make(client, profile_flow(*ends, "mine"))
    desired = profile_flow(*ends, "mine", schedule_params=HOURLY)
    return lambda sender: ensure(sender, desired, IfExists.UPDATE)


def describe_in_update(client: Client) -> Change:
    ends = make_ends(client)
    make(client, profile_flow(*ends, "mine"))
    desired = profile_flow(*ends, "mine", description="for summer")
    return lambda sender: ensure(sender, desired, IfExists.UPDATE)


def activation(mode: ActivationMode) -> Prepare:
    first, second, third = (Segment(f"8a1e7c2a-0000-4000-8000-00000000000{n}") for n in range(3))

    def prepare(client: Client) -> Change:
        flow = make_flow(client)
        activate(client, flow, DesiredSelectors((first, second), ("a",)), ActivationMode.ADD)
        desired = DesiredSelectors((second, third), ("a", "b") if mode is ActivationMode.ADD else None)
        return lambda sender: activate(sender, flow, desired, mode)

    return prepare


#: Each change with the method that makes it and what an error about it names.
CHANGES = [
    pytest.param(rename, "PATCH", "name is 'flow', expected 'new'", id="rename"),
    pytest.param(describe, "PATCH", "description is '', expected 'for summer'", id="describe"),
    pytest.param(disable, "POST", "state is 'enabled', expected 'disabled'", id="disable"),
    pytest.param(enable, "POST", "state is 'disabled', expected 'enabled'", id="enable"),
    pytest.param(publish, "POST", "state is 'draft'", id="publish"),
    pytest.param(update_connection, "PATCH", "auth.params.region is 'us-east-1'", id="update a connection"),
    pytest.param(update_target, "PATCH", "params.stream is 'events', expected 'new'", id="update a target"),
    pytest.param(update_flow, "PATCH", "scheduleParams.frequency is None", id="update a flow"),
    pytest.param(describe_in_update, "PATCH", "expected 'for summer'", id="update a description"),
    pytest.param(activation(ActivationMode.ADD), "PATCH", "add segments .*2; add attributes b", id="add"),
    pytest.param(activation(ActivationMode.REMOVE), "PATCH", "remove segments .*1", id="remove"),
    pytest.param(
        activation(ActivationMode.SYNC), "PATCH", "add segments .*2; remove segments .*0", id="sync"
    ),
]
EACH = pytest.mark.parametrize(("prepare", "method", "named"), CHANGES)


@EACH
def test_a_change_that_shows_late_is_made_once(
    plain_client: Client, control: EmulatorControl, prepare: Prepare, method: str, named: str
) -> None:
    change = prepare(plain_client)
    be_late(control)
    change(plain_client)
    assert [sent for sent, _ in writes(control)] == [method]
    # What it leaves can be seen: whoever asks for the same again finds nothing to do.
    change(plain_client)
    # Whether a credential is as it must be cannot be seen, so an update sends it each time.
    assert len(writes(control)) == (2 if prepare is update_connection else 1)


@EACH
def test_a_change_that_does_not_show_is_an_error_that_names_it(
    plain_client: Client,
    control: EmulatorControl,
    virtual_clock: VirtualClock,
    prepare: Prepare,
    method: str,
    named: str,
) -> None:
    change = prepare(plain_client)
    be_late(control, NEVER)
    before = virtual_clock.monotonic()
    with pytest.raises(DriftError, match=f"confirmed .* does not show it after 15.5 s: .*{named}"):
        change(plain_client)
    assert virtual_clock.monotonic() - before == sum(LOOKS) == 15.5
    assert [sent for sent, _ in writes(control)] == [method]
    # It was made, and the next attempt of the task sees that.
    control.advance(NEVER)
    change(plain_client)
    assert len(writes(control)) == (2 if prepare is update_connection else 1)


@EACH
def test_a_change_that_shows_at_once_costs_one_request_and_one_read_back(
    plain_client: Client, control: EmulatorControl, prepare: Prepare, method: str, named: str
) -> None:
    change = prepare(plain_client)
    control.clear_requests()
    change(plain_client)
    assert [entry["method"] for entry in control.requests()] == ["GET", method, "GET"]
    control.clear_requests()
    if prepare is not update_connection:
        change(plain_client)
        assert [entry["method"] for entry in control.requests()] == ["GET"]


@EACH
def test_a_change_that_shows_late_and_whose_response_is_lost_is_made_once(
    plain_client: Client, control: EmulatorControl, prepare: Prepare, method: str, named: str
) -> None:
    change = prepare(plain_client)
    be_late(control)
    control.inject(fault("reset_after", method, "*"))
    change(plain_client)
    # A credential is sent again as long as nobody has confirmed it.
    assert changes(control) == [method] * (2 if prepare is update_connection else 1)
    assert control.faults_left() == []


@EACH
def test_a_change_that_somebody_else_is_faster_with_waits_until_that_shows(
    plain_client: Client, control: EmulatorControl, prepare: Prepare, method: str, named: str
) -> None:
    change = prepare(plain_client)
    be_late(control)
    if method == "PATCH":
        control.inject(fault("conflict", method, "*", segment_id="theirs"))
    change(plain_client)
    # The version that was refused is not sent again: the next read that counts is one with news.
    statuses = [entry["status"] for entry in control.requests(method)]
    assert statuses == ([412, 200] if method == "PATCH" else [200])
    assert control.faults_left() == []


@pytest.mark.parametrize("prepare", [disable, enable, publish])
def test_what_somebody_else_has_done_and_does_not_show_yet_is_no_refusal(
    plain_client: Client, control: EmulatorControl, prepare: Prepare
) -> None:
    change = prepare(plain_client)
    be_late(control)
    (flow,) = control.state()["flows"]
    operation = {disable: "disable", enable: "enable", publish: "publish"}[prepare]
    plain_client.send(request.action(request.FLOWS, flow["id"], operation))
    change(plain_client)
    assert [entry["status"] for entry in control.requests("POST")] == [200, 400]


def test_an_action_that_is_refused_for_good_is_raised_after_looking(
    plain_client: Client, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    body = profile_flow(*make_ends(plain_client)).body
    draft = plain_client.send(request.create(request.FLOWS, body, draft=True)).id
    control.clear_requests()
    with pytest.raises(BadRequestError, match="FLOW-1421"):
        lifecycle.set_state(plain_client, draft, FlowState.ENABLED)
    assert [method for method, _ in writes(control)] == ["POST"]
    assert virtual_clock.sleeps == list(LOOKS)


def test_a_patch_that_is_refused_is_raised_at_once(
    plain_client: Client, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    flow = make_flow(plain_client)
    control.inject(fault("status", "PATCH", "flows/*", status=400))
    with pytest.raises(BadRequestError):
        lifecycle.rename(plain_client, flow, "new", None)
    assert virtual_clock.sleeps == []


# Creates


KINDS = ("connections", "targetConnections", "flows")


def wanted(client: Client, kind: str) -> Any:
    if kind == "connections":
        return kinesis("mine")
    if kind == "targetConnections":
        return stream(make(client, kinesis("base")), "mine")
    return profile_flow(*make_ends(client), name="mine")


def made(control: EmulatorControl, kind: str) -> list[str]:
    return ids([item for item in control.state()[kind] if item["name"] == "mine"])


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_create_that_lists_show_late_is_sent_once(
    plain_client: Client, control: EmulatorControl, kind: str, lost: bool
) -> None:
    desired = wanted(plain_client, kind)
    be_late(control)
    if lost:
        control.inject(fault("reset_after", "POST", kind))
    ensured = ensure(plain_client, desired)
    assert ensured.created
    assert writes(control) == [("POST", kind)]
    again = ensure(plain_client, desired)
    assert (again.id, again.created) == (ensured.id, False)
    assert made(control, kind) == [ensured.id]
    assert writes(control) == [("POST", kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_create_of_what_lists_do_not_show_yet_leaves_no_twin(
    plain_client: Client, control: EmulatorControl, kind: str
) -> None:
    desired = wanted(plain_client, kind)
    be_late(control)
    theirs = make(plain_client, desired)
    control.advance(LATE / 2)
    ensured = ensure(plain_client, desired)
    assert (ensured.id, ensured.created) == (theirs, False)
    assert made(control, kind) == [theirs]


@pytest.mark.parametrize("kind", KINDS)
def test_a_create_that_was_interrupted_is_found_when_lists_show_it(
    plain_client: Client, control: EmulatorControl, kind: str
) -> None:
    desired = wanted(plain_client, kind)
    be_late(control)
    lost = make(plain_client, desired)
    assert ensure(plain_client, desired, IfExists.REUSE, KeptState({"known": []})).id == lost
    assert writes(control) == [("POST", kind)]


@pytest.mark.parametrize("if_exists", [IfExists.REUSE, IfExists.UPDATE])
def test_a_create_and_an_update_right_after_it_agree(
    plain_client: Client, control: EmulatorControl, if_exists: IfExists
) -> None:
    base = make(plain_client, kinesis("base"))
    be_late(control)
    first = ensure(plain_client, stream(base, "mine"))
    updated = ensure(plain_client, stream(base, "mine", stream="new"), IfExists.UPDATE)
    again = ensure(plain_client, stream(base, "mine", stream="new"), if_exists)
    assert first.id == updated.id == again.id
    assert changes(control) == ["POST", "PATCH"]
    assert updated.etag == again.etag == control.state()["targetConnections"][0]["etag"]


def test_a_run_whose_response_is_lost_is_started_once_although_lists_show_it_late(
    plain_client: Client, control: EmulatorControl
) -> None:
    control.set_switches(scheduled_runs=False)
    flow = make_batch_flow(plain_client)
    be_late(control)
    control.inject(fault("reset_after", "POST", "runs"))
    window = runs.Window(1_700_000_000, 1_700_086_400)
    started = runs.start_run(plain_client, flow, window, runs.NewestRuns())
    assert ids(control.state()["runs"]) == [started]
    assert writes(control) == [("POST", "runs")]


# Several writers


def test_two_writers_of_one_flow_lose_nothing_and_send_nothing_twice(
    plain_client: Client, open_to_emulator: Opener, control: EmulatorControl, mocker: Any
) -> None:
    flow = make_flow(plain_client)
    first, second = (str(uuid.UUID(int=number)) for number in (1, 2))

    def writer(segment: str, attribute: str) -> Callable[[], Any]:
        client = open_to_emulator()
        desired = DesiredSelectors((Segment(segment),), (attribute,))
        return lambda: activate(client, flow, desired, ActivationMode.ADD)

    be_late(control)
    _, seconds = all_at_once([writer(first, "a"), writer(second, "b")], control.advance, LATENCY, mocker)
    segments, attributes = selected(control.state()["flows"][0])
    assert (sorted(segments), sorted(attributes)) == ([first, second], ["a", "b"])
    assert Counter(entry["status"] for entry in control.requests("PATCH")) == {200: 2, 412: 1}
    assert 2 * LATE <= seconds <= 2 * sum(LOOKS) + 5


def test_two_writers_of_different_fields_of_one_flow_lose_nothing(
    plain_client: Client, open_to_emulator: Opener, control: EmulatorControl, mocker: Any
) -> None:
    flow = make_flow(plain_client)
    clients = [open_to_emulator() for _ in range(3)]
    segment = Segment(str(uuid.UUID(int=1)))
    be_late(control)
    all_at_once(
        [
            lambda: lifecycle.rename(clients[0], flow, "new", None).name,
            lambda: lifecycle.rename(clients[1], flow, None, "for summer").name,
            lambda: lifecycle.set_state(clients[2], flow, FlowState.DISABLED).name,
            lambda: (
                activate(plain_client, flow, DesiredSelectors((segment,), None), ActivationMode.ADD).flow_id
            ),
        ],
        control.advance,
        LATENCY,
        mocker,
    )
    (held,) = control.state()["flows"]
    assert (held["name"], held["description"], held["state"]) == ("new", "for summer", "disabled")
    assert selected(held)[0] == [segment.id]
    assert len(changes(control)) == 4


def test_two_workers_that_create_the_same_thing_end_with_one(
    plain_client: Client, open_to_emulator: Opener, control: EmulatorControl, mocker: Any
) -> None:
    clients = [open_to_emulator() for _ in range(2)]
    for client in clients:
        list(client.send(request.page(request.FLOWS)).items)
    be_late(control)
    jobs = [lambda client=client: ensure(client, kinesis("mine")) for client in clients]
    results, _ = all_at_once(jobs, control.advance, LATENCY, mocker)
    (kept,) = made(control, "connections")
    assert [result.id for result in results] == [kept, kept]
    assert sorted(result.created for result in results) == [False, True]
    assert writes(control) == [("POST", "connections")] * 2 + [("DELETE", "connections")]
