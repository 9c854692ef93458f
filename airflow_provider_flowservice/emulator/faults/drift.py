"""Faults of state: what the caller believes is no longer true, or not true yet."""

from __future__ import annotations

import itertools
import json
import uuid
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_provider_flowservice.emulator.exchange import BufferedResponse
from airflow_provider_flowservice.emulator.faults.base import Fault, InterceptedRequest
from airflow_provider_flowservice.emulator.flow.checks import exports_files
from airflow_provider_flowservice.emulator.flow.selectors import SEGMENTS, selector_list
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.ims.store import TokenStore
from airflow_provider_flowservice.emulator.settings import PRODUCTION_SANDBOX
from airflow_provider_flowservice.emulator.world import Sandbox

FOREIGN_EDIT = "edited by someone else"
#: What AEP requires of each segment of a destination that takes files.
_FOREIGN_EXPORT = {
    "exportMode": "DAILY_FULL_EXPORT",
    "schedule": {
        "frequency": "DAILY",
        "triggerType": "SCHEDULED",
        "startDate": "2100-01-01",
        "startTime": "00:00",
    },
}
_COLLECTIONS = {kind.value: kind for kind in Kind}


@dataclass(frozen=True)
class ConflictFault(Fault):
    """Someone else changes the resource just before the request arrives.

    A flow gets a selector for a segment of theirs, anything else a new description; the etag changes.

    :param segment_id: that segment; a new id each time by default.
    """

    kind: ClassVar[str] = "conflict"
    segment_id: str | None = None

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Change the resource, then serve the request."""
        sandbox = _sandbox_of(request)
        resource = _addressed_resource(request)
        if sandbox is not None and resource is not None:
            segment_id = self.segment_id or str(uuid.uuid4())
            body = _edited_by_someone_else(resource, segment_id, sandbox)
            FlowStore.of(sandbox).change(resource, body=body)
        return await request.serve()


@dataclass(frozen=True)
class NoopFault(Fault):
    """A PATCH succeeds and changes nothing."""

    kind: ClassVar[str] = "noop"

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Serve the request with a note for the handler."""
        request.notes.patch_changes_nothing = True
        return await request.serve()


@dataclass(frozen=True)
class ExpireTokenFault(Fault):
    """The token of the request is revoked: this request and all later ones with that token get 401."""

    kind: ClassVar[str] = "expire_token"

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Revoke the token, then serve the request."""
        _, _, token = (request.exchange.header("authorization") or "").partition(" ")
        TokenStore.of(request.world).revoke(token)
        return await request.serve()


@dataclass(frozen=True)
class StaleEtagFault(Fault):
    """After a change the etag changes once more, as it does when AEP finalizes its asynchronous update.

    :param seconds: how much later, by the emulator's clock; with 0 it has changed by the next request.
    """

    kind: ClassVar[str] = "stale_etag"
    seconds: float = 0

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Serve the request, and schedule the second change."""
        response = await request.serve()
        sandbox = _sandbox_of(request)
        resource = _addressed_resource(request)
        if sandbox is not None and resource is not None and response.status < 300:
            store = FlowStore.of(sandbox)
            request.world.timers.add(self.seconds, lambda: store.finalize(resource))
        return response


@dataclass(frozen=True)
class EventualFault(Fault):
    """A created resource is missing from lists for a while; a read by its id finds it.

    :param seconds: how long, by the emulator's clock.
    """

    kind: ClassVar[str] = "eventual"
    seconds: float

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Serve the request, and hide what it created."""
        response = await request.serve()
        created = _created_id(response)
        if created:
            request.world.hide_from_lists(created, request.world.clock.now() + self.seconds)
        return response


@dataclass(frozen=True)
class ForeignFault(Fault):
    """What the request creates belongs to another credential.

    :param client: the client id that reads show as ``createdClient``; None if they show none.
    """

    kind: ClassVar[str] = "foreign"
    client: str | None = "somebody-else"

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Serve the request, and change the owner of what it created."""
        response = await request.serve()
        sandbox, created = _sandbox_of(request), _created_id(response)
        kind = _COLLECTIONS.get(request.exchange.path.rstrip("/").rpartition("/")[2])
        store = FlowStore.of(sandbox) if sandbox else None
        resource = store.find(kind, created) if store and kind else None
        if store and resource:
            store.rewrite(resource, {**resource.body, "createdClient": self.client})
        return response


@dataclass(frozen=True)
class PageShiftFault(Fault):
    """After a page is served someone else adds to the list, so that the next page repeats an item."""

    kind: ClassVar[str] = "page_shift"

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Serve the request, then add a copy of the latest resource to the collection that it lists."""
        response = await request.serve()
        sandbox = _sandbox_of(request)
        kind = _COLLECTIONS.get(request.exchange.path.rstrip("/").rpartition("/")[2])
        if sandbox is not None and kind is not None:
            store = FlowStore.of(sandbox)
            # It was created as long ago as lists need to show it.
            created_at = request.world.clock.now_ms() - request.world.switches.change_delay_seconds * 1000
            for resource in store.all(kind)[-1:]:
                store.create(kind, deepcopy(resource.body), resource.state, created_at)
        return response


def _sandbox_of(request: InterceptedRequest) -> Sandbox | None:
    """Return the sandbox that a request is meant for, if it exists."""
    name = request.exchange.header("x-sandbox-name") or PRODUCTION_SANDBOX
    return request.world.sandboxes.get(name)


def _addressed_resource(request: InterceptedRequest) -> Resource | None:
    """Find the Flow Service resource in a request's path."""
    sandbox = _sandbox_of(request)
    if sandbox is None:
        return None
    for collection, resource_id in itertools.pairwise(request.exchange.path.split("/")):
        if collection in _COLLECTIONS:
            return FlowStore.of(sandbox).find(_COLLECTIONS[collection], resource_id)
    return None


def _edited_by_someone_else(resource: Resource, segment_id: str, sandbox: Sandbox) -> dict[str, Any]:
    body = deepcopy(resource.body)
    selectors = selector_list(body, SEGMENTS)
    if selectors is None:
        body["description"] = FOREIGN_EDIT
    else:
        export = deepcopy(_FOREIGN_EXPORT) if exports_files(body, sandbox) else {}
        value = {"id": segment_id, "name": FOREIGN_EDIT, **export}
        selectors.append({"type": "PLATFORM_SEGMENT", "value": value})
    return body


def _created_id(response: BufferedResponse) -> str | None:
    """Return the id of what was created, in any of the forms in which the services return it."""
    if response.status not in (200, 201):
        return None
    body: Any = json.loads(response.body)
    if isinstance(body, list):
        return str(body[0]).rpartition("/")[2] if body else None
    found = body.get("$id") or body.get("id")
    return str(found) if found else None
