"""The outermost layer: keeps the journal, lets faults meet requests, and closes connections when told to."""

from __future__ import annotations

import socket
import struct
import uuid
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_flowservice.emulator.clock import pause
from airflow_provider_flowservice.emulator.exchange import SCOPE_KEY, Marks, Reply
from airflow_provider_flowservice.emulator.faults.base import Victim
from airflow_provider_flowservice.emulator.faults.queue import FaultQueue
from airflow_provider_flowservice.emulator.journal import Exchange, Journal
from airflow_provider_flowservice.emulator.world import World

CONTROL_PREFIX = "/_emulator"
_PORTIONS = 20
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Edge:
    """ASGI middleware around everything but the emulator's own endpoints.

    It holds each answer back until it is complete, so that an entry stands in the journal before its caller
    can look.
    """

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world
        self.journal = Journal()
        self.faults = FaultQueue()

    def reset(self) -> None:
        """Forget the journal and the faults."""
        self.journal.clear()
        self.faults.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            b"",
            self._world.clock.now(),
        )
        marks = Marks(exchange.header("x-request-id") or str(uuid.uuid4()))
        # Adobe prints some paths with a slash at the end and some without.
        scope["path"] = scope["path"].rstrip("/") or "/"
        scope[SCOPE_KEY] = marks
        self._world.timers.run_due()
        if scope["path"].startswith(CONTROL_PREFIX):
            await self._app(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            return
        exchange.body = body
        self.journal.record(exchange)
        reply = await self._answer(scope, exchange, marks)
        if reply is None:
            await _hang_up(receive)
            return
        exchange.status = reply.status
        await _send(reply, marks, send)
        if reply.cut_after is not None:
            await _close(receive)

    async def _answer(self, scope: Scope, exchange: Exchange, marks: Marks) -> Reply | None:
        async def serve() -> Reply:
            return await _run(self._app, scope, exchange.body)

        fault = self.faults.take(exchange.method, scope["path"])
        if fault is None:
            return await serve()
        exchange.fault = fault.kind
        return await fault.meet(Victim(self._world, exchange, marks, serve))


async def edge_of(request: Request) -> Edge:
    """The edge that a request came through (a FastAPI dependency)."""
    return cast(Edge, request.app.state.edge)


CurrentEdge = Annotated[Edge, Depends(edge_of)]


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body, or None when the caller went away before its end."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def _run(app: ASGIApp, scope: Scope, body: bytes) -> Reply:
    """Let the application answer, and collect what it says."""
    reply = Reply(500)
    chunks: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = list(message.get("headers", []))
        else:
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    reply.body = b"".join(chunks)
    return reply


async def _send(reply: Reply, marks: Marks, send: Send) -> None:
    headers = [*reply.headers, (b"x-request-id", marks.request_id.encode("latin-1"))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.cut_after is not None:
        await send({"type": "http.response.body", "body": reply.body[: reply.cut_after], "more_body": True})
    elif reply.drip_seconds:
        await _drip(reply, send)
    else:
        await send({"type": "http.response.body", "body": reply.body})


async def _drip(reply: Reply, send: Send) -> None:
    size = -(-len(reply.body) // _PORTIONS) or 1
    for start in range(0, len(reply.body), size):
        portion = reply.body[start : start + size]
        await send({"type": "http.response.body", "body": portion, "more_body": True})
        await pause(reply.drip_seconds / _PORTIONS)
    await send({"type": "http.response.body"})


async def _close(receive: Receive) -> None:
    """End the TCP connection in order, so that what was sent still arrives."""
    _transport(receive).close()
    await receive()


def _transport(receive: Receive) -> Any:
    """The transport under a request.

    ASGI has no word for closing a connection. uvicorn's ``receive`` is a method of the object that holds the
    transport. After a close one more ``receive`` lets uvicorn notice it, so that it does not miss an answer.
    """
    return receive.__self__.transport  # type: ignore[attr-defined]


async def _hang_up(receive: Receive) -> None:
    """Reset the TCP connection."""
    transport = _transport(receive)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # With a linger time of zero the peer gets a reset and not an orderly end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
    await receive()
