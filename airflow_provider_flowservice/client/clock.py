"""The only place of the client that reads the time or sleeps.

Code asks :func:`current` for the clock at the moment it needs it, so that a test can put a virtual clock in
with :func:`installed` and a wait of five minutes takes none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """The machine's clock. All values are seconds."""

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC. For deadlines that another process reads, never for durations."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never jumps when somebody sets the wall clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread for ``seconds``."""
        time.sleep(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Suspend this coroutine for ``seconds``."""
        await asyncio.sleep(seconds)


_current = Clock()


def current() -> Clock:
    """The clock in force."""
    return _current


@contextmanager
def installed(replacement: Clock) -> Iterator[Clock]:
    """Put ``replacement`` in force for the whole process until the block ends.

    :param replacement: the clock that :func:`current` returns inside the block.
    """
    global _current
    previous, _current = _current, replacement
    try:
        yield replacement
    finally:
        _current = previous
