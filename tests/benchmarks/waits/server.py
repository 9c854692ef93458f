"""The server that is polled: flows and runs whose states change at given moments, and a count of all calls.

``python -m tests.benchmarks.waits.server FLOWS RUNS WINDOWS FAILING`` prints its URL. ``POST /begin?over=12.5`` starts
a measurement: the server forgets what it has counted, and every state changes at that time of the monotonic clock,
which all processes share. ``GET /report`` returns a :class:`Report`. Who wants a token gets one. Of the calls to Flow
Service, the share ``FAILING`` fails.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from tests.benchmarks.serving import TOKEN, not_found, response, serve

BASE = "/data/foundation/flowservice"
#: Runs of each flow whose runs are waited for.
RUNS_OF_A_FLOW = 2
_PAGE = 100
#: How calls fail, and how often compared with each other: 5 % are throttled where 8 % fail.
_FAULTS = {"throttled": 5, "broken": 2, "reset": 1}
_BROKEN = ("500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout")
#: Seconds of a ``Retry-After``.
_RETRY_AFTER = 2
#: The flow spec of all flows.
SPEC = {"id": "14518937-270c-4525-bdec-c2ba7cce3860", "version": "1.0"}


class Report(msgspec.Struct, frozen=True):
    """What has been asked since the begin.

    :param lists: number of pages of lists.
    :param alone: number of flows and runs that were asked for alone.
    :param asked: number of ids that were asked for, in lists and alone: as many as there are waits make a round.
    :param failed: number of calls that failed. They are no lists, nor is anything asked for alone with them.
    """

    lists: int
    alone: int
    asked: int
    failed: int
    tokens: int

    @property
    def calls(self) -> int:
        """Number of all calls to Flow Service."""
        return self.lists + self.alone + self.failed


def flow_id(n: int) -> str:
    """The id of a flow."""
    return f"f1000000-0000-4000-8000-{n:012d}"


def run_id(n: int) -> str:
    """The id of a run."""
    return f"a1000000-0000-4000-8000-{n:012d}"


class World:
    """What there is: flows, then runs that are waited for by their ids, then flows whose runs are waited for.

    :param failing: share of the calls that fail; the same ones each time, as they are counted.
    """

    def __init__(self, flows: int, runs: int, windows: int, failing: float) -> None:
        self._over = math.inf
        self._counts = dict.fromkeys(Report.__struct_fields__, 0)
        self._failing = failing
        self._random = random.Random(0)
        self._flows = {flow_id(n) for n in range(flows)}
        self._runs = {run_id(n): flow_id(flows + windows) for n in range(runs)}
        self._of_flow: dict[str, list[str]] = {}
        for n in range(windows):
            of_flow = flow_id(flows + n)
            first = runs + n * RUNS_OF_A_FLOW
            self._of_flow[of_flow] = [run_id(first + each) for each in range(RUNS_OF_A_FLOW)]
            self._runs.update(dict.fromkeys(self._of_flow[of_flow], of_flow))

    def answer(self, target: str, _: bytes) -> tuple[bytes | None, float]:
        """Answer a request; the response, and the seconds after which it is sent."""
        target = unquote(target)
        if not target.startswith(BASE):
            return self._control(target), 0
        return self._fail() if self._random.random() < self._failing else self._read(target), 0

    def _fail(self) -> bytes | None:
        self._counts["failed"] += 1
        (fault,) = self._random.choices(list(_FAULTS), list(_FAULTS.values()))
        if fault == "reset":
            return None
        if fault == "broken":
            return response({"title": "broken"}, self._random.choice(_BROKEN))
        headers = {"retry_after": _RETRY_AFTER} if self._random.random() < 0.5 else {}
        return response({"error_code": "429050", "message": "slow"}, "429 Too Many Requests", **headers)

    def _control(self, target: str) -> bytes:
        parts = urlsplit(target)
        if parts.path == "/begin":
            self._counts = dict.fromkeys(self._counts, 0)
            if over := parse_qs(parts.query).get("over"):
                self._over = float(over[0])
            return response({})
        if parts.path == "/report":
            return response(self._counts)
        if parts.path == "/ims/token/v3":
            self._counts["tokens"] += 1
            return TOKEN
        return not_found(parts.path)

    def _read(self, target: str) -> bytes:
        parts = urlsplit(target)
        kind, _, one = parts.path.removeprefix(f"{BASE}/").partition("/")
        if one:
            self._counts["alone"] += 1
            self._counts["asked"] += 1
            return response({"items": [self._item(kind, one)]})
        self._counts["lists"] += 1
        query = parse_qs(parts.query)
        offset = int(query.get("continuationToken", ["0"])[0])
        limit = int(query.get("limit", [str(_PAGE)])[0])
        field, _, text = query.get("property", [""])[0].partition("==")
        values = text.split(",")
        self._counts["asked"] += 0 if offset else len(values)
        ids = list(self._selected(kind, field, values))
        page: dict[str, Any] = {"items": [self._item(kind, each) for each in ids[offset : offset + limit]]}
        if offset + limit < len(ids):
            token = f"{parts.path.removeprefix(BASE)}?continuationToken={offset + limit}"
            page["_links"] = {"next": {"href": token}}
        return response(page)

    def _selected(self, kind: str, field: str, values: Sequence[str]) -> Iterator[str]:
        if field == "id":
            yield from (each for each in values if each in (self._flows if kind == "flows" else self._runs))
        elif field == "flowId":
            found = (run for each in values for run in self._of_flow.get(each, ()))
            yield from sorted(found, reverse=True)  # The newest first.
        elif kind == "runs":
            yield from reversed(self._runs)

    def _item(self, kind: str, of_id: str) -> dict[str, Any]:
        is_over = time.perf_counter() >= self._over
        item: dict[str, Any] = {"id": of_id, "etag": '"1"', "createdAt": 1_700_000_000_000}
        if kind == "flows":
            state = "enabled" if is_over else "disabled"
            return {**item, "name": of_id, "flowSpec": SPEC, "state": state, "transformations": []}
        status = "success" if is_over else "inProgress"
        return {**item, "flowId": self._runs[of_id], "metrics": {"statusSummary": {"status": status}}}


if __name__ == "__main__":
    serve(World(*map(int, sys.argv[1:4]), failing=float(sys.argv[4])).answer)
