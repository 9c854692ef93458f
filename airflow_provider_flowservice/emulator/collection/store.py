"""What the inlets of a sandbox received.

An inlet is the streaming end of an HTTP API base connection. Flow Service opens it with the connection, and
it is gone when the connection is.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_flowservice.emulator.flow.store import FlowStore, Resource
from airflow_provider_flowservice.emulator.world import Sandbox, Store, World

KEPT_MESSAGES = 100_000


@dataclass(frozen=True)
class Message:
    """A message that an inlet accepted.

    :param record: as it was sent.
    :param mapped: after the flow's mapping; None if the flow has none.
    :param dropped: why it will not be ingested; None if it will.
    """

    record: Any
    mapped: dict[str, Any] | None
    flow_id: str
    xaction_id: str
    dropped: str | None

    def as_json(self) -> dict[str, Any]:
        """Return the message as the emulator shows it."""
        return {
            "message": self.record,
            "mapped": self.mapped,
            "flowId": self.flow_id,
            "xactionId": self.xaction_id,
            "dropped": self.dropped is not None,
            "reason": self.dropped,
        }


@dataclass
class Inlet:
    """An inlet and what it received.

    :param connection: the base connection that it belongs to.
    :param messages: the latest :data:`KEPT_MESSAGES`, oldest first.
    :param received: number of messages of each flow, also of those that are no longer kept.
    :param dropped: number of those that will not be ingested.
    :param validations: times of the latest synchronous validations, in seconds since the epoch.
    """

    id: str
    connection: Resource
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    received: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    validations: deque[float] = field(default_factory=deque)

    def add(self, message: Message) -> None:
        """Keep a message."""
        self.messages.append(message)
        self.received[message.flow_id] += 1
        if message.dropped is not None:
            self.dropped[message.flow_id] += 1

    @property
    def is_raw(self) -> bool:
        """Whether it takes any JSON and not XDM."""
        return bool(self._params.get("dataType") == "raw")

    @property
    def needs_token(self) -> bool:
        """Whether each request must carry a bearer token."""
        return bool(self._params.get("authenticationRequired"))

    @property
    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.connection.body["auth"]["params"]
        return params


@dataclass(frozen=True)
class _SavedInlet:
    """What a state file has of an inlet."""

    messages: list[Message]
    received: dict[str, int]
    dropped: dict[str, int]
    validations: list[float]


class InletStore(Store):
    """The inlets of one sandbox."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._inlets: dict[str, Inlet] = {}
        self._saved: dict[str, _SavedInlet] = {}

    def get(self, inlet_id: str, connection: Resource) -> Inlet:
        """Return the inlet of a connection, which is created on first use."""
        if inlet_id not in self._inlets:
            # Those of deleted connections are forgotten, so that memory does not grow without bound.
            self._inlets = {key: each for key, each in self._inlets.items() if each.connection.inlet_id}
            self._inlets[inlet_id] = Inlet(inlet_id, connection)
            self._fill(self._inlets[inlet_id])
        return self._inlets[inlet_id]

    def _fill(self, inlet: Inlet) -> None:
        saved = self._saved.pop(inlet.id, None)
        if saved is not None:
            inlet.messages.extend(saved.messages)
            inlet.received.update(saved.received)
            inlet.dropped.update(saved.dropped)
            inlet.validations.extend(saved.validations)

    def dump(self) -> dict[str, Any]:
        """Return what the open inlets received."""
        used = {
            key: _SavedInlet(
                list(each.messages), dict(each.received), dict(each.dropped), list(each.validations)
            )
            for key, each in self._inlets.items()
            if each.connection.inlet_id
        }
        return {"inlets": self._saved | used}

    def load(self, saved: dict[str, Any]) -> None:
        """Take it over; an inlet gets its messages back when it is next asked for."""
        self._saved = msgspec.convert(saved["inlets"], dict[str, _SavedInlet])


def inlets_of(sandbox: Sandbox) -> list[Inlet]:
    """Return every open inlet of a sandbox, oldest first."""
    store = InletStore.of(sandbox)
    return [store.get(*entry) for entry in FlowStore.of(sandbox).inlets.items()]


def find_inlet(world: World, inlet_id: str) -> tuple[Sandbox, Inlet] | None:
    """Find an inlet in any sandbox: its URL does not name one."""
    for sandbox in world.sandboxes.values():
        connection = FlowStore.of(sandbox).inlets.get(inlet_id)
        if connection is not None:
            return sandbox, InletStore.of(sandbox).get(inlet_id, connection)
    return None
