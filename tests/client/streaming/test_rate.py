from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http.retry import MAX_DELAY
from airflow_provider_flowservice.client.streaming.rate import BURST, CALM, RECOVERY, SLOWER, Pace, Waiting
from tests.support.simulation import simulate

#: Time and messages of each request.
Sent = list[tuple[float, int]]
#: What a server makes of a request: its status, and the seconds to wait, after a while.
Server = Callable[[], Awaitable[tuple[int | None, float | None]]]


def now() -> float:
    return clock.current().monotonic()


async def accept() -> tuple[int | None, float | None]:
    return 200, None


def slow(seconds: float) -> Server:
    async def respond() -> tuple[int | None, float | None]:
        await clock.current().sleep_async(seconds)
        return 200, None

    return respond


async def send_until(
    pace: Pace, end: float, *, workers: int = 8, messages: int = 1, server: Server = accept
) -> Sent:
    """Let workers send as many requests as they can until the clock shows ``end``."""
    sent: Sent = []

    async def work() -> None:
        while True:
            await pace.turn(messages)
            if now() >= end:
                return
            sent.append((now(), messages))
            pace.saw(*await server())
            await clock.current().sleep_async(0)

    await asyncio.gather(*(work() for _ in range(workers)))
    return sent


def run(pace_of: Callable[[], Pace], seconds: float, **options: object) -> Sent:
    async def main() -> Sent:
        return await send_until(pace_of(), seconds, **options)  # type: ignore[arg-type]

    return simulate(main())


def unlimited() -> Pace:
    return Pace(requests_per_second=None, messages_per_second=None)


def between(sent: Sent, begin: float, end: float) -> int:
    return sum(messages for moment, messages in sent if begin <= moment < end)


@pytest.mark.parametrize(("size", "seconds"), [(1, 5), (500, 60), (3000, 60)])
def test_the_limit_of_messages_is_held_and_used(size: int, seconds: int) -> None:
    def pace() -> Pace:
        return Pace(requests_per_second=None, messages_per_second=10_000)

    sent = run(pace, seconds, messages=size, server=slow(0.05) if size > 1 else accept)
    # What can be sent at once is all that there is above the limit: in a minute, it does not matter.
    assert between(sent, 0, seconds) == pytest.approx(10_000 * (seconds + BURST), rel=0.005)
    for second in range(1, seconds):
        assert between(sent, second, second + 1) == pytest.approx(10_000, abs=max(size, 1))


def test_the_limit_of_requests_is_held_too() -> None:
    def pace() -> Pace:
        return Pace(requests_per_second=40, messages_per_second=10_000)

    assert len(run(pace, 60, messages=100)) == pytest.approx(40 * 60, rel=0.02)


def test_a_share_is_a_fraction_of_both_limits() -> None:
    def pace(messages: float) -> Pace:
        return Pace(requests_per_second=100, messages_per_second=messages, share=0.25)

    assert len(run(lambda: pace(10_000), 60, messages=10)) == pytest.approx(25 * 60, rel=0.02)
    assert len(run(lambda: pace(100), 60, messages=10)) == pytest.approx(2.5 * 60, rel=0.02)


def test_what_was_not_used_for_long_cannot_be_sent_at_once() -> None:
    async def main() -> None:
        pace = Pace(requests_per_second=None, messages_per_second=10_000)
        await clock.current().sleep_async(3600)
        sent = await send_until(pace, now() + 0.5)
        assert between(sent, 3600, 3600.001) <= 10_000 * BURST + 10
        assert between(sent, 3600, 3601) <= 10_000 * (0.5 + BURST) + 1

    simulate(main())


@given(
    limits=st.tuples(st.none() | st.floats(0.2, 5000), st.none() | st.floats(0.2, 5000)),
    workers=st.lists(st.lists(st.tuples(st.integers(1, 300), st.floats(0, 2)), max_size=6), max_size=6),
)
@settings(deadline=None)
def test_no_window_has_more_than_its_allowance(
    limits: tuple[float | None, float | None], workers: list[list[tuple[int, float]]]
) -> None:
    sent: Sent = []

    async def work(pace: Pace, steps: list[tuple[int, float]]) -> None:
        for messages, pause in steps:
            await pace.turn(messages)
            sent.append((now(), messages))
            await clock.current().sleep_async(pause)

    async def main() -> None:
        pace = Pace(requests_per_second=limits[0], messages_per_second=limits[1])
        await asyncio.gather(*(work(pace, steps) for steps in workers))
        assert pace.requests == len(sent)
        assert pace.waiting_for is None

    simulate(main())
    assert len(sent) == sum(map(len, workers))
    for limit, amounts in ((limits[0], [1] * len(sent)), (limits[1], [messages for _, messages in sent])):
        if limit is None:
            continue
        for first in range(len(sent)):
            for last in range(first, len(sent)):
                # The last one may be larger than the bucket: what it has too much is paid for afterwards.
                allowance = limit * (sent[last][0] - sent[first][0]) + max(1, limit * BURST)
                assert sum(amounts[first:last]) <= allowance + 0.01


def test_workers_get_their_turns_in_the_order_in_which_they_ask() -> None:
    asked: list[int] = []
    turns: list[int] = []

    async def work(pace: Pace, name: int) -> None:
        for number in range(5):
            asked.append(name)
            await pace.turn(1 + 13 * (name + number) % 50)
            turns.append(name)
            await clock.current().sleep_async(name)

    async def main() -> None:
        pace = Pace(requests_per_second=None, messages_per_second=20)
        await asyncio.gather(*(work(pace, name) for name in range(7)))

    simulate(main())
    assert turns == asked
    assert len(turns) == 7 * 5


def test_a_worker_that_is_cancelled_while_it_waits_holds_up_nobody() -> None:
    async def main() -> None:
        pace = Pace(requests_per_second=1, messages_per_second=None)
        waiting = [asyncio.create_task(pace.turn(1)) for _ in range(4)]
        await clock.current().sleep_async(0.5)
        assert pace.waiting_for is Waiting.LIMIT
        waiting[1].cancel()
        waiting[2].cancel()
        await asyncio.wait(waiting)
        assert (round(now(), 5), pace.requests) == (1, 2)
        assert not pace.waiting_for

    simulate(main())


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
@pytest.mark.parametrize("field", ["requests_per_second", "messages_per_second"])
def test_a_limit_that_is_none_is_rejected(field: str, value: float) -> None:
    limits: dict[str, Any] = {"requests_per_second": None, "messages_per_second": None, field: value}
    with pytest.raises(InvalidInputError, match=rf"{field}.*{value}.*not a positive number"):
        Pace(**limits)


@pytest.mark.parametrize("share", [0, -0.5, 1.01, math.nan])
def test_a_share_that_is_none_is_rejected(share: float) -> None:
    with pytest.raises(InvalidInputError, match="rate_share"):
        Pace(requests_per_second=None, messages_per_second=None, share=share)


def test_after_a_wish_to_wait_nobody_sends_until_then() -> None:
    async def main() -> None:
        pace = unlimited()
        await pace.turn(1)
        pace.saw(429, 7)
        others = [asyncio.create_task(send_until(pace, 20, workers=1, server=slow(1))) for _ in range(3)]
        await clock.current().sleep_async(3)
        assert pace.waiting_for is Waiting.THROTTLED
        # Another one that was under way extends the wait, but an earlier end does not shorten it.
        pace.saw(503, 10)
        pace.saw(429, 1)
        moments = [moment for sent in await asyncio.gather(*others) for moment, _ in sent]
        assert min(moments) == pytest.approx(13)
        assert pace.throttled == 3

    simulate(main())


def test_no_wish_to_wait_holds_longer_than_a_minute() -> None:
    async def main() -> None:
        pace = unlimited()
        await pace.turn(1)
        pace.saw(429, 86400.0)
        await pace.turn(1)
        assert now() == pytest.approx(MAX_DELAY)

    simulate(main())


@pytest.mark.parametrize("status", [None, 200, 207, 400, 500, 502, 504])
def test_other_results_do_not_slow_down(status: int | None) -> None:
    async def main() -> None:
        pace = unlimited()
        for _ in range(100):
            await pace.turn(1)
            pace.saw(status, 30 if status == 500 else None)
        assert (now(), pace.throttled, pace.requests) == (0, 0, 100)

    simulate(main())


def test_requests_that_were_under_way_together_slow_down_once() -> None:
    async def main() -> None:
        pace = unlimited()
        await send_until(pace, 10, workers=10, server=slow(0.1))
        rates = [100]
        for _ in range(3):
            for _ in range(10):
                await pace.turn(1)
            for _ in range(10):
                pace.saw(429, None)
            rates.append(len(await send_until(pace, now() + 1, workers=10)))
        assert pace.throttled == 30
        for before, after in pairwise(rates):
            assert after == pytest.approx(SLOWER * before, rel=0.2)

    simulate(main())


@pytest.mark.parametrize("limit", [None, 100.0])
def test_the_rate_recovers_evenly(limit: float | None) -> None:
    async def main() -> None:
        pace = Pace(requests_per_second=limit, messages_per_second=None)
        await send_until(pace, 5, workers=10, server=slow(0.1))
        pace.saw(429, None)
        sent = await send_until(pace, 5 + 2 * RECOVERY, workers=20, server=slow(0.1))
        rates = [between(sent, second, second + 1) for second in range(5, 5 + 2 * int(RECOVERY))]
        assert rates[0] == pytest.approx(SLOWER * 100, rel=0.1)
        assert rates[int(RECOVERY)] == pytest.approx(100, rel=0.1)
        assert rates[-1] == pytest.approx(100 if limit else 130, rel=0.1)
        assert all(later >= earlier for earlier, later in pairwise(rates[: int(RECOVERY)]))
        # Then it is forgotten.
        await clock.current().sleep_async(CALM)
        sent = await send_until(pace, now() + 1, workers=100, server=slow(0.1))
        assert len(sent) == (pytest.approx(100, rel=0.11) if limit else pytest.approx(1000, rel=0.11))

    simulate(main())


@given(
    statuses=st.lists(st.sampled_from([200, 429, 503, None]), min_size=1, max_size=60),
    after=st.none() | st.floats(0, 100),
    workers=st.integers(1, 8),
)
@settings(deadline=None, max_examples=30)
def test_after_the_last_429_the_rate_becomes_what_it_was(
    statuses: list[int | None], after: float | None, workers: int
) -> None:
    remaining = list(statuses)

    async def respond() -> tuple[int | None, float | None]:
        await clock.current().sleep_async(0.2)
        status = remaining.pop() if remaining else 200
        return status, after if status == 429 else None

    async def main() -> None:
        pace = unlimited()
        while remaining:
            await send_until(pace, now() + 1, workers=workers, server=respond)
        end = now()
        sent = await send_until(pace, end + MAX_DELAY + 2 * CALM, workers=workers, server=respond)
        last = [moment for moment, _ in sent if moment >= end + MAX_DELAY + CALM]
        assert len(last) >= workers * (CALM / 0.2 - 2)
        assert pace.waiting_for is None

    simulate(main())


@pytest.mark.parametrize("capacity", [20, 150])
def test_most_of_what_a_server_accepts_is_used(capacity: int) -> None:
    """A server with a token bucket of its own, and workers that could send a multiple."""
    accepted: Sent = []
    level, at = float(capacity), 0.0

    async def respond() -> tuple[int | None, float | None]:
        nonlocal level, at
        level, at = min(capacity, level + (now() - at) * capacity), now()
        status = 200 if level >= 1 else 429
        if status == 200:
            level -= 1
            accepted.append((now(), 1))
        await clock.current().sleep_async(0.05)
        return status, None

    async def main() -> Pace:
        pace = unlimited()
        await send_until(pace, 120, workers=40, server=respond)
        return pace

    pace = simulate(main())
    assert between(accepted, 20, 120) >= 0.8 * capacity * 100
    assert pace.throttled <= 0.1 * pace.requests


def test_messages_that_the_inlet_is_too_busy_for_slow_down_as_well() -> None:
    async def main() -> None:
        pace = unlimited()
        await send_until(pace, 10, workers=10, server=slow(0.1))
        await pace.turn(500)
        pace.saw(207, None)
        pace.slow_down()
        sent = await send_until(pace, now() + 1, workers=10, server=slow(0.01))
        assert len(sent) == pytest.approx(SLOWER * 100, rel=0.1)

    simulate(main())
