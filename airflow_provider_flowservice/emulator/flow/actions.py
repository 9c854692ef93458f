"""Actions that move a resource from state to state: enable, disable, publish."""

from __future__ import annotations

from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.flow.validation import check
from airflow_provider_flowservice.emulator.world import Sandbox


def perform(sandbox: Sandbox, resource: Resource, op: str) -> None:
    """Do what ``POST /{collection}/{id}/action?op=`` asks, in either case of letters.

    :raises FlowError: when the action is unknown, reserved for providers, or does not apply in this state.
    """
    action = op.lower()
    if action == "publish":
        _publish(sandbox, resource)
    elif action in ("enable", "disable") and resource.kind is Kind.FLOWS:
        _switch(sandbox, resource, State.ENABLED if action == "enable" else State.DISABLED)
    else:
        raise FlowError(
            FlowCode.ACTION_NOT_PERMITTED,
            f"The action {op} is not permitted on {resource.kind.value}.",
            kind=resource.kind.value,
            resource_id=resource.id,
        )


def _switch(sandbox: Sandbox, resource: Resource, wanted: State) -> None:
    if resource.state is State.DRAFT:
        raise _refused(FlowCode.TRANSITION_REFUSED, resource, f"cannot go from draft to {wanted.value}")
    if resource.state is wanted:
        raise _refused(FlowCode.ACTION_NOT_APPLICABLE, resource, f"is already {wanted.value}")
    resource.state = wanted
    FlowStore.of(sandbox).touch(resource)


def _publish(sandbox: Sandbox, resource: Resource) -> None:
    if resource.state is not State.DRAFT:
        raise _refused(FlowCode.ACTION_NOT_APPLICABLE, resource, "is not a draft")
    check(resource.kind, resource.body, sandbox, draft=False)
    resource.state = State.ENABLED
    FlowStore.of(sandbox).touch(resource)


def _refused(code: FlowCode, resource: Resource, why: str) -> FlowError:
    message = f"The {resource.kind.value} resource {resource.id} {why}."
    return FlowError(code, message, kind=resource.kind.value, resource_id=resource.id)
