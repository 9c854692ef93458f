from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_flowservice.client.converge import ATTEMPTS
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    InvalidInputError,
    SandboxNotFoundError,
    ServerError,
)
from airflow_provider_flowservice.client.flows import lifecycle
from airflow_provider_flowservice.client.flows.lifecycle import FlowResources
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.model import Flow, FlowState, SpecRef
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.client.conftest import Opener
from tests.support.aep import make, make_ends, make_flow, profile_flow, writes
from tests.support.clients import Client
from tests.support.faults import fault

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"


def flow(**changes: str | None) -> Flow:
    return Flow(id="f", flow_spec=SpecRef(id="s"), **{"name": "old", **changes})  # type: ignore[arg-type]


def test_only_what_differs_is_changed() -> None:
    changes = lifecycle.text_changes
    assert changes(flow(), None, None) == changes(flow(), "old", None) == ()
    assert [o.to_json() for o in changes(flow(), "new", "d")] == [
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/description", "value": "d"},
    ]
    assert [o.op for o in changes(flow(description=""), None, "d")] == ["add"]
    assert [o.op for o in changes(flow(description="x"), None, "d")] == ["replace"]
    assert [o.value for o in changes(flow(description="x"), None, "")] == [""]


def test_the_parts_of_a_flow_survive_json_and_go_in_order(plain_client: Client) -> None:
    made = make_flow(plain_client)
    resources = lifecycle.flow_resources(plain_client, made)
    assert resources is not None
    assert FlowResources.from_json(json.loads(json.dumps(resources.to_json()))) == resources
    order = [(kind.path, resource_id) for kind, resource_id in resources.in_order]
    assert [path for path, _ in order] == ["targetConnections", "sourceConnections", *["connections"] * 2]
    assert lifecycle.flow_resources(plain_client, UNKNOWN) is None


def test_a_part_that_is_gone_does_not_hide_the_others(plain_client: Client, control: EmulatorControl) -> None:
    made = make_flow(plain_client)
    control.inject(fault("status", "GET", "targetConnections/*", status=404))
    resources = lifecycle.flow_resources(plain_client, made)
    assert resources is not None
    assert (len(resources.targets), len(resources.sources), len(resources.bases)) == (1, 1, 1)


def test_a_base_connection_at_both_ends_counts_once(plain_client: Client, control: EmulatorControl) -> None:
    source, target = make_ends(plain_client)
    held = plain_client.send(request.get(request.SOURCE_CONNECTIONS, source)).base_connection_id
    made = make(plain_client, profile_flow(source, target))
    item = {"id": target, "connectionSpec": {"id": "s"}, "baseConnectionId": held}
    control.inject(fault("status", "GET", f"targetConnections/{target}", status=200, body={"items": [item]}))
    resources = lifecycle.flow_resources(plain_client, made)
    assert resources is not None
    assert resources.bases == (held,)


def test_a_state_that_aep_confirms_and_does_not_take_is_an_error(
    plain_client: Client, control: EmulatorControl
) -> None:
    made = make_flow(plain_client)
    confirmed = {"id": made, "etag": '"x"'}
    control.inject(fault("status", "POST", "flows/*/action", status=200, body=confirmed))
    with pytest.raises(DriftError, match=f"flow {made} .*: state is 'enabled', expected 'disabled'"):
        lifecycle.set_state(plain_client, made, FlowState.DISABLED)
    assert len(control.requests("POST", "/action")) == 1


def test_a_state_that_needs_a_moment_is_waited_for(
    plain_client: Client, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    made = make_flow(plain_client)
    between = {"items": [{"id": made, "flowSpec": {"id": "s"}, "state": "disabling"}]}
    control.inject(fault("status", "GET", f"flows/{made}", after=1, times=2, status=200, body=between))
    assert lifecycle.set_state(plain_client, made, FlowState.DISABLED).state == "disabled"
    assert virtual_clock.sleeps == [0.5, 1.0]
    assert len(control.requests("POST", "/action")) == 1


@pytest.mark.parametrize("state", [FlowState.DRAFT, "enabling", "ENABLED", None])
def test_a_state_that_nobody_can_set_is_refused_before_anything_is_sent(
    plain_client: Client, control: EmulatorControl, state: Any
) -> None:
    with pytest.raises(InvalidInputError, match=r"^state: .* cannot be set\. Choose enabled or disabled\."):
        lifecycle.set_state(plain_client, UNKNOWN, state)
    assert control.requests(path="/flows/") == []


@pytest.mark.parametrize(
    "state",
    [
        *("enabled", "disabled", "enabling", "disabling", "updating", "inProgress", None),
        *("enabled-finalizing", "delete-finalizing"),
    ],
)
def test_what_has_another_state_than_a_draft_is_not_published(
    plain_client: Client, control: EmulatorControl, state: str | None
) -> None:
    shown = {"id": UNKNOWN, "name": "flow", "state": state, "flowSpec": {"id": UNKNOWN, "version": "1.0"}}
    control.inject(fault("status", "GET", f"flows/{UNKNOWN}", times=99, status=200, body={"items": [shown]}))
    assert lifecycle.publish(plain_client, request.FLOWS, UNKNOWN) is False
    assert writes(control) == []


@pytest.mark.parametrize("change", ["state", "name", "publish"])
def test_an_aep_that_stays_down_is_given_up(
    plain_client: Client, control: EmulatorControl, change: str
) -> None:
    source, target = make_ends(plain_client)
    body = profile_flow(source, target).body
    made = plain_client.send(request.create(request.FLOWS, body, draft=change == "publish")).id
    control.clear_requests()
    control.inject(
        fault("status", "POST", "*", times=99, status=503),
        fault("status", "PATCH", "*", times=99, status=503),
    )
    with pytest.raises(ServerError):
        {
            "state": lambda: lifecycle.set_state(plain_client, made, FlowState.DISABLED),
            "name": lambda: lifecycle.rename(plain_client, made, "new", None),
            "publish": lambda: lifecycle.publish(plain_client, request.FLOWS, made),
        }[change]()
    assert len(writes(control)) == ATTEMPTS


def test_a_refusal_to_delete_for_another_reason_than_use_is_an_error(
    plain_client: Client, control: EmulatorControl
) -> None:
    made = make_flow(plain_client)
    resources = lifecycle.flow_resources(plain_client, made)
    assert resources is not None
    lifecycle.delete(plain_client, request.FLOWS, made)
    problem = {"type": "https://ns.adobe.com/aep/errors/FLOW-1416-400", "title": "No", "status": 400}
    control.inject(fault("status", "DELETE", "*", status=400, body=problem))
    with pytest.raises(BadRequestError, match="FLOW-1416-400"):
        lifecycle.delete_unshared(plain_client, request.TARGET_CONNECTIONS, resources.targets[0])
    assert lifecycle.delete_unshared(plain_client, request.TARGET_CONNECTIONS, resources.targets[0])
    assert lifecycle.delete_unshared(plain_client, request.TARGET_CONNECTIONS, resources.targets[0])


def test_a_sandbox_that_is_not_there_is_no_deleted_flow(open_to_emulator: Opener) -> None:
    client = open_to_emulator(sandbox="nowhere")
    with pytest.raises(SandboxNotFoundError):
        lifecycle.delete(client, request.FLOWS, UNKNOWN)
    with pytest.raises(SandboxNotFoundError):
        lifecycle.flow_resources(client, UNKNOWN)
