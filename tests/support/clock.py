"""A clock that jumps instead of waiting, for :mod:`airflow_provider_flowservice.client.clock`."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Generator

from airflow_provider_flowservice.client.clock import Clock
from airflow_provider_flowservice.emulator.control import EmulatorControl

START = 1_700_000_000.0


@types.coroutine
def _next_turn() -> Generator[None, None, None]:
    """Let the event loop run everything else that is ready."""
    yield


class VirtualClock(Clock):
    """Sleeping takes no time and moves this clock ahead.

    :param moved: called with the seconds of each move, for example to move an emulator in step.
    """

    def __init__(self, moved: Callable[[float], None] | None = None) -> None:
        self.sleeps: list[float] = []
        self._now = 0.0
        self._wall_ahead = 0.0
        self._moved = moved
        self._lock = threading.Lock()

    @classmethod
    def in_step_with(cls, control: EmulatorControl) -> VirtualClock:
        """A clock that shows an emulator's time, and moves it."""
        clock = cls(moved=control.advance)
        clock.set_wall_ahead(control.now() - START)
        return clock

    def wall(self) -> float:
        return START + self._now + self._wall_ahead

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.advance(seconds)

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)
        await _next_turn()

    def advance(self, seconds: float) -> None:
        """Let time pass while nobody sleeps."""
        with self._lock:
            self._now += seconds
        if self._moved:
            self._moved(seconds)

    def set_wall_ahead(self, seconds: float) -> None:
        """Set the wall clock alone, as a person or NTP does."""
        self._wall_ahead = seconds

    @property
    def followed(self) -> Callable[[float], None]:
        """Who is told about each move."""
        return self._moved or (lambda _: None)

    def follow(self, moved: Callable[[float], None] | None) -> None:
        """From now on tell ``moved``, and nobody else, about each move."""
        self._moved = moved
