"""A request and its response on their way through the edge, and the journal of them."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs

from fastapi import Request

from airflow_provider_flowservice.emulator.masking import masked, masked_header

NOTES_KEY = "flowservice_emulator.notes"
CAPACITY = 10_000
BODY_BUDGET = 64 * 1024 * 1024


@dataclass
class RequestNotes:
    """Notes on a request, for the handler that serves it.

    :param request_id: value of ``x-request-id``, the caller's or a new one.
    :param patch_changes_nothing: whether a PATCH succeeds and leaves the resource as it is.
    """

    request_id: str
    patch_changes_nothing: bool = False


def notes_of(request: Request) -> RequestNotes:
    """Return the notes on a request."""
    return cast(RequestNotes, request.scope[NOTES_KEY])


@dataclass
class BufferedResponse:
    """A whole response, held back so that a fault can change it or the way it is sent.

    :param cut_after: bytes of the body after which the connection is closed; None to send all.
    :param drip_seconds: real time over which the body is sent.
    """

    status: int
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    cut_after: int | None = None
    drip_seconds: float = 0.0

    @classmethod
    def of(cls, status: int, body: Any, headers: dict[str, str] | None = None) -> BufferedResponse:
        """Create a response whose body is a string or anything that JSON can hold."""
        is_text = isinstance(body, str)
        content = body.encode() if is_text else b"" if body is None else json.dumps(body).encode()
        named = {name.lower(): value for name, value in (headers or {}).items()}
        if content:
            named.setdefault("content-type", "text/plain" if is_text else "application/json")
        named.setdefault("content-length", str(len(content)))
        return cls(
            status,
            content,
            [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()],
        )


@dataclass
class Exchange:
    """A request as it arrived, and the status of its response.

    :param received_at: seconds since the epoch, by the emulator's clock.
    :param status: None until there is a response, and for good if the connection was closed without one.
    :param fault: kind of the injected fault that intercepted this request.
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
        """Return the first header of that name, which is given in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def as_json(self) -> dict[str, Any]:
        """Return the exchange as the journal shows it, with secrets masked."""
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
    """Return values by name: a single value as a string, repeated values as a list."""
    values = parse_qs(text, keep_blank_values=True)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


class Journal:
    """A ring of the last exchanges, with bounded memory: the oldest bodies are dropped first."""

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
        """Return all exchanges that are still held, oldest first."""
        return [exchange.as_json() for exchange in self._ring]

    def clear(self) -> None:
        """Forget everything."""
        self._ring.clear()
        self._with_body.clear()
        self._body_bytes = 0
