from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from airflow_provider_flowservice.client import converge
from airflow_provider_flowservice.client.ensure.create import ATTEMPTS, IfExists, ensure
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    NotFoundError,
    PreconditionError,
    ResponseLostError,
    ServerError,
)
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.aep import (
    KINESIS_SECRET,
    ids,
    kinesis,
    make,
    make_ends,
    profile_flow,
    profile_store,
    profiles,
    selected,
    stream,
    writes,
)
from tests.support.clients import Client, KeptState
from tests.support.faults import fault

T = TypeVar("T")
KINDS = ("connections", "sourceConnections", "targetConnections", "flows")


def wanted(client: Client, kind: str, name: str = "mine", **changes: Any) -> Any:
    """A resource of a kind that shall exist, with its parents made."""
    if kind == "connections":
        return kinesis(name, **changes)
    if kind == "sourceConnections":
        return profiles(make(client, profile_store()), name, **changes)
    if kind == "targetConnections":
        return stream(make(client, kinesis("base")), name, **changes)
    return profile_flow(*make_ends(client), name=name, **changes)


def made(control: EmulatorControl, kind: str, name: str = "mine") -> list[dict[str, Any]]:
    return [item for item in control.state()[kind] if item["name"] == name]


class Interrupted:
    """A sender that lets something happen right before the first request with a method."""

    def __init__(self, client: Client, method: str, happens: Callable[[], object]) -> None:
        self._client = client
        self._method = method
        self._happens: Callable[[], object] | None = happens

    def send(self, request: Request[T]) -> T:
        if request.method == self._method and self._happens:
            happens, self._happens = self._happens, None
            happens()
        return self._client.send(request)


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_time_the_first_one_is_found(client: Client, control: EmulatorControl, kind: str) -> None:
    desired = wanted(client, kind)
    first = ensure(client, desired)
    control.clear_requests()
    second = ensure(client, desired)
    (item,) = made(control, kind)
    assert (first.id, first.created) == (item["id"], True)
    assert (second.id, second.etag, second.created) == (item["id"], item["etag"], False)
    assert writes(control) == []


@pytest.mark.parametrize("lost", ["reset_after", "reset", "status"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_create_whose_answer_is_lost_makes_one_object(
    client: Client, control: EmulatorControl, kind: str, lost: str
) -> None:
    desired = wanted(client, kind)
    control.clear_requests()
    control.inject(fault(lost, "POST", kind, **({"status": 503} if lost == "status" else {})))
    ensured = ensure(client, desired)
    assert ids(made(control, kind)) == [ensured.id]
    assert ensured.created
    assert writes(control) == [("POST", kind)] * (1 if lost == "reset_after" else 2)
    assert control.faults_left() == []


@pytest.mark.parametrize("body", ["<html>", {"items": []}])
def test_a_success_that_cannot_be_read_is_a_lost_answer(
    plain_client: Client, control: EmulatorControl, body: object
) -> None:
    control.inject(fault("status", "POST", "connections", status=201, body=body))
    assert ensure(plain_client, kinesis("mine")).created
    assert len(made(control, "connections")) == 1


def test_a_create_that_is_lost_each_time_ends_with_the_last_error(
    plain_client: Client, control: EmulatorControl
) -> None:
    control.inject(fault("reset", "POST", "connections", times=ATTEMPTS))
    with pytest.raises(ResponseLostError):
        ensure(plain_client, kinesis("mine"))
    assert writes(control) == [("POST", "connections")] * ATTEMPTS
    assert control.faults_left() == []
    assert ensure(plain_client, kinesis("mine")).created


def test_a_create_that_was_carried_out_before_the_worker_died_is_found(
    plain_client: Client, control: EmulatorControl
) -> None:
    lost = make(plain_client, kinesis("mine"))
    ensured = ensure(plain_client, kinesis("mine"))
    assert (ensured.id, ensured.created) == (lost, False)


def test_what_aep_refuses_is_not_sent_again(plain_client: Client, control: EmulatorControl) -> None:
    with pytest.raises(NotFoundError, match="FLOW-1439-404"):
        ensure(plain_client, stream("8256cfb4-17e6-432c-a469-6aedafb16cd5", "mine"))
    assert writes(control) == [("POST", "targetConnections")]


def test_an_error_does_not_repeat_the_credentials_that_aep_echoes(
    plain_client: Client, control: EmulatorControl
) -> None:
    echo = {"message": f"secretKey {KINESIS_SECRET} is wrong"}
    control.inject(fault("status", "POST", "connections", status=400, body=echo))
    with pytest.raises(BadRequestError) as caught:
        ensure(plain_client, kinesis("mine"))
    assert KINESIS_SECRET not in str(caught.value)
    assert "secretKey *** is wrong" in str(caught.value)


@pytest.mark.parametrize("name", ["a, b", 'say "hi"', "x=y&z", "50 % + more", "été"])
def test_a_name_that_no_filter_can_hold_is_found_to_the_last_page(
    plain_client: Client, control: EmulatorControl, name: str
) -> None:
    first = ensure(plain_client, profile_store(name))
    for number in range(request.PAGE_LIMIT):
        make(plain_client, profile_store(f"newer {number}"))
    control.clear_requests()
    assert ensure(plain_client, profile_store(name)).id == first.id
    assert len(control.requests("GET")) == 2
    assert writes(control) == []


def test_the_same_name_under_another_parent_is_another_object(
    plain_client: Client, control: EmulatorControl
) -> None:
    bases = [make(plain_client, kinesis(name)) for name in ("one", "two")]
    made_here = {ensure(plain_client, stream(base, "mine")).id for base in bases}
    assert len(made_here) == 2
    assert {ensure(plain_client, stream(base, "mine")).id for base in bases} == made_here


def test_reuse_refuses_other_settings_and_names_them(plain_client: Client, control: EmulatorControl) -> None:
    base = make(plain_client, kinesis("base"))
    held = make(plain_client, stream(base, "mine", stream="old"))
    control.clear_requests()
    with pytest.raises(DriftError) as caught:
        ensure(plain_client, stream(base, "mine", stream="new"))
    assert held in caught.value.message
    assert "params.stream is 'old', expected 'new'" in caught.value.message
    assert "if_exists='update'" in caught.value.message
    assert writes(control) == []


def test_update_patches_what_differs_and_then_nothing(plain_client: Client, control: EmulatorControl) -> None:
    base = make(plain_client, kinesis("base"))
    held = make(plain_client, stream(base, "mine", stream="old"))
    desired = stream(base, "mine", stream="new", description="for summer")
    updated = ensure(plain_client, desired, IfExists.UPDATE)
    (item,) = made(control, "targetConnections")
    assert (updated.id, updated.etag, updated.created) == (held, item["etag"], False)
    assert (item["params"]["stream"], item["description"]) == ("new", "for summer")
    control.clear_requests()
    ensure(plain_client, desired, IfExists.UPDATE)
    assert writes(control) == []


def test_update_sends_credentials_since_nobody_can_compare_them(
    plain_client: Client, control: EmulatorControl
) -> None:
    make(plain_client, kinesis("mine", region="us-east-1"))
    control.clear_requests()
    ensure(plain_client, kinesis("mine", region="eu-west-1"), IfExists.UPDATE)
    assert writes(control) == [("PATCH", "connections")]
    assert made(control, "connections")[0]["auth"]["params"]["region"] == "eu-west-1"


def test_update_leaves_the_selectors_of_a_flow_alone(plain_client: Client, control: EmulatorControl) -> None:
    ends = make_ends(plain_client)
    flow = make(plain_client, profile_flow(*ends, name="mine"))
    control.inject(fault("conflict", "GET", f"flows/{flow}", segment_id="theirs"))
    plain_client.send(request.get(request.FLOWS, flow))
    ensure(plain_client, profile_flow(*ends, name="mine", description="new"), IfExists.UPDATE)
    (item,) = made(control, "flows")
    assert item["description"] == "new"
    assert selected(item) == (["theirs"], [])


def test_update_that_aep_confirms_and_does_not_do_is_an_error(
    plain_client: Client, control: EmulatorControl
) -> None:
    ends = make_ends(plain_client)
    make(plain_client, profile_flow(*ends, name="mine"))
    control.set_switches(silent_patch=True)
    desired = profile_flow(*ends, name="mine", schedule_params={"frequency": "hour", "interval": 1})
    with pytest.raises(DriftError, match=r"confirmed .*scheduleParams.frequency is None"):
        ensure(plain_client, desired, IfExists.UPDATE)


def test_update_of_what_somebody_else_changes_meanwhile_is_computed_again(
    plain_client: Client, control: EmulatorControl
) -> None:
    base = make(plain_client, kinesis("base"))
    held = make(plain_client, stream(base, "mine", stream="old"))
    control.inject(fault("conflict", "PATCH", "targetConnections/*", times=2))
    updated = ensure(plain_client, stream(base, "mine", stream="new"), IfExists.UPDATE)
    (item,) = made(control, "targetConnections")
    assert (updated.id, updated.etag) == (held, item["etag"])
    assert item["params"]["stream"] == "new"
    assert item["description"] == "edited by someone else"
    assert control.faults_left() == []


def test_update_of_what_changes_all_the_time_is_given_up(
    plain_client: Client, control: EmulatorControl
) -> None:
    base = make(plain_client, kinesis("base"))
    make(plain_client, stream(base, "mine", stream="old"))
    control.inject(fault("conflict", "PATCH", "targetConnections/*", times=converge.ATTEMPTS))
    with pytest.raises(PreconditionError):
        ensure(plain_client, stream(base, "mine", stream="new"), IfExists.UPDATE)
    assert control.faults_left() == []


@pytest.mark.parametrize("lost", ["reset", "reset_after"])
def test_update_whose_answer_is_lost_is_made_once(
    plain_client: Client, control: EmulatorControl, lost: str
) -> None:
    base = make(plain_client, kinesis("base"))
    make(plain_client, stream(base, "mine", stream="old"))
    control.inject(fault(lost, "PATCH", "targetConnections/*"))
    updated = ensure(plain_client, stream(base, "mine", stream="new"), IfExists.UPDATE)
    (item,) = made(control, "targetConnections")
    assert (item["params"]["stream"], item["etag"]) == ("new", updated.etag)
    assert control.faults_left() == []


def test_fail_refuses_what_is_there(plain_client: Client, control: EmulatorControl) -> None:
    held = ensure(plain_client, kinesis("mine"), IfExists.FAIL)
    assert held.created
    with pytest.raises(DriftError, match=f"already exists: {held.id}"):
        ensure(plain_client, kinesis("mine"), IfExists.FAIL)


def test_create_makes_another_one_each_time_and_one_when_its_answer_is_lost(
    plain_client: Client, control: EmulatorControl
) -> None:
    first = ensure(plain_client, kinesis("mine"), IfExists.CREATE)
    control.inject(fault("reset_after", "POST", "connections"))
    second = ensure(plain_client, kinesis("mine"), IfExists.CREATE)
    assert sorted(ids(made(control, "connections"))) == sorted([first.id, second.id])
    assert second.created
    assert first.id != second.id
    assert control.faults_left() == []


def test_of_several_equal_ones_the_oldest_is_taken_and_all_are_named(
    plain_client: Client, control: EmulatorControl, caplog: pytest.LogCaptureFixture
) -> None:
    twins = []
    for _ in range(3):
        twins.append(make(plain_client, kinesis("mine")))
        control.advance(1)
    with caplog.at_level(logging.WARNING):
        ensured = ensure(plain_client, kinesis("mine"))
    assert (ensured.id, ensured.created) == (twins[0], False)
    (record,) = caplog.records
    assert ", ".join(twins) in record.getMessage()


def test_about_several_different_ones_nobody_guesses(plain_client: Client, control: EmulatorControl) -> None:
    base = make(plain_client, kinesis("base"))
    equal = make(plain_client, stream(base, "mine"))
    other = make(plain_client, stream(base, "mine", stream="other"))
    for if_exists in (IfExists.REUSE, IfExists.UPDATE):
        with pytest.raises(DriftError) as caught:
            ensure(plain_client, stream(base, "mine"), if_exists)
        assert f"{equal}: as desired." in caught.value.message
        assert f"{other}: params.stream is 'other', expected 'events'." in caught.value.message
    assert len(made(control, "targetConnections")) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_slower_of_two_workers_takes_its_twin_back(
    plain_client: Client, control: EmulatorControl, kind: str
) -> None:
    desired = wanted(plain_client, kind)
    faster: list[str] = []

    def other_worker() -> None:
        faster.append(ensure(plain_client, desired).id)
        control.advance(1)

    slower = ensure(Interrupted(plain_client, "POST", other_worker), desired)
    assert (slower.id, slower.created) == (faster[0], False)
    assert ids(made(control, kind)) == faster


def test_the_faster_of_two_workers_keeps_its_own(plain_client: Client, control: EmulatorControl) -> None:
    class SlowToLook(Interrupted):
        """Another worker's twin appears after this worker's own create."""

        def send(self, request: Request[T]) -> T:
            answer = super().send(request)
            if request.method == "POST":
                control.advance(1)
                make(plain_client, kinesis("mine"))
            return answer

    ours = ensure(SlowToLook(plain_client, "-", lambda: None), kinesis("mine"))
    assert ours.created
    assert len(made(control, "connections")) == 2
    assert ensure(plain_client, kinesis("mine")).id == ours.id


def test_a_different_object_of_that_name_is_no_twin(plain_client: Client, control: EmulatorControl) -> None:
    base = make(plain_client, kinesis("base"))

    def other_worker() -> None:
        make(plain_client, stream(base, "mine", stream="other"))
        control.advance(1)

    ours = ensure(Interrupted(plain_client, "POST", other_worker), stream(base, "mine"))
    assert ours.created
    assert len(made(control, "targetConnections")) == 2


def test_a_server_that_is_down_is_asked_again_and_then_given_up(
    plain_client: Client, control: EmulatorControl
) -> None:
    control.inject(fault("status", "GET", "connections", times=5, status=503))
    with pytest.raises(ServerError):
        ensure(plain_client, kinesis("mine"))
    assert writes(control) == []
    assert control.faults_left() == []


def test_what_another_made_with_other_settings_is_not_taken_for_an_earlier_attempts_work(
    plain_client: Client,
) -> None:
    make(plain_client, kinesis(region="eu-west-1"))
    with pytest.raises(DriftError, match="region"):
        ensure(plain_client, kinesis(region="us-east-1"), IfExists.REUSE, KeptState({"known": []}))


def test_a_create_that_aep_refused_leaves_no_note_to_go_on_from(
    plain_client: Client, control: EmulatorControl
) -> None:
    control.inject(fault("status", "POST", "connections", status=400))
    task_state = KeptState(None)
    with pytest.raises(BadRequestError):
        ensure(plain_client, kinesis(), IfExists.REUSE, task_state)
    assert not task_state.state
