"""The journal: what arrived at the emulator and what it answered."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from airflow_provider_flowservice.emulator.masking import masked, masked_header

CAPACITY = 10_000
BODY_BUDGET = 64 * 1024 * 1024


@dataclass
class Exchange:
    """One request, as it came in, and the status that went out.

    :param received_at: seconds since the epoch, by the emulator's clock.
    :param status: None while there is no answer, and for good when the connection was closed without one.
    :param fault: kind of the injected fault that met this request.
    """

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    received_at: float
    size: int = 0
    status: int | None = None
    fault: str | None = None

    def header(self, name: str) -> str | None:
        """The first header of that name (given in lower case)."""
        return next((value for key, value in self.headers if key == name), None)

    def as_json(self) -> dict[str, Any]:
        """The journal's form, secrets masked."""
        return {
            "method": self.method,
            "path": self.path,
            "query": masked(_parse_form(self.query)),
            "headers": {name: masked_header(name, value) for name, value in self.headers},
            "body": self._shown_body(),
            "size": self.size,
            "status": self.status,
            "time": self.received_at,
            "fault": self.fault,
        }

    def _shown_body(self) -> Any:
        if self.size and not self.body:
            return f"<{self.size} bytes, no longer kept>"
        if not self.body:
            return None
        content_type = self.header("content-type") or ""
        if content_type.startswith("multipart/"):
            return f"<{self.size} bytes of {content_type.partition(';')[0]}>"
        text = self.body.decode("utf-8", "replace")
        if content_type.startswith("application/x-www-form-urlencoded"):
            return masked(_parse_form(text))
        try:
            return masked(json.loads(text))
        except ValueError:
            return text


def _parse_form(text: str) -> dict[str, Any]:
    """Values by name; a name that comes once has its value, one that repeats has the list."""
    values = parse_qs(text, keep_blank_values=True)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


class Journal:
    """A ring of the last exchanges, with bounded memory: old bodies are forgotten first."""

    def __init__(self, capacity: int = CAPACITY, body_budget: int = BODY_BUDGET) -> None:
        self._ring: deque[Exchange] = deque(maxlen=capacity)
        self._with_body: deque[Exchange] = deque()
        self._body_bytes = 0
        self._body_budget = body_budget

    def record(self, exchange: Exchange) -> None:
        """Add an exchange."""
        exchange.size = len(exchange.body)
        self._ring.append(exchange)
        self._with_body.append(exchange)
        self._body_bytes += exchange.size
        while self._body_bytes > self._body_budget or len(self._with_body) > len(self._ring):
            oldest = self._with_body.popleft()
            self._body_bytes -= oldest.size
            oldest.body = b""

    def entries(self) -> list[dict[str, Any]]:
        """All exchanges still held, oldest first."""
        return [exchange.as_json() for exchange in self._ring]

    def clear(self) -> None:
        """Forget everything."""
        self._ring.clear()
        self._with_body.clear()
        self._body_bytes = 0
