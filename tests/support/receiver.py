"""A server on loopback that stands where the emulator sends exported data, and keeps what it got."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support import loopback

#: Longest wait in seconds, so that a test that is wrong ends.
AT_LAST = 30


@dataclass(frozen=True)
class Received:
    """A request as it arrived; names of headers in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


#: A status, and the body of the response.
Answer = tuple[int, bytes]


@dataclass
class Receiver:
    """A server that runs.

    :param url: where it listens, without a path.
    :param answer: returns the answer to a request.
    """

    url: str
    answer: Callable[[Received], Answer] = lambda _: (201, b"")
    requests: list[Received] = field(default_factory=list)
    _arrived: queue.Queue[Received] = field(default_factory=queue.Queue)
    _open: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        """Answer nothing until :meth:`release`."""
        self._open.clear()

    def release(self) -> None:
        """Answer what waits, and what follows."""
        self._open.set()

    def next(self) -> Received:
        """Wait for the next request to arrive, which may not be answered yet."""
        return self._arrived.get(timeout=AT_LAST)

    def take(self, request: Received) -> Answer:
        """Keep a request, and return the answer to it when answers are let out."""
        self.requests.append(request)
        self._arrived.put(request)
        assert self._open.wait(AT_LAST)
        return self.answer(request)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that runs, and answers at once."""

    class Handler(loopback.Handler):
        def do_POST(self) -> None:  # noqa: N802 (the name is that of http.server)
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body = running.take(Received("POST", self.path, headers, self.rfile.read(length)))
            elsewhere = {"Location": f"{running.url}/elsewhere"} if 300 <= status < 400 else {}
            self.reply(status, body, **elsewhere)

    with loopback.serving(Handler) as url:
        running = Receiver(url)
        running.release()
        try:
            yield running
        finally:
            running.release()
