"""Flow Service's resources in one sandbox."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from enum import Enum
from typing import Any

from airflow_provider_flowservice.emulator.flow.errors import not_found
from airflow_provider_flowservice.emulator.world import Store, World

FINALISER = "acp_foundation_connectors@AdobeID"


class Kind(str, Enum):
    """The collections, by the name in their path."""

    CONNECTIONS = "connections"
    SOURCE_CONNECTIONS = "sourceConnections"
    TARGET_CONNECTIONS = "targetConnections"
    FLOWS = "flows"
    RUNS = "runs"


class State(str, Enum):
    """States of a resource. What a draft is called is a guess; the others are documented."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DRAFT = "draft"


@dataclass
class Resource:
    """One connection, flow or run.

    :param body: what the caller owns and may patch.
    :param etag: the version, with its quotes.
    :param created_at: milliseconds since the epoch; so is ``updated_at``.
    :param order: position among everything created; tells twins of one millisecond apart.
    :param updated_by: who wrote last; None for the caller.
    :param inlet_id: the inlet of an HTTP API base connection.
    """

    kind: Kind
    id: str
    body: dict[str, Any]
    state: State
    created_at: int
    updated_at: int
    etag: str
    order: int
    updated_by: str | None = None
    inlet_id: str | None = None

    @property
    def receipt(self) -> dict[str, str]:
        """What a create, a patch and an action answer."""
        return {"id": self.id, "etag": self.etag}


class FlowStore(Store):
    """All collections, and the etags that move with each write.

    ``inlets`` holds base connections by the id of their inlet; ``runs_made_until`` holds for each flow the
    time, in seconds since the epoch, up to which its scheduled runs exist.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._collections: dict[Kind, dict[str, Resource]] = {kind: {} for kind in Kind}
        self.inlets: dict[str, Resource] = {}
        self.runs_made_until: dict[str, float] = {}
        self._writes = 0
        self._etag_base = secrets.randbelow(2**31)

    def create(self, kind: Kind, body: dict[str, Any], state: State = State.ENABLED) -> Resource:
        """Add a resource with a new id and etag."""
        now = self.world.clock.now_ms()
        etag = self._next_etag()
        resource = Resource(kind, str(uuid.uuid4()), body, state, now, now, etag, self._writes)
        self._collections[kind][resource.id] = resource
        return resource

    def open_inlet(self, connection: Resource) -> None:
        """Give a base connection the inlet that messages are sent to."""
        connection.inlet_id = secrets.token_hex(32)
        self.inlets[connection.inlet_id] = connection

    def touch(self, resource: Resource) -> None:
        """Move the etag and the time of update: the resource was written."""
        resource.etag = self._next_etag()
        resource.updated_at = self.world.clock.now_ms()
        resource.updated_by = None

    def finalise(self, resource: Resource) -> None:
        """Write a resource once more in AEP's own name, as its asynchronous updates end."""
        self.touch(resource)
        resource.updated_by = FINALISER

    def find(self, kind: Kind, resource_id: object) -> Resource | None:
        """Give a resource, or None."""
        return self._collections[kind].get(resource_id) if isinstance(resource_id, str) else None

    def get(self, kind: Kind, resource_id: str) -> Resource:
        """Give a resource.

        :raises FlowError: 404 when it is not in this sandbox.
        """
        resource = self.find(kind, resource_id)
        if resource is None:
            raise not_found(kind.value, resource_id)
        return resource

    def all(self, kind: Kind) -> list[Resource]:
        """Every resource of a kind, oldest first."""
        return list(self._collections[kind].values())

    def delete(self, resource: Resource) -> None:
        """Remove a resource."""
        del self._collections[resource.kind][resource.id]
        self.inlets.pop(resource.inlet_id or "", None)
        resource.inlet_id = None

    def _next_etag(self) -> str:
        self._writes += 1
        serial = (self._etag_base + self._writes) % 2**32
        return f'"{serial:08x}-0000-0200-0000-{int(self.world.clock.now()):08x}0000"'
