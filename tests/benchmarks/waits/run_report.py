"""What a report on many runs of many flows takes, in a fresh process.

``python -m tests.benchmarks.waits.run_report FLOWS RUNS`` prints the URL of the server that it asks. The server has as
many older runs again. ``GET /calls`` returns the number of lists that have been asked for. Who wants a token gets one.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import ne
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from airflow_provider_flowservice.emulator.flow.runs import RunState, run_fields
from airflow_provider_flowservice.emulator.flow.store import Kind, Resource, State
from tests.benchmarks.serving import TOKEN, Remote, connect, not_found, response, serve, started
from tests.benchmarks.waits.loop import nothing
from tests.benchmarks.waits.server import BASE, SPEC, flow_id, run_id
from tests.support.memory import MB, resident_bytes
from tests.support.tasks import run

#: When the first run was created, in seconds since 1970-01-01 UTC. Another one follows each second.
_BEGIN = 1_700_000_000
#: How one run after the other ends.
_OUTCOMES = (RunState.FAILED, RunState.PARTIAL_SUCCESS, *[RunState.SUCCESS] * 8)


@dataclass(frozen=True)
class History:
    """What is reported.

    :param flows: number of flows, which have one run after the other.
    :param runs: number of runs in the window.
    """

    flows: int
    runs: int

    @property
    def since(self) -> int:
        """The beginning of the window."""
        return _BEGIN + self.runs


@dataclass(frozen=True)
class Reported:
    """What it took.

    :param seconds: duration of the task.
    :param calls: number of lists that were asked for.
    :param peak_mb: the most memory, above that of the process before.
    :param wrong: number of lines of the file that have not the run that they should.
    :param xcom_kb: size of all XComs.
    """

    seconds: float
    calls: int
    peak_mb: float
    wrong: int
    xcom_kb: float

    def bounds(self, history: History) -> Iterator[tuple[str, float, float]]:
        """What is bounded: its name, its value, and the most that it may be."""
        # The page after the last run may be read, to find that it is too old.
        pages = math.ceil(history.runs / 100) + 1 + math.ceil(history.flows / 100)
        yield "calls for a report", self.calls, pages
        yield "memory of a report over an idle worker, MB", self.peak_mb, 12
        yield "lines of a report without their run", self.wrong, 0
        yield "XComs of a report, kB", self.xcom_kb, 64


def measure(history: History, prepare: Callable[[], None] = nothing) -> Reported:
    """Report on all runs in the window, in a file and in XComs.

    :param prepare: called before.
    """
    import requests

    from airflow_provider_flowservice.operators.runs import FlowServiceFlowRunReportOperator

    with (
        started("tests.benchmarks.waits.run_report", history.flows, history.runs) as url,
        TemporaryDirectory(prefix="flowservice-bench-") as folder,
    ):
        connect(url)
        prepare()
        path = Path(folder) / "runs.jsonl"
        report = FlowServiceFlowRunReportOperator(
            task_id="report", since=history.since, fail_on="never", path=str(path)
        )
        # What a worker imports for its first request, whatever that is for, belongs to no report.
        requests.get(f"{url}/calls", timeout=10).json()
        idle = resident_bytes()
        began = time.perf_counter()
        summary, xcoms = run(report)
        seconds = time.perf_counter() - began
        peak = resident_bytes(peak=True) - idle
        # Only now, because reading the file takes memory, too.
        found = [json.loads(line)["run_id"] for line in path.read_bytes().splitlines()]
        wanted = [run_id(n) for n in reversed(range(history.runs, 2 * history.runs))]
        return Reported(
            seconds,
            calls=int(Remote(url).call("GET", "/calls")),
            peak_mb=peak / MB,
            wrong=sum(map(ne, found, wanted)) + abs(len(found) - len(wanted)),
            xcom_kb=len(json.dumps([summary, xcoms])) / 1000,
        )


class Lists:
    """The lists of flows and runs."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._calls = 0
        self._shapes = [_shape(outcome) for outcome in _OUTCOMES]

    def answer(self, target: str, _: bytes) -> tuple[bytes, float]:
        """Answer a request; the response, and the seconds after which it is sent."""
        parts = urlsplit(unquote(target))
        kind = parts.path.removeprefix(f"{BASE}/")
        if kind in ("flows", "runs"):
            self._calls += 1
            return self._page(kind, parse_qs(parts.query)), 0
        if parts.path == "/calls":
            return response(self._calls), 0
        return TOKEN if parts.path == "/ims/token/v3" else not_found(target), 0

    def _page(self, kind: str, query: dict[str, list[str]]) -> bytes:
        begin = int(query.get("continuationToken", ["0"])[0])
        end = begin + int(query.get("limit", ["100"])[0])
        size = self._history.flows if kind == "flows" else 2 * self._history.runs
        item = self._flow if kind == "flows" else self._run
        page: dict[str, Any] = {"items": [item(size - 1 - n) for n in range(begin, min(end, size))]}
        if end < size:
            page["_links"] = {"next": {"href": f"/{kind}?continuationToken={end}"}}
        return response(page)

    def _flow(self, number: int) -> dict[str, Any]:
        common = {"id": flow_id(number), "etag": '"1"', "createdAt": _BEGIN * 1000}
        return {**common, "name": f"Customers of shop {number}", "flowSpec": SPEC, "state": "enabled"}

    def _run(self, number: int) -> dict[str, Any]:
        common = {"id": run_id(number), "etag": '"1"', "createdAt": (_BEGIN + number) * 1000}
        shape = self._shapes[number % len(self._shapes)]
        return {**shape, **common, "flowId": flow_id(number % self._history.flows)}


def _shape(outcome: RunState) -> dict[str, Any]:
    """A run as AEP shows it, with its metrics and activities."""
    sides = [[flow_id(0)], [flow_id(1)]]
    body = {"flowSpec": SPEC, "providerRefId": "", "sides": sides, "outcome": outcome, "seconds": 0}
    ended = Resource(Kind.RUNS, run_id(0), body, State.ENABLED, _BEGIN * 1000, _BEGIN * 1000, '"1"', 0)
    return run_fields(ended, _BEGIN, "payload")


if __name__ == "__main__":
    serve(Lists(History(*map(int, sys.argv[1:]))).answer)
