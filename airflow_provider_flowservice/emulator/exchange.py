"""A request and its response on their way through the edge, and the journal of them."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast
from urllib.parse import parse_qs, unquote

from fastapi import Request

from airflow_provider_flowservice.emulator.masking import masked, masked_header

NOTES_KEY = "flowservice_emulator.notes"
CAPACITY = 10_000
#: A larger response is not kept.
RESPONSE_LIMIT = 256 * 1024
BODY_BUDGET = 64 * 1024 * 1024


@dataclass
class RequestNotes:
    """Notes on a request, for the handler that serves it.

    :param request_id: value of ``x-request-id`` of the response, the caller's or a new one.
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

    def header(self, name: str) -> str:
        """Return the first header of that name, which is given in lower case; an empty string if there is none."""
        wanted = name.encode("latin-1")
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), "")

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
    :param number: position among all that the journal ever had; 0 until it has this one.
    :param response: body of the response, as far as it is kept.
    :param kept: bytes that count towards the journal's budget; None if its bodies are not kept (any more).
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
    number: int = 0
    response: bytes = b""
    response_size: int = 0
    response_type: str = ""
    kept: int | None = None

    @property
    def caller(self) -> dict[str, str]:
        """The DAG, run and task that sent the request, as far as its headers name them, percent-encoded."""
        names = {"dag": "x-airflow-dag-id", "run": "x-airflow-run-id", "task": "x-airflow-task-id"}
        found = {name: unquote(self.header(header) or "") for name, header in names.items()}
        return {name: value for name, value in found.items() if value}

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
            "body": _shown(self.body, self.size, self.header("content-type") or ""),
            "size": self.size,
            "status": self.status,
            "time": self.received_at,
            "fault": self.fault,
            "caller": self.caller,
        }

    def summary(self) -> dict[str, Any]:
        """Return what fits into a line of the journal, without headers and bodies."""
        return {
            "number": self.number,
            "time": self.received_at,
            "method": self.method,
            "path": self.path,
            "query": masked(_parse_form(self.query)),
            "status": self.status,
            "fault": self.fault,
            "size": self.size,
            "responseSize": self.response_size,
            "caller": self.caller,
        }

    def detail(self) -> dict[str, Any]:
        """Return the exchange with the body of its response, secrets masked."""
        response = _shown(self.response, self.response_size, self.response_type)
        return {**self.summary(), **self.as_json(), "response": response}


def _shown(body: bytes, size: int, media_type: str) -> Any:
    """Return a body as the journal shows it, with secrets masked."""
    if size and not body:
        return f"<{size} bytes, no longer kept>"
    if not body:
        return None
    if media_type.startswith("multipart/"):
        return f"<{size} bytes of {media_type.partition(';')[0]}>"
    text = body.decode("utf-8", "replace")
    if media_type.startswith("application/x-www-form-urlencoded"):
        return masked(_parse_form(text))
    try:
        # NaN and the like are not JSON, so they are shown as text.
        return masked(json.loads(text, parse_constant=str, parse_float=_float_or_text))
    except RecursionError:
        return f"<{size} bytes of JSON that is nested too deeply>"
    except ValueError:
        return text


def _float_or_text(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


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
        self._recorded = 0

    def record(self, exchange: Exchange) -> None:
        """Add an exchange that has no response yet."""
        self._recorded += 1
        exchange.number = self._recorded
        exchange.size = exchange.kept = len(exchange.body)
        self._ring.append(exchange)
        self._with_body.append(exchange)
        self._body_bytes += exchange.size
        self._drop_bodies()

    def complete(self, exchange: Exchange, response: BufferedResponse) -> None:
        """Note the response to a request that was recorded; its body is kept as long as that of the request."""
        exchange.status = response.status
        exchange.response_size = len(response.body)
        exchange.response_type = response.header("content-type")
        if exchange.kept is not None and exchange.response_size <= RESPONSE_LIMIT:
            exchange.response = response.body
            exchange.kept += exchange.response_size
            self._body_bytes += exchange.response_size
            self._drop_bodies()

    def _drop_bodies(self) -> None:
        while self._body_bytes > self._body_budget or len(self._with_body) > len(self._ring):
            oldest = self._with_body.popleft()
            self._body_bytes -= oldest.kept or 0
            oldest.body = oldest.response = b""
            oldest.kept = None

    @property
    def last(self) -> int:
        """The number of the latest exchange."""
        return self._recorded

    def newest(self, before: int | None = None) -> Iterator[Exchange]:
        """Yield the exchanges that are still held, most recent first.

        :param before: only those with a lower number.
        """
        skipped = 0 if before is None else max(self._recorded - before + 1, 0)
        return islice(reversed(self._ring), skipped, None)

    def find(self, number: int) -> Exchange | None:
        """Return an exchange that is still held, or None."""
        found = next(self.newest(number + 1), None)
        return found if found is not None and found.number == number else None

    def entries(self) -> list[dict[str, Any]]:
        """Return all exchanges that are still held, oldest first."""
        return [exchange.as_json() for exchange in self._ring]

    def clear(self) -> None:
        """Forget everything."""
        for exchange in self._with_body:
            exchange.kept = None
        self._ring.clear()
        self._with_body.clear()
        self._body_bytes = 0
