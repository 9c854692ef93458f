"""The only module of the client that reads the time or sleeps.

Code calls :func:`current` each time it needs the clock, so that a test can install a virtual clock with
:func:`installed`. A wait of five minutes then takes no time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """The machine's clock. All values are seconds."""

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC. Used for times that other processes read, never for durations."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary point in time. Not affected by changes of the wall clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread for ``seconds``."""
        time.sleep(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Suspend this coroutine for ``seconds``."""
        await asyncio.sleep(seconds)


_current = Clock()


def current() -> Clock:
    """The clock that is currently installed."""
    return _current


@contextmanager
def installed(replacement: Clock) -> Iterator[Clock]:
    """Install ``replacement`` for the whole process until the ``with`` block ends.

    :param replacement: the clock that :func:`current` returns inside the block.
    """
    global _current
    previous, _current = _current, replacement
    try:
        yield replacement
    finally:
        _current = previous
