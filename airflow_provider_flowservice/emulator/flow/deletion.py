"""DELETE: only what nothing refers to may go."""

from __future__ import annotations

from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS, FLOW_SPECS, UNIFIED_PROFILE
from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.settings import Switches


def delete(store: FlowStore, resource: Resource) -> None:
    """Remove a resource.

    That a base connection in use is refused with FLOW-1418 is documented. That source and target
    connections in use are refused too, and with which code, is a guess.

    :raises FlowError: when another resource refers to it.
    """
    user = _user_of(store, resource)
    if user is not None:
        is_base = resource.kind is Kind.CONNECTIONS
        raise FlowError(
            FlowCode.BASE_CONNECTION_IN_USE if is_base else FlowCode.WRONG_STATE_FOR_DELETE,
            f"The {resource.kind.value} resource {resource.id} is used by {user.kind.value} {user.id}.",
            kind=resource.kind.value,
            resource_id=resource.id,
        )
    store.delete(resource)


def _user_of(store: FlowStore, resource: Resource) -> Resource | None:
    if resource.kind is Kind.CONNECTIONS:
        ends = store.all(Kind.TARGET_CONNECTIONS) + store.all(Kind.SOURCE_CONNECTIONS)
        return next((end for end in ends if end.body.get("baseConnectionId") == resource.id), None)
    field = {
        Kind.SOURCE_CONNECTIONS: "sourceConnectionIds",
        Kind.TARGET_CONNECTIONS: "targetConnectionIds",
    }.get(resource.kind)
    if field is None:
        return None
    return next((flow for flow in store.all(Kind.FLOWS) if resource.id in flow.body[field]), None)


def answer_status(resource: Resource, switches: Switches) -> int:
    """202 as the destinations document has it, 204 as the sources document has it, or one of them always."""
    if switches.delete_answer != "by-role":
        return int(switches.delete_answer)
    return 202 if _belongs_to_destinations(resource) else 204


def _belongs_to_destinations(resource: Resource) -> bool:
    if resource.kind is Kind.FLOWS:
        return FLOW_SPECS[resource.body["flowSpec"]["id"]].is_destination
    spec = CONNECTION_SPECS[resource.body["connectionSpec"]["id"]]
    return spec.is_destination or spec.id == UNIFIED_PROFILE
