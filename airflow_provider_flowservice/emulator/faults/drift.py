"""Faults of state: what the caller believes is no longer, or not yet, so."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_provider_flowservice.emulator.exchange import Reply
from airflow_provider_flowservice.emulator.faults.base import Fault, Victim
from airflow_provider_flowservice.emulator.faults.foreign import (
    add_as_someone_else,
    addressed_resource,
    edit_as_someone_else,
    sandbox_of,
)
from airflow_provider_flowservice.emulator.flow.store import FlowStore
from airflow_provider_flowservice.emulator.ims.store import TokenStore


@dataclass(frozen=True)
class ConflictFault(Fault):
    """Someone else changes the resource just before the request arrives.

    A flow gets a selector for a segment of theirs, anything else a new description; the etag moves.

    :param segment_id: that segment; a new id each time by default.
    """

    kind: ClassVar[str] = "conflict"
    segment_id: str | None = None

    async def meet(self, victim: Victim) -> Reply | None:
        """Change the resource, then serve."""
        edit_as_someone_else(victim.world, victim.exchange, self.segment_id or str(uuid.uuid4()))
        return await victim.serve()


@dataclass(frozen=True)
class NoopFault(Fault):
    """PATCH answers success and changes nothing."""

    kind: ClassVar[str] = "noop"

    async def meet(self, victim: Victim) -> Reply | None:
        """Serve with a mark on the request."""
        victim.marks.patch_changes_nothing = True
        return await victim.serve()


@dataclass(frozen=True)
class ExpireTokenFault(Fault):
    """The token that the request carries is revoked, so it and all that follow with that token get 401."""

    kind: ClassVar[str] = "expire_token"

    async def meet(self, victim: Victim) -> Reply | None:
        """Revoke, then serve."""
        _, _, token = (victim.exchange.header("authorization") or "").partition(" ")
        TokenStore.of(victim.world).revoke(token)
        return await victim.serve()


@dataclass(frozen=True)
class StaleEtagFault(Fault):
    """After a change the etag moves once more by itself, as AEP's asynchronous finalisation does.

    :param seconds: how much later, by the emulator's clock; with 0 it has moved by the next request.
    """

    kind: ClassVar[str] = "stale_etag"
    seconds: float = 0

    async def meet(self, victim: Victim) -> Reply | None:
        """Serve, and plan the second move."""
        reply = await victim.serve()
        sandbox = sandbox_of(victim.world, victim.exchange)
        resource = addressed_resource(victim.world, victim.exchange)
        if sandbox is not None and resource is not None and reply.status < 300:
            victim.world.timers.add(self.seconds, lambda: FlowStore.of(sandbox).finalise(resource))
        return reply


@dataclass(frozen=True)
class EventualFault(Fault):
    """What is created is missing from lists for a while; read by its id it is there.

    :param seconds: how long, by the emulator's clock.
    """

    kind: ClassVar[str] = "eventual"
    seconds: float

    async def meet(self, victim: Victim) -> Reply | None:
        """Serve, and hide what was created."""
        reply = await victim.serve()
        sandbox = sandbox_of(victim.world, victim.exchange)
        created = _created_id(reply)
        if sandbox is not None and created:
            victim.world.hide_from_lists(created, victim.world.clock.now() + self.seconds)
        return reply


@dataclass(frozen=True)
class PageShiftFault(Fault):
    """After a page was served someone else adds to the list, so that the next page repeats what was seen."""

    kind: ClassVar[str] = "page_shift"

    async def meet(self, victim: Victim) -> Reply | None:
        """Serve, then add."""
        reply = await victim.serve()
        add_as_someone_else(victim.world, victim.exchange)
        return reply


def _created_id(reply: Reply) -> str | None:
    """The id in any of the forms in which the services tell it."""
    if reply.status not in (200, 201):
        return None
    body: Any = json.loads(reply.body)
    if isinstance(body, list):
        return str(body[0]).rpartition("/")[2] if body else None
    found = body.get("$id") or body.get("id")
    return str(found) if found else None
