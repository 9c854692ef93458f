"""The only module of the emulator that reads the time or sleeps."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timezone
from email.utils import formatdate

_MOST_AT_ONCE = 1_000_000_000


class EmulatorClock:
    """The emulator's own time: real time plus whatever it was moved ahead.

    Token expiry, time stamps, schedules and waiting periods all follow it, so that a test may skip five
    minutes.
    """

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self._ahead

    def now_ms(self) -> int:
        """Milliseconds since the epoch, as Flow Service stamps its resources."""
        return int(self.now() * 1000)

    @property
    def ahead(self) -> float:
        """How many seconds this clock runs ahead of real time."""
        return self._ahead

    def advance(self, seconds: float) -> None:
        """Move ahead.

        :param seconds: how far; not negative.
        :raises ValueError: when it is negative, because AEP's time never runs back, or beyond all measure.
        """
        if not 0 <= seconds <= _MOST_AT_ONCE:
            raise ValueError(f"seconds must not be negative, nor more than {_MOST_AT_ONCE}")
        self._ahead += seconds

    def reset(self) -> None:
        """Return to real time."""
        self._ahead = 0.0


async def pause(seconds: float) -> None:
    """Let real time pass: a slow answer must keep its caller waiting for real."""
    await asyncio.sleep(seconds)


def iso(seconds: float) -> str:
    """Write a time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def http_date(seconds: float) -> str:
    """Write a time as HTTP headers have it."""
    return formatdate(seconds, usegmt=True)
