"""The outermost layer: sockets, journal and faults.

What passes here is the emulator's own business and no part of AEP's state.
"""

from __future__ import annotations

import logging
import socket
import struct
import uuid
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_flowservice.emulator.clock import pause
from airflow_provider_flowservice.emulator.exchange import (
    NOTES_KEY,
    BufferedResponse,
    Exchange,
    Journal,
    RequestNotes,
)
from airflow_provider_flowservice.emulator.faults.base import InterceptedRequest
from airflow_provider_flowservice.emulator.faults.queue import FaultQueue
from airflow_provider_flowservice.emulator.world import World

_log = logging.getLogger(__name__)
CONTROL_PREFIX = "/_emulator"
# So that memory is bounded. What AEP's gateway takes at most is not documented.
_MAX_BODY = 64 * 1024 * 1024
_PORTIONS = 20
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Edge:
    """ASGI middleware around everything but the emulator's own endpoints.

    It holds each response back until it is complete, so that the journal has the exchange before the caller
    can look.

    :param app: serves the requests.
    :param world: has the clock, and the timers that run before each request.
    """

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world
        self.journal = Journal()

    @property
    def faults(self) -> FaultQueue:
        """The faults that wait for requests."""
        return FaultQueue.of(self._world)

    def reset(self) -> None:
        """Clear the journal and drop all faults."""
        self.journal.clear()
        self.faults.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = self._exchange(scope)
        is_echoed = self._world.switches.request_id == "echoed"
        notes = RequestNotes((is_echoed and exchange.header("x-request-id")) or str(uuid.uuid4()))
        # Adobe prints some paths with a slash at the end and some without.
        scope["path"] = scope["path"].rstrip("/") or "/"
        scope[NOTES_KEY] = notes
        self._world.timers.run_due()
        if scope["path"] == "/" or scope["path"].startswith(CONTROL_PREFIX):
            await self._app(scope, receive, send)
            return
        try:
            body = await _read_body(receive)
        except _TooLargeError:
            refusal = BufferedResponse.of(413, {"message": "Request entity is too large"})
            self.journal.record(exchange)
            self.journal.complete(exchange, refusal)
            await _send(refusal, notes, send)
            return
        if body is None:
            return
        exchange.body = body
        self.journal.record(exchange)
        try:
            response = await self._respond(scope, exchange, notes)
        except Exception:  # noqa: BLE001 (it is logged, and told to the caller)
            # A mistake of the emulator's own. The journal and the connection survive it.
            _log.exception("The emulator failed to respond to %s %s", exchange.method, exchange.path)
            response = BufferedResponse.of(500, {"message": "The emulator failed; its log says why."})
        if response is None:
            await _reset_connection(receive)
            return
        self.journal.complete(exchange, response)
        await _send(response, notes, send)
        if response.cut_after is not None:
            await _close_connection(receive)

    def _exchange(self, scope: Scope) -> Exchange:
        return Exchange(
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            b"",
            self._world.clock.now(),
        )

    async def _respond(
        self, scope: Scope, exchange: Exchange, notes: RequestNotes
    ) -> BufferedResponse | None:
        async def serve() -> BufferedResponse:
            return await _run(self._app, scope, exchange.body)

        fault = self.faults.take(exchange.method, scope["path"])
        if fault is None:
            return await serve()
        exchange.fault = fault.kind
        return await fault.handle(InterceptedRequest(self._world, exchange, notes, serve))


async def edge_of(request: Request) -> Edge:
    """Return the edge that a request passed (a FastAPI dependency)."""
    return cast(Edge, request.app.state.edge)


CurrentEdge = Annotated[Edge, Depends(edge_of)]


class _TooLargeError(Exception):
    """A body is larger than the emulator keeps in memory."""


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None if the caller disconnects before its end.

    :raises _TooLargeError: if it is too large.
    """
    chunks: list[bytes] = []
    left = _MAX_BODY
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        left -= len(chunks[-1])
        if left < 0:
            raise _TooLargeError
        if not message.get("more_body"):
            return b"".join(chunks)


async def _run(app: ASGIApp, scope: Scope, body: bytes) -> BufferedResponse:
    """Let the application serve a request, and collect its response."""
    response = BufferedResponse(500)
    chunks: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            response.status = message["status"]
            response.headers = list(message.get("headers", []))
        else:
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    response.body = b"".join(chunks)
    return response


async def _send(response: BufferedResponse, notes: RequestNotes, send: Send) -> None:
    headers = [*response.headers, (b"x-request-id", notes.request_id.encode("latin-1"))]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.cut_after is not None:
        part = response.body[: response.cut_after]
        await send({"type": "http.response.body", "body": part, "more_body": True})
    elif response.drip_seconds:
        await _drip(response, send)
    else:
        await send({"type": "http.response.body", "body": response.body})


async def _drip(response: BufferedResponse, send: Send) -> None:
    size = -(-len(response.body) // _PORTIONS) or 1
    for start in range(0, len(response.body), size):
        portion = response.body[start : start + size]
        await send({"type": "http.response.body", "body": portion, "more_body": True})
        await pause(response.drip_seconds / _PORTIONS)
    await send({"type": "http.response.body"})


async def _close_connection(receive: Receive) -> None:
    """End the TCP connection in an orderly way, so that what was sent still arrives."""
    _transport(receive).close()
    await receive()


async def _reset_connection(receive: Receive) -> None:
    """Reset the TCP connection."""
    transport = _transport(receive)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # With a linger time of zero the peer gets a reset instead of an orderly end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
    await receive()


def _transport(receive: Receive) -> Any:
    """Return the transport under a request.

    ASGI has no way to close a connection. uvicorn's ``receive`` is a method of the object that holds the
    transport. After a close, one more ``receive`` lets uvicorn notice it; otherwise uvicorn logs that the
    response is incomplete.
    """
    return receive.__self__.transport  # type: ignore[attr-defined]
