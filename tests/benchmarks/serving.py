"""A small and fast HTTP server that something is measured against, and the process that it runs in."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

from tests.support.processes import running

#: Answers the request for a target, with a body: the response, and the seconds after which it is sent. Without a
#: response, the connection is reset.
Answer = Callable[[str, bytes], tuple[bytes | None, float]]
#: Lets a closed socket send a reset, rather than an end.
_LINGER = struct.pack("ii", 1, 0)


def response(content: object, status: str = "200 OK", **headers: object) -> bytes:
    """A response with JSON; a name of a header has underscores."""
    body = msgspec.json.encode(content)
    lines = {"content_type": "application/json", "content_length": len(body), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


#: What IMS answers.
TOKEN = response({"access_token": "token", "token_type": "bearer", "expires_in": 86_399})


def not_found(target: str) -> bytes:
    """The response for what is not there."""
    return response({"title": f"There is nothing at {target}"}, "404 Not Found")


def serve(answer: Answer) -> None:
    """Print the URL, and serve until the process is ended."""
    uvloop.run(_serve(answer))


async def _serve(answer: Answer) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(answer), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


class _Connection(asyncio.Protocol):
    _transport: asyncio.Transport

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._target, self._parts = b"", list[bytes]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        with suppress(httptools.HttpParserUpgrade):
            self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        target, body = self._target, self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._target, self._parts = b"", []
        content, seconds = self._answer(target.decode(), body)
        if seconds:
            self._loop.call_later(seconds, self._respond, content)
        else:
            self._respond(content)

    def _respond(self, content: bytes | None) -> None:
        if content is None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            self._transport.abort()
        elif not self._transport.is_closing():  # The client may leave before it has all its responses.
            self._transport.write(content)


class Remote:
    """A server in a process of its own.

    :param url: its URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=60)

    def call(self, method: str, target: str) -> bytes:
        """Send a request; the body of the response."""
        self._connection.request(method, target)
        return self._connection.getresponse().read()


def connect(url: str) -> None:
    """Let Airflow's default connection lead to a server."""
    extra = {"org_id": "BENCH@AdobeOrg", "sandbox": "bench", "ims_host": url}
    os.environ["AIRFLOW_CONN_FLOWSERVICE_DEFAULT"] = json.dumps(
        {"conn_type": "flowservice", "host": url, "login": "id", "password": "secret", "extra": extra}
    )


@contextmanager
def started(module: str, *arguments: object) -> Iterator[str]:
    """Run a module that calls :func:`serve`; its URL."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        if not (url := process.stdout.readline().strip()):
            raise RuntimeError("the server did not start")
        yield url
