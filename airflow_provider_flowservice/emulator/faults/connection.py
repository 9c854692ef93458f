"""Faults of the connection and of the response: late, truncated, missing, or not what was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, ClassVar

from airflow_provider_flowservice.emulator.clock import http_date, pause
from airflow_provider_flowservice.emulator.errors import (
    ApiError,
    FlowServiceError,
    GatewayError,
    GatewayFault,
    PlatformError,
)
from airflow_provider_flowservice.emulator.exchange import BufferedResponse
from airflow_provider_flowservice.emulator.faults.base import Fault, InterceptedRequest
from airflow_provider_flowservice.emulator.schemas.errors import SchemaError
from airflow_provider_flowservice.emulator.segmentation.errors import SegmentationError

_MAX_SECONDS = 1_000_000_000
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True)
class StatusFault(Fault):
    """Responds with a status of your choice; the service never sees the request.

    :param body: a string or anything that JSON can hold; a plain message by default.
    """

    kind: ClassVar[str] = "status"
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None

    def __post_init__(self) -> None:
        _check_status(self.status)
        for name, value in self.headers.items():
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError(f"HTTP has no header {name!r} with the value {value!r}")

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Respond at once."""
        body = {"message": _phrase(self.status)} if self.body is None else self.body
        return BufferedResponse.of(self.status, body, self.headers)


@dataclass(frozen=True)
class DelayFault(Fault):
    """Lets the caller wait, then serves the request.

    :param seconds: of real time.
    """

    kind: ClassVar[str] = "delay"
    seconds: float

    def __post_init__(self) -> None:
        _check_seconds(self.seconds)

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Wait, then serve the request."""
        await pause(self.seconds)
        return await request.serve()


@dataclass(frozen=True)
class ResetFault(Fault):
    """Closes the connection before the request is applied."""

    kind: ClassVar[str] = "reset"

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Send no response."""
        return None


@dataclass(frozen=True)
class ResetAfterFault(Fault):
    """Applies the request and closes the connection without a response."""

    kind: ClassVar[str] = "reset_after"

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Serve the request and discard the response."""
        await request.serve()
        return None


@dataclass(frozen=True)
class TruncateFault(Fault):
    """Applies the request, and closes the connection in the middle of the response's body."""

    kind: ClassVar[str] = "truncate"

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Serve the request and send half of the body."""
        response = await request.serve()
        return replace(response, cut_after=len(response.body) // 2)


@dataclass(frozen=True)
class SlowBodyFault(Fault):
    """Applies the request, and sends the response's body slowly.

    :param seconds: of real time, until the body is complete.
    """

    kind: ClassVar[str] = "slow_body"
    seconds: float

    def __post_init__(self) -> None:
        _check_seconds(self.seconds)

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Serve the request and slow the response down."""
        return replace(await request.serve(), drip_seconds=self.seconds)


@dataclass(frozen=True)
class HtmlFault(Fault):
    """Responds with a page, as a load balancer does; the service never sees the request."""

    kind: ClassVar[str] = "html"
    status: int = 502

    def __post_init__(self) -> None:
        _check_status(self.status)

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Respond at once."""
        title = f"{self.status} {_phrase(self.status)}"
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        return BufferedResponse.of(self.status, page, {"Content-Type": "text/html"})


@dataclass(frozen=True)
class RateLimitFault(Fault):
    """Responds with 429, as the gateway does; the service never sees the request.

    :param retry_after: seconds; no Retry-After header by default.
    :param as_date: whether Retry-After is a date, by the emulator's clock.
    """

    kind: ClassVar[str] = "rate_limit"
    retry_after: int | None = None
    as_date: bool = False

    def __post_init__(self) -> None:
        _check_seconds(self.retry_after or 0)

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Respond at once."""
        error = GatewayError(GatewayFault.TOO_MANY_REQUESTS)
        body = error.body(request.world.switches, request.notes.request_id)
        return BufferedResponse.of(error.status, body, self._headers(request))

    def _headers(self, request: InterceptedRequest) -> dict[str, str]:
        if self.retry_after is None:
            return {}
        date = http_date(request.world.clock.now() + self.retry_after)
        return {"Retry-After": date if self.as_date else str(self.retry_after)}


@dataclass(frozen=True)
class ForbiddenFault(Fault):
    """Responds with 403 in the service's own format, as to a caller without the permission; nothing is applied.

    Flow Service's error is documented. For the other services, only their formats are, and the rest is a guess.
    """

    kind: ClassVar[str] = "forbidden"

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Respond at once."""
        error = _forbidden(request.exchange.path)
        body = error.body(request.world.switches, request.notes.request_id)
        return BufferedResponse.of(error.status, body)


def _forbidden(path: str) -> ApiError:
    message = "You do not have sufficient permissions to perform the operation."
    if path.startswith("/data/foundation/flowservice"):
        return FlowServiceError("2120", 403, "Forbidden", message)
    if path.startswith("/data/foundation/schemaregistry"):
        return SchemaError(403, "1403", "Forbidden", message)
    if path.startswith("/data/core/ups"):
        return SegmentationError(403, "113403", message)
    if path.startswith("/data/core/activation"):
        return ApiError(403, message)
    return PlatformError(403, "ForbiddenError", message)


def _check_status(status: int) -> None:
    if not 200 <= status <= 599:
        raise ValueError("status must be a number from 200 to 599")


def _phrase(status: int) -> str:
    """Return the name of a status; that of its class if HTTP has none for it."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return HTTPStatus(status // 100 * 100).phrase


def _check_seconds(seconds: float) -> None:
    if not 0 <= seconds <= _MAX_SECONDS:
        raise ValueError(f"seconds must be a number from 0 to {_MAX_SECONDS:,}")
