"""Faults of the connection and of the response: late, truncated, missing, or not what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, ClassVar

from airflow_provider_flowservice.emulator.clock import http_date, pause
from airflow_provider_flowservice.emulator.errors import GatewayError, GatewayFault
from airflow_provider_flowservice.emulator.exchange import BufferedResponse
from airflow_provider_flowservice.emulator.faults.base import Fault, InterceptedRequest


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
        if not isinstance(self.status, int) or not 200 <= self.status <= 599:
            raise ValueError("status must be a number from 200 to 599")

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Respond at once."""
        body = {"message": HTTPStatus(self.status).phrase} if self.body is None else self.body
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

    async def handle(self, request: InterceptedRequest) -> BufferedResponse | None:
        """Respond at once."""
        title = f"{self.status} {HTTPStatus(self.status).phrase}"
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


def _check_seconds(seconds: object) -> None:
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or seconds < 0:
        raise ValueError("seconds must be a number that is not negative")
