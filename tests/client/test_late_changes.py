"""AEP answers a change at once and shows it some seconds later: each change is made once and then seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_flowservice.client.activation.activate import activate
from airflow_provider_flowservice.client.activation.segments import Segment
from airflow_provider_flowservice.client.activation.selectors import ActivationMode, DesiredSelectors
from airflow_provider_flowservice.client.ensure.create import IfExists, ensure
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.flows import lifecycle
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.sender import Sender
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.support.aep import kinesis, make, make_ends, make_flow, profile_flow, stream, writes
from tests.support.clients import Client
from tests.support.late import Late

#: Seconds after which AEP is reported to show a change, and far more than anybody waits for.
LATE, NEVER = 8.0, 60.0
HOURLY = {"startTime": 4_000_000_000, "frequency": "hour", "interval": 1}


@pytest.fixture
def control(emulator: EmulatorServer) -> EmulatorControl:
    return emulator.control


def rename(client: Client) -> Callable[[Sender], Any]:
    flow = make_flow(client)
    return lambda sender: lifecycle.rename(sender, flow, "new", None)


def describe(client: Client) -> Callable[[Sender], Any]:
    flow = make_flow(client)
    return lambda sender: lifecycle.rename(sender, flow, None, "for summer")


def disable(client: Client) -> Callable[[Sender], Any]:
    flow = make_flow(client)
    return lambda sender: lifecycle.set_state(sender, flow, "disabled")


def enable(client: Client) -> Callable[[Sender], Any]:
    flow = make_flow(client)
    lifecycle.set_state(client, flow, "disabled")
    return lambda sender: lifecycle.set_state(sender, flow, "enabled")


def publish(client: Client) -> Callable[[Sender], Any]:
    body = profile_flow(*make_ends(client)).body
    flow = client.send(request.create(request.FLOWS, body, draft=True)).id
    return lambda sender: lifecycle.publish(sender, request.FLOWS, flow)


def update_connection(client: Client) -> Callable[[Sender], Any]:
    make(client, kinesis("mine"))
    return lambda sender: ensure(sender, kinesis("mine", region="eu-west-1"), IfExists.UPDATE)


def update_target(client: Client) -> Callable[[Sender], Any]:
    base = make(client, kinesis())
    make(client, stream(base, "mine"))
    return lambda sender: ensure(sender, stream(base, "mine", stream="new"), IfExists.UPDATE)


def update_flow(client: Client) -> Callable[[Sender], Any]:
    ends = make_ends(client)
    make(client, profile_flow(*ends, "mine"))
    desired = profile_flow(*ends, "mine", schedule_params=HOURLY)
    return lambda sender: ensure(sender, desired, IfExists.UPDATE)


def describe_in_update(client: Client) -> Callable[[Sender], Any]:
    ends = make_ends(client)
    make(client, profile_flow(*ends, "mine"))
    desired = profile_flow(*ends, "mine", description="for summer")
    return lambda sender: ensure(sender, desired, IfExists.UPDATE)


def activation(mode: ActivationMode) -> Callable[[Client], Callable[[Sender], Any]]:
    first, second, third = (Segment(f"8a1e7c2a-0000-4000-8000-00000000000{n}") for n in range(3))

    def prepare(client: Client) -> Callable[[Sender], Any]:
        flow = make_flow(client)
        activate(client, flow, DesiredSelectors((first, second), ("a",)), ActivationMode.ADD)
        desired = DesiredSelectors((second, third), ("a", "b") if mode is ActivationMode.ADD else None)
        return lambda sender: activate(sender, flow, desired, mode)

    return prepare


#: Each change with the verb that makes it and what an error about it says.
CHANGES = [
    pytest.param(rename, "PATCH", "name", id="rename"),
    pytest.param(describe, "PATCH", "description", id="describe"),
    pytest.param(disable, "POST", "state", id="disable"),
    pytest.param(enable, "POST", "state", id="enable"),
    pytest.param(publish, "POST", "state", id="publish"),
    pytest.param(update_connection, "PATCH", "auth.params.region", id="update a connection"),
    pytest.param(update_target, "PATCH", "params.stream", id="update a target"),
    pytest.param(update_flow, "PATCH", "scheduleParams.frequency", id="update a flow"),
    pytest.param(describe_in_update, "PATCH", "description", id="update a description"),
    *(
        pytest.param(activation(mode), "PATCH", "000000000", id=f"activate, {mode.value}")
        for mode in ActivationMode
    ),
]


@pytest.mark.parametrize(("prepare", "verb", "named"), CHANGES)
def test_a_change_that_shows_late_is_made_once(
    plain_client: Client,
    control: EmulatorControl,
    prepare: Callable[[Client], Callable[[Sender], Any]],
    verb: str,
    named: str,
) -> None:
    change = prepare(plain_client)
    control.clear_requests()
    change(Late(plain_client, LATE))
    assert [method for method, _ in writes(control)] == [verb]
    change(plain_client)
    # Whether a credential is as it should be cannot be seen, so it is sent each time.
    assert len(writes(control)) == (2 if prepare is update_connection else 1)


@pytest.mark.parametrize(("prepare", "verb", "named"), CHANGES)
def test_a_change_that_does_not_show_is_an_error_that_names_it(
    plain_client: Client,
    control: EmulatorControl,
    prepare: Callable[[Client], Callable[[Sender], Any]],
    verb: str,
    named: str,
) -> None:
    change = prepare(plain_client)
    control.clear_requests()
    with pytest.raises(DriftError, match=named):
        change(Late(plain_client, NEVER))
    assert [method for method, _ in writes(control)] == [verb]
