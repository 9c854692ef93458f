"""A clock that jumps instead of waiting, for ``client.clock``."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from airflow_provider_flowservice.client.clock import Clock

if TYPE_CHECKING:
    from airflow_provider_flowservice.emulator.control import EmulatorControl

START = 1_700_000_000.0


@types.coroutine
def _next_turn() -> Generator[None, None, None]:
    """Let the event loop run everything else that is ready."""
    yield


class VirtualClock(Clock):
    """A clock that moves only when somebody sleeps or calls :meth:`advance`; sleeping takes no time.

    All threads and event loops of the process share it: the sleeps of all of them add up. A child process gets
    a copy.

    :param moved: called with the seconds of each move, for example to move an emulator's clock as well.
    """

    def __init__(self, moved: Callable[[float], None] | None = None) -> None:
        #: Seconds of each sleep so far.
        self.sleeps: list[float] = []
        self._now = 0.0
        self._wall_ahead = 0.0
        self._moved = moved
        self._lock = threading.Lock()

    @classmethod
    def in_step_with(cls, control: EmulatorControl) -> VirtualClock:
        """Return a clock that starts at the emulator's time and moves the emulator's clock with it."""
        clock = cls(moved=control.advance)
        clock.set_wall_ahead(control.now() - START)
        return clock

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return START + self._now + self._wall_ahead

    def monotonic(self) -> float:
        """Seconds by which this clock has moved."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move this clock by ``seconds``."""
        self.sleeps.append(seconds)
        self.advance(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Move this clock by ``seconds``, and let the event loop run what is ready."""
        self.sleep(seconds)
        await _next_turn()

    def advance(self, seconds: float) -> None:
        """Move this clock by ``seconds`` without a sleep."""
        with self._lock:
            self._now += seconds
        if self._moved:
            self._moved(seconds)

    def set_wall_ahead(self, seconds: float) -> None:
        """Set by how many seconds the wall clock alone differs, as when a person or NTP sets it."""
        self._wall_ahead = seconds

    @property
    def followed(self) -> Callable[[float], None]:
        """The function that is called with the seconds of each move."""
        return self._moved or (lambda _: None)

    def follow(self, moved: Callable[[float], None] | None) -> None:
        """Replace the function that is called with the seconds of each move."""
        self._moved = moved
