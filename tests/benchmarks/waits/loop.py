"""Many triggers in one event loop, and what that takes."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from airflow_provider_flowservice.client import clock
from tests.benchmarks.serving import Remote, connect, started
from tests.benchmarks.waits.server import Report, flow_id, run_id
from tests.support.memory import MB, resident_bytes

#: Seconds between two looks at how late the event loop is.
_LOOK = 0.01
#: Seconds until all waits must have fired after they were over.
_END = 120


@dataclass(frozen=True)
class Crowd:
    """How many waits there are: for states of flows, for runs by their ids, and for some run of a flow.

    :param interval: seconds between two polls of a wait.
    :param rounds: number of rounds that are measured.
    """

    flows: int
    runs: int
    windows: int
    interval: float
    rounds: int

    @property
    def size(self) -> int:
        """Number of all waits."""
        return self.flows + self.runs + self.windows


def nothing() -> None:
    """Leave the product as it is."""


def each_sends_its_own() -> None:
    """Let triggers not share their calls."""
    from airflow_provider_flowservice.triggers.poller import Poller

    async def send(poller: Poller, request: Any) -> Any:
        return await poller._transport.send(request)

    Poller.send = send  # type: ignore[method-assign]


@dataclass(frozen=True)
class Way:
    """A way to wait.

    :param warm_up: number of rounds before those that are measured, unless the polls come together earlier.
    :param failing: share of the calls that fail.
    :param prepare: called in the process of the triggers before they start, which imports it by its name.
    """

    name: str
    warm_up: int
    failing: float = 0.0
    prepare: Callable[[], None] = nothing


@dataclass
class Measured:
    """What it took.

    :param calls_a_second: with those that fail, like ``calls_a_round``.
    :param round_seconds: seconds until as many ids have been asked for as there are waits.
    :param lag: seconds by which the event loop was late, 99th percentile.
    :param early: number of waits that ended before their condition was met.
    :param failed: number of waits that ended with an error.
    :param wrong: number of waits that did not fire exactly one event, or another one than ``done``.
    """

    calls_a_second: float = 0
    calls_a_round: float = 0
    round_seconds: float = 0
    cpu_a_round: float = 0
    tokens: int = 0
    lag: float = 0
    memory_mb: float = 0
    early: int = 0
    failed: int = 0
    wrong: int = 0


class Server(Remote):
    """The server process."""

    def report(self) -> Report:
        """What has been asked since the begin."""
        return msgspec.json.decode(self.call("GET", "/report"), type=Report)


def measure(crowd: Crowd, way: Way) -> Measured:
    """Wait with all triggers in an event loop of this process."""
    world = (crowd.flows, crowd.runs, crowd.windows, way.failing)
    with started("tests.benchmarks.waits.server", *world) as url:
        at = Server(url)
        connect(url)
        way.prepare()
        return asyncio.run(_measure(crowd, way.warm_up, at))


async def _measure(crowd: Crowd, warm_up: int, at: Server) -> Measured:
    from airflow_provider_flowservice.triggers import poller

    measured = Measured()
    over = [float("inf")]

    async def wait(trigger: Any) -> None:
        events = [event.payload["status"] async for event in trigger.run()]
        measured.early += time.perf_counter() < over[0]
        measured.failed += "error" in events
        measured.wrong += events != ["done"]

    # From now on, the polls of all triggers come together once in each interval.
    poller._PHASE = clock.current().monotonic() / crowd.interval % 1
    waiting = [asyncio.create_task(wait(each)) for each in _triggers(crowd)]
    await _warm_up(crowd, warm_up, at)
    tokens = at.report().tokens
    at.call("POST", "/begin")
    began, cpu = time.perf_counter(), time.process_time()
    lags: list[float] = []
    async with _lags(lags):
        await clock.current().sleep_async(crowd.rounds * crowd.interval)
    report = at.report()
    seconds = time.perf_counter() - began
    # No round if all calls are held back.
    rounds = report.asked / crowd.size or math.nan
    measured.cpu_a_round = (time.process_time() - cpu) / rounds
    measured.calls_a_round = report.calls / rounds
    measured.calls_a_second = report.calls / seconds
    measured.round_seconds = seconds / rounds
    measured.lag = statistics.quantiles(lags, n=100)[98]
    over[0] = time.perf_counter()
    at.call("POST", f"/begin?over={over[0]}")
    await asyncio.wait(waiting, timeout=_END)
    measured.wrong += sum(not task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    failures = await asyncio.gather(*waiting, return_exceptions=True)
    measured.wrong += sum(isinstance(each, Exception) for each in failures)
    measured.tokens = tokens + at.report().tokens
    measured.memory_mb = resident_bytes(peak=True) / MB
    return measured


async def _warm_up(crowd: Crowd, rounds: int, at: Server) -> None:
    """Wait until the polls have come together, so that none is under way in the middle of an interval."""
    await clock.current().sleep_async(crowd.interval / 4)
    for _ in range(rounds):
        before = at.report().asked
        await clock.current().sleep_async(crowd.interval / 2)
        if crowd.size <= before == at.report().asked:
            return
        await clock.current().sleep_async(crowd.interval / 2)


def _triggers(crowd: Crowd) -> Iterator[Any]:
    from airflow_provider_flowservice.client import waits
    from airflow_provider_flowservice.client.waits.runs import Expectation
    from airflow_provider_flowservice.triggers.base import FlowServiceTrigger

    def trigger(wait: waits.Wait) -> FlowServiceTrigger:
        return FlowServiceTrigger(
            flowservice_conn_id="flowservice_default",
            sandbox=None,
            wait=wait.to_json(),
            poll_interval=crowd.interval,
            deadline=clock.current().wall() + 3600,
        )

    for n in range(crowd.flows):
        yield trigger(waits.FlowInState(flow_id=flow_id(n), state="enabled"))
    of_flow = flow_id(crowd.flows + crowd.windows)
    for n in range(crowd.runs):
        yield trigger(waits.ThisRunSucceeded(flow_id=of_flow, run_id=run_id(n)))
    for n in range(crowd.windows):
        # The first poll, on the worker, has found out what to expect of the flow.
        runs = waits.RunsSucceeded(
            flow_id=flow_id(crowd.flows + n), started_after=1_600_000_000, expected=Expectation()
        )
        yield trigger(runs)


@asynccontextmanager
async def _lags(lags: list[float]) -> AsyncIterator[None]:
    """Note by how much the event loop is late, again and again."""

    async def look() -> None:
        while True:
            began = time.perf_counter()
            await clock.current().sleep_async(_LOOK)
            lags.append(time.perf_counter() - began - _LOOK)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
