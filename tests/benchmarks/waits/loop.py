"""Many triggers in one event loop, and what that takes."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from airflow_provider_flowservice.client import clock
from tests.benchmarks.serving import Remote, started
from tests.benchmarks.waits.server import Report, flow_id, run_id

#: Seconds between two looks at how late the event loop is.
_LOOK = 0.01


@dataclass(frozen=True)
class Crowd:
    """How many waits there are: for states of flows, for runs by their ids, and for some run of a flow.

    :param interval: seconds between two polls of a wait.
    :param warm_up: number of rounds until the polls have come together.
    :param rounds: number of rounds that are measured.
    """

    flows: int
    runs: int
    windows: int
    interval: float
    warm_up: int
    rounds: int

    @property
    def size(self) -> int:
        """Number of all waits."""
        return self.flows + self.runs + self.windows


@dataclass
class Measured:
    """What it took.

    :param lag: seconds by which the event loop was late, 99th percentile.
    :param early: number of waits that ended before their condition was met.
    :param wrong: number of waits that did not fire exactly one event, or another one than ``done``.
    """

    calls_a_round: float = 0
    cpu_a_round: float = 0
    tokens: int = 0
    lag: float = 0
    memory_mb: float = 0
    early: int = 0
    wrong: int = 0


class Server(Remote):
    """The server process."""

    def report(self) -> Report:
        """What has been asked since the begin."""
        return msgspec.json.decode(self.call("GET", "/report"), type=Report)


def measure(crowd: Crowd, is_shared: bool) -> Measured:
    """Wait with all triggers in an event loop of this process.

    :param is_shared: whether triggers share their calls; otherwise each sends its own.
    """
    with started("tests.benchmarks.waits.server", crowd.flows, crowd.runs, crowd.windows) as url:
        at = Server(url)
        extra = {"org_id": "BENCH@AdobeOrg", "sandbox": "bench", "ims_host": at.url}
        os.environ["AIRFLOW_CONN_FLOWSERVICE_DEFAULT"] = json.dumps(
            {"conn_type": "flowservice", "host": at.url, "login": "id", "password": "secret", "extra": extra}
        )
        if not is_shared:
            _let_each_send_its_own()
        return asyncio.run(_measure(crowd, at))


def _let_each_send_its_own() -> None:
    from airflow_provider_flowservice.triggers.poller import Poller

    async def send(poller: Poller, request: Any) -> Any:
        return await poller._transport.send(request)

    Poller.send = send  # type: ignore[method-assign]


async def _measure(crowd: Crowd, at: Server) -> Measured:
    measured = Measured()
    over = [float("inf")]

    async def wait(trigger: Any) -> None:
        events = [event.payload["status"] async for event in trigger.run()]
        measured.early += time.perf_counter() < over[0]
        measured.wrong += events != ["done"]

    waiting = [asyncio.create_task(wait(each)) for each in _triggers(crowd)]
    await clock.current().sleep_async(crowd.warm_up * crowd.interval)
    tokens = at.report().tokens
    at.call("POST", "/begin")
    cpu = time.process_time()
    lags: list[float] = []
    async with _lags(lags):
        await clock.current().sleep_async(crowd.rounds * crowd.interval)
    report = at.report()
    rounds = report.asked / crowd.size
    measured.cpu_a_round = (time.process_time() - cpu) / rounds
    measured.calls_a_round = (report.lists + report.alone) / rounds
    measured.lag = statistics.quantiles(lags, n=100)[98]
    over[0] = time.perf_counter()
    at.call("POST", f"/begin?over={over[0]}")
    await asyncio.wait(waiting, timeout=10 * crowd.interval)
    measured.wrong += sum(not task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    failures = await asyncio.gather(*waiting, return_exceptions=True)
    measured.wrong += sum(isinstance(each, Exception) for each in failures)
    measured.tokens = tokens + at.report().tokens
    measured.memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return measured


def _triggers(crowd: Crowd) -> Iterator[Any]:
    from airflow_provider_flowservice.client import waits
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
        yield trigger(waits.RunsSucceeded(flow_id=flow_id(crowd.flows + n), started_after=1_600_000_000))


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
