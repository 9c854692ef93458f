"""The rate at which requests are sent: within limits, and slower while AEP says that it is too fast.

AEP answers 429 or 503 to what is too much. What it accepts is not known beforehand, and changes with what others send.
"""

from __future__ import annotations

import asyncio
import math
from enum import StrEnum

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http.retry import MAX_DELAY

#: Seconds whose allowance can be used at once: at the start, and after a pause. Enough to make up for an event loop
#: that is late, and little compared with the minute or second over which a server counts.
BURST = 0.1
#: Statuses that mean that requests come too fast. Others, and connections that fail, say nothing about the rate.
THROTTLING = frozenset({429, 503})
#: Factor of the rate after a request was throttled. A half would leave a quarter of what AEP accepts unused on average,
#: this leaves about a seventh; a rate that is ten times too high takes seven rounds, which is less than a second.
SLOWER = 0.7
#: Seconds after which the rate is again what it was before it was lowered. From then on it goes on to grow, just as
#: evenly: a rate that is only just too high costs one throttled round in this time.
RECOVERY = 10.0
#: Seconds after the last throttled request at which the rate is no longer lowered. It has then grown to 2.5 times of
#: what was too fast, so that nothing is left of the cause.
CALM = 60.0
#: Lowest rate, in requests per second, that throttling leads to. It costs AEP nothing, and shows when it recovers.
SLOWEST = 1.0
#: Seconds over which the current rate is measured.
_MEASURED = 1.0
#: Shorter waits are not worth a timer, and below the resolution of the clock.
_NEGLIGIBLE = 1e-6


class Waiting(StrEnum):
    """What requests wait for before they are sent."""

    #: The rate that the user allows.
    LIMIT = "limit"
    #: AEP, which answered 429 or 503.
    THROTTLED = "throttled"


class Pace:
    """Decides when requests are sent. The workers of an event loop share one, and get their turns in order.

    :param requests_per_second: maximum rate of requests; None means no limit.
    :param messages_per_second: maximum rate of messages; None means no limit.
    :param share: fraction of both limits to use, greater than 0 and at most 1.
    :raises InvalidInputError: if a limit is not a positive number, or ``share`` is no such fraction.
    """

    def __init__(
        self, *, requests_per_second: float | None, messages_per_second: float | None, share: float = 1.0
    ) -> None:
        if not 0 < share <= 1:
            remedy = "Set it to 1 divided by the number of tasks that share the limits."
            raise InvalidInputError("rate_share", f"{share!r} is not greater than 0 and at most 1", remedy)
        self._request_limit = _limit("requests_per_second", requests_per_second, share)
        self._message_limit = _limit("messages_per_second", messages_per_second, share)
        self._throttle: _Throttle | None = None
        self._recent = _RecentRate()
        self._queue = asyncio.Lock()
        self._queued = 0
        self._waiting_for: Waiting | None = None
        #: Number of requests that have had their turn.
        self.requests = 0
        #: Number of times that AEP said that it was too fast.
        self.throttled = 0
        self._ended = 0
        #: The requests up to this one were sent before the rate was lowered.
        self._sent_before = 0

    @property
    def waiting_for(self) -> Waiting | None:
        """What the next request waits for; None if none waits."""
        return self._waiting_for

    async def turn(self, messages: int) -> None:
        """Wait until a request may be sent, after those that began to wait earlier.

        A request with more messages than the limit allows at once is sent as soon as nothing is used up, and the next
        ones wait accordingly longer.

        :param messages: number of messages in the request.
        """
        if self._queued or self._delay(messages):
            await self._wait(messages)
        else:
            self._take(messages)

    def saw(self, status: int | None, retry_after: float | None) -> None:
        """Learn how the request of a turn ended. To be called once for each turn.

        :param status: status of the response; None if there was none.
        :param retry_after: seconds that AEP asks to wait, if it does.
        """
        self._ended += 1
        if status in THROTTLING:
            self.slow_down(retry_after)

    def slow_down(self, retry_after: float | None = None) -> None:
        """Send more slowly because AEP wants it: in the status of a response, or of the messages in it.

        The requests that were on their way when the rate was lowered cannot lower it again.

        :param retry_after: seconds for which nothing is sent at all; a minute at most.
        """
        self.throttled += 1
        now = clock.current().monotonic()
        if self._throttle is None:
            self._throttle = _Throttle(self._recent.at(now), now)
            self._sent_before = self.requests
        elif self._ended > self._sent_before:
            self._throttle.lower(now)
            self._sent_before = self.requests
        self._throttle.start_at(now + min(retry_after or 0.0, MAX_DELAY))

    async def _wait(self, messages: int) -> None:
        self._queued += 1
        try:
            # Only the first one sleeps. The lock wakes the others in the order in which they came.
            async with self._queue:
                while delay := self._delay(messages):
                    await clock.current().sleep_async(delay)
                self._take(messages)
        finally:
            self._queued -= 1
            if not self._queued:
                self._waiting_for = None

    def _delay(self, messages: int) -> float:
        """Return the seconds until a request may be sent, and note why."""
        now = clock.current().monotonic()
        limit = throttle = 0.0
        if self._request_limit:
            limit = self._request_limit.delay(1, now)
        if self._message_limit:
            limit = max(limit, self._message_limit.delay(messages, now))
        if self._throttle and self._throttle.is_over(now):
            self._throttle = None
        if self._throttle:
            throttle = self._throttle.delay(now)
        delay = max(limit, throttle)
        if delay < _NEGLIGIBLE:
            return 0.0
        self._waiting_for = Waiting.LIMIT if limit >= throttle else Waiting.THROTTLED
        return delay

    def _take(self, messages: int) -> None:
        self.requests += 1
        self._recent.count(clock.current().monotonic())
        if self._request_limit:
            self._request_limit.take(1)
        if self._message_limit:
            self._message_limit.take(messages)
        if self._throttle:
            self._throttle.take()


def _limit(field: str, rate: float | None, share: float) -> _Bucket | None:
    if rate is None:
        return None
    if not 0 < rate < math.inf:
        remedy = "Set it to a number such as 1000, or to None for no limit."
        raise InvalidInputError(field, f"{rate!r} is not a positive number", remedy)
    bucket = _Bucket(rate * share, clock.current().monotonic())
    bucket.fill()
    return bucket


class _Bucket:
    """A token bucket. It holds the allowance of :data:`BURST` seconds, but at least one request or message.

    :param rate: allowance per second.
    :param now: the current time.
    """

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._level = 0.0
        self._at = now

    @property
    def _size(self) -> float:
        return max(1.0, self.rate * BURST)

    def fill(self) -> None:
        self._level = self._size

    def delay(self, amount: float, now: float) -> float:
        """Return the seconds until an amount, or all that the bucket can hold, is in it; negative if it is already."""
        size = self._size
        self._level = min(size, self._level + (now - self._at) * self.rate)
        self._at = now
        return (min(amount, size) - self._level) / self.rate

    def take(self, amount: float) -> None:
        """Take an amount out, if need be more than is in it."""
        self._level -= amount


class _Throttle:
    """A rate of requests that was lowered and grows again.

    :param before: the rate that was too high, in requests per second.
    :param now: the current time.
    """

    def __init__(self, before: float, now: float) -> None:
        self._before = max(before, SLOWEST / SLOWER)
        self._start = now
        self._bucket = _Bucket(self._rate(now), now)

    def lower(self, now: float) -> None:
        """Lower the rate once more."""
        self._before = max(self._rate(now), SLOWEST / SLOWER)
        self.start_at(now)

    def start_at(self, moment: float) -> None:
        """Let the rate grow from a moment on, before which nothing is sent."""
        self._start = max(self._start, moment)

    def delay(self, now: float) -> float:
        """Return the seconds until the next request; not positive if it can be sent now."""
        self._bucket.rate = self._rate(now)
        return max(self._start - now, self._bucket.delay(1, now))

    def take(self) -> None:
        """Account for a request."""
        self._bucket.take(1)

    def is_over(self, now: float) -> bool:
        """Whether the rate has grown for so long that it no longer matters."""
        return now - self._start >= CALM

    def _rate(self, now: float) -> float:
        grown = (1 - SLOWER) * max(0.0, now - self._start) / RECOVERY
        return self._before * (SLOWER + grown)


class _RecentRate:
    """The rate of the last second or so, as an average in which older requests weigh less."""

    def __init__(self) -> None:
        self._weight = 0.0
        self._at = self._first = math.inf

    def count(self, now: float) -> None:
        """Count a request."""
        self._weight = self._faded(now) + 1
        self._at = now
        self._first = min(self._first, now)

    def at(self, now: float) -> float:
        """Return the rate in requests per second."""
        seconds = max(now - self._first, BURST)
        return self._faded(now) / (_MEASURED * (1 - math.exp(-seconds / _MEASURED)))

    def _faded(self, now: float) -> float:
        return self._weight * math.exp(min(0.0, self._at - now) / _MEASURED)
