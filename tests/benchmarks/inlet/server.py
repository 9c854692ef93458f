"""The server that everything is measured against: an inlet that decodes each message, counts, and accepts all.

``python -m tests.benchmarks.inlet.server`` prints its URL. ``POST /begin?latency=0.05`` starts a run: the server
forgets what it has received, and from then on responds that many seconds late. ``GET /report`` returns a
:class:`Report`. Who wants a token gets one.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httptools
import msgspec
import uvloop

from tests.benchmarks.inlet.records import INLET_ID, NUMBER

#: Seconds of a slot of the timeline.
SLOT = 0.02
#: No record has a greater number: a byte of memory is kept for each.
_MAX_NUMBER = 10_000_000


class Report(msgspec.Struct, frozen=True):
    """What the server has received in a run.

    :param distinct: number of different records.
    :param cpu_seconds: processor time of the server.
    :param timeline: messages by the slot of the monotonic clock that they arrived in.
    """

    requests: int
    messages: int
    distinct: int
    cpu_seconds: float
    timeline: dict[int, int]


class Tally:
    """What the server receives in a run, and the latency that it responds with."""

    def __init__(self, latency: float = 0.0) -> None:
        self.latency = latency
        self._cpu = time.process_time()
        self._requests = self._messages = 0
        self._seen = bytearray(_MAX_NUMBER)
        self._timeline: dict[int, int] = defaultdict(int)

    def add(self, messages: list[dict[str, Any]]) -> None:
        """Count the messages of a request."""
        self._requests += 1
        self._messages += len(messages)
        self._timeline[int(time.perf_counter() / SLOT)] += len(messages)
        for message in messages:
            self._seen[message[NUMBER]] = 1

    def report(self) -> Report:
        """What has been received so far."""
        cpu = time.process_time() - self._cpu
        return Report(self._requests, self._messages, self._seen.count(1), cpu, self._timeline)


class InletProtocol(asyncio.Protocol):
    """One connection."""

    tally = Tally()
    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._url, self._parts = b"", list[bytes]()

    def data_received(self, data: bytes) -> None:
        with suppress(httptools.HttpParserUpgrade):
            self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        url, body = self._url, self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._url, self._parts = b"", []
        if not url.startswith(b"/collection/"):
            self._transport.write(_control(url.decode()))
            return
        document = msgspec.json.decode(body)
        is_batch = url.startswith(b"/collection/batch/")
        messages = document["messages"] if is_batch else [document]
        self.tally.add(messages)
        response = _accepted_batch(len(messages)) if is_batch else _ACCEPTED
        if self.tally.latency:
            self._loop.call_later(self.tally.latency, self._respond, response)
        else:
            self._respond(response)

    def _respond(self, response: bytes) -> None:
        if not self._transport.is_closing():  # wrk leaves when its time is over.
            self._transport.write(response)


def _response(status: str, content: object) -> bytes:
    body = msgspec.json.encode(content)
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


_ACCEPTED = _response(
    "200 OK", {"inletId": INLET_ID, "xactionId": "1584479347507:2153:240", "receivedTimeMs": 1584479347507}
)


@lru_cache
def _accepted_batch(messages: int) -> bytes:
    results = [{"xactionId": f"1565650704337:2124:92:{n}"} for n in range(messages)]
    head = {"inletId": INLET_ID, "batchId": "1565638336649:1750:244", "receivedTimeMs": 1565638336705}
    return _response("207 Multi-Status", {**head, "responses": results})


def _control(url: str) -> bytes:
    parts = urlsplit(url)
    if parts.path == "/begin":
        InletProtocol.tally = Tally(float(parse_qs(parts.query)["latency"][0]))
        return _response("200 OK", {})
    if parts.path == "/report":
        return _response("200 OK", InletProtocol.tally.report())
    if parts.path == "/ims/token/v3":
        return _response("200 OK", {"access_token": "token", "token_type": "bearer", "expires_in": 86_399})
    return _response("404 Not Found", {"title": f"There is nothing at {parts.path}"})


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(InletProtocol, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
