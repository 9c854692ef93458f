"""Operations on existing flows and connections: enable, disable, rename, publish, delete."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from airflow_provider_flowservice.client.converge import Converged, converge
from airflow_provider_flowservice.client.ensure import Difference, compare
from airflow_provider_flowservice.client.errors import BadRequestError, InvalidInputError, NotFoundError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Kind, Request, Sender
from airflow_provider_flowservice.client.model import Flow, FlowState, Frozen, Operation, Resource
from airflow_provider_flowservice.client.text import titled

log = logging.getLogger(__name__)
F = TypeVar("F", bound=Resource)

#: AEP's error code for the deletion of a base connection that is in use.
IN_USE = "FLOW-1418"
#: The states that Adobe names for what is not a draft. Adobe does not name the state of a draft.
_NO_DRAFT = frozenset(
    {
        FlowState.ENABLED,
        FlowState.DISABLED,
        "inProgress",
        "updating",
        "enabling",
        "disabling",
        "enabled-finalizing",
        "delete-finalizing",
    }
)
_ACTIONS: dict[str, str] = {FlowState.ENABLED: "enable", FlowState.DISABLED: "disable"}


def set_state(sender: Sender, flow_id: str, state: FlowState | str) -> Flow:
    """Enable or disable a flow (``POST /flows/{id}/action``). Nothing is sent if it already has the state.

    :param state: ``enabled`` or ``disabled``.
    :returns: the flow after the change.
    :raises InvalidInputError: if ``state`` is another state.
    :raises DriftError: if AEP confirms the change but does not show it.
    """
    if state not in _ACTIONS:
        raise InvalidInputError("state", f"{state!r} cannot be set", "Choose enabled or disabled.")
    desired = FlowState(state)
    acted = _act(
        sender,
        request.FLOWS,
        flow_id,
        _ACTIONS[desired],
        lambda flow: compare("state", desired.value, flow.state),
    )
    title = titled("Flow", acted.resource.name, flow_id)
    log.info("%s is %s %s", title, desired.value, "now" if acted.changed else "already")
    return acted.resource


def publish(sender: Sender, kind: Kind[F], resource_id: str) -> bool:
    """Publish a draft (``POST /{kind}/{id}/action?op=publish``): a resource in a state that no other resource has.

    :returns: whether it was a draft.
    :raises DriftError: if AEP confirms the change but does not show it.
    """

    def still(found: F) -> tuple[Difference, ...]:
        if found.state is None or found.state in _NO_DRAFT:
            return ()
        return (Difference("state", found.state, "published"),)

    acted = _act(sender, kind, resource_id, "publish", still)
    title = titled(kind.label, acted.resource.name, resource_id)
    log.info("Published %s" if acted.changed else "Nothing to publish: %s is not a draft", title)
    return acted.changed


def _act(
    sender: Sender,
    kind: Kind[F],
    resource_id: str,
    operation: str,
    differences: Callable[[F], tuple[Difference, ...]],
) -> Converged[F]:
    """Send an action, unless the resource already has the desired state."""
    read, action = request.get(kind, resource_id), request.action(kind, resource_id, operation)
    what = f"{kind.label} {resource_id}"
    return converge(sender, read, lambda r: action if differences(r) else None, differences, what=what)


def text_differences(resource: Resource, name: str | None, description: str | None) -> tuple[Difference, ...]:
    """Compare name and description with the desired ones, and return the differences.

    :param name: desired name; None accepts any.
    :param description: desired description; None accepts any.
    """
    desired = {"name": name, "description": description}
    # AEP may return an empty description if there is none.
    held = {"name": resource.name, "description": resource.description or ""}
    return compare("", {key: text for key, text in desired.items() if text is not None}, held)


def text_changes(resource: Resource, name: str | None, description: str | None) -> tuple[Operation, ...]:
    """Return the patch that changes the name or description of a flow or connection; empty if they are up to date."""
    # "replace" requires an existing value, but an empty description may not exist in AEP.
    return tuple(
        Operation(op="replace" if each.found else "add", path=f"/{each.setting}", value=each.desired)
        for each in text_differences(resource, name, description)
    )


def rename(sender: Sender, flow_id: str, name: str | None, description: str | None) -> Flow:
    """Change the name or description of a flow (``PATCH /flows/{id}``).

    :returns: the flow after the change.
    :raises DriftError: if AEP confirms the change but does not show it.
    """

    def remaining(flow: Flow) -> Request[Any] | None:
        operations = text_changes(flow, name, description)
        return request.patch(request.FLOWS, flow_id, flow.etag or "", operations) if operations else None

    renamed = converge(
        sender,
        request.get(request.FLOWS, flow_id),
        remaining,
        lambda flow: text_differences(flow, name, description),
        what=f"flow {flow_id}",
    )
    title = titled("flow", renamed.resource.name, flow_id)
    if renamed.changed:
        log.info("Name and description of %s are as desired now", title)
    else:
        log.info("Nothing to change: name and description of %s are as desired", title)
    return renamed.resource


class FlowResources(Frozen, frozen=True):
    """The ids of a flow and of its connections, in the order in which they are deleted.

    :param name: name of the flow, for the log.
    """

    flow: str
    targets: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    name: str = ""

    @property
    def in_order(self) -> list[tuple[Kind[Any], str]]:
        """The connections in the order of their deletion: target, source and base connections."""
        kinds: tuple[Kind[Any], ...] = (
            request.TARGET_CONNECTIONS,
            request.SOURCE_CONNECTIONS,
            request.CONNECTIONS,
        )
        ids = (self.targets, self.sources, self.bases)
        return [(kind, each) for kind, of_kind in zip(kinds, ids, strict=True) for each in of_kind]


def flow_resources(sender: Sender, flow_id: str) -> FlowResources | None:
    """Return the ids of a flow and its connections; None if the flow does not exist (``GET /flows/{id}``)."""
    try:
        flow = sender.send(request.get(request.FLOWS, flow_id))
    except NotFoundError:
        return None
    return _resources(sender, flow, {})


def resources_of(sender: Sender, flow: Flow) -> FlowResources:
    """Return the ids of a flow that was read and of its connections.

    Source and target connections whose base connections AEP does not show with the flow are read
    (``GET /sourceConnections/{id}``, ``GET /targetConnections/{id}``); usually none.
    """
    return _resources(sender, flow, flow.base_connection_ids)


def _resources(sender: Sender, flow: Flow, known_bases: Mapping[str, str]) -> FlowResources:
    bases: dict[str, None] = {}
    resources = FlowResources(flow.id, flow.target_connection_ids, flow.source_connection_ids, name=flow.name)
    for kind, connection_id in resources.in_order:
        base = known_bases.get(connection_id)
        try:
            base = base or sender.send(request.get(kind, connection_id)).base_connection_id
        except NotFoundError:
            continue
        if base:
            bases[base] = None
    return msgspec.structs.replace(resources, bases=tuple(bases))


def delete(sender: Sender, kind: Kind[Any], resource_id: str, name: str = "") -> bool:
    """Delete a resource (``DELETE /{kind}/{id}``).

    :param name: its name, for the log.
    :returns: whether it existed.
    """
    title = titled(kind.label, name, resource_id)
    try:
        sender.send(request.delete(kind, resource_id))
    except NotFoundError:
        log.info("Nothing to delete: %s does not exist", title)
        return False
    log.info("Deleted %s", title)
    return True


def delete_unshared(sender: Sender, kind: Kind[Any], resource_id: str) -> bool:
    """Delete a connection, unless another resource uses it, which is checked immediately before.

    :returns: whether it no longer exists.
    """
    users = list(_users(sender, kind, resource_id))
    if users:
        log.warning("Not deleting %s %s, because it is used by %s", kind.label, resource_id, ", ".join(users))
        return False
    try:
        delete(sender, kind, resource_id)
    except BadRequestError as error:
        if not (error.code or "").startswith(IN_USE):
            raise
        log.warning("Not deleting %s %s, because it is in use: %s", kind.label, resource_id, error.message)
        return False
    return True


def _users(sender: Sender, kind: Kind[Any], resource_id: str) -> Iterable[str]:
    """Yield the ids of the first resources that refer to a connection."""
    where: dict[str, tuple[tuple[Kind[Any], str], ...]] = {
        request.CONNECTIONS.path: (
            (request.SOURCE_CONNECTIONS, "baseConnectionId"),
            (request.TARGET_CONNECTIONS, "baseConnectionId"),
        ),
        request.SOURCE_CONNECTIONS.path: ((request.FLOWS, "sourceConnectionIds[]"),),
        request.TARGET_CONNECTIONS.path: ((request.FLOWS, "targetConnectionIds[]"),),
    }
    for user_kind, path in where[kind.path]:
        # One user is enough to keep the connection; naming a few of them makes the warning more useful.
        page = sender.send(request.page(user_kind, filters=(request.equals(path, resource_id),), limit=5))
        # What cannot be read uses it nevertheless.
        yield from (user.id for user in (*page.items, *page.unreadable))


def publish_flow(sender: Sender, flow_id: str) -> None:
    """Publish a draft flow and its connections (``POST /{kind}/{id}/action?op=publish``); the flow comes last."""
    resources = flow_resources(sender, flow_id)
    for kind, resource_id in reversed(resources.in_order if resources else []):
        publish(sender, kind, resource_id)
    publish(sender, request.FLOWS, flow_id)


class DeleteResult(Frozen, frozen=True):
    """The result of deleting a flow.

    :param deleted: ids of the flow and of the connections that no longer exist.
    :param left: ids of connections that were kept because another resource uses them.
    """

    deleted: tuple[str, ...]
    left: tuple[str, ...] = ()


def delete_flow(sender: Sender, resources: FlowResources, *, with_connections: bool) -> DeleteResult:
    """Delete a flow and, with ``with_connections``, those of its connections that nothing else uses."""
    delete(sender, request.FLOWS, resources.flow, resources.name)
    deleted, left = [resources.flow], list[str]()
    for kind, resource_id in resources.in_order if with_connections else ():
        gone = delete_unshared(sender, kind, resource_id)
        (deleted if gone else left).append(resource_id)
    return DeleteResult(tuple(deleted), tuple(left))
