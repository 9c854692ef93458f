"""A streaming inlet on loopback that answers when a test lets it, and knows how many requests it has at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_flowservice.client.http import AiohttpTransport
from airflow_provider_flowservice.client.settings import settings_from
from airflow_provider_flowservice.client.streaming.inlet import Inlet
from tests.support import loopback

#: Longest wait of a request in seconds, so that a test that is wrong ends.
_AT_LAST = 30

#: A status, and the body of the response.
Answer = tuple[int, Any]


def accepted(numbers: list[int]) -> Answer:
    """The answer that accepts all messages."""
    return 207, {"responses": [{"xactionId": f"x{n}"} for n in numbers]}


@dataclass
class HeldInlet:
    """An inlet that runs.

    :param url: of the server.
    """

    url: str
    #: What is called in the thread of a request when that arrives, with the numbers of its records.
    on_request: Callable[[list[int]], object] = lambda _: None
    #: Returns the answer to a request.
    answer: Callable[[list[int]], Answer] = accepted
    #: The numbers in each request, in the order of arrival.
    requests: list[list[int]] = field(default_factory=list)
    #: Number of requests that were there at once.
    most: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _released: threading.Event = field(default_factory=threading.Event)

    @property
    def inlet(self) -> Inlet:
        return Inlet(f"{self.url}/collection/1a2b", authenticated=False)

    @property
    def numbers(self) -> list[int]:
        """The numbers of all records that have arrived."""
        with self._lock:
            return sorted(n for request in self.requests for n in request)

    def hold(self, *held: int) -> None:
        """Do not answer requests that begin with one of these records until :meth:`release`."""
        self.on_request = lambda numbers: (
            self._released.wait(_AT_LAST) if not held or numbers[0] in held else None
        )

    def release(self) -> None:
        """Answer everything."""
        self._released.set()

    def begin_anew(self) -> None:
        """Forget the requests, and accept everything at once."""
        self.requests.clear()
        self.on_request, self.answer = (lambda _: None), accepted

    def connect(self, _: object = None) -> AiohttpTransport:
        """Open a transport to the server, in the event loop."""
        hosts = dict.fromkeys(("ims_host", "collection_host"), self.url)
        extras = {"org_id": "o@AdobeOrg", "access_token": "t", "retries": 0, **hosts}
        settings = settings_from(
            host=self.url, client_id="c", client_secret=None, sandbox="dev", extras=extras
        )
        return AiohttpTransport(settings)

    def respond(self, body: Any) -> Answer:
        messages = body.get("messages", [body])
        numbers = [message["n"] for message in messages]
        with self._lock:
            self.requests.append(numbers)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            self.on_request(numbers)
            status, answer = self.answer(numbers)
        finally:
            with self._lock:
                self._now -= 1
        return status, answer if "messages" in body or status >= 300 else answer["responses"][0]


@contextmanager
def held_inlet() -> Iterator[HeldInlet]:
    """Run a server with an inlet."""

    class Handler(loopback.Handler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:  # noqa: N802 (the name is that of http.server)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = running.respond(body)
            self.reply(status, json.dumps(answer).encode())

    with loopback.serving(Handler) as url:
        running = HeldInlet(url)
        try:
            yield running
        finally:
            running.release()
