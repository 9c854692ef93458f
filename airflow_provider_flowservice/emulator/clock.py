"""The emulator's time, and what is due at a point of it.

No other module of the emulator reads the time or sleeps.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate

_MAX_ADVANCE = 1_000_000_000
# Some centuries; dates end with the year 9999.
_MAX_AHEAD = 10 * _MAX_ADVANCE


class EmulatorClock:
    """The emulator's own time: real time plus the seconds by which it was advanced.

    Token expiry, time stamps, schedules and waiting periods all follow it, so that a test can skip five
    minutes.
    """

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return time.time() + self._ahead

    def now_ms(self) -> int:
        """Return the milliseconds since the epoch, the unit of Flow Service's time stamps."""
        return int(self.now() * 1000)

    @property
    def ahead(self) -> float:
        """How many seconds this clock is ahead of real time."""
        return self._ahead

    def advance(self, seconds: float) -> None:
        """Move the time forward.

        :param seconds: by how much; not negative.
        :raises ValueError: if it is negative, because AEP's time never runs back, or absurdly large.
        """
        if not 0 <= seconds <= _MAX_ADVANCE or self._ahead + seconds > _MAX_AHEAD:
            raise ValueError(
                f"seconds must not be negative, nor more than {_MAX_ADVANCE}, or {_MAX_AHEAD} altogether"
            )
        self._ahead += seconds

    def reset(self) -> None:
        """Return to real time."""
        self._ahead = 0.0


class Timers:
    """Actions that are due at a time of the emulator's clock.

    Nothing watches the clock. Instead, whoever is about to look at the emulator's state first runs what is
    due.
    """

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._added = 0

    def add(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule an action.

        :param seconds: how much later it is due.
        """
        self._added += 1
        heapq.heappush(self._entries, (self._clock.now() + seconds, self._added, action))

    def run_due(self) -> None:
        """Run every action that is due, in the order of their times."""
        if not self._entries:
            return
        now, due = self._clock.now(), []
        while self._entries and self._entries[0][0] <= now:
            due.append(heapq.heappop(self._entries)[2])
        for action in due:
            action()

    def clear(self) -> None:
        """Cancel every action."""
        self._entries.clear()


async def pause(seconds: float) -> None:
    """Let real time pass: a slow response must keep its caller waiting for real."""
    await asyncio.sleep(seconds)


def call_after(seconds: float, action: Callable[[], None]) -> None:
    """Call a function when real time has passed, on the running event loop."""
    asyncio.get_running_loop().call_later(seconds, action)


def iso(seconds: float) -> str:
    """Format a time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def http_date(seconds: float) -> str:
    """Format a time as HTTP headers have it."""
    return formatdate(seconds, usegmt=True)
