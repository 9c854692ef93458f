"""Inlets and what they took."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_flowservice.emulator.flow.store import Resource

KEPT_MESSAGES = 100_000


@dataclass(frozen=True)
class Message:
    """A message that an inlet took.

    :param record: as it was sent.
    :param mapped: after the flow's mapping; None when the flow has none.
    :param dropped: why it will not be ingested; None when it will.
    """

    record: Any
    mapped: dict[str, Any] | None
    flow_id: str
    xaction_id: str
    dropped: str | None

    def as_json(self) -> dict[str, Any]:
        """The form in which the emulator shows it."""
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
    """The streaming end of an HTTP API base connection.

    :param messages: the latest :data:`KEPT_MESSAGES`, oldest first.
    :param validations: times of the latest synchronous validations, in seconds since the epoch.
    """

    id: str
    connection: Resource
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    validations: deque[float] = field(default_factory=deque)

    @property
    def is_raw(self) -> bool:
        """Whether it takes any JSON and not XDM."""
        return bool(self._params.get("dataType") == "raw")

    @property
    def needs_token(self) -> bool:
        """Whether a bearer token must come with each request."""
        return bool(self._params.get("authenticationRequired"))

    def shown_params(self, base_url: str) -> dict[str, Any]:
        """What the server adds to ``auth.params``; the caller's own values come before.

        :param base_url: where the caller reaches the emulator.
        """
        name = self._params.get("name") or self.connection.body["name"]
        return {
            "sourceId": name,
            "name": name,
            "authenticationRequired": False,
            **self._params,
            "inletUrl": f"{base_url}/collection/{self.id}",
            "inletId": self.id,
        }

    @property
    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.connection.body["auth"]["params"]
        return params


class InletStore:
    """The inlets of one sandbox."""

    def __init__(self) -> None:
        self._inlets: dict[str, Inlet] = {}

    def open(self, connection: Resource) -> Inlet:
        """Make the inlet of a base connection."""
        inlet = Inlet(secrets.token_hex(32), connection)
        self._inlets[inlet.id] = inlet
        return inlet

    def find(self, inlet_id: str) -> Inlet | None:
        """Give an inlet, or None."""
        return self._inlets.get(inlet_id)

    def of(self, connection_id: str) -> Inlet | None:
        """Give the inlet of a base connection, or None."""
        return next((each for each in self._inlets.values() if each.connection.id == connection_id), None)

    def close(self, connection_id: str) -> None:
        """Remove the inlet of a base connection, if it has one."""
        inlet = self.of(connection_id)
        if inlet is not None:
            del self._inlets[inlet.id]

    def all(self) -> list[Inlet]:
        """Every inlet, oldest first."""
        return list(self._inlets.values())
