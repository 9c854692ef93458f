"""The server that everything is measured against: an inlet that decodes each message, counts, and accepts all.

``python -m tests.benchmarks.inlet.server`` prints its URL. ``POST /begin?latency=0.05`` starts a run: the server
forgets what it has received, and from then on responds that many seconds late. ``GET /report`` returns a
:class:`Report`. Who wants a token gets one.
"""

from __future__ import annotations

import time
from collections import defaultdict
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.benchmarks.inlet.records import INLET_ID, NUMBER
from tests.benchmarks.serving import TOKEN, not_found, response, serve

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


class Inlet:
    """The inlet, and what controls it."""

    def __init__(self) -> None:
        self._tally = Tally()

    def answer(self, target: str, body: bytes) -> tuple[bytes, float]:
        """Answer a request; the response, and the seconds after which it is sent."""
        if not target.startswith("/collection/"):
            return self._control(target), 0
        document = msgspec.json.decode(body)
        is_batch = target.startswith("/collection/batch/")
        messages = document["messages"] if is_batch else [document]
        self._tally.add(messages)
        return _accepted_batch(len(messages)) if is_batch else _ACCEPTED, self._tally.latency

    def _control(self, target: str) -> bytes:
        parts = urlsplit(target)
        if parts.path == "/begin":
            self._tally = Tally(float(parse_qs(parts.query)["latency"][0]))
            return response({})
        if parts.path == "/report":
            return response(self._tally.report())
        return TOKEN if parts.path == "/ims/token/v3" else not_found(parts.path)


_ACCEPTED = response(
    {"inletId": INLET_ID, "xactionId": "1584479347507:2153:240", "receivedTimeMs": 1584479347507}
)


@lru_cache
def _accepted_batch(messages: int) -> bytes:
    results = [{"xactionId": f"1565650704337:2124:92:{n}"} for n in range(messages)]
    head = {"inletId": INLET_ID, "batchId": "1565638336649:1750:244", "receivedTimeMs": 1565638336705}
    return response({**head, "responses": results}, "207 Multi-Status")


if __name__ == "__main__":
    serve(Inlet().answer)
