"""The server that is polled: flows and runs whose states change at given moments, and a count of all calls.

``python -m tests.benchmarks.waits.server FLOWS RUNS WINDOWS`` prints its URL. ``POST /begin?over=12.5`` starts a
measurement: the server forgets what it has counted, and every state changes at that time of the monotonic clock, which
all processes share. ``GET /report`` returns a :class:`Report`. Who wants a token gets one.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import httptools
import msgspec
import uvloop

BASE = "/data/foundation/flowservice"
#: Runs of each flow whose runs are waited for.
RUNS_OF_A_FLOW = 2
_PAGE = 100
_SPEC = {"id": "14518937-270c-4525-bdec-c2ba7cce3860", "version": "1.0"}


class Report(msgspec.Struct, frozen=True):
    """What has been asked since the begin.

    :param lists: number of pages of lists.
    :param alone: number of flows and runs that were asked for alone.
    :param asked: number of ids that were asked for, in lists and alone: as many as there are waits make a round.
    """

    lists: int
    alone: int
    asked: int
    tokens: int


def flow_id(n: int) -> str:
    """The id of a flow."""
    return f"f1000000-0000-4000-8000-{n:012d}"


def run_id(n: int) -> str:
    """The id of a run."""
    return f"a1000000-0000-4000-8000-{n:012d}"


class World:
    """What there is: flows, then runs that are waited for by their ids, then flows whose runs are waited for."""

    def __init__(self, flows: int, runs: int, windows: int) -> None:
        self.over = math.inf
        self.counts = dict.fromkeys(("lists", "alone", "asked", "tokens"), 0)
        self._flows = {flow_id(n) for n in range(flows)}
        self._runs = {run_id(n): flow_id(flows + windows) for n in range(runs)}
        self._of_flow: dict[str, list[str]] = {}
        for n in range(windows):
            of_flow = flow_id(flows + n)
            first = runs + n * RUNS_OF_A_FLOW
            self._of_flow[of_flow] = [run_id(first + each) for each in range(RUNS_OF_A_FLOW)]
            self._runs.update(dict.fromkeys(self._of_flow[of_flow], of_flow))

    def answer(self, target: str) -> bytes:
        """Answer ``GET`` of a path."""
        parts = urlsplit(target)
        kind, _, one = parts.path.removeprefix(f"{BASE}/").partition("/")
        if one:
            self.counts["alone"] += 1
            self.counts["asked"] += 1
            return _response(200, {"items": [self._item(kind, one)]})
        self.counts["lists"] += 1
        query = parse_qs(parts.query)
        offset = int(query.get("continuationToken", ["0"])[0])
        limit = int(query.get("limit", [str(_PAGE)])[0])
        field, _, text = query.get("property", [""])[0].partition("==")
        values = text.split(",")
        self.counts["asked"] += 0 if offset else len(values)
        ids = list(self._selected(kind, field, values))
        page: dict[str, Any] = {"items": [self._item(kind, each) for each in ids[offset : offset + limit]]}
        if offset + limit < len(ids):
            token = f"{parts.path.removeprefix(BASE)}?continuationToken={offset + limit}"
            page["_links"] = {"next": {"href": token}}
        return _response(200, page)

    def _selected(self, kind: str, field: str, values: Sequence[str]) -> Iterator[str]:
        if field == "id":
            yield from (each for each in values if each in (self._flows if kind == "flows" else self._runs))
        elif field == "flowId":
            found = (run for each in values for run in self._of_flow.get(each, ()))
            yield from sorted(found, reverse=True)  # The newest first.
        elif kind == "runs":
            yield from reversed(self._runs)

    def _item(self, kind: str, of_id: str) -> dict[str, Any]:
        is_over = time.perf_counter() >= self.over
        item: dict[str, Any] = {"id": of_id, "etag": '"1"', "createdAt": 1_700_000_000_000}
        if kind == "flows":
            return {**item, "name": of_id, "flowSpec": _SPEC, "state": "enabled" if is_over else "disabled"}
        status = "success" if is_over else "inProgress"
        return {**item, "flowId": self._runs[of_id], "metrics": {"statusSummary": {"status": status}}}


class Connection(asyncio.Protocol):
    """One connection."""

    world: World
    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""

    def data_received(self, data: bytes) -> None:
        with suppress(httptools.HttpParserUpgrade):
            self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_message_complete(self) -> None:
        url, self._url = unquote(self._url.decode()), b""
        if not self._transport.is_closing():
            self._transport.write(self._answer(url))

    def _answer(self, url: str) -> bytes:
        if url.startswith(BASE):
            return self.world.answer(url)
        parts = urlsplit(url)
        if parts.path == "/begin":
            self.world.counts = dict.fromkeys(self.world.counts, 0)
            if over := parse_qs(parts.query).get("over"):
                self.world.over = float(over[0])
            return _response(200, {})
        if parts.path == "/report":
            return _response(200, Report(**self.world.counts))
        if parts.path == "/ims/token/v3":
            self.world.counts["tokens"] += 1
            return _response(200, {"access_token": "token", "token_type": "bearer", "expires_in": 86_399})
        return _response(404, {"title": f"There is nothing at {parts.path}"})


def _response(status: int, content: object) -> bytes:
    body = msgspec.json.encode(content)
    head = f"HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    Connection.world = World(*map(int, sys.argv[1:]))
    uvloop.run(_serve())
