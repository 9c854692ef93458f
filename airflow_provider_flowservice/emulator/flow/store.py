"""Flow Service's resources in one sandbox."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw

from airflow_provider_flowservice.emulator.flow.errors import not_found
from airflow_provider_flowservice.emulator.flow.listing import texts_at
from airflow_provider_flowservice.emulator.flow.shelf import ByAge, Shelf, newest_first
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.emulator.world import Store, World

FINALIZER = "acp_foundation_connectors@AdobeID"


class Kind(StrEnum):
    """The collections, by the name in their path."""

    CONNECTIONS = "connections"
    SOURCE_CONNECTIONS = "sourceConnections"
    TARGET_CONNECTIONS = "targetConnections"
    FLOWS = "flows"
    RUNS = "runs"


class State(StrEnum):
    """States of a resource. A switch decides what the last one is called; the others are documented."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DRAFT = "draft"


@dataclass(frozen=True)
class Operation:
    """The last patch of a resource.

    :param ops: its operations.
    :param started: milliseconds since the epoch, like ``updated``.
    :param is_completed: whether AEP has ended its asynchronous update.
    """

    ops: list[dict[str, Any]]
    started: int
    updated: int
    is_completed: bool

    def as_json(self) -> dict[str, Any]:
        """Return the operation as a flow shows it. How one looks before its end is a guess."""
        return {
            "operation": "update",
            "started": self.started,
            "updated": self.updated,
            "percentCompleted": 100 if self.is_completed else 0,
            "status": {
                "value": "completed" if self.is_completed else "inProgress",
                "properties": None,
                "errors": [],
            },
            "ops": self.ops,
        }


@dataclass
class Resource:
    """One connection, flow or run.

    :param body: what the caller owns and may patch. It is replaced as a whole, never changed in place.
    :param etag: the version, with its quotes.
    :param created_at: milliseconds since the epoch, like ``updated_at``.
    :param order: position among everything created; orders resources of the same millisecond.
    :param updated_by: who wrote last; None for the caller.
    :param operation: the last patch; None if there was none.
    :param inlet_id: the inlet of an HTTP API base connection.
    :param superseded: earlier versions that reads still show, each with the time, in seconds since the
        epoch, until which they do; oldest first.
    :param shown: the current state as JSON, which is kept until it may look different, and what it depends on
        besides.
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
    operation: Operation | None = None
    inlet_id: str | None = None
    superseded: list[tuple[float, Resource]] = field(default_factory=list)
    shown: tuple[object, Raw] | None = None

    def shown_etag(self, switches: Switches) -> str:
        """Return the etag as responses have it, with its quotes or without."""
        return self.etag if switches.etag_quotes == "inside" else self.etag.strip('"')

    def receipt(self, switches: Switches) -> dict[str, str]:
        """Return the response to a create, a patch and an action."""
        return {"id": self.id, "etag": self.shown_etag(switches)}


class _SavedResource(msgspec.Struct, frozen=True):
    """What a state file has of a resource: its current state alone, which all reads show afterwards."""

    id: str
    body: dict[str, Any]
    state: State
    created_at: int
    updated_at: int
    etag: str
    order: int
    updated_by: str | None
    operation: Operation | None
    inlet_id: str | None


class _SavedFlows(msgspec.Struct, frozen=True):
    resources: dict[Kind, list[_SavedResource]]
    rescheduled: list[str]
    writes: int
    etag_base: int


#: What refers to the resources of a kind and cannot do without them: its kind, and the path of the reference.
_USERS = {
    Kind.CONNECTIONS: (
        (Kind.TARGET_CONNECTIONS, "baseConnectionId"),
        (Kind.SOURCE_CONNECTIONS, "baseConnectionId"),
    ),
    Kind.SOURCE_CONNECTIONS: ((Kind.FLOWS, "sourceConnectionIds[]"),),
    Kind.TARGET_CONNECTIONS: ((Kind.FLOWS, "targetConnectionIds[]"),),
    Kind.FLOWS: (),
    Kind.RUNS: (),
}


class FlowStore(Store):
    """All collections, and the etags, which change with each write.

    What is returned is the current state, on which every write is based. Reads by a caller may lag behind
    it: see :meth:`visible`.

    ``inlets`` holds base connections by the id of their inlet. ``rescheduled`` holds flows by id whose schedules may
    ask for something else than when it was last emptied.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._shelves: dict[Kind, Shelf[Resource]] = {kind: Shelf() for kind in Kind}
        self.inlets: dict[str, Resource] = {}
        self.rescheduled: dict[str, Resource] = {}
        self._lags_until = 0.0
        self._writes = 0
        self._etag_base = secrets.randbelow(2**31)

    def create(
        self, kind: Kind, body: dict[str, Any], state: State = State.ENABLED, created_at: int | None = None
    ) -> Resource:
        """Add a resource with a new id and etag.

        :param created_at: milliseconds since the epoch; now by default.
        """
        created = self.world.clock.now_ms() if created_at is None else created_at
        etag = self._next_etag()
        resource = Resource(kind, str(uuid.uuid4()), body, state, created, created, etag, self._writes)
        self._shelves[kind].add(resource)
        self._reschedule(resource)
        delay = self.world.switches.change_delay_seconds
        if delay:
            self.world.hide_from_lists(resource.id, created / 1000 + delay)
        self.world.tell_watchers(self, resource, None)
        return resource

    def open_inlet(self, connection: Resource) -> None:
        """Add the inlet of a base connection, to which messages are sent."""
        connection.inlet_id = secrets.token_hex(32)
        self.inlets[connection.inlet_id] = connection
        self._touch(connection)

    def change(
        self, resource: Resource, *, body: dict[str, Any] | None = None, state: State | None = None
    ) -> None:
        """Write a resource: set what is given, and a new etag and time of update."""
        before = replace(resource)
        delay = self.world.switches.change_delay_seconds
        if delay:
            until = self.world.clock.now() + delay
            resource.superseded = self._still_shown(resource)
            resource.superseded.append((until, replace(resource, superseded=[], shown=None)))
            self._lags_until = max(self._lags_until, until)
        resource.state = state or resource.state
        self._set_body(resource, resource.body if body is None else body)
        self._stamp(resource)
        self.world.tell_watchers(self, resource, before)

    def rewrite(self, resource: Resource, body: dict[str, Any]) -> None:
        """Replace a body as if it had been so from the beginning, with no new etag."""
        self._set_body(resource, body)
        self._touch(resource)

    def patch(self, resource: Resource, body: dict[str, Any], ops: list[dict[str, Any]]) -> None:
        """Write what a patch has made of a resource, and complete it later if AEP's updates take a while."""
        self.change(resource, body=body)
        delay = self.world.switches.finalization_seconds
        resource.operation = Operation(ops, resource.updated_at, resource.updated_at, is_completed=not delay)
        if delay:
            self.world.timers.add(delay, lambda: self.finalize(resource))

    def finalize(self, resource: Resource) -> None:
        """Write a resource once more in AEP's own name, as the end of its asynchronous update.

        It shows in reads together with the change that it ends.
        """
        self._stamp(resource, FINALIZER)
        if resource.operation:
            resource.operation = replace(resource.operation, updated=resource.updated_at, is_completed=True)

    @property
    def lags(self) -> bool:
        """Whether some read may still show another state than the current one."""
        return self._lags_until > 0 and self._lags_until > self.world.clock.now()

    def visible(self, resource: Resource) -> Resource:
        """Return the version that reads show, because changes may take a while to become visible."""
        if not resource.superseded:
            return resource
        resource.superseded = self._still_shown(resource)
        return resource.superseded[0][1] if resource.superseded else resource

    def shelf(self, kind: Kind) -> Shelf[Resource]:
        """Return all resources of a kind."""
        return self._shelves[kind]

    def find(self, kind: Kind, resource_id: object) -> Resource | None:
        """Return a resource, or None."""
        return self._shelves[kind].find(resource_id) if isinstance(resource_id, str) else None

    def get(self, kind: Kind, resource_id: str) -> Resource:
        """Return a resource.

        :raises FlowError: 404 if it is not in this sandbox.
        """
        resource = self.find(kind, resource_id)
        if resource is None:
            raise not_found(kind.value, resource_id)
        return resource

    def all(self, kind: Kind) -> list[Resource]:
        """Return every resource of a kind, oldest first."""
        return self._shelves[kind].all()

    def users_of(self, resource: Resource) -> Iterator[Resource]:
        """Yield the connections or flows that refer to a resource, oldest first of each kind."""
        for kind, path in _USERS[resource.kind]:
            yield from self._referring(kind, path, resource)

    def runs_of(self, flow: Resource) -> list[Resource]:
        """Return the runs of a flow, oldest first."""
        return self._referring(Kind.RUNS, "flowId", flow)

    def runs_by_age(self, flow: Resource) -> ByAge[Resource]:
        """Return the runs of a flow without looking at each of them."""
        groups = self._groups_referring(Kind.RUNS, "flowId", flow)
        return groups[0] if groups else ByAge()

    def _referring(self, kind: Kind, path: str, resource: Resource) -> list[Resource]:
        return list(newest_first(self._groups_referring(kind, path, resource)))[::-1]

    def _groups_referring(self, kind: Kind, path: str, resource: Resource) -> list[ByAge[Resource]]:
        def texts_of(user: Resource) -> tuple[Iterator[str], bool]:
            return texts_at(user.body, path), True

        return self._shelves[kind].having(path, (resource.id,), texts_of)

    def delete(self, resource: Resource) -> None:
        """Remove a resource, and its inlet if it has one."""
        self._touch_users(resource)
        self._shelves[resource.kind].remove(resource)
        self.rescheduled.pop(resource.id, None)
        self.inlets.pop(resource.inlet_id or "", None)
        resource.inlet_id = None

    def dump(self) -> dict[str, Any]:
        """Return all resources."""
        names = _SavedResource.__struct_fields__
        resources = {
            kind: [_SavedResource(*(getattr(each, name) for name in names)) for each in shelf.all()]
            for kind, shelf in self._shelves.items()
        }
        return msgspec.structs.asdict(
            _SavedFlows(resources, list(self.rescheduled), self._writes, self._etag_base)
        )

    def load(self, saved: dict[str, Any]) -> None:
        """Take them over. What AEP had not ended of its updates, it ends now or when it would have."""
        flows = msgspec.convert(saved, _SavedFlows)
        self._writes, self._etag_base = flows.writes, flows.etag_base
        for kind, resources in flows.resources.items():
            for each in resources:
                resource = Resource(kind, **msgspec.structs.asdict(each))
                self._shelves[kind].add(resource)
                if resource.inlet_id:
                    self.inlets[resource.inlet_id] = resource
                if resource.operation and not resource.operation.is_completed:
                    self._finalize_later(resource)
        wanted = (self.find(Kind.FLOWS, each) for each in flows.rescheduled)
        self.rescheduled = {flow.id: flow for flow in wanted if flow}

    def _finalize_later(self, resource: Resource) -> None:
        due = resource.updated_at / 1000 + self.world.switches.finalization_seconds
        self.world.timers.add(due - self.world.clock.now(), lambda: self.finalize(resource))

    def _still_shown(self, resource: Resource) -> list[tuple[float, Resource]]:
        now = self.world.clock.now()
        return [(until, version) for until, version in resource.superseded if until > now]

    def _stamp(self, resource: Resource, updated_by: str | None = None) -> None:
        resource.etag = self._next_etag()
        resource.updated_at = self.world.clock.now_ms()
        resource.updated_by = updated_by
        self._touch(resource)

    def _set_body(self, resource: Resource, body: dict[str, Any]) -> None:
        shown = resource.body.get("baseConnectionId")
        resource.body = body
        if body.get("baseConnectionId") != shown:
            self._touch_users(resource)

    def _touch(self, resource: Resource) -> None:
        """Forget what was kept of how a resource looks, unless it was deleted before its patch was finalized."""
        resource.shown = None
        if self.find(resource.kind, resource.id) is resource:
            self._shelves[resource.kind].touch(resource)
            self._reschedule(resource)

    def _reschedule(self, resource: Resource) -> None:
        if resource.kind is Kind.FLOWS:
            self.rescheduled[resource.id] = resource

    def _touch_users(self, resource: Resource) -> None:
        """Touch the resources that show something of a connection: its spec, which never changes, and its base."""
        if resource.kind is not Kind.FLOWS:
            for user in list(self.users_of(resource)):
                self._touch(user)
                self._touch_users(user)

    def _next_etag(self) -> str:
        self._writes += 1
        serial = (self._etag_base + self._writes) % 2**32
        return f'"{serial:08x}-0000-0200-0000-{int(self.world.clock.now()):08x}0000"'
