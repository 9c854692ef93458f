"""Flows and connections after their creation: enable, disable, rename, publish, take down."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    FlowServiceError,
    NotFoundError,
    PreconditionError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Kind
from airflow_provider_flowservice.client.http.retry import delay_after
from airflow_provider_flowservice.client.http.sender import Sender
from airflow_provider_flowservice.client.model import Flow, FlowState, Operation, Resource

log = logging.getLogger(__name__)

#: How often a change is tried again after it was looked whether it had its effect.
ATTEMPTS = 5
#: Seconds to wait before each further look for a change that AEP has confirmed.
LOOKS = (1.0, 2.0, 4.0, 8.0)
#: AEP's code for a base connection that something still uses.
IN_USE = "FLOW-1418"


def set_state(sender: Sender, flow_id: str, state: FlowState) -> Flow:
    """Enable or disable a flow (``POST /flows/{id}/action``); nothing is sent when it is so already.

    :param state: ``enabled`` or ``disabled``.
    :returns: the flow as it is afterwards.
    :raises DriftError: if AEP answers success and the flow stays as it was.
    """
    operation = {FlowState.ENABLED: "enable", FlowState.DISABLED: "disable"}[state]
    for attempt in range(1, ATTEMPTS + 1):
        flow = sender.send(request.get(request.FLOWS, flow_id))
        if flow.state == state:
            return flow
        try:
            sender.send(request.action(request.FLOWS, flow_id, operation))
        except FlowServiceError as error:
            # A refusal can mean that an answer was lost and the flow is so already: looking tells.
            if not isinstance(error, BadRequestError) and not is_ambiguous(error):
                raise
            if attempt == ATTEMPTS:
                raise
            clock.current().sleep(delay_after(error, attempt))
            if isinstance(error, BadRequestError) and not _is(sender, flow_id, state):
                raise
        else:
            return _settled(sender, flow_id, state, operation)
    raise AssertionError("the last attempt returns or raises")


def _settled(sender: Sender, flow_id: str, state: str, operation: str) -> Flow:
    """Read a flow back; AEP may need a moment, in which it is neither enabled nor disabled."""
    for delay in (*LOOKS, None):
        flow = sender.send(request.get(request.FLOWS, flow_id))
        if flow.state == state:
            return flow
        if delay is not None:
            clock.current().sleep(delay)
    raise DriftError(f"flow {flow_id} is {flow.state} although AEP was told to {operation} it")


def _is(sender: Sender, flow_id: str, state: str) -> bool:
    return sender.send(request.get(request.FLOWS, flow_id)).state == state


def describe_flow_changes(flow: Flow, name: str | None, description: str | None) -> tuple[Operation, ...]:
    """The patch that renames or describes a flow; empty when it is so already."""
    wanted = {"name": name, "description": description}
    held = {"name": flow.name, "description": flow.description}
    # AEP also shows an empty description where there is none, and a replacement needs one that is there.
    return tuple(
        Operation(op="replace" if held[key] else "add", path=f"/{key}", value=value)
        for key, value in wanted.items()
        if value is not None and value != held[key]
    )


def rename(sender: Sender, flow_id: str, name: str | None, description: str | None) -> Flow:
    """Give a flow another name or description (``PATCH /flows/{id}``).

    :returns: the flow as it is afterwards.
    :raises DriftError: if AEP answers success and the flow stays as it was.
    """
    for attempt in range(1, ATTEMPTS + 1):
        flow = sender.send(request.get(request.FLOWS, flow_id))
        operations = describe_flow_changes(flow, name, description)
        if not operations:
            return flow
        try:
            sender.send(request.patch(request.FLOWS, flow_id, flow.etag or "", operations))
        except FlowServiceError as error:
            passes = isinstance(error, PreconditionError) or is_ambiguous(error)
            if not passes or attempt == ATTEMPTS:
                raise
            clock.current().sleep(delay_after(error, attempt))
        else:
            break
    flow = sender.send(request.get(request.FLOWS, flow_id))
    if left := describe_flow_changes(flow, name, description):
        fields = ", ".join(operation.path[1:] for operation in left)
        raise DriftError(
            f"AEP answered success to the patch of flow {flow_id}, but its {fields} is as before"
        )
    return flow


@dataclass(frozen=True)
class FlowResources:
    """The ids of a flow and of what it is made of, in the order in which they go."""

    flow: str
    targets: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a task remembers them."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> FlowResources:
        """Read what :meth:`to_json` wrote."""
        return cls(
            document["flow"], tuple(document["targets"]), tuple(document["sources"]), tuple(document["bases"])
        )

    @property
    def in_order(self) -> Iterator[tuple[Kind[Any], str]]:
        """What goes after the flow: targets, sources, bases."""
        for kind, ids in (
            (request.TARGET_CONNECTIONS, self.targets),
            (request.SOURCE_CONNECTIONS, self.sources),
            (request.CONNECTIONS, self.bases),
        ):
            for resource_id in ids:
                yield kind, resource_id


def flow_resources(sender: Sender, flow_id: str) -> FlowResources | None:
    """What a flow is made of; None if it is gone."""
    try:
        flow = sender.send(request.get(request.FLOWS, flow_id))
    except NotFoundError:
        return None
    bases: dict[str, None] = {}
    ends: list[tuple[Kind[Any], str]] = [
        *((request.TARGET_CONNECTIONS, i) for i in flow.target_connection_ids),
        *((request.SOURCE_CONNECTIONS, i) for i in flow.source_connection_ids),
    ]
    for kind, end_id in ends:
        try:
            base = sender.send(request.get(kind, end_id)).base_connection_id
        except NotFoundError:
            continue
        if base:
            bases[base] = None
    return FlowResources(flow.id, flow.target_connection_ids, flow.source_connection_ids, tuple(bases))


def delete(sender: Sender, kind: Kind[Any], resource_id: str) -> bool:
    """Delete a resource by its id.

    :returns: whether it was there.
    """
    try:
        sender.send(request.delete(kind, resource_id))
    except NotFoundError:
        log.info("%s %s is gone already", kind.label, resource_id)
        return False
    log.info("%s %s is deleted", kind.label, resource_id)
    return True


def delete_unshared(sender: Sender, kind: Kind[Any], resource_id: str) -> bool:
    """Delete a connection unless something else uses it; AEP is asked right before.

    :returns: whether it is gone.
    """
    users = [user.id for user in _users(sender, kind, resource_id)]
    if users:
        log.warning("%s %s is left alone: %s use it", kind.label, resource_id, ", ".join(users))
        return False
    try:
        delete(sender, kind, resource_id)
    except BadRequestError as error:
        if not (error.code or "").startswith(IN_USE):
            raise
        log.warning("%s %s is left alone, it is in use: %s", kind.label, resource_id, error.message)
        return False
    return True


def _users(sender: Sender, kind: Kind[Any], resource_id: str) -> Iterable[Resource]:
    """The first resources that refer to a connection."""
    where: dict[str, tuple[tuple[Kind[Any], str], ...]] = {
        request.CONNECTIONS.path: (
            (request.SOURCE_CONNECTIONS, "baseConnectionId"),
            (request.TARGET_CONNECTIONS, "baseConnectionId"),
        ),
        request.SOURCE_CONNECTIONS.path: ((request.FLOWS, "sourceConnectionIds[]"),),
        request.TARGET_CONNECTIONS.path: ((request.FLOWS, "targetConnectionIds[]"),),
    }
    for user_kind, path in where[kind.path]:
        page = sender.send(request.page(user_kind, filters=(request.equals(path, resource_id),), limit=5))
        yield from page.items


def publish(sender: Sender, kind: Kind[Any], resource_id: str) -> bool:
    """Publish a draft (``POST /{kind}/{id}/action?op=publish``).

    :returns: whether it was a draft.
    """
    for attempt in range(1, ATTEMPTS + 1):
        resource: Resource = sender.send(request.get(kind, resource_id))
        if resource.state != "draft":
            return attempt > 1
        try:
            sender.send(request.action(kind, resource_id, "publish"))
        except FlowServiceError as error:
            # A refusal can mean that somebody else has published it meanwhile: looking tells.
            refused = isinstance(error, BadRequestError)
            if attempt == ATTEMPTS or not (refused or is_ambiguous(error)):
                raise
            if refused and sender.send(request.get(kind, resource_id)).state == "draft":
                raise
            if not refused:
                clock.current().sleep(delay_after(error, attempt))
        else:
            log.info("%s %s is published", kind.label, resource_id)
            return True
    raise AssertionError("the last attempt returns or raises")


def publish_flow(sender: Sender, flow_id: str) -> None:
    """Publish a draft flow with its connections, which must be published before it."""
    resources = flow_resources(sender, flow_id)
    for kind, resource_id in reversed(list(resources.in_order) if resources else []):
        publish(sender, kind, resource_id)
    publish(sender, request.FLOWS, flow_id)


@dataclass(frozen=True)
class DeleteResult:
    """What became of a flow and its connections.

    :param deleted: ids of what is gone.
    :param left: ids of connections that something else uses.
    """

    deleted: tuple[str, ...]
    left: tuple[str, ...] = ()


def delete_flow(sender: Sender, resources: FlowResources, *, with_connections: bool) -> DeleteResult:
    """Delete a flow and, if wanted, those of its connections that nothing else uses."""
    delete(sender, request.FLOWS, resources.flow)
    deleted: list[str] = [resources.flow]
    left: list[str] = []
    for kind, resource_id in resources.in_order if with_connections else ():
        gone = delete_unshared(sender, kind, resource_id)
        (deleted if gone else left).append(resource_id)
    return DeleteResult(tuple(deleted), tuple(left))
