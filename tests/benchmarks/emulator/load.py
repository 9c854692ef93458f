"""Sends requests over some connections, each with one request at a time, and tells what they cost the server."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httptools


@dataclass(frozen=True)
class Cost:
    """What some requests cost.

    :param cpu: seconds of the server's process, of the time of one core.
    :param wall: seconds until all responses were there.
    """

    requests: int
    cpu: float
    wall: float

    @property
    def per_cpu_second(self) -> float:
        """How many requests one core serves in a second that it has for itself."""
        return self.requests / self.cpu

    @property
    def per_second(self) -> float:
        """How many requests were served in a second, as busy as the machine was."""
        return self.requests / self.wall


class LoadError(Exception):
    """A response is not 200."""


def send_all(
    url: str, server: int, targets: Sequence[str], headers: dict[str, str], *, count: int, connections: int
) -> Cost:
    """Send GET requests.

    :param url: of the server.
    :param server: id of its process.
    :param targets: what is requested, in turn.
    :param count: number of requests.
    :raises LoadError: if a response is not 200.
    """
    host = urlsplit(url).netloc
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": host, **headers}.items())
    requests = [f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode() for target in targets]
    cpu, wall = _cpu_seconds(server), time.perf_counter()
    asyncio.run(_send_all(host, itertools.islice(itertools.cycle(requests), count), connections))
    return Cost(count, _cpu_seconds(server) - cpu, time.perf_counter() - wall)


def _cpu_seconds(process: int) -> float:
    """The CPU time of a process so far, to the nanosecond, where others tell it to the hundredth."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(each.read_text("ascii").split()[0]) for each in threads) / 1e9


async def _send_all(host: str, requests: Iterator[bytes], connections: int) -> None:
    name, _, port = host.rpartition(":")
    loop = asyncio.get_running_loop()
    senders = [_Sender(requests, loop.create_future()) for _ in range(connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, name, int(port))  # type: ignore[misc]
    await asyncio.gather(*(sender.done for sender in senders))


class _Sender(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self.done = done
        self._requests = requests

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(LoadError("the server closed a connection"))

    def on_message_complete(self) -> None:
        if (status := self._parser.get_status_code()) == 200:
            self._next()
        elif not self.done.done():
            self.done.set_exception(LoadError(f"a response has the status {status}"))

    def _next(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        request = next(self._requests, None)
        if request is not None:
            self._transport.write(request)  # type: ignore[attr-defined]
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()
