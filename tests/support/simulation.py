"""An event loop whose time jumps to the next timer when nothing else is left to do.

With it, several coroutines that sleep at once wake up in the right order, each at its own time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from airflow_provider_flowservice.client import clock

T = TypeVar("T")


def simulate(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that does no input or output, in no time. The client's clock shows the time of its loop."""
    with asyncio.Runner(loop_factory=_Loop) as runner, clock.installed(_LoopClock()):
        return runner.run(coroutine)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Move the loop's time instead of waiting."""
        if timeout is None:
            raise RuntimeError("everything waits, and nothing will end that")
        self._loop.jump(timeout)
        return super().select(0)


class _LoopClock(clock.Clock):
    """Shows the time of the running loop. Its sleeps are those of the loop, too."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
